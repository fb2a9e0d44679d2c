//! Connecting, and the two facts about the cluster that the operator needs: its id, and the pod's own namespace.

use std::time::Duration;

use anyhow::Context as _;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use k8s_openapi::api::core::v1::Namespace;
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ConfigExt as _};
use kube::{Api, Client, Config};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use tower::limit::ConcurrencyLimitLayer;
use tower::retry::RetryLayer;
use tower::{BoxError, ServiceBuilder};

use super::deadlines::Deadlines;
use tower::util::MapRequestLayer;

/// Requests under way at a time, first come, first served; a watch counts until it has begun. The passes of one namespace have fewer (`controllers::turns`),
/// and so do its Secrets and ConfigMaps: none fills this. Each takes a connection of its own, which stays for a while: 40 KB
/// here with TLS, and more at the API server.
const AT_ONCE: usize = 32;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// After so long without bytes the kernel asks whether the other end is there, again so much later, and twice more.
const PROBE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(3), 3);
/// Bytes that nobody acknowledged for this long break a connection.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// A connection that was idle for longer is not used again: its other end may have gone without a word, and finding that out takes a request's
/// whole deadline. Well below the time after which a silent watch is begun anew.
const IDLE: Duration = Duration::from_secs(10);

/// Connects by KUBECONFIG or the in-cluster account.
pub async fn connect() -> anyhow::Result<Client> {
    let config = config().await?;
    let retries = config.default_retry;
    let service = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(AT_ONCE))
        .layer(Deadlines::ByKind)
        .layer(MapRequestLayer::new(with_newest_list))
        .layer(config.base_uri_layer())
        .option_layer(retries.then(|| RetryLayer::new(RetryPolicy::server_retry())))
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http(&config)?);
    Ok(Client::new(service, config.default_namespace))
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

/// Connects once more, for leases: what waits for a slow answer must not keep them from being renewed. Each request ends within 4 s and is
/// made once.
pub async fn connect_for_leases() -> anyhow::Result<Client> {
    let config = config().await?;
    let service = ServiceBuilder::new()
        .layer(Deadlines::Leases)
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http(&config)?);
    Ok(Client::new(service, config.default_namespace))
}

/// What sends the requests. The library's own would keep connections for longer, and would log what it sends.
fn http(
    config: &Config,
) -> anyhow::Result<HttpClient<hyper_rustls::HttpsConnector<HttpConnector>, Body>> {
    anyhow::ensure!(
        config.proxy_url.is_none(),
        "the API server cannot be reached by a proxy (proxy-url, HTTPS_PROXY); name it in NO_PROXY"
    );
    if CryptoProvider::get_default().is_none() {
        // Fails where somebody else was quicker.
        let _ = aws_lc_rs::default_provider().install_default();
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let (time, interval, retries) = PROBE;
    tcp.set_keepalive(Some(time));
    tcp.set_keepalive_interval(Some(interval));
    tcp.set_keepalive_retries(Some(retries));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    Ok(HttpClient::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(tls))
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
