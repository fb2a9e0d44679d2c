//! Connecting, and the two facts about the cluster that the operator needs: its id, and the pod's own namespace.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

/// Connects by KUBECONFIG or the in-cluster account.
pub async fn connect() -> anyhow::Result<Client> {
    Client::try_default().await.context(
        "cannot find a Kubernetes cluster (KUBECONFIG, ~/.kube/config or in-cluster account)",
    )
}

/// The UID of the kube-system namespace, which lives as long as the cluster.
pub async fn cluster_uid(client: &Client) -> anyhow::Result<String> {
    let namespace = Api::<Namespace>::all(client.clone())
        .get("kube-system")
        .await
        .context("cannot read the kube-system namespace; give --cluster-id")?;
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
