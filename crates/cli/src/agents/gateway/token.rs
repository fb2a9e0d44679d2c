//! Tokens for the gateway. It wants an audience of its own, so nothing that a kubeconfig holds will do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::agents::args::Way;
use crate::context::Cluster;
use crate::error::Error;

/// Life that is asked for, in seconds. The API server may give less.
const LIFE: i64 = 3600;

/// Where tokens come from.
pub struct Tokens {
    source: Source,
    held: Mutex<Option<Held>>,
}

enum Source {
    /// Read anew each time: whoever writes it may renew it.
    File(PathBuf),
    /// Read once.
    Input,
    /// Asked for, and again when most of its life is over.
    Account(Box<Account>),
}

struct Account {
    accounts: Api<ServiceAccount>,
    namespace: String,
    name: String,
    audience: String,
}

struct Held {
    header: HeaderValue,
    until: Option<Instant>,
}

impl Tokens {
    /// By the flags. Nothing is read or asked for yet.
    pub fn new(way: &Way, cluster: &Cluster) -> Result<Self, Error> {
        let source = match (&way.as_serviceaccount, &way.token) {
            (Some(account), _) => {
                let (namespace, name) = account
                    .split_once('/')
                    .unwrap_or((&cluster.namespace, account));
                if name.is_empty() || namespace.is_empty() || name.contains('/') {
                    return Err(Error::Usage(format!(
                        "{account:?} is not a ServiceAccount: expected NAME or NAMESPACE/NAME"
                    )));
                }
                Source::Account(Box::new(Account {
                    accounts: Api::namespaced(cluster.client.clone(), namespace),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    audience: way.token_audience.clone(),
                }))
            }
            (None, Some(file)) if file == Path::new("-") => Source::Input,
            (None, Some(file)) => Source::File(file.clone()),
            (None, None) => {
                return Err(Error::Usage(
                    "the gateway wants a token for its own audience, which no kubeconfig holds: name a ServiceAccount that may call the \
                     agent (--as-serviceaccount NAME), a file with a token (--token FILE), or go to AgentCore yourself (--direct)"
                        .to_owned(),
                ));
            }
        };
        Ok(Self {
            source,
            held: Mutex::default(),
        })
    }

    /// The value of the Authorization header.
    pub async fn header(&self) -> Result<HeaderValue, Error> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        if let Some(held) = &*held
            && held.until.is_none_or(|until| now < until)
        {
            return Ok(held.header.clone());
        }
        let (text, life) = match &self.source {
            Source::File(file) => (read(file)?, Some(Duration::ZERO)),
            Source::Input => (input().await?, None),
            Source::Account(account) => {
                let (text, life) = account.ask().await?;
                (text, Some(life))
            }
        };
        let header = bearer(&text)?;
        *held = Some(Held {
            header: header.clone(),
            until: life.map(|life| now + life * 4 / 5),
        });
        Ok(header)
    }
}

impl Account {
    /// A new token, and how long it lives.
    async fn ask(&self) -> Result<(String, Duration), Error> {
        let Self {
            accounts,
            namespace,
            name,
            audience,
        } = self;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![audience.clone()]),
                expiration_seconds: Some(LIFE),
                bound_object_ref: None,
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(|error| not_given(&error, namespace, name))?;
        let status = answer.status.unwrap_or_default();
        let token = status.token.unwrap_or_default();
        let left = status
            .expiration_timestamp
            .map(|at| at.0.duration_since(jiff::Timestamp::now()));
        let left = left.and_then(|left| Duration::try_from(left).ok());
        Ok((token, left.unwrap_or_default()))
    }
}

fn not_given(error: &kube::Error, namespace: &str, name: &str) -> Error {
    match error {
        kube::Error::Api(status) if status.is_not_found() => Error::NotFound(format!(
            "there is no ServiceAccount {name:?} in namespace {namespace}; kubectl --namespace {namespace} create serviceaccount {name} makes it"
        )),
        kube::Error::Api(status) if status.is_forbidden() => Error::Forbidden(format!(
            "you may not make tokens of ServiceAccount {name} in namespace {namespace}: it needs create on serviceaccounts/token ({})",
            status.message
        )),
        other => Error::Unreachable(format!(
            "the cluster gave no token of ServiceAccount {name}: {}",
            crate::context::causes(other)
        )),
    }
}

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|error| {
        let file = file.display();
        Error::Usage(format!("the token in {file} cannot be read: {error}"))
    })
}

async fn input() -> Result<String, Error> {
    let mut text = String::new();
    let read = tokio::io::stdin().read_to_string(&mut text).await;
    read.map_err(|error| {
        Error::Usage(format!(
            "the token cannot be read from standard input: {error}"
        ))
    })?;
    Ok(text)
}

/// A token as a header that no log shows.
pub fn bearer(token: &str) -> Result<HeaderValue, Error> {
    let token = token.trim();
    let header = Some(token).filter(|token| !token.is_empty());
    let header = header.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    let mut header = header.ok_or_else(|| {
        Error::Usage("the token is empty, or holds what a token cannot".to_owned())
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The token in a file, for the agent itself.
pub fn of_file(file: &Path) -> Result<HeaderValue, Error> {
    bearer(&read(file)?)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
