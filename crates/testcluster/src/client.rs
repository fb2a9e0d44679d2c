//! The few requests that the cluster's owner makes to its API server, as an administrator.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Certificate, Client, Identity};
use serde::Deserialize;
use serde_json::json;

use crate::pki::Pki;

/// One request must not hang longer than this: a server that is still starting may accept and say nothing.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// How long the tokens live that [`Admin::service_account_token`] asks for.
const TOKEN_LIFE: Duration = Duration::from_hours(24);

/// An HTTP client with the administrator's certificate.
#[derive(Debug)]
pub(crate) struct Admin {
    http: Client,
    url: String,
}

#[derive(Deserialize)]
struct TokenRequest {
    status: TokenRequestStatus,
}

#[derive(Deserialize)]
struct TokenRequestStatus {
    token: String,
}

impl Admin {
    pub(crate) fn new(url: &str, pki: &Pki) -> anyhow::Result<Self> {
        let identity = format!("{}{}", pki.admin_key_pem, pki.admin_pem);
        let http = Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            .tls_certs_only([Certificate::from_pem(pki.ca_pem.as_bytes())?])
            .identity(Identity::from_pem(identity.as_bytes())?)
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
        })
    }

    /// Whether a GET of `path` is answered with a 2xx. Every failure counts as "not yet".
    pub(crate) async fn answers(&self, path: &str) -> bool {
        let response = self.http.get(format!("{}{path}", self.url)).send().await;
        response.is_ok_and(|response| response.status().is_success())
    }

    /// A token for a ServiceAccount, for the API server itself, good for 24 hours.
    pub(crate) async fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": [], "expirationSeconds": TOKEN_LIFE.as_secs() },
        });
        let response = self
            .http
            .post(format!("{}{path}", self.url))
            .json(&body)
            .send()
            .await?;
        let status = response.status();
        if !status.is_success() {
            bail!(
                "POST {path}: {status}: {}",
                response.text().await.unwrap_or_default()
            );
        }
        let answer: TokenRequest = response
            .json()
            .await
            .context("cannot read the TokenRequest")?;
        Ok(answer.status.token)
    }
}
