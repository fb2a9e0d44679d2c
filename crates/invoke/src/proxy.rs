//! Proxies as the environment names them, the same for every call to AWS: `HTTPS_PROXY` and `ALL_PROXY`, unless `NO_PROXY` has the host, in large or
//! small letters. A proxy is spoken to without TLS, and asked for a tunnel (CONNECT). What the AWS SDK sends without TLS goes by `HTTP_PROXY`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use tower::Service;

use crate::body::BoxError;

/// How the AWS SDK, its sources of credentials among it, reaches AWS.
pub fn sdk_client() -> SharedHttpClient {
    let proxies = ProxyConfig::from_env();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxies.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build()
    })
}

/// TCP to where a request goes, or through a proxy. TLS comes on top of it.
#[derive(Clone, Debug)]
pub struct Way {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Way {
    /// By the environment of this process.
    pub fn from_env(tcp: HttpConnector) -> Self {
        Self::new(tcp, Matcher::from_env())
    }

    fn new(mut tcp: HttpConnector, proxies: Matcher) -> Self {
        tcp.enforce_http(false);
        Self {
            tcp,
            proxies: Arc::new(proxies),
        }
    }
}

impl Service<Uri> for Way {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        let Some(proxy) = self.proxies.intercept(&uri).filter(|_| secure) else {
            let connecting = self.tcp.call(uri);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(uri);
        Box::pin(async move { connecting.await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A proxy that lets one tunnel be; what it was asked.
    async fn asked_of_a_proxy(uri: &str, no: &str) -> Option<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let matcher = Matcher::builder().https(address).no(no).build();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).await.unwrap();
            let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            String::from_utf8(head[..read].to_vec()).unwrap()
        });
        let mut way = Way::new(HttpConnector::new(), matcher);
        let connected = way.call(uri.parse().unwrap()).await;
        if connected.is_err() {
            asked.abort();
        }
        asked.await.ok()
    }

    #[tokio::test]
    async fn a_call_goes_through_the_proxy_unless_its_host_is_excepted() {
        let asked =
            asked_of_a_proxy("https://bedrock-agentcore.us-east-1.amazonaws.com/", "").await;
        let asked = asked.unwrap().to_ascii_lowercase();
        assert!(
            asked.starts_with("connect bedrock-agentcore.us-east-1.amazonaws.com:443 http/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("proxy-authorization: basic dxnlcjpzzwnyzxq="),
            "{asked}"
        );
        // Nobody listens there: it was tried, and without the proxy.
        let direct = asked_of_a_proxy("https://127.0.0.1:1/", "127.0.0.1").await;
        assert_eq!(direct, None);
        let plain = asked_of_a_proxy("http://127.0.0.1:1/", "").await;
        assert_eq!(plain, None);
    }
}
