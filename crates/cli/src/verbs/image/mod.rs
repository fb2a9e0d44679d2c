//! `image`: which image runs, why, and which edit in Git would change it.

mod explain;
mod list;

pub use explain::run as explain;
pub use list::run as list;

use agentcore_api::{AgentRuntime, Kind};
use kube::ResourceExt as _;
use kube::api::DynamicObject;

use crate::context::Cluster;
use crate::error::Error;
use crate::objects::Reference;

fn typed(object: DynamicObject) -> Result<AgentRuntime, Error> {
    let name = object.name_any();
    object.try_parse().map_err(|error| {
        Error::Failed(format!(
            "AgentRuntime {name} is not understood: {error}; is this plugin older than the operator?"
        ))
    })
}

fn runtime_reference(name: &str) -> Result<Reference, Error> {
    let reference: Reference = name.parse()?;
    if reference.kind != Kind::AgentRuntime {
        return Err(Error::Usage(format!(
            "{reference} has no image and no versions: name its AgentRuntime"
        )));
    }
    Ok(reference)
}

/// Reads an AgentRuntime.
pub async fn runtime(name: &str, cluster: &Cluster) -> Result<AgentRuntime, Error> {
    typed(runtime_reference(name)?.get(cluster).await?)
}
