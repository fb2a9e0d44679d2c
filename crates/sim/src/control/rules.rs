//! What the shapes cannot say about a runtime's configuration: members that depend on one another, and defaults.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::data::headers::RESTRICTED;
use crate::state::runtime::DEFAULT_PROTOCOL;
use crate::state::settings::Settings;
use crate::wire::errors::ApiError;

/// Not usable as a server port although it lies within the range.
const FORBIDDEN_PORT: i64 = 8443;
/// Headers of this prefix may be in an allowlist although they begin with `X-Amzn-`.
pub const CUSTOM_HEADER_PREFIX: &str = "x-amzn-bedrock-agentcore-runtime-custom-";

const PROVIDER: &str = "capacityProviderConfiguration";
/// Longest session of a microVM, in seconds: eight hours.
const MICRO_VM_LIFETIME: i64 = 28_800;

/// Checks the members against one another and fills in defaults.
///
/// # Errors
/// `ValidationException` that names the member.
pub fn complete(members: &mut Map<String, Value>, settings: &Settings) -> Result<(), ApiError> {
    network(members)?;
    protocol(members)?;
    headers(members)?;
    filesystems(members)?;
    if members.contains_key(PROVIDER) {
        of_instances(members)?;
    } else {
        of_micro_vms(members)?;
    }
    let lifecycle = lifecycle(members.get("lifecycleConfiguration"), settings)?;
    members.insert("lifecycleConfiguration".to_owned(), lifecycle);
    if !members.contains_key("protocolConfiguration")
        && settings.default_protocol != DEFAULT_PROTOCOL
    {
        members.insert(
            "protocolConfiguration".to_owned(),
            json!({ "serverProtocol": settings.default_protocol }),
        );
    }
    if !members.contains_key("platformVersion") {
        members.insert(
            "platformVersion".to_owned(),
            json!(settings.default_platform_version),
        );
    }
    for name in [
        "environmentVariables",
        "filesystemConfigurations",
        "resourceConfigurations",
    ] {
        let empty = match members.get(name) {
            Some(Value::Object(map)) => map.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            _ => false,
        };
        if empty {
            members.remove(name);
        }
    }
    Ok(())
}

fn network(members: &Map<String, Value>) -> Result<(), ApiError> {
    let network = members.get("networkConfiguration");
    match (network, members.contains_key(PROVIDER)) {
        (None, true) => return Ok(()),
        (None, false) => {
            return Err(ApiError::field(
                "networkConfiguration",
                "networkConfiguration or capacityProviderConfiguration is required",
            ));
        }
        (Some(_), true) => {
            return Err(ApiError::field(
                "capacityProviderConfiguration",
                "networkConfiguration and capacityProviderConfiguration exclude each other",
            ));
        }
        (Some(_), false) => {}
    }
    let mode = network
        .and_then(|n| n.get("networkMode"))
        .and_then(Value::as_str);
    let vpc = network.is_some_and(|n| n.get("networkModeConfig").is_some());
    match (mode, vpc) {
        (Some("VPC"), false) => Err(ApiError::field(
            "networkConfiguration.networkModeConfig",
            "networkModeConfig is required when networkMode is VPC",
        )),
        (Some("PUBLIC"), true) => Err(ApiError::field(
            "networkConfiguration.networkModeConfig",
            "networkModeConfig is not allowed when networkMode is PUBLIC",
        )),
        _ => Ok(()),
    }
}

/// What microVMs do not have.
fn of_micro_vms(members: &Map<String, Value>) -> Result<(), ApiError> {
    for name in ["maxLifetime", "idleRuntimeSessionTimeout"] {
        let given = members
            .get("lifecycleConfiguration")
            .and_then(|it| it.get(name));
        if given
            .and_then(Value::as_i64)
            .is_some_and(|seconds| seconds > MICRO_VM_LIFETIME)
        {
            return Err(ApiError::field(
                &format!("lifecycleConfiguration.{name}"),
                format!(
                    "{name} must be less than or equal to {MICRO_VM_LIFETIME} on microVM compute"
                ),
            ));
        }
    }
    let network = members.get("networkConfiguration");
    let mode = network.and_then(|network| network.get("networkMode"));
    let vpc = mode.and_then(Value::as_str) == Some("VPC");
    for (n, arm) in filesystem_arms(members) {
        let problem = match arm {
            "capacityProviderVolume" => "is supported with a capacity provider only",
            "efsAccessPoint" | "s3FilesAccessPoint" if !vpc => "requires networkMode VPC",
            _ => continue,
        };
        return Err(ApiError::field(
            &format!("filesystemConfigurations.{}.member.{arm}", n + 1),
            format!("{arm} {problem}"),
        ));
    }
    Ok(())
}

/// What capacity providers do not have.
fn of_instances(members: &Map<String, Value>) -> Result<(), ApiError> {
    let refused = |name: &str| {
        let text = format!("{name} is not supported with a capacity provider");
        Err(ApiError::field(name, text))
    };
    if members.contains_key("allowedPorts") {
        return refused("allowedPorts");
    }
    for name in ["port", "path"] {
        let protocol = members.get("protocolConfiguration");
        if protocol.is_some_and(|protocol| protocol.get(name).is_some()) {
            return refused(&format!("protocolConfiguration.{name}"));
        }
    }
    let of_micro_vms = ["sessionStorage", "efsAccessPoint", "s3FilesAccessPoint"];
    match filesystem_arms(members).find(|(_, arm)| of_micro_vms.contains(arm)) {
        Some((n, arm)) => refused(&format!("filesystemConfigurations.{}.member.{arm}", n + 1)),
        None => Ok(()),
    }
}

/// Kinds of the file systems, counted from 0.
fn filesystem_arms(members: &Map<String, Value>) -> impl Iterator<Item = (usize, &str)> {
    let entries = members
        .get("filesystemConfigurations")
        .and_then(Value::as_array);
    let entries = entries.into_iter().flatten().enumerate();
    entries.filter_map(|(n, entry)| Some((n, entry.as_object()?.keys().next()?.as_str())))
}

fn protocol(members: &Map<String, Value>) -> Result<(), ApiError> {
    let port = members
        .get("protocolConfiguration")
        .and_then(|p| p.get("port"))
        .and_then(Value::as_i64);
    if port == Some(FORBIDDEN_PORT) {
        return Err(ApiError::field(
            "protocolConfiguration.port",
            format!("port {FORBIDDEN_PORT} is reserved"),
        ));
    }
    let allowed = members
        .get("allowedPorts")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for (n, entry) in allowed.iter().enumerate() {
        let name = format!("allowedPorts.{}.member", n + 1);
        let bound = |pointer: &str| entry.pointer(pointer).and_then(Value::as_i64);
        let single = bound("/port");
        let (from, to) = (
            single.or_else(|| bound("/portRange/from")),
            single.or_else(|| bound("/portRange/to")),
        );
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        if from > to {
            return Err(ApiError::field(&name, "from must not be greater than to"));
        }
        if (from..=to).contains(&FORBIDDEN_PORT) {
            return Err(ApiError::field(
                &name,
                format!("port {FORBIDDEN_PORT} is reserved"),
            ));
        }
    }
    Ok(())
}

fn headers(members: &Map<String, Value>) -> Result<(), ApiError> {
    let name = "requestHeaderConfiguration.requestHeaderAllowlist";
    let list = members
        .get("requestHeaderConfiguration")
        .and_then(|c| c.get("requestHeaderAllowlist"));
    let mut seen = std::collections::BTreeSet::new();
    for header in list
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let lower = header.to_ascii_lowercase();
        let reserved = lower.starts_with("x-amz-") || lower.starts_with("x-amzn-");
        let reserved = reserved && !lower.starts_with(CUSTOM_HEADER_PREFIX);
        if reserved || RESTRICTED.contains(&lower.as_str()) {
            return Err(ApiError::field(
                name,
                format!("header {header} is reserved"),
            ));
        }
        if lower == "authorization" && !members.contains_key("authorizerConfiguration") {
            return Err(ApiError::field(
                name,
                "header Authorization requires a customJWTAuthorizer",
            ));
        }
        if !seen.insert(lower) {
            return Err(ApiError::field(
                name,
                format!("header {header} is listed more than once"),
            ));
        }
    }
    Ok(())
}

fn filesystems(members: &Map<String, Value>) -> Result<(), ApiError> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in members
        .get("filesystemConfigurations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let arm = entry.as_object().and_then(|arms| arms.values().next());
        let path = arm
            .and_then(|arm| arm.get("mountPath"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !seen.insert(path.trim_end_matches('/')) {
            return Err(ApiError::field(
                "filesystemConfigurations",
                format!("mount path {path} is used more than once"),
            ));
        }
    }
    Ok(())
}

/// Both time-outs, always: where only a lifetime is given that is shorter than the default idle time, it counts for both.
fn lifecycle(given: Option<&Value>, settings: &Settings) -> Result<Value, ApiError> {
    let seconds = |name: &str| given.and_then(|g| g.get(name)).and_then(Value::as_i64);
    let lifetime = seconds("maxLifetime").unwrap_or(settings.default_lifetime_seconds);
    let idle = seconds("idleRuntimeSessionTimeout")
        .unwrap_or_else(|| settings.default_idle_seconds.min(lifetime));
    if idle > lifetime {
        return Err(ApiError::field(
            "lifecycleConfiguration.idleRuntimeSessionTimeout",
            "idleRuntimeSessionTimeout must be less than or equal to maxLifetime",
        ));
    }
    Ok(json!({ "idleRuntimeSessionTimeout": idle, "maxLifetime": lifetime }))
}

/// The tags of a request, checked.
///
/// # Errors
/// `ValidationException` for keys of AWS's own.
pub fn tags(given: Option<Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let Some(Value::Object(map)) = given else {
        return Ok(BTreeMap::new());
    };
    let mut tags = BTreeMap::new();
    for (key, value) in map {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::field(
                "tags",
                format!("tag key {key} begins with the reserved prefix aws:"),
            ));
        }
        if let Value::String(value) = value {
            tags.insert(key, value);
        }
    }
    Ok(tags)
}
