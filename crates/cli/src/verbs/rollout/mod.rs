//! `rollout`: the versions of a runtime that are kept, what differs between two, and how a roll goes.

mod diff;
mod history;
mod status;

pub use diff::run as diff;
pub use history::run as history;
pub use status::run as status;

use agentcore_api::AgentRuntime;
use agentcore_api::names::labels;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::Value;

use crate::context::Cluster;
use crate::error::Error;
use crate::objects::pages;
use crate::refusals;

/// What is kept of a version.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Number.
    pub version: String,
    /// `Spec`, `Image`, `Config` or `Drift`.
    pub cause: String,
    /// Why it was made.
    pub message: String,
    /// When it was asked for (RFC 3339).
    pub time: String,
    /// Generation of the manifest.
    pub generation: Option<i64>,
    /// Field manager that wrote the manifest last.
    pub actor: Option<String>,
    /// Digest of the image.
    pub digest: Option<String>,
    /// What the version was made of.
    pub input: Value,
    /// Id of the runtime in AWS.
    pub runtime_id: String,
}

impl Kept {
    fn of(revision: &ControllerRevision) -> Self {
        let data = revision
            .data
            .as_ref()
            .map(|data| data.0.clone())
            .unwrap_or_default();
        let text = |pointer: &str| {
            data.pointer(pointer)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        Self {
            version: text("/version").unwrap_or_else(|| revision.revision.to_string()),
            cause: text("/cause/type").unwrap_or_default(),
            message: text("/cause/message").unwrap_or_default(),
            time: text("/time").unwrap_or_default(),
            generation: data.get("generation").and_then(Value::as_i64),
            actor: text("/actor"),
            digest: text("/imageDigest"),
            input: data.get("input").cloned().unwrap_or_default(),
            runtime_id: text("/runtimeId").unwrap_or_default(),
        }
    }
}

/// What is kept of a runtime's versions, newest first.
pub async fn revisions(object: &AgentRuntime, cluster: &Cluster) -> Result<Vec<Kept>, Error> {
    let selector = format!(
        "{}={}",
        labels::RUNTIME_UID,
        object.uid().unwrap_or_default()
    );
    let params = ListParams::default().labels(&selector);
    let all = pages(&cluster.api::<ControllerRevision>(false), &params)
        .await
        .map_err(|error| refusals::of(&error, "list", "controllerrevisions.apps", cluster))?;
    let mut kept: Vec<Kept> = all.iter().map(Kept::of).collect();
    // A runtime that was made anew in AWS counts its versions anew: time tells what is newer.
    kept.sort_by(|a, b| b.time.cmp(&a.time));
    Ok(kept)
}

/// The version of this number.
fn find<'a>(kept: &'a [Kept], version: &str, name: &str) -> Result<&'a Kept, Error> {
    kept.iter()
        .find(|one| one.version == version)
        .ok_or_else(|| {
            let known: Vec<&str> = kept.iter().map(|one| one.version.as_str()).collect();
            let known = if known.is_empty() {
                "none is kept yet".to_owned()
            } else {
                format!("kept are {}", known.join(", "))
            };
            Error::NotFound(format!(
                "version {version} is not in the history of AgentRuntime {name}: {known}"
            ))
        })
}
