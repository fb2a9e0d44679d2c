//! The control plane: runtimes, versions, endpoints, tags, resource policies.

mod endpoints;
mod idempotency;
mod paging;
mod reading;
mod rules;
mod runtimes;
mod tags;

use serde_json::{Map, Value, json};

use crate::operation::Operation as Op;
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;
use crate::wire::shape::check_text;
use crate::wire::shapes;

/// Answers an operation of the control plane.
///
/// # Errors
/// What the service refuses.
pub fn handle(app: &App, call: &Call) -> Result<Reply, ApiError> {
    let route = &call.route;
    let named = matches!(
        route.operation,
        Op::GetAgentRuntimeEndpoint
            | Op::UpdateAgentRuntimeEndpoint
            | Op::DeleteAgentRuntimeEndpoint
    );
    if named {
        check_text("endpointName", &shapes::NAME, route.param(1))?;
    }
    let by_id = !matches!(
        route.operation,
        Op::CreateAgentRuntime | Op::ListAgentRuntimes
    ) && !is_by_arn(route.operation);
    if by_id {
        check_text("agentRuntimeId", &shapes::RUNTIME_ID, route.param(0))?;
    }
    let now = app.now();
    let mut world = app.world.lock();
    let view = &mut world.view(&call.account, &call.region, now);
    match route.operation {
        Op::CreateAgentRuntime => runtimes::create(view, call),
        Op::GetAgentRuntime => reading::get(view, call),
        Op::UpdateAgentRuntime => runtimes::update(view, call),
        Op::DeleteAgentRuntime => runtimes::delete(view, call),
        Op::ListAgentRuntimes => reading::list(view, call),
        Op::ListAgentRuntimeVersions => reading::list_versions(view, call),
        Op::CreateAgentRuntimeEndpoint => endpoints::create(view, call),
        Op::GetAgentRuntimeEndpoint => endpoints::get(view, call),
        Op::UpdateAgentRuntimeEndpoint => endpoints::update(view, call),
        Op::DeleteAgentRuntimeEndpoint => endpoints::delete(view, call),
        Op::ListAgentRuntimeEndpoints => endpoints::list(view, call),
        Op::TagResource => tags::tag(view, call),
        Op::UntagResource => tags::untag(view, call),
        Op::ListTagsForResource => tags::list(view, call),
        Op::PutResourcePolicy => tags::put_policy(view, call),
        Op::GetResourcePolicy => tags::get_policy(view, call),
        Op::DeleteResourcePolicy => tags::delete_policy(view, call),
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("{other} is not of the control plane"),
        )),
    }
}

fn is_by_arn(operation: Op) -> bool {
    matches!(
        operation,
        Op::TagResource
            | Op::UntagResource
            | Op::ListTagsForResource
            | Op::PutResourcePolicy
            | Op::GetResourcePolicy
            | Op::DeleteResourcePolicy
    )
}

/// The version number in an optional query parameter or member.
fn version_number(name: &str, given: Option<&str>) -> Result<Option<u32>, ApiError> {
    let Some(text) = given else { return Ok(None) };
    check_text(name, &shapes::VERSION, text)?;
    text.parse()
        .map(Some)
        .map_err(|_| ApiError::field(name, "Member must be a version number"))
}

/// What a delete was asked, as the request that its client token belongs to.
fn delete_request(call: &Call) -> Result<Map<String, Value>, ApiError> {
    let mut request = Map::new();
    for (n, param) in call.route.params.iter().enumerate() {
        request.insert(n.to_string(), json!(param));
    }
    if let Some(version) = call.query("version") {
        request.insert("version".to_owned(), json!(version));
    }
    if let Some(token) = call.query("clientToken") {
        check_text("clientToken", &shapes::CLIENT_TOKEN, token)?;
        request.insert("clientToken".to_owned(), json!(token));
    }
    Ok(request)
}
