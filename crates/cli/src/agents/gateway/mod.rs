//! The way through the gateway.

mod connect;
mod find;
mod forward;
pub mod problem;
mod tls;
pub mod token;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use self::connect::Connector;
use self::forward::Forward;
use self::problem::Problem;
use self::token::Tokens;
use super::args::Way;
use super::plain;
use crate::context::{Cluster, causes};
use crate::error::Error;
use crate::objects::Reference;
use crate::output;

/// Carries the agent's own token.
const AGENT_TOKEN: HeaderName = HeaderName::from_static("x-agentcore-authorization");
/// Longest text of an error that is read, in bytes.
const ERROR_MAX: usize = 64 << 10;

/// The gateway, and an agent behind it.
pub struct Gateway {
    http: Client<HttpsConnector<Connector>, Full<Bytes>>,
    /// Scheme, host and port, and a path if the address has one.
    origin: String,
    /// `/v1/namespaces/NAMESPACE/KIND/NAME`.
    path: String,
    agent: Reference,
    cluster: Cluster,
    tokens: Tokens,
    agent_token: Option<HeaderValue>,
    forward: Option<Arc<Forward>>,
}

impl Gateway {
    /// Finds it. Nothing is sent to it yet.
    pub async fn new(way: &Way, agent: &Reference, cluster: &Cluster) -> Result<Self, Error> {
        let tokens = Tokens::new(way, cluster)?;
        let agent_token = way.agent_token.as_deref().map(token::of_file).transpose()?;
        let (origin, forward) = if let Some(url) = &way.gateway {
            (address(url)?, None)
        } else {
            let namespace = &way.gateway_namespace;
            let found = find::find(cluster, namespace).await?;
            let forward = Arc::new(found.forward(cluster, namespace)?);
            (found.origin, Some(forward))
        };
        if way.insecure_skip_tls_verify {
            output::remark(
                "warning: the gateway's certificate is not verified; any server that answers receives your token",
            );
        }
        let tls = if origin.starts_with("https:") {
            tls::config(way.gateway_ca.as_deref(), way.insecure_skip_tls_verify)?
        } else {
            // Never used, and so it asks nothing of this machine.
            ClientConfig::builder()
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        };
        let connector = forward
            .clone()
            .map_or(Connector::Network, Connector::Forward);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let (kind, name) = (agent.kind.plural(), path_segment(&agent.name)?);
        let namespace = path_segment(&cluster.namespace)?;
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            origin,
            path: format!("/v1/namespaces/{namespace}/{kind}/{name}"),
            agent: agent.clone(),
            cluster: cluster.clone(),
            tokens,
            agent_token,
            forward,
        })
    }

    /// Sends a request about the agent. Answers of the gateway's own that say no are errors; an agent's own are not.
    pub async fn send(
        &self,
        method: Method,
        what: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::new(Full::new(body));
        let uri = format!("{}{}/{what}", self.origin, self.path);
        *request.uri_mut() = uri
            .parse()
            .map_err(|error| Error::Usage(format!("the gateway's address is not good: {error}")))?;
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.tokens.header().await?);
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
        if let Some(token) = &self.agent_token {
            headers.insert(AGENT_TOKEN, token.clone());
        }
        headers.remove(HOST);
        let response = self.http.request(request).await;
        let response = response.map_err(|error| self.unreachable(&error))?;
        if !Problem::is_announced(response.headers()) {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ERROR_MAX).collect().await;
        let body = body.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
        Err(match Problem::of(&head.headers, &body) {
            Some(problem) if problem.is_forbidden() => self.forbidden(problem).await,
            Some(problem) => problem.into(),
            None => Error::Failed(format!("the gateway answers {}", head.status)),
        })
    }

    /// The gateway tells who may not call an agent neither that nor that there is none. Who may read objects is told here.
    async fn forbidden(&self, problem: Problem) -> Error {
        match self.agent.get(&self.cluster).await {
            Err(missing @ Error::NotFound(_)) => missing,
            _ => problem.into(),
        }
    }

    fn unreachable(&self, error: &hyper_util::client::legacy::Error) -> Error {
        let said = self.forward.as_ref().and_then(|forward| forward.said());
        let said = said.map_or(String::new(), |said| format!(" ({})", plain(&said)));
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), causes);
        let origin = &self.origin;
        Error::Unreachable(if error.is_connect() {
            format!("the gateway at {origin} is unreachable: {cause}{said}")
        } else {
            format!(
                "the connection to the gateway at {origin} was closed: {cause}{said}; the agent may or may not have done the work"
            )
        })
    }
}

/// An address as requests need it.
fn address(url: &str) -> Result<String, Error> {
    let bad = |why: &str| {
        Error::Usage(format!(
            "{url:?} is not a gateway URL: {why}; expected e.g. https://agents.example.com"
        ))
    };
    let uri: Uri = url.parse().map_err(|_| bad("it is not a URL"))?;
    let scheme = uri.scheme_str().ok_or_else(|| bad("it has no scheme"))?;
    let authority = uri.authority().ok_or_else(|| bad("it has no host"))?;
    if !matches!(scheme, "http" | "https") {
        return Err(bad("its scheme is neither https nor http"));
    }
    if uri.query().is_some() || authority.as_str().contains('@') {
        return Err(bad("it has a user or a query"));
    }
    let loopback = |host: &str| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse();
        host == "localhost" || address.is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    };
    if scheme == "http" && !loopback(authority.host()) {
        output::remark("warning: without https your token can be read on the way to the gateway");
    }
    let path = uri.path().trim_end_matches('/');
    Ok(format!("{scheme}://{authority}{path}"))
}

/// A name as a part of a path: nothing may pass that leads to another one.
fn path_segment(name: &str) -> Result<&str, Error> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.is_empty() || !name.chars().all(good) || name.chars().all(|c| c == '.') {
        return Err(Error::Usage(format!(
            "{name:?} is not an object name: expected lower-case letters, digits, hyphens and dots"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for (url, origin) in [
            ("https://agents.example.com/", "https://agents.example.com"),
            (
                "https://example.com:8443/agents/",
                "https://example.com:8443/agents",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(address(url).unwrap(), origin);
        }
        for url in [
            "example.com",
            "ftp://x",
            "https://a@b",
            "https://a?b=c",
            "",
            "https://",
        ] {
            assert!(matches!(address(url), Err(Error::Usage(_))), "{url}");
        }
    }

    #[test]
    fn no_name_leads_to_another_path() {
        for name in ["", "..", "a/b", "a%2fb", "A", "a?b", "a b"] {
            assert!(path_segment(name).is_err(), "{name}");
        }
        assert_eq!(path_segment("support-1.eu").unwrap(), "support-1.eu");
    }
}
