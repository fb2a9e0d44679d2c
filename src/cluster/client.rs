//! Connecting, and the two facts about the cluster that the operator needs: its id, and the pod's own namespace.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use tower::limit::ConcurrencyLimitLayer;

/// Requests under way at a time, first come, first served; a watch counts until it has begun. The passes of one namespace have fewer (`controllers::turns`),
/// and so do its Secrets and ConfigMaps: none fills this. Each takes a connection of its own, which stays for a while: 40 KB
/// here with TLS, and more at the API server.
const AT_ONCE: usize = 32;

/// Connects by KUBECONFIG or the in-cluster account.
pub async fn connect() -> anyhow::Result<Client> {
    let builder = ClientBuilder::try_from(config().await?)?;
    Ok(builder
        .with_layer(&ConcurrencyLimitLayer::new(AT_ONCE))
        .build())
}

/// Connects once more, for leases: what waits for a slow answer must not keep them from being renewed.
pub async fn connect_for_leases() -> anyhow::Result<Client> {
    Ok(Client::try_from(config().await?)?)
}

async fn config() -> anyhow::Result<Config> {
    Config::infer().await.context(
        "cannot find a Kubernetes cluster (KUBECONFIG, ~/.kube/config or in-cluster account)",
    )
}

/// The UID of the kube-system namespace, which lives as long as the cluster.
pub async fn cluster_uid(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await
        .context(
            "cannot read the kube-system namespace; the operator needs the right to `get` it",
        )?;
    namespace
        .metadata
        .uid
        .context("the kube-system namespace has no UID")
}

/// The pod's own namespace, else `default`.
pub fn own_namespace() -> String {
    std::fs::read_to_string("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "default".to_owned())
}
