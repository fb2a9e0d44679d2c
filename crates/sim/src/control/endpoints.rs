//! Create, Get, Update, Delete and List of endpoints.

use serde_json::{Map, Value, json};

use super::idempotency::once;
use super::paging::page;
use super::reading::{ago, missing_version};
use super::runtimes::quota;
use super::{delete_request, rules, version_number};
use crate::operation::Operation;
use crate::request::Call;
use crate::state::endpoint::{DEFAULT_ENDPOINT, Endpoint};
use crate::state::partition::View;
use crate::state::runtime::{Runtime, Status};
use crate::state::settings::Omitted;
use crate::state::transitions::{Event, new_endpoint};
use crate::wire::errors::ApiError;
use crate::wire::reply::{Reply, iso8601};
use crate::wire::shape::parse;
use crate::wire::shapes;

pub fn create(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let mut request = parse(shapes::CREATE_ENDPOINT, &call.body)?;
    let id = call.route.param(0);
    request.insert("agentRuntimeId".to_owned(), json!(id));
    once(
        view,
        Operation::CreateAgentRuntimeEndpoint,
        request,
        |view, request| add(view, id, request),
    )
}

fn add(view: &mut View<'_>, id: &str, request: &Map<String, Value>) -> Result<Reply, ApiError> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    let tags = rules::tags(request.get("tags").cloned())?;
    let wished = version_number("agentRuntimeVersion", text("agentRuntimeVersion"))?;
    let runtime = view.part.runtime(id, view.settings)?;
    if runtime.endpoints.contains_key(name) || name == DEFAULT_ENDPOINT {
        return Err(ApiError::conflict(format!(
            "an endpoint with the specified name already exists: {name}"
        )));
    }
    settled(runtime)?;
    if runtime.endpoints.len() >= view.settings.max_endpoints {
        return Err(quota(
            "endpoints per agent runtime",
            view.settings.max_endpoints,
        ));
    }
    let target = wished.unwrap_or(runtime.newest().number);
    if !runtime.versions.contains_key(&target) {
        return Err(missing_version(id, target));
    }
    let seq = view.part.next_seq();
    let (account, region, now) = (
        view.part.account.clone(),
        view.part.region.clone(),
        view.now,
    );
    let runtime = view.part.runtime_mut(id, view.settings)?;
    let mut endpoint = new_endpoint(view.rng, seq, &account, &region, runtime, name, target, now);
    endpoint.description = text("description").map(str::to_owned);
    endpoint.tags = tags;
    let reply = Reply::accepted(json!({
        "targetVersion": target.to_string(),
        "agentRuntimeEndpointArn": endpoint.arn,
        "agentRuntimeArn": runtime.arn,
        "agentRuntimeId": id,
        "endpointName": name,
        "status": endpoint.status.wire(),
        "createdAt": iso8601(now),
    }));
    runtime.endpoints.insert(name.to_owned(), endpoint);
    schedule(view, id, name, target);
    Ok(reply)
}

pub fn update(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let mut request = parse(shapes::UPDATE_ENDPOINT, &call.body)?;
    let (id, name) = (call.route.param(0), call.route.param(1));
    request.insert("agentRuntimeId".to_owned(), json!(id));
    request.insert("endpointName".to_owned(), json!(name));
    once(
        view,
        Operation::UpdateAgentRuntimeEndpoint,
        request,
        |view, request| change(view, id, name, request),
    )
}

fn change(
    view: &mut View<'_>,
    id: &str,
    name: &str,
    request: &Map<String, Value>,
) -> Result<Reply, ApiError> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let wished = version_number("agentRuntimeVersion", text("agentRuntimeVersion"))?;
    let (settings, now) = (view.settings, view.now);
    let keep = settings.update_omitted == Omitted::Keep;
    let runtime = view.part.runtime_mut(id, settings)?;
    movable(runtime, name, "updated")?;
    settled(runtime)?;
    let newest = runtime.newest().number;
    let known = wished.is_none_or(|number| runtime.versions.contains_key(&number));
    let endpoint = runtime
        .endpoints
        .get_mut(name)
        .ok_or_else(|| missing(id, name))?;
    let target = match wished {
        Some(number) if !known => return Err(missing_version(id, number)),
        Some(number) => number,
        None if keep => endpoint.target.or(endpoint.live).unwrap_or(newest),
        None => newest,
    };
    if text("description").is_some() || !keep {
        endpoint.description = text("description").map(str::to_owned);
    }
    endpoint.target = Some(target);
    endpoint.status = Status::Updating;
    endpoint.failure_reason = None;
    endpoint.last_updated_at = now;
    let mut body = endpoint.summary();
    for member in ["name", "id", "description"] {
        body.remove(member);
    }
    schedule(view, id, name, target);
    Ok(Reply::accepted(Value::Object(body)))
}

pub fn get(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let (id, name) = (call.route.param(0), call.route.param(1));
    if view.settings.get_lag_ms > 0 {
        let then = ago(view, view.settings.get_lag_ms);
        let found = view
            .part
            .endpoint_journal
            .all_at(then)
            .find(|((of, _), state)| of == id && state["name"] == name);
        return found
            .map(|(_, state)| Reply::ok(state.as_ref().clone()))
            .ok_or_else(|| missing(id, name));
    }
    let runtime = view.part.runtime(id, view.settings)?;
    let endpoint = runtime
        .endpoints
        .get(name)
        .ok_or_else(|| missing(id, name))?;
    Ok(Reply::ok(Value::Object(endpoint.wire(view.settings))))
}

pub fn list(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let id = call.route.param(0);
    if view.settings.list_lag_ms > 0 {
        let then = ago(view, view.settings.list_lag_ms);
        let entries = view
            .part
            .endpoint_journal
            .all_at(then)
            .filter(|((of, _), _)| of == id)
            .map(|((_, seq), state)| {
                let mut entry = state.as_ref().clone();
                if let Value::Object(members) = &mut entry {
                    members.remove("failureReason");
                    for unknown in view.settings.unknown_endpoint_members.keys() {
                        members.remove(unknown);
                    }
                }
                (*seq, entry)
            });
        return page(call, "runtimeEndpoints", entries).map(Reply::ok);
    }
    let runtime = view.part.runtime(id, view.settings)?;
    let mut sorted: Vec<&Endpoint> = runtime.endpoints.values().collect();
    sorted.sort_unstable_by_key(|endpoint| endpoint.seq);
    let entries = sorted
        .into_iter()
        .map(|endpoint| (endpoint.seq, Value::Object(endpoint.summary())));
    page(call, "runtimeEndpoints", entries).map(Reply::ok)
}

pub fn delete(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let (id, name) = (call.route.param(0), call.route.param(1));
    once(
        view,
        Operation::DeleteAgentRuntimeEndpoint,
        delete_request(call)?,
        |view, _| {
            let now = view.now;
            let runtime = view.part.runtime_mut(id, view.settings)?;
            movable(runtime, name, "deleted")?;
            let endpoint = runtime
                .endpoints
                .get_mut(name)
                .ok_or_else(|| missing(id, name))?;
            endpoint.status = Status::Deleting;
            endpoint.failure_reason = None;
            endpoint.last_updated_at = now;
            let event = Event::EndpointGoes {
                id: id.to_owned(),
                name: name.to_owned(),
            };
            let settings = view.settings;
            let delay = settings
                .endpoint_delete_delay_ms
                .unwrap_or(settings.delete_delay_ms);
            view.part.schedule(now, delay, event);
            view.part.record(id, now, view.settings);
            Ok(Reply::accepted(json!({
                "status": Status::Deleting.wire(),
                "agentRuntimeId": id,
                "endpointName": name,
            })))
        },
    )
}

fn schedule(view: &mut View<'_>, id: &str, name: &str, target: u32) {
    let event = Event::EndpointSettles {
        id: id.to_owned(),
        name: name.to_owned(),
        target,
    };
    view.part
        .schedule(view.now, view.settings.endpoint_delay_ms, event);
    view.part.record(id, view.now, view.settings);
}

/// Refuses what users may not do to an endpoint, now or ever.
fn movable(runtime: &Runtime, name: &str, verb: &str) -> Result<(), ApiError> {
    let endpoint = runtime
        .endpoints
        .get(name)
        .ok_or_else(|| missing(&runtime.id, name))?;
    if name == DEFAULT_ENDPOINT {
        return Err(ApiError::conflict(format!(
            "the {DEFAULT_ENDPOINT} endpoint cannot be {verb}: the service manages it"
        )));
    }
    if endpoint.status.in_transition() {
        return Err(ApiError::conflict(format!(
            "endpoint {name} cannot be {verb} while it is {}",
            endpoint.status
        )));
    }
    Ok(())
}

/// Refuses changes of endpoints while their runtime is on its way or failed to come into being.
fn settled(runtime: &Runtime) -> Result<(), ApiError> {
    if runtime.status.in_transition() || runtime.status == Status::CreateFailed {
        return Err(ApiError::conflict(format!(
            "endpoints of agent runtime {} cannot be changed while it is {}",
            runtime.id, runtime.status
        )));
    }
    Ok(())
}

fn missing(id: &str, name: &str) -> ApiError {
    ApiError::not_found(format!(
        "endpoint {name} of agent runtime {id} was not found"
    ))
}
