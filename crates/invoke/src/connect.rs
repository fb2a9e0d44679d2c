//! The one pool of connections: HTTP/1.1 over TLS 1.2 and later, through the proxies of the environment.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower::Service;

use crate::body::{BoxError, Outgoing};
use crate::counted::{Counted, Open};
use crate::proxy::Way;
use crate::settings::Settings;
use crate::setup::SetupError;

/// How long a connection is silent before its peer is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Most bytes of an answer that a connection holds while nobody takes them, and longest head of an answer. hyper's own is six times as
/// much, which thousands of slow readers would fill.
const BUFFER: usize = 64 << 10;

/// The pooled client.
pub type Http = Client<Connector, Outgoing>;

/// A connection that took too long.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("no connection within {0:?}")]
pub struct ConnectTimeout(Duration);

/// A pool. Without TLS on the way (`plain`), a machine without root certificates is good enough.
pub fn http(settings: &Settings, plain: bool, open: Open) -> Result<Http, SetupError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    // NAT gateways forget a connection that is silent for minutes, and an agent may think for longer.
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE / 3));
    tcp.set_keepalive_retries(Some(3));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = HttpsConnectorBuilder::new();
    let tls = match builder.with_provider_and_native_roots(provider.clone()) {
        Ok(tls) => tls,
        Err(_) if plain => {
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(SetupError::Tls)?
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        }
        Err(error) => return Err(SetupError::Roots(error)),
    };
    let connector = Connector {
        inner: tls
            .https_or_http()
            .enable_http1()
            .wrap_connector(Way::from_env(tcp)),
        timeout: settings.connect_timeout,
        open,
    };
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle_timeout)
        .http1_max_buf_size(BUFFER)
        .build(connector))
}

/// Whether nothing of a request was sent when it failed. hyper calls a request cancelled only when it gives it back unread.
pub fn sent_nothing(error: &Error) -> bool {
    error.is_connect() || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled)
}

/// The first cause of a kind.
pub fn find<E: std::error::Error + 'static>(error: &Error) -> Option<&E> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// A connector with one time-out over names, TCP and TLS.
#[derive(Clone, Debug)]
pub struct Connector {
    inner: HttpsConnector<Way>,
    timeout: Duration,
    open: Open,
}

impl Service<Uri> for Connector {
    type Response = Counted<<HttpsConnector<Way> as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let (limit, open) = (self.timeout, self.open.clone());
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected.map(|connection| open.counted(connection)),
                Err(_) => Err(ConnectTimeout(limit).into()),
            }
        })
    }
}
