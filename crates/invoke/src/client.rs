//! The client and its operations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use hyper::body::Incoming;
use url::Url;
use uuid::Uuid;

use crate::body::Payload;
use crate::call::{Answer, Auth, Invoke, Resend, SESSION_HEADER, Target};
use crate::connect::{self, Http};
use crate::counted::Open;
use crate::credentials::Credentials;
use crate::data_plane::DataPlane;
use crate::error::{Error, Failed, PresignError, flat};
use crate::escape::escape;
use crate::exchange::{Exchange, beginning};
use crate::service_error::{ServiceError, request_id};
use crate::session::SessionId;
use crate::settings::Settings;
use crate::setup::SetupError;
use crate::sign::{Cover, NOTHING, Signable, presign};

/// Longest time, in seconds, that AgentCore takes a presigned URL for.
const PRESIGNED_MAX: u64 = 300;

/// A client of the data plane, for runtimes of all regions. Clones share its connections and credentials.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    data_plane: DataPlane,
    credentials: Credentials,
    settings: Settings,
    http: Http,
    open: Open,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.0.data_plane)
    }
}

impl Client {
    /// A client of this data plane, signing with these credentials. It fails where TLS is needed and this machine has no root certificates.
    pub fn new(
        data_plane: DataPlane,
        credentials: Credentials,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        let open = Open::default();
        let http = connect::http(&settings, data_plane.is_plain(), open.clone())?;
        Ok(Self(Arc::new(Inner {
            data_plane,
            credentials,
            settings,
            http,
            open,
        })))
    }

    /// Open connections, those in the pool and those that became WebSockets.
    pub fn connections(&self) -> usize {
        self.0.open.count()
    }

    /// Invokes a runtime. The answer is there when its head is; its body streams.
    pub async fn invoke(&self, call: Invoke<'_>) -> Result<Answer, Failed> {
        let exchange = Exchange {
            method: Method::POST,
            uri: self.uri(call.target, "invocations"),
            region: call.target.arn.region(),
            headers: call.headers,
            hop: &[],
            payload: call.payload,
            auth: call.auth,
            cover: Cover::Session,
            first_byte: call.first_byte,
            resend: call.resend,
        };
        self.exchange(exchange).await.map(answer)
    }

    /// Reads the card of an A2A agent. It changes nothing, so it is sent again after whatever may pass.
    pub async fn agent_card(
        &self,
        target: &Target,
        headers: HeaderMap,
        auth: Auth,
        first_byte: Duration,
    ) -> Result<Answer, Failed> {
        let exchange = Exchange {
            method: Method::GET,
            uri: self.uri(target, "invocations/.well-known/agent-card.json"),
            region: target.arn.region(),
            headers,
            hop: &[],
            payload: Payload::empty(),
            auth,
            cover: Cover::Session,
            first_byte,
            resend: Resend::Idempotent,
        };
        self.exchange(exchange).await.map(answer)
    }

    /// Ends a session. That there is none is an error of AWS like others, `ResourceNotFoundException`: what it means is for the caller to
    /// say. All attempts carry the same client token.
    pub async fn stop(
        &self,
        target: &Target,
        session: &SessionId,
        auth: Auth,
    ) -> Result<(), Failed> {
        let body = format!(r#"{{"clientToken":"{}"}}"#, Uuid::new_v4());
        let mut headers = HeaderMap::with_capacity(8);
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        let id = HeaderValue::from_str(session.as_str()).map_err(|_| Failed {
            error: Error::Malformed("the session's id is not ASCII".to_owned()),
            attempts: 0,
        })?;
        headers.insert(SESSION_HEADER, id);
        let exchange = Exchange {
            method: Method::POST,
            uri: self.uri(target, "stopruntimesession"),
            region: target.arn.region(),
            headers,
            hop: &[],
            payload: Payload::Memory(Bytes::from(body)),
            auth,
            cover: Cover::Session,
            first_byte: self.0.settings.stop_timeout,
            resend: Resend::Idempotent,
        };
        let (response, attempts) = self.exchange(exchange).await?;
        let status = response.status();
        let request_id = request_id(response.headers());
        // Read, so that the connection can be used again.
        let body = beginning(response.into_body()).await;
        if status.is_success() {
            return Ok(());
        }
        // No agent answers here: without AWS's mark it is something in between.
        let mut error = ServiceError::unmarked(status, request_id);
        error.read(&body);
        Err(Failed {
            error: Error::Service(error),
            attempts,
        })
    }

    /// A URL that opens a WebSocket to a runtime for whoever has it, for 1 to 300 seconds. It is as good as a key: do not log it.
    pub async fn presign_web_socket(
        &self,
        target: &Target,
        session: Option<&SessionId>,
        expires: Duration,
    ) -> Result<Url, PresignError> {
        let seconds = expires.as_secs();
        if !(1..=PRESIGNED_MAX).contains(&seconds) || expires > Duration::from_secs(PRESIGNED_MAX) {
            return Err(PresignError::Expiry(seconds));
        }
        let mut uri = self.uri(target, "ws");
        if let Some(session) = session {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=");
            uri.push_str(session.as_str());
        }
        let loaded = self.0.credentials.loaded().await;
        let loaded = loaded.map_err(PresignError::Credentials)?;
        let parsed = uri.parse();
        let parsed = parsed.map_err(|error| PresignError::Unsignable(flat(&error)))?;
        let signable = Signable {
            method: "GET",
            uri: &parsed,
            region: target.arn.region(),
            sha256: NOTHING,
            cover: Cover::Nothing,
        };
        let parameters = presign(&signable, &loaded.identity, Duration::from_secs(seconds))
            .map_err(PresignError::Unsignable)?;
        for (name, value) in parameters {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri.push_str(name);
            uri.push('=');
            uri.extend(escape(&value));
        }
        // http becomes ws, https becomes wss.
        let uri = format!("ws{}", uri.strip_prefix("http").unwrap_or(&uri));
        Url::parse(&uri).map_err(|error| PresignError::Unsignable(error.to_string()))
    }

    /// The URL of an operation on a runtime.
    pub(crate) fn uri(&self, target: &Target, operation: &str) -> String {
        let origin = self.0.data_plane.origin(&target.arn);
        let arn = target.arn.escaped();
        match &target.qualifier {
            None => format!("{origin}/runtimes/{arn}/{operation}"),
            Some(name) => {
                let name = escape(name);
                format!("{origin}/runtimes/{arn}/{operation}?qualifier={name}")
            }
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }
}

fn answer((response, attempts): (Response<Incoming>, u32)) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        request_id: request_id(&head.headers),
        headers: head.headers,
        body,
        attempts,
    }
}
