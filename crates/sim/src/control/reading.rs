//! Get and List of runtimes and their versions, which may lag behind.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::paging::page;
use super::version_number;
use crate::request::Call;
use crate::state::partition::View;
use crate::state::runtime::Runtime;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;

/// What a list shows of a runtime.
const SUMMARY: [&str; 7] = [
    "agentRuntimeArn",
    "agentRuntimeId",
    "agentRuntimeVersion",
    "agentRuntimeName",
    "description",
    "lastUpdatedAt",
    "status",
];

pub fn get(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let id = call.route.param(0);
    let number = version_number("agentRuntimeVersion", call.query("version"))?;
    if number.is_none() && view.settings.get_lag_ms > 0 {
        let then = ago(view, view.settings.get_lag_ms);
        let found = view
            .part
            .runtime_journal
            .all_at(then)
            .find(|(_, state)| state["agentRuntimeId"] == id);
        return found
            .map(|(_, state)| Reply::ok(state.as_ref().clone()))
            .ok_or_else(|| ApiError::not_found(format!("agent runtime {id} was not found")));
    }
    let runtime = view.part.runtime(id, view.settings)?;
    let version = match number {
        None => runtime.newest(),
        Some(number) => runtime
            .versions
            .get(&number)
            .ok_or_else(|| missing_version(id, number))?,
    };
    Ok(Reply::ok(Value::Object(
        runtime.wire(version, view.settings),
    )))
}

pub fn list(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    if view.settings.list_lag_ms > 0 {
        let then = ago(view, view.settings.list_lag_ms);
        let entries = view.part.runtime_journal.all_at(then).map(|(seq, state)| {
            let pick = |name: &&str| {
                (
                    (*name).to_owned(),
                    state.get(*name).cloned().unwrap_or_else(|| json!("")),
                )
            };
            (*seq, Value::Object(SUMMARY.iter().map(pick).collect()))
        });
        return page(call, "agentRuntimes", entries).map(Reply::ok);
    }
    let mut sorted: Vec<&Runtime> = view.part.runtimes.values().collect();
    sorted.sort_unstable_by_key(|runtime| runtime.seq);
    let entries = sorted
        .into_iter()
        .map(|runtime| (runtime.seq, runtime.summary(runtime.newest())));
    page(call, "agentRuntimes", entries).map(Reply::ok)
}

pub fn list_versions(view: &mut View<'_>, call: &Call) -> Result<Reply, ApiError> {
    let runtime = view.part.runtime(call.route.param(0), view.settings)?;
    let entries = runtime
        .versions
        .values()
        .map(|version| (u64::from(version.number), runtime.summary(version)));
    page(call, "agentRuntimes", entries).map(Reply::ok)
}

/// The time that a lag goes back to.
pub fn ago(view: &View<'_>, lag_ms: u64) -> jiff::Timestamp {
    let lag = SignedDuration::from_millis(i64::try_from(lag_ms).unwrap_or(i64::MAX));
    view.now.saturating_sub(lag).unwrap_or(jiff::Timestamp::MIN)
}

/// `ResourceNotFoundException` for a version.
pub fn missing_version(id: &str, number: u32) -> ApiError {
    ApiError::not_found(format!(
        "version {number} of agent runtime {id} was not found"
    ))
}
