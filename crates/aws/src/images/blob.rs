//! Small blobs of images, from the addresses that ECR signs.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agentcore_invoke::proxy::Way;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Largest configuration of an image that is read, in bytes.
const MOST: usize = 1 << 20;
/// Longest wait for one.
const TIMEOUT: Duration = Duration::from_secs(15);

type Connector = HttpsConnector<Way>;

/// Why a blob was not fetched. The address is signed, and stays out of the text.
#[derive(Debug, thiserror::Error)]
pub(super) enum BlobError {
    /// There are no certificates to trust.
    #[error("no trusted certificates: {0}")]
    Roots(String),
    /// The address is none.
    #[error("the address is not one")]
    Address,
    /// No answer, or not within the limits.
    #[error("no whole answer: {0}")]
    Answer(String),
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// It took too long.
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
}

/// Fetches blobs; connects when the first is asked for.
#[derive(Debug, Default)]
pub(super) struct Blobs(OnceLock<Client<Connector, Empty<Bytes>>>);

impl Blobs {
    pub async fn fetch(&self, url: &str) -> Result<Bytes, BlobError> {
        let client = self.client()?;
        let uri = url.parse().map_err(|_| BlobError::Address)?;
        let fetched = async {
            let answer = client
                .get(uri)
                .await
                .map_err(|error| BlobError::Answer(error.to_string()))?;
            if answer.status() != 200 {
                return Err(BlobError::Status(answer.status().as_u16()));
            }
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            body.map(http_body_util::Collected::to_bytes)
                .map_err(|error| BlobError::Answer(error.to_string()))
        };
        tokio::time::timeout(TIMEOUT, fetched)
            .await
            .map_err(|_| BlobError::Timeout)?
    }

    fn client(&self) -> Result<&Client<Connector, Empty<Bytes>>, BlobError> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots((*provider).clone())
            .map_err(|error| BlobError::Roots(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(Way::from_env(HttpConnector::new()));
        Ok(self
            .0
            .get_or_init(|| Client::builder(TokioExecutor::new()).build(connector)))
    }
}
