//! Create, Update and Delete of runtimes, Delete of versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::idempotency::once;
use super::reading::missing_version;
use super::{delete_request, rules, version_number};
use crate::operation::Operation;
use crate::request::Call;
use crate::state::endpoint::DEFAULT_ENDPOINT;
use crate::state::ids;
use crate::state::partition::View;
use crate::state::runtime::{Config, Runtime, Snapshot, Status, Version};
use crate::state::settings::{FromCreateFailed, Omitted, Settings};
use crate::state::transitions::{Event, verdict};
use crate::wire::errors::ApiError;
use crate::wire::reply::{Reply, iso8601};
use crate::wire::runtime_shapes;
use crate::wire::shape::parse;

const METADATA: &str = "metadataConfiguration";
const PLATFORM: &str = "platformVersion";

pub fn create(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let mut request = parse(runtime_shapes::CREATE, &call.body)?;
    if requires_s3_endpoint(&request).is_some() {
        return Err(ApiError::field(
            "networkConfiguration.networkModeConfig.requireServiceS3Endpoint",
            "requireServiceS3Endpoint cannot be set when a runtime is created",
        ));
    }
    let tags = rules::tags(request.get("tags").cloned())?;
    rules::complete(&mut request, view.settings)?;
    once(
        view,
        Operation::CreateAgentRuntime,
        request,
        |view, request| add(view, request, tags),
    )
}

fn add(
    view: &mut View<'_>,
    request: &Map<String, Value>,
    tags: BTreeMap<String, String>,
) -> Result<Reply, ApiError> {
    let mut members = request.clone();
    members.remove("tags");
    let name = match members.remove("agentRuntimeName") {
        Some(Value::String(name)) => name,
        _ => String::new(),
    };
    if view
        .part
        .runtimes
        .values()
        .any(|runtime| runtime.name == name)
    {
        return Err(ApiError::conflict(format!(
            "An agent with the specified name already exists: {name}"
        )));
    }
    if view.part.runtimes.len() >= view.settings.max_runtimes {
        return Err(quota(
            "agent runtimes per account",
            view.settings.max_runtimes,
        ));
    }
    let mmdsv2_is_optional = view.settings.runtimes_without_mmdsv2;
    members.insert(METADATA.to_owned(), requires_mmdsv2(!mmdsv2_is_optional));
    let config = Arc::new(Config(members));
    check_at_once(view, &config)?;
    let delay = delay(view.settings.create_delay_ms, &config, view.settings);

    let id = format!("{name}-{}", ids::alphanumeric(view.rng, 10));
    let (account, region) = (&view.part.account, &view.part.region);
    let identity = format!("workload-identity-directory/default/workload-identity/{id}");
    let runtime = Runtime {
        arn: ids::arn(account, region, &format!("runtime/{id}")),
        workload_identity_arn: ids::arn(account, region, &identity),
        seq: view.part.next_seq(),
        name,
        id: id.clone(),
        created_at: view.now,
        last_updated_at: view.now,
        status: Status::Creating,
        failure_reason: None,
        mmdsv2_is_optional,
        versions: BTreeMap::from([(1, new_version(view, 1, config, Status::Creating))]),
        last_number: 1,
        endpoints: BTreeMap::new(),
        tags,
        policy: None,
    };
    let reply = Reply::accepted(json!({
        "agentRuntimeArn": runtime.arn,
        "agentRuntimeId": runtime.id,
        "agentRuntimeVersion": "1",
        "workloadIdentityDetails": { "workloadIdentityArn": runtime.workload_identity_arn },
        "createdAt": iso8601(runtime.created_at),
        "status": runtime.status.wire(),
    }));
    view.part.runtimes.insert(id.clone(), runtime);
    view.part.schedule(
        view.now,
        delay,
        Event::RuntimeSettles {
            id: id.clone(),
            version: 1,
        },
    );
    view.part.record(&id, view.now, view.settings);
    Ok(reply)
}

pub fn update(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let mut request = parse(runtime_shapes::UPDATE, &call.body)?;
    let id = call.route.param(0).to_owned();
    // The token belongs to the request as it came, before what is there has been filled in.
    request.insert("agentRuntimeId".to_owned(), json!(id));
    once(
        view,
        Operation::UpdateAgentRuntime,
        request,
        |view, request| {
            let mut members = request.clone();
            members.remove("agentRuntimeId");
            change(view, &id, members)
        },
    )
}

fn change(
    view: &mut View<'_>,
    id: &str,
    mut members: Map<String, Value>,
) -> Result<Reply, ApiError> {
    let runtime = view.part.runtime(id, view.settings)?;
    let current = &runtime.newest().config.0;
    if let Some(wished) = requires_s3_endpoint(&members)
        && Some(wished) != requires_s3_endpoint(current)
    {
        return Err(ApiError::field(
            "networkConfiguration.networkModeConfig.requireServiceS3Endpoint",
            "requireServiceS3Endpoint cannot be changed",
        ));
    }
    if members
        .get(METADATA)
        .is_some_and(|given| *given == requires_mmdsv2(false))
        && !runtime.mmdsv2_is_optional
    {
        return Err(ApiError::field(
            "metadataConfiguration.requireMMDSV2",
            "requireMMDSV2 cannot be false",
        ));
    }
    if !members.contains_key(METADATA) {
        let kept = current.get(METADATA).cloned();
        let value = match view.settings.metadata_omitted {
            Omitted::Keep => kept,
            Omitted::Reset => Some(requires_mmdsv2(!runtime.mmdsv2_is_optional)),
        };
        members.extend(value.map(|value| (METADATA.to_owned(), value)));
    }
    if view.settings.platform_version_omitted == Omitted::Keep
        && let (None, Some(platform)) = (members.get(PLATFORM), current.get(PLATFORM))
    {
        members.insert(PLATFORM.to_owned(), platform.clone());
    }
    if view.settings.update_omitted == Omitted::Keep {
        for (name, value) in current {
            // Network and capacity provider exclude each other: one that is given ends the other.
            let replaced = match name.as_str() {
                "networkConfiguration" => members.contains_key("capacityProviderConfiguration"),
                "capacityProviderConfiguration" => members.contains_key("networkConfiguration"),
                _ => false,
            };
            if !replaced && !members.contains_key(name) {
                members.insert(name.clone(), value.clone());
            }
        }
    }
    rules::complete(&mut members, view.settings)?;
    let refuse = runtime.status.in_transition()
        || runtime.status == Status::DeleteFailed
        || (runtime.status == Status::CreateFailed
            && view.settings.update_from_create_failed == FromCreateFailed::Conflict);
    if refuse {
        return Err(ApiError::conflict(format!(
            "agent runtime {id} cannot be updated while it is {}",
            runtime.status
        )));
    }
    if runtime.versions.len() >= view.settings.max_versions {
        return Err(quota(
            "versions per agent runtime",
            view.settings.max_versions,
        ));
    }
    let number = runtime.last_number + 1;
    let config = Arc::new(Config(members));
    check_at_once(view, &config)?;
    let delay = delay(view.settings.update_delay_ms, &config, view.settings);
    let version = new_version(view, number, config, Status::Updating);
    let now = view.now;
    let runtime = view.part.runtime_mut(id, view.settings)?;
    runtime.versions.insert(number, version);
    runtime.last_number = number;
    runtime.status = Status::Updating;
    runtime.failure_reason = None;
    runtime.last_updated_at = now;
    let reply = Reply::accepted(json!({
        "agentRuntimeArn": runtime.arn,
        "agentRuntimeId": runtime.id,
        "agentRuntimeVersion": number.to_string(),
        "workloadIdentityDetails": { "workloadIdentityArn": runtime.workload_identity_arn },
        "createdAt": iso8601(runtime.created_at),
        "lastUpdatedAt": iso8601(runtime.last_updated_at),
        "status": runtime.status.wire(),
    }));
    view.part.schedule(
        now,
        delay,
        Event::RuntimeSettles {
            id: id.to_owned(),
            version: number,
        },
    );
    view.part.record(id, now, view.settings);
    Ok(reply)
}

pub fn delete(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let number = version_number("agentRuntimeVersion", call.query("version"))?;
    let id = call.route.param(0);
    once(
        view,
        Operation::DeleteAgentRuntime,
        delete_request(call)?,
        |view, _| match number {
            Some(number) => prune(view, id, number),
            None => remove(view, id),
        },
    )
}

fn remove(view: &mut View<'_>, id: &str) -> Result<Reply, ApiError> {
    let now = view.now;
    let runtime = view.part.runtime_mut(id, view.settings)?;
    if runtime.status.in_transition() {
        return Err(ApiError::conflict(format!(
            "agent runtime {id} cannot be deleted while it is {}",
            runtime.status
        )));
    }
    // One that is DELETING still counts.
    let others: Vec<&str> = runtime
        .endpoints
        .keys()
        .map(String::as_str)
        .filter(|n| *n != DEFAULT_ENDPOINT)
        .collect();
    if !others.is_empty() {
        return Err(ApiError::conflict(format!(
            "agent runtime {id} has endpoints that must be deleted first: {}",
            others.join(", ")
        )));
    }
    runtime.status = Status::Deleting;
    runtime.failure_reason = None;
    runtime.last_updated_at = now;
    for endpoint in runtime.endpoints.values_mut() {
        endpoint.status = Status::Deleting;
        endpoint.last_updated_at = now;
    }
    view.part.schedule(
        now,
        view.settings.delete_delay_ms,
        Event::RuntimeGoes { id: id.to_owned() },
    );
    view.part.record(id, now, view.settings);
    Ok(Reply::accepted(
        json!({ "status": Status::Deleting.wire(), "agentRuntimeId": id }),
    ))
}

/// Deletes one old version, at once.
fn prune(view: &mut View<'_>, id: &str, number: u32) -> Result<Reply, ApiError> {
    let runtime = view.part.runtime_mut(id, view.settings)?;
    if runtime.status.in_transition() {
        return Err(ApiError::conflict(format!(
            "versions of agent runtime {id} cannot be deleted while it is {}",
            runtime.status
        )));
    }
    if !runtime.versions.contains_key(&number) {
        return Err(missing_version(id, number));
    }
    if runtime.newest().number == number {
        return Err(ApiError::conflict(format!(
            "version {number} is the newest of agent runtime {id}"
        )));
    }
    if let Some(endpoint) = runtime
        .endpoints
        .values()
        .find(|endpoint| endpoint.uses(number))
    {
        return Err(ApiError::conflict(format!(
            "version {number} of agent runtime {id} is used by endpoint {}",
            endpoint.name
        )));
    }
    runtime.versions.remove(&number);
    Ok(Reply::accepted(json!({
        "status": Status::Deleting.wire(),
        "agentRuntimeId": id,
        "agentRuntimeVersion": number.to_string(),
    })))
}

/// Until a version is READY, in milliseconds.
fn delay(ms: u64, config: &Config, settings: &Settings) -> u64 {
    let more = if config.in_vpc() {
        settings.vpc_delay_ms
    } else {
        0
    };
    ms.saturating_add(more)
}

fn new_version(view: &View<'_>, number: u32, config: Arc<Config>, status: Status) -> Version {
    let snapshot = if view.settings.snapshots && config.platform() == Some("V2") {
        Snapshot::Wanted
    } else {
        Snapshot::None
    };
    Version {
        snapshot,
        number,
        config,
        status,
        failure_reason: None,
        created_at: view.now,
        last_updated_at: view.now,
        image: None,
    }
}

fn check_at_once(view: &View<'_>, config: &Config) -> Result<(), ApiError> {
    if !view.settings.validate_sync {
        return Ok(());
    }
    verdict(config, &view.part.account, view.settings, view.images)
        .map(|_| ())
        .map_err(ApiError::validation)
}

/// A `metadataConfiguration`. New runtimes have true, but for those made as before 2026-02-15.
fn requires_mmdsv2(required: bool) -> Value {
    json!({ "requireMMDSV2": required })
}

fn requires_s3_endpoint(members: &Map<String, Value>) -> Option<bool> {
    members
        .get("networkConfiguration")?
        .pointer("/networkModeConfig/requireServiceS3Endpoint")?
        .as_bool()
}

/// `ServiceQuotaExceededException`.
pub fn quota(what: &str, limit: usize) -> ApiError {
    ApiError::new(
        "ServiceQuotaExceededException",
        format!("the quota of {limit} {what} is exhausted"),
    )
}
