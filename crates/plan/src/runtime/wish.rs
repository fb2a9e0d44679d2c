//! Validates a spec and renders it: what is wished of AWS, in the normal form.

use std::collections::BTreeMap;

use agentcore_api::reasons;
use agentcore_api::runtime::{Artifact, Lifecycle, Protocol};
use agentcore_api::values::{RoleArn, default_runtime_name, parse_duration};
use agentcore_api::{AgentRuntime, AgentRuntimeSpec};

use super::diff::{ARTIFACT, differing};
use super::{View, source};
use crate::aws::{ProtocolConfig, RuntimeConfig, Tags};
use crate::glob;
use crate::hash::WishHash;
use crate::image::Trouble;
use crate::normal::lifecycle;
use crate::policy::Policy;
use crate::tags::{MAX_TAGS, Owner};

/// What is wished of AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Name in AgentCore.
    pub name: String,
    /// Configuration in normal form; `None` in a kept field means "what is there".
    pub config: RuntimeConfig,
    /// Tags, ownership included.
    pub tags: Tags,
    /// Resource policy document, as the spec gives it.
    pub resource_policy: Option<String>,
    /// Region.
    pub region: String,
    /// What this wish is known by.
    pub hash: WishHash,
    /// What AWS may have as artifact without a difference: the same thing, not fixed yet.
    pub also: Option<Artifact>,
    /// The object of the code has other content than AgentCore took, under the same name.
    pub code_changed: bool,
    /// Why no update may be sent: the artifact could not be resolved.
    pub held: Option<Trouble>,
}

impl Wish {
    /// This wish with another artifact. `etag` stands for the content of code that has no version.
    pub(super) fn with_artifact(
        mut self,
        uid: &str,
        artifact: Artifact,
        etag: Option<&str>,
    ) -> Self {
        self.config.artifact = artifact;
        self.hash.request = request_hash(uid, &self.config, etag);
        self
    }

    /// Names of the fields in which AWS differs from the wish.
    pub fn differing(&self, there: &RuntimeConfig) -> Vec<&'static str> {
        let mut fields = differing(&self.config, there);
        if self.also.as_ref() == Some(&there.artifact) {
            fields.retain(|field| *field != ARTIFACT);
        }
        if self.code_changed && !fields.contains(&ARTIFACT) {
            fields.insert(0, ARTIFACT);
        }
        fields
    }
}

fn request_hash(uid: &str, config: &RuntimeConfig, etag: Option<&str>) -> String {
    match etag {
        None => WishHash::request(uid, config),
        Some(etag) => WishHash::request(uid, &(config, etag)),
    }
}

/// Why a spec is not carried out. No AWS call was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Validates and renders the spec of the object in view.
pub fn render(view: &View<'_>) -> Result<Wish, Refusal> {
    let (object, policy) = (view.object, view.policy);
    let spec = &object.spec;
    check_role(&spec.execution_role.arn, namespace(object), policy)?;
    let tags = wished_tags(spec.tags.as_ref(), policy, &owner(object, policy))?;
    check_limit(view)?;
    check_policy_document(spec.resource_policy.as_deref())?;
    let region = region(object, policy);
    if region.is_empty() {
        return Err(Refusal::new(
            reasons::INVALID_SPEC,
            "spec.region is not set, and the operator has no region of its own",
        ));
    }
    let mut config = config(spec)?;
    let (artifact, etag) = source::recorded(object);
    config.artifact = artifact;
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let document = spec.resource_policy.as_deref().map(canonical);
    let mut hash = WishHash::of(uid, &config, &tags, document.as_deref());
    hash.request = request_hash(uid, &config, etag.as_deref());
    Ok(Wish {
        name: name(object, policy),
        config,
        tags,
        resource_policy: spec.resource_policy.clone(),
        region,
        hash,
        also: None,
        code_changed: false,
        held: None,
    })
}

/// Namespace of the object.
pub(crate) fn namespace(object: &AgentRuntime) -> &str {
    object.metadata.namespace.as_deref().unwrap_or_default()
}

/// Name of the runtime in AgentCore.
pub(crate) fn name(object: &AgentRuntime, policy: &Policy) -> String {
    let own = object.metadata.name.as_deref().unwrap_or_default();
    object
        .spec
        .runtime_name
        .clone()
        .unwrap_or_else(|| default_runtime_name(&policy.cluster_id, namespace(object), own))
}

/// Region of the runtime: where it was made or sent, else as the spec says, else the operator's own; empty when nobody says one.
/// An operator that moves to another region leaves what it made where it is.
pub fn region(object: &AgentRuntime, policy: &Policy) -> String {
    let status = object.status.as_ref();
    let known = status.and_then(|status| status.region.clone());
    known
        .or_else(|| object.spec.region.clone())
        .unwrap_or_else(|| policy.region.clone())
}

/// The object as an owner.
pub(crate) fn owner(object: &AgentRuntime, policy: &Policy) -> Owner {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Owner {
        cluster: policy.cluster_id.clone(),
        namespace: text(&object.metadata.namespace),
        name: text(&object.metadata.name),
        uid: text(&object.metadata.uid),
    }
}

fn check_role(arn: &str, namespace: &str, policy: &Policy) -> Result<(), Refusal> {
    let role = RoleArn::parse(arn).map_err(|error| {
        Refusal::new(
            reasons::INVALID_SPEC,
            format!("spec.executionRole.arn: {error}"),
        )
    })?;
    if policy.execution_role_patterns.is_empty() {
        let path = format!("/agentcore/{namespace}/");
        let own =
            role.account.as_deref() == Some(policy.account.as_str()) || policy.account.is_empty();
        return if own && role.path.starts_with(&path) {
            Ok(())
        } else {
            Err(Refusal::new(
                reasons::ROLE_NOT_ALLOWED,
                format!(
                    "only execution roles of account {} under the path {path} are allowed in this namespace; {arn} is not one",
                    policy.account
                ),
            ))
        };
    }
    let allowed = |pattern: &String| glob::matches(&pattern.replace("{namespace}", namespace), arn);
    if policy.execution_role_patterns.iter().any(allowed) {
        return Ok(());
    }
    Err(Refusal::new(
        reasons::ROLE_NOT_ALLOWED,
        format!(
            "{arn} matches none of the execution roles that the operator allows in namespace {namespace}"
        ),
    ))
}

/// Default tags, the object's tags over them, and the ownership tags over both.
pub(crate) fn wished_tags(
    own: Option<&BTreeMap<String, String>>,
    policy: &Policy,
    owner: &Owner,
) -> Result<Tags, Refusal> {
    let mut tags = policy.default_tags.clone();
    tags.extend(
        own.into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let missing: Vec<&str> = policy
        .required_tag_keys
        .iter()
        .filter(|key| !tags.contains_key(*key))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::new(
            reasons::REQUIRED_TAG_MISSING,
            format!(
                "spec.tags lacks {}, which the operator requires",
                missing.join(", ")
            ),
        ));
    }
    tags.extend(owner.tags());
    if tags.len() > MAX_TAGS {
        return Err(Refusal::new(
            reasons::TOO_MANY_TAGS,
            format!(
                "{} tags, the operator's own included, are more than the {MAX_TAGS} that AWS takes",
                tags.len()
            ),
        ));
    }
    Ok(tags)
}

fn check_limit(view: &View<'_>) -> Result<(), Refusal> {
    let exists = view
        .object
        .status
        .as_ref()
        .is_some_and(|status| status.id.is_some());
    match view.policy.max_runtimes_per_namespace {
        Some(most) if !exists && view.older_in_namespace >= most => Err(Refusal::new(
            reasons::NAMESPACE_LIMIT_REACHED,
            format!(
                "the namespace holds {} older AgentRuntimes, and {most} are allowed",
                view.older_in_namespace
            ),
        )),
        _ => Ok(()),
    }
}

fn check_policy_document(text: Option<&str>) -> Result<(), Refusal> {
    let Some(text) = text else { return Ok(()) };
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(Refusal::new(
            reasons::INVALID_SPEC,
            "spec.resourcePolicy must be a JSON object",
        )),
        Err(error) => Err(Refusal::new(
            reasons::INVALID_SPEC,
            format!("spec.resourcePolicy is not JSON: {error}"),
        )),
    }
}

/// One text for documents that mean the same; what is not JSON stands for itself.
pub(crate) fn canonical(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}

fn config(spec: &AgentRuntimeSpec) -> Result<RuntimeConfig, Refusal> {
    let (idle, max) = durations(spec.lifecycle.as_ref())?;
    // Every field by name: a new one has to be rendered or left out on purpose.
    let AgentRuntimeSpec {
        runtime_name: _,
        description,
        artifact,
        execution_role,
        network,
        protocol,
        lifecycle: _,
        env,
        authorizer,
        request_headers,
        resource_policy: _,
        filesystems,
        metadata_service,
        platform_version,
        allowed_ports,
        capacity_provider,
        tags: _,
        region: _,
        deletion_policy: _,
        adopt: _,
        sessions: _,
        suspend: _,
    } = spec.clone();
    let protocol = protocol.unwrap_or(Protocol {
        server_protocol: None,
        port: None,
        path: None,
    });
    let Protocol {
        server_protocol,
        port,
        path,
    } = protocol;
    let env = env
        .unwrap_or_default()
        .into_iter()
        .map(|one| (one.name, one.value))
        .collect();
    Ok(RuntimeConfig {
        artifact,
        role_arn: execution_role.arn,
        network,
        capacity_provider_arn: capacity_provider.map(|provider| provider.arn),
        description,
        authorizer,
        request_headers: request_headers
            .map(|headers| headers.allowlist)
            .unwrap_or_default(),
        protocol: ProtocolConfig::filled(server_protocol, port, path),
        idle_timeout_seconds: idle,
        max_lifetime_seconds: max,
        env,
        filesystems: filesystems.unwrap_or_default(),
        require_mmdsv2: metadata_service.is_some_and(|service| service.require_mmdsv2),
        platform_version,
        require_service_s3_endpoint: None,
        allowed_ports: allowed_ports.unwrap_or_default(),
    }
    .normalized())
}

fn durations(given: Option<&Lifecycle>) -> Result<(i32, i32), Refusal> {
    let seconds = |field: &str, text: Option<&String>| {
        text.map(|text| {
            parse_duration(text)
                .map_err(|error| error.to_string())
                .and_then(|seconds| {
                    i32::try_from(seconds).map_err(|_| "duration is too long".to_owned())
                })
                .map_err(|error| {
                    Refusal::new(
                        reasons::INVALID_SPEC,
                        format!("spec.lifecycle.{field}: {error}"),
                    )
                })
        })
        .transpose()
    };
    let idle = seconds(
        "idleRuntimeSessionTimeout",
        given.and_then(|it| it.idle_runtime_session_timeout.as_ref()),
    )?;
    let max = seconds("maxLifetime", given.and_then(|it| it.max_lifetime.as_ref()))?;
    let (idle, max) = lifecycle(idle, max);
    if idle > max {
        return Err(Refusal::new(
            reasons::INVALID_SPEC,
            format!(
                "spec.lifecycle.idleRuntimeSessionTimeout ({idle}s) is longer than maxLifetime ({max}s)"
            ),
        ));
    }
    Ok((idle, max))
}
