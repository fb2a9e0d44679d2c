//! One call: signed, sent, and sent again where that does no harm.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::body::{Outgoing, Payload, Unreadable};
use crate::call::{Auth, Resend};
use crate::client::Client;
use crate::connect::{ConnectTimeout, find, sent_nothing};
use crate::error::{Error, Failed, Phase, flat};
use crate::retry;
use crate::service_error::ServiceError;
use crate::sign::{Cover, Signable, sign_headers};

/// Most bytes of an answer that are read to explain an error.
const EXPLANATION_MAX: usize = 64 << 10;
/// Until an explanation must be there; what came by then is taken.
const EXPLANATION_TIMEOUT: Duration = Duration::from_secs(10);
/// A deadline for calls without one.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// What is the client's own to say, or only concerns one connection: callers' values for it are dropped.
const OWN_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
];

/// A call before it is sent.
pub struct Exchange<'a> {
    pub method: Method,
    pub uri: String,
    pub region: &'a str,
    pub headers: HeaderMap,
    /// Headers that concern the connection, added after the caller's were filtered.
    pub hop: &'a [(header::HeaderName, HeaderValue)],
    pub payload: Payload,
    pub auth: Auth,
    pub cover: Cover,
    pub first_byte: Duration,
    pub resend: Resend,
}

/// What does not change from one attempt to the next.
struct Fixed<'a> {
    method: Method,
    uri: Uri,
    region: &'a str,
    headers: HeaderMap,
    cover: Cover,
    /// The hash of the payload, where there is to be a signature.
    sha256: Option<String>,
}

/// How an attempt failed, and with which credentials.
struct Setback {
    error: Error,
    signed_with: Option<aws_credential_types::Credentials>,
    sent: bool,
}

impl Setback {
    fn unsent(error: Error) -> Self {
        Self {
            error,
            signed_with: None,
            sent: false,
        }
    }
}

impl Client {
    /// Sends until there is an answer that is not AWS's error, or no more may be sent; also says how often.
    pub(crate) async fn exchange(
        &self,
        exchange: Exchange<'_>,
    ) -> Result<(Response<Incoming>, u32), Failed> {
        let (resend, first_byte) = (exchange.resend, exchange.first_byte);
        let (fixed, payload) = self.prepare(exchange).map_err(|error| Failed {
            error: *error,
            attempts: 0,
        })?;
        let now = Instant::now();
        let deadline = now.checked_add(first_byte).unwrap_or(now + NEVER);
        let mut payload = payload;
        let (mut attempts, mut resends) = (0, 0);
        let (mut renewed, mut crashed) = (false, false);
        loop {
            let (body, again) = payload.take();
            let attempt = timeout_at(deadline, self.attempt(&fixed, body)).await;
            let setback = match attempt {
                Ok(Ok(response)) => return Ok((response, attempts + 1)),
                Ok(Err(setback)) => setback,
                Err(_) => Setback {
                    error: Error::Timeout(Phase::FirstByte),
                    signed_with: None,
                    sent: true,
                },
            };
            attempts += u32::from(setback.sent);
            let error = setback.error;
            tracing::debug!(attempts, reason = error.reason(), %error, "an attempt failed");
            let failed = |error| Failed { error, attempts };
            let Some(again) = again else {
                return Err(failed(error));
            };
            payload = again;
            if let (Error::Service(service), Some(used)) = (&error, &setback.signed_with)
                && service.is_about_credentials()
                && !renewed
            {
                renewed = true;
                if self.credentials().forget(used) {
                    continue;
                }
            }
            if resends >= self.settings().resends || !retry::may_resend(&error, resend, crashed) {
                return Err(failed(error));
            }
            resends += 1;
            crashed |= matches!(&error, Error::Service(error) if error.status == 424);
            let wait = retry::wait(self.settings(), resends, &error);
            if Instant::now() + wait >= deadline {
                return Err(failed(error));
            }
            sleep(wait).await;
        }
    }

    fn prepare<'a>(&self, exchange: Exchange<'a>) -> Result<(Fixed<'a>, Payload), Box<Error>> {
        let mut headers = exchange.headers;
        for name in OWN_HEADERS {
            headers.remove(*name);
        }
        headers.insert(header::USER_AGENT, self.settings().user_agent.clone());
        for (name, value) in exchange.hop {
            headers.insert(name, value.clone());
        }
        let sha256 = match exchange.auth {
            Auth::Bearer(mut value) => {
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
                None
            }
            Auth::SigV4 => Some(exchange.payload.sha256().ok_or_else(|| {
                let problem = "its payload is streamed, and not known to its end";
                Box::new(Error::Unsignable(problem.to_owned()))
            })?),
        };
        let uri = exchange.uri.parse();
        let uri = uri.map_err(|error| Box::new(Error::Malformed(flat(&error))))?;
        let fixed = Fixed {
            method: exchange.method,
            uri,
            region: exchange.region,
            headers,
            cover: exchange.cover,
            sha256,
        };
        Ok((fixed, exchange.payload))
    }

    async fn attempt(
        &self,
        fixed: &Fixed<'_>,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Setback> {
        let mut headers = fixed.headers.clone();
        let mut signed_with = None;
        if let Some(sha256) = &fixed.sha256 {
            let loaded = self.credentials().loaded().await;
            let loaded = loaded.map_err(|error| Setback::unsent(Error::Credentials(error)))?;
            let signable = Signable {
                method: fixed.method.as_str(),
                uri: &fixed.uri,
                region: fixed.region,
                sha256,
                cover: fixed.cover,
            };
            sign_headers(&signable, &loaded, &mut headers)
                .map_err(|text| Setback::unsent(Error::Unsignable(text)))?;
            signed_with = Some(loaded);
        }
        let mut request = Request::new(body);
        *request.method_mut() = fixed.method.clone();
        *request.uri_mut() = fixed.uri.clone();
        *request.headers_mut() = headers;
        self.send(request).await.map_err(|error| Setback {
            error,
            signed_with: signed_with.map(|loaded| loaded.credentials.clone()),
            sent: true,
        })
    }

    async fn send(&self, request: Request<Outgoing>) -> Result<Response<Incoming>, Error> {
        let response = self
            .http()
            .request(request)
            .await
            .map_err(|error| why(&error))?;
        let error = ServiceError::of(response.status(), response.headers());
        let Some(mut error) = error else {
            return Ok(response);
        };
        error.read(&beginning(response.into_body()).await);
        Err(Error::Service(error))
    }
}

/// What an error of the pooled client means.
fn why(error: &hyper_util::client::legacy::Error) -> Error {
    if let Some(Unreadable(error)) = find::<Unreadable>(error) {
        return Error::Payload(std::io::Error::new(error.kind(), error.to_string()));
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_body_write_aborted) {
        let early = std::io::ErrorKind::UnexpectedEof;
        return Error::Payload(std::io::Error::new(early, "it ended too early"));
    }
    if find::<ConnectTimeout>(error).is_some() {
        return Error::Timeout(Phase::Connect);
    }
    // The outermost text only says at which step it was.
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), flat);
    if sent_nothing(error) {
        Error::Connect(text)
    } else {
        Error::BrokenOff(text)
    }
}

/// The beginning of a body, or what of it comes in time.
pub async fn beginning(mut body: Incoming) -> Bytes {
    let mut found = BytesMut::new();
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let room = EXPLANATION_MAX - found.len();
            found.extend_from_slice(&data[..data.len().min(room)]);
            if found.len() == EXPLANATION_MAX {
                break;
            }
        }
    };
    let _ = timeout(EXPLANATION_TIMEOUT, read).await;
    found.freeze()
}
