//! A client from the environment, by the rules of the AWS SDKs.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

use crate::client::Client;
use crate::credentials::Credentials;
use crate::data_plane::{DataPlane, DataPlaneError};
use crate::proxy;
use crate::settings::Settings;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The environment or the profile gives an address that is none.
    #[error("{0}")]
    DataPlane(DataPlaneError),
    /// AWS has no FIPS hosts behind other addresses.
    #[error("AWS_USE_FIPS_ENDPOINT and an endpoint URL exclude each other")]
    FipsWithEndpoint,
    /// Credentials were switched off.
    #[error("the environment names no source of AWS credentials")]
    NoCredentials,
    /// The machine has no root certificates.
    #[error("cannot read this machine's root certificates: {0}")]
    Roots(std::io::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(rustls::Error),
}

impl Client {
    /// A client with the standard credentials chain, for AWS's hosts or those that the environment or the profile names:
    /// `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE`, `AWS_ENDPOINT_URL` and `endpoint_url`, unless
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is set; `AWS_USE_FIPS_ENDPOINT` chooses AWS's FIPS hosts.
    pub async fn from_environment(settings: Settings) -> Result<Self, SetupError> {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(proxy::sdk_client())
            .load()
            .await;
        Self::from_config(&config, settings)
    }

    /// As [`Client::from_environment`], from what was loaded already.
    pub fn from_config(config: &SdkConfig, settings: Settings) -> Result<Self, SetupError> {
        let data_plane = data_plane(config)?;
        let provider = config
            .credentials_provider()
            .ok_or(SetupError::NoCredentials)?;
        Self::new(data_plane, Credentials::new(provider), settings)
    }
}

fn data_plane(config: &SdkConfig) -> Result<DataPlane, SetupError> {
    let fips = config.use_fips().unwrap_or_default();
    let own = config.service_config().and_then(|service| {
        let key = ServiceConfigKey::builder()
            .service_id("Bedrock AgentCore")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        service.load_config(key)
    });
    let url = own.or_else(|| config.endpoint_url().map(str::to_owned));
    match url {
        Some(_) if fips => Err(SetupError::FipsWithEndpoint),
        Some(url) => DataPlane::at(&url).map_err(SetupError::DataPlane),
        None => Ok(DataPlane::aws(fips)),
    }
}
