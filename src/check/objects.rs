//! `agentcore-operator check --no-objects`: that nothing is left whose deletion needs the operator.

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};
use anyhow::{Context as _, ensure};
use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use agentcore_cluster::client;

/// How many objects are named.
const NAMED: u32 = 5;

/// Fails with the names of some objects if there are any, in these namespaces or, without any, in all.
pub async fn none_left(namespaces: &[String]) -> anyhow::Result<()> {
    let kube = client::connect().await?;
    let mut left = Vec::new();
    left.extend(some::<AgentRuntime>(&kube, namespaces).await?);
    left.extend(some::<AgentEndpoint>(&kube, namespaces).await?);
    left.extend(some::<AgentSession>(&kube, namespaces).await?);
    ensure!(
        left.is_empty(),
        "delete these objects first, while the operator runs: {}; or leave them, with helm uninstall --no-hooks, for the next installation \
         with the same clusterId",
        left.join(", ")
    );
    println!("ok: no AgentRuntime, AgentEndpoint or AgentSession is left");
    Ok(())
}

/// Some objects of a kind; none where the kind is not served.
async fn some<K>(kube: &Client, namespaces: &[String]) -> anyhow::Result<Vec<String>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let apis: Vec<Api<K>> = if namespaces.is_empty() {
        vec![Api::all(kube.clone())]
    } else {
        let of = |namespace: &String| Api::namespaced(kube.clone(), namespace);
        namespaces.iter().map(of).collect()
    };
    let mut names = Vec::new();
    for api in apis {
        // Metadata alone: an object that this version cannot read counts, too.
        let list = match api.list_metadata(&ListParams::default().limit(NAMED)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => continue,
            list => list.with_context(|| format!("cannot list {}", K::plural(&())))?,
        };
        let more = list.metadata.remaining_item_count.unwrap_or_default();
        names.extend(list.items.iter().map(|one| {
            let (kind, namespace) = (K::kind(&()), one.namespace().unwrap_or_default());
            format!("{kind} {namespace}/{}", one.name_any())
        }));
        if more > 0 {
            names.push(format!("{more} more of {}", K::plural(&())));
        }
    }
    Ok(names)
}
