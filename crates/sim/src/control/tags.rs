//! Tags and resource policies of runtimes and endpoints.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules;
use crate::request::Call;
use crate::state::partition::View;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;
use crate::wire::shape::{check_text, parse};
use crate::wire::shapes;

/// Tags a resource may have.
const MAX_TAGS: usize = 50;
/// Keys one UntagResource may name.
const MAX_KEYS: usize = 200;

/// What can be changed on a resource by its ARN.
struct Resource<'a> {
    tags: &'a mut BTreeMap<String, String>,
    policy: &'a mut Option<String>,
}

pub fn tag(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::TAGGABLE_ARN, call.route.param(0))?;
    let mut request = parse(shapes::TAG_RESOURCE, &call.body)?;
    let new = rules::tags(request.remove("tags"))?;
    let resource = find(view, call.route.param(0))?;
    let mut tags = resource.tags.clone();
    tags.extend(new);
    if tags.len() > MAX_TAGS {
        return Err(ApiError::new(
            "ServiceQuotaExceededException",
            format!("a resource can have {MAX_TAGS} tags at most"),
        ));
    }
    *resource.tags = tags;
    Ok(Reply::no_content())
}

pub fn untag(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::TAGGABLE_ARN, call.route.param(0))?;
    let keys: Vec<&str> = call
        .query
        .iter()
        .filter(|(name, _)| name == "tagKeys")
        .map(|(_, key)| key.as_str())
        .collect();
    if !call.query.iter().any(|(name, _)| name == "tagKeys") {
        return Err(ApiError::field("tagKeys", "Member must not be null"));
    }
    if keys.len() > MAX_KEYS {
        return Err(ApiError::field(
            "tagKeys",
            format!("Member must have length less than or equal to {MAX_KEYS}"),
        ));
    }
    for key in &keys {
        check_text("tagKeys", &shapes::TAG_KEY, key)?;
    }
    let resource = find(view, call.route.param(0))?;
    resource.tags.retain(|key, _| !keys.contains(&key.as_str()));
    Ok(Reply::no_content())
}

pub fn list(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::TAGGABLE_ARN, call.route.param(0))?;
    let resource = find(view, call.route.param(0))?;
    Ok(Reply::ok(json!({ "tags": resource.tags })))
}

pub fn put_policy(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::RESOURCE_ARN, call.route.param(0))?;
    let request = parse(shapes::PUT_POLICY, &call.body)?;
    let policy = request
        .get("policy")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !serde_json::from_str::<Value>(policy).is_ok_and(|document| document.is_object()) {
        return Err(ApiError::field(
            "policy",
            "the policy is not a valid JSON document",
        ));
    }
    let resource = find(view, call.route.param(0))?;
    *resource.policy = Some(policy.to_owned());
    Ok(Reply::created(json!({ "policy": policy })))
}

pub fn get_policy(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::RESOURCE_ARN, call.route.param(0))?;
    let resource = find(view, call.route.param(0))?;
    match resource.policy {
        Some(policy) => Ok(Reply::ok(json!({ "policy": policy }))),
        None => Err(no_policy(call)),
    }
}

pub fn delete_policy(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    check_text("resourceArn", &shapes::RESOURCE_ARN, call.route.param(0))?;
    let resource = find(view, call.route.param(0))?;
    resource
        .policy
        .take()
        .map(|_| Reply::no_content())
        .ok_or_else(|| no_policy(call))
}

fn no_policy(call: &Call) -> ApiError {
    ApiError::not_found(format!(
        "resource {} has no resource policy",
        call.route.param(0)
    ))
}

fn find<'a>(view: &'a mut View<'_>, arn: &str) -> Result<Resource<'a>, ApiError> {
    let missing = || ApiError::not_found(format!("resource {arn} was not found"));
    let id = view.runtime_id(arn).map_err(|_| missing())?;
    let endpoint = arn
        .split_once("/runtime-endpoint/")
        .map(|(_, name)| name.to_owned());
    let runtime = view.part.runtime_mut(&id, view.settings)?;
    match endpoint {
        None => Ok(Resource {
            tags: &mut runtime.tags,
            policy: &mut runtime.policy,
        }),
        Some(name) => {
            let endpoint = runtime.endpoints.get_mut(&name).ok_or_else(missing)?;
            Ok(Resource {
                tags: &mut endpoint.tags,
                policy: &mut endpoint.policy,
            })
        }
    }
}
