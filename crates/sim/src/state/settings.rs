//! What `PUT /_sim/settings` sets: delays, rates, quotas, and a switch for each open question about AgentCore.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::profile::Profile;
use super::runtime::{DEFAULT_IDLE_SECONDS, DEFAULT_LIFETIME_SECONDS, DEFAULT_PROTOCOL};
pub use super::switches::*;

/// All settings, by their names in JSON (camelCase).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // independent switches, each named in the JSON that sets it
pub struct Settings {
    /// From CreateAgentRuntime to READY or CREATE_FAILED, in milliseconds.
    pub create_delay_ms: u64,
    /// From UpdateAgentRuntime to READY or UPDATE_FAILED, in milliseconds.
    pub update_delay_ms: u64,
    /// Added to both where the runtime is in a VPC, in milliseconds.
    pub vpc_delay_ms: u64,
    /// From a delete to gone, in milliseconds; runtimes and endpoints.
    pub delete_delay_ms: u64,
    /// The same of endpoints, where it is another time.
    pub endpoint_delete_delay_ms: Option<u64>,
    /// From an endpoint's creation or move to READY, in milliseconds; DEFAULT too.
    pub endpoint_delay_ms: u64,
    /// From StopRuntimeSession to its answer, in milliseconds.
    pub stop_delay_ms: u64,
    /// Lists show the state of that long ago, in milliseconds.
    pub list_lag_ms: u64,
    /// Gets show the state of that long ago, in milliseconds.
    pub get_lag_ms: u64,

    /// Calls per second of each control plane API, per account and region; 0 for no limit.
    pub rate_per_second: u32,
    /// Invocations per second of each endpoint; 0 for no limit.
    pub invoke_rate_per_second: u32,
    /// StopRuntimeSession calls per second, per account and region; 0 for no limit.
    pub stop_rate_per_second: u32,
    /// Calls that may come at once; the rate itself where absent.
    pub burst: Option<u32>,

    /// Runtimes per account and region.
    pub max_runtimes: usize,
    /// Versions per runtime.
    pub max_versions: usize,
    /// Endpoints per runtime, DEFAULT included.
    pub max_endpoints: usize,
    /// Running sessions per account and region.
    pub max_sessions: usize,

    /// Role ARNs that fail role validation.
    pub bad_roles: Vec<String>,
    /// Roles that EKS Pod Identity gives to ServiceAccounts, by `NAMESPACE/NAME`.
    pub pod_identity_associations: BTreeMap<String, String>,
    /// Subnets in availability zones that AgentCore does not support.
    pub unsupported_subnets: Vec<String>,
    /// Whether bad images, roles and subnets are refused at once instead of ending in *_FAILED.
    pub validate_sync: bool,
    /// Platform version of runtimes that name none.
    pub default_platform_version: String,
    /// Whether the agent of a version on platform V2 is started, has to answer pings and gets its warm-up hook before the version is READY.
    pub snapshots: bool,
    /// What an update does with `platformVersion` that it leaves out.
    pub platform_version_omitted: Omitted,
    /// Whether Get returns HTTP where no protocol was given.
    pub return_default_protocol: bool,
    /// Seconds of idleness after which a session ends, of runtimes that give none.
    pub default_idle_seconds: i64,
    /// Seconds after which a session ends in any case, of runtimes that give none.
    pub default_lifetime_seconds: i64,
    /// Protocol of runtimes that name none.
    pub default_protocol: String,
    /// Whether runtimes are made as before 2026-02-15: they do not require MMDSv2 until an update says so.
    pub runtimes_without_mmdsv2: bool,
    /// What an update does with `metadataConfiguration` that it leaves out; reset means as the runtime was made.
    pub metadata_omitted: Omitted,
    /// What GetAgentRuntime answers beside what is known here, as members of an object: an AgentCore of tomorrow. Objects are merged into those that
    /// are there.
    pub unknown_members: Map<String, Value>,
    /// The same of GetAgentRuntimeEndpoint.
    pub unknown_endpoint_members: Map<String, Value>,
    /// When an image tag becomes a digest.
    pub tags_resolve: TagResolution,

    /// See [`TokenReplay`].
    pub token_replay_after_delete: TokenReplay,
    /// For how long a client token is remembered, in seconds.
    pub token_window_seconds: u64,
    /// See [`Omitted`].
    pub update_omitted: Omitted,
    /// See [`FromCreateFailed`].
    pub update_from_create_failed: FromCreateFailed,
    /// Whether a failed update leaves its version behind.
    pub update_failed_makes_version: bool,
    /// Whether ids of deleted runtimes answer AccessDeniedException instead of ResourceNotFoundException.
    pub deleted_answers_access_denied: bool,
    /// Whether deletes end in DELETE_FAILED.
    pub delete_fails: bool,
    /// Whether deletes stay in DELETING, until this is switched off.
    pub stuck_deleting: bool,
    /// See [`SignatureClock`].
    pub signature_clock: SignatureClock,

    /// Added to the start of every session, in milliseconds.
    pub cold_start_ms: u64,
    /// How long an agent may take until its first healthy ping, and its warm-up hook after that, in seconds.
    pub init_timeout_seconds: u64,
    /// Between two pings of a session, in milliseconds.
    pub ping_every_ms: u64,
    /// Whether HealthyBusy keeps a session only when the ping carries `time_of_last_update`.
    pub ping_requires_time: bool,
    /// From SIGTERM to SIGKILL, in seconds.
    pub stop_grace_seconds: u64,
    /// HTTP status of StopRuntimeSession for a session that does not run: 404 or 200.
    pub stop_unknown: u16,
    /// HTTP status above the payload limit: 413 or 400.
    pub payload_over: u16,
    /// What an agent's 5xx becomes.
    #[serde(rename = "container5xx")]
    pub container_5xx: ContainerStatus,
    /// What an agent's 4xx becomes.
    #[serde(rename = "container4xx")]
    pub container_4xx: ContainerStatus,
    /// Whether headers of the prefix `X-Amzn-Bedrock-AgentCore-Runtime-Custom-` need to be in the allowlist.
    pub custom_prefix_needs_allowlist: bool,
    /// Whether the user id header reaches the agent.
    pub forward_user_id: bool,
    /// Whether trace headers reach the agent without being in the allowlist.
    pub forward_trace_headers: bool,
    /// Whether A2A's own headers reach an A2A agent without being in the allowlist.
    pub forward_a2a_headers: bool,
    /// Names of the agent's headers that the caller gets beside those of the API model.
    pub response_header_allowlist: Vec<String>,

    /// Sessions that may begin in a minute through each endpoint; 0 for no limit.
    pub new_sessions_per_minute: u32,
    /// From an invocation to the head of the agent's answer, in seconds of the simulator's clock.
    pub sync_timeout_seconds: u64,
    /// From an invocation to the end of the agent's answer, in seconds of the simulator's clock.
    pub stream_max_seconds: u64,
    /// Whether an invocation under way is use of its session; if not, only its begin and its end are.
    pub request_keeps_alive: bool,
    /// See [`Concurrency`].
    pub concurrent_requests_in_one_session: Concurrency,
    /// Whether the port of a protocol configuration counts; if not, agents told another port are not found.
    pub protocol_port_override: bool,
    /// See [`McpSessionSource`].
    pub mcp_session_source: McpSessionSource,
    /// See [`McpIdsDiffer`].
    pub mcp_ids_differ: McpIdsDiffer,

    /// Whether an open WebSocket counts as use of its session.
    pub web_socket_keeps_alive: bool,
    /// Longest payload of a WebSocket frame, in bytes, in both directions.
    pub ws_frame_limit_bytes: usize,
    /// Close code after a longer one.
    pub ws_oversize_close_code: u16,
    /// Longest life of a WebSocket, in seconds of the simulator's clock.
    pub ws_max_seconds: u64,
    /// Close code at its end.
    pub ws_max_close_code: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            create_delay_ms: 300,
            update_delay_ms: 300,
            vpc_delay_ms: 0,
            delete_delay_ms: 300,
            endpoint_delete_delay_ms: None,
            endpoint_delay_ms: 100,
            stop_delay_ms: 0,
            list_lag_ms: 0,
            get_lag_ms: 0,
            rate_per_second: 5,
            invoke_rate_per_second: 25,
            stop_rate_per_second: 5,
            burst: None,
            max_runtimes: 1000,
            max_versions: 1000,
            max_endpoints: 10,
            max_sessions: 1000,
            bad_roles: Vec::new(),
            pod_identity_associations: BTreeMap::new(),
            unsupported_subnets: Vec::new(),
            validate_sync: false,
            default_platform_version: "V1".to_owned(),
            snapshots: false,
            platform_version_omitted: Omitted::Keep,
            return_default_protocol: false,
            default_idle_seconds: DEFAULT_IDLE_SECONDS,
            default_lifetime_seconds: DEFAULT_LIFETIME_SECONDS,
            default_protocol: DEFAULT_PROTOCOL.to_owned(),
            runtimes_without_mmdsv2: false,
            metadata_omitted: Omitted::Keep,
            unknown_members: Map::new(),
            unknown_endpoint_members: Map::new(),
            tags_resolve: TagResolution::Version,
            token_replay_after_delete: TokenReplay::Replay,
            token_window_seconds: 24 * 3600,
            update_omitted: Omitted::Reset,
            update_from_create_failed: FromCreateFailed::Accept,
            update_failed_makes_version: true,
            deleted_answers_access_denied: false,
            delete_fails: false,
            stuck_deleting: false,
            signature_clock: SignatureClock::Real,
            cold_start_ms: 0,
            init_timeout_seconds: 120,
            ping_every_ms: 2000,
            ping_requires_time: true,
            stop_grace_seconds: 15,
            stop_unknown: 404,
            payload_over: 413,
            container_5xx: ContainerStatus::RuntimeClientError,
            container_4xx: ContainerStatus::Passthrough,
            custom_prefix_needs_allowlist: false,
            forward_user_id: true,
            forward_trace_headers: true,
            forward_a2a_headers: true,
            response_header_allowlist: Vec::new(),
            new_sessions_per_minute: 0,
            sync_timeout_seconds: 15 * 60,
            stream_max_seconds: 60 * 60,
            request_keeps_alive: true,
            concurrent_requests_in_one_session: Concurrency::Parallel,
            protocol_port_override: true,
            mcp_session_source: McpSessionSource::Platform,
            mcp_ids_differ: McpIdsDiffer::Runtime,
            web_socket_keeps_alive: true,
            ws_frame_limit_bytes: 32 * 1024,
            ws_oversize_close_code: 1009,
            ws_max_seconds: 60 * 60,
            ws_max_close_code: 1001,
        }
    }
}

impl Settings {
    /// These settings with the members of `patch` over them. Its member `profile` stands for those of a [`Profile`], and the others are over it.
    ///
    /// # Errors
    /// Says which member is unknown or has a wrong type; nothing is changed then.
    pub fn merged(&self, patch: &Value) -> Result<Self, String> {
        let Value::Object(patch) = patch else {
            return Err("settings must be a JSON object".to_owned());
        };
        let mut patch = patch.clone();
        let profile = match patch.remove("profile") {
            None => Map::new(),
            Some(name) => serde_json::from_value::<Profile>(name)
                .map_err(|e| e.to_string())?
                .members(),
        };
        let mut whole = serde_json::to_value(self).map_err(|e| e.to_string())?;
        for (name, value) in profile.into_iter().chain(patch) {
            whole[name] = value;
        }
        serde_json::from_value(whole).map_err(|e| e.to_string())
    }
}
