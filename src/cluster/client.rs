//! Connecting, and the two facts about the cluster that the operator needs: its id, and the pod's own namespace.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::client::Body;
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use tower::limit::ConcurrencyLimitLayer;
use tower::util::MapRequestLayer;

/// Requests under way at a time; a watch counts until it has begun. Each takes a connection of its own, which stays for a while: 40 KB
/// here with TLS, and more at the API server.
const AT_ONCE: usize = 32;

/// Connects by KUBECONFIG or the in-cluster account.
pub async fn connect() -> anyhow::Result<Client> {
    let builder = ClientBuilder::try_from(config().await?)?;
    Ok(builder
        .with_layer(&ConcurrencyLimitLayer::new(AT_ONCE))
        .with_layer(&MapRequestLayer::new(with_newest_list))
        .build())
}

/// Has a list that comes as a stream begin with what is newest. The client library asks for any version, and so might be shown objects that were
/// deleted before this process began.
fn with_newest_list(mut request: http::Request<Body>) -> http::Request<Body> {
    let uri = request.uri();
    let query = uri.query().unwrap_or_default();
    if query
        .split('&')
        .any(|part| part == "sendInitialEvents=true")
    {
        let kept = query.split('&').filter(|part| *part != "resourceVersion=0");
        let kept: Vec<&str> = kept.collect();
        if let Ok(changed) = format!("{}?{}", uri.path(), kept.join("&")).parse() {
            *request.uri_mut() = changed;
        }
    }
    request
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

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;

    #[test]
    fn only_a_streamed_list_begins_with_the_newest_version() {
        let asked = |uri: &str| {
            let request = http::Request::get(uri).body(Body::empty()).unwrap();
            with_newest_list(request).uri().to_string()
        };
        assert_eq!(
            asked(
                "/apis/a?&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0"
            ),
            "/apis/a?&watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        );
        for other in [
            "/apis/a?watch=true&resourceVersion=0",
            "/apis/a?limit=10",
            "/apis/a",
        ] {
            assert_eq!(asked(other), other);
        }
    }
}
