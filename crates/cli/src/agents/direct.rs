//! The way to AgentCore itself, with AWS credentials of one's own.

use std::time::Duration;

use agentcore_invoke::{
    Auth, Client, Error as Cause, Failed, Invoke, Payload, Resend, SESSION_HEADER, SessionId,
    Settings, Target, Upgrade, WebSocket,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::args::Way;
use super::gateway::token;
use super::target::{DEFAULT, Placed};
use super::way::Answer;
use super::{USER_AGENT, plain};
use crate::error::Error;

/// Until an agent begins its answer: AgentCore's own limit.
const FIRST_BYTE: Duration = Duration::from_mins(15);

/// AgentCore, and an agent in it.
pub struct Direct {
    client: Client,
    target: Target,
    auth: Auth,
    /// The one session of an AgentSession.
    declared: Option<SessionId>,
}

impl Direct {
    /// A client by the rules of the AWS SDKs. Nothing is sent yet.
    pub async fn new(way: &Way, placed: Placed) -> Result<Self, Error> {
        let settings = Settings {
            user_agent: HeaderValue::from_static(USER_AGENT),
            ..Settings::default()
        };
        let client = Client::from_environment(settings).await;
        let client = client
            .map_err(|error| Error::Failed(format!("AWS cannot be called from here: {error}")))?;
        let token = way.agent_token.as_deref().map(token::of_file).transpose()?;
        let declared = placed.session.as_deref().map(session_id).transpose()?;
        Ok(Self {
            client,
            target: Target {
                arn: placed.arn,
                qualifier: Some(placed.endpoint).filter(|name| name != DEFAULT),
            },
            auth: token.map_or(Auth::SigV4, Auth::Bearer),
            declared,
        })
    }

    /// The session that is meant where this one is given.
    fn session(&self, given: Option<&SessionId>) -> Result<Option<SessionId>, Error> {
        match (&self.declared, given) {
            (Some(declared), Some(given)) if declared != given => Err(Error::Usage(
                "an AgentSession is one session: leave --session out".to_owned(),
            )),
            (Some(declared), _) => Ok(Some(declared.clone())),
            (None, given) => Ok(given.cloned()),
        }
    }

    /// Sends a turn.
    pub async fn invoke(
        &self,
        mut headers: HeaderMap,
        session: Option<&SessionId>,
        payload: Bytes,
    ) -> Result<Answer, Error> {
        if let Some(session) = self.session(session)? {
            headers.insert(SESSION_HEADER, header(&session));
        }
        let call = Invoke {
            target: &self.target,
            headers,
            payload: Payload::Memory(payload),
            auth: self.auth.clone(),
            first_byte: FIRST_BYTE,
            resend: Resend::Safe,
        };
        let answer = self.client.invoke(call).await.map_err(failed)?;
        Ok(Answer {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        })
    }

    /// Opens a WebSocket.
    pub async fn web_socket(&self, session: &SessionId) -> Result<WebSocket, Error> {
        let mut headers = HeaderMap::new();
        let session = self.session(Some(session))?;
        if let Some(session) = session {
            headers.insert(SESSION_HEADER, header(&session));
        }
        let call = Upgrade {
            target: &self.target,
            headers,
            auth: self.auth.clone(),
            first_byte: FIRST_BYTE,
        };
        let opened = self.client.web_socket(call).await.map_err(failed)?;
        Ok(opened.socket)
    }

    /// Ends a session.
    pub async fn stop(&self, session: &SessionId) -> Result<(), Error> {
        if self.declared.is_some() {
            return Err(Error::Usage(
                "a declared session ends with its AgentSession; restart session/NAME begins another one".to_owned(),
            ));
        }
        let stopped = self.client.stop(&self.target, session, self.auth.clone());
        stopped.await.map_err(failed)
    }

    /// The one session of an AgentSession.
    pub fn declared(&self) -> Option<&SessionId> {
        self.declared.as_ref()
    }
}

/// A session id as people give it.
pub fn session_id(text: &str) -> Result<SessionId, Error> {
    text.parse()
        .map_err(|error| Error::Usage(format!("{error}")))
}

fn header(session: &SessionId) -> HeaderValue {
    HeaderValue::from_str(session.as_str())
        .expect("session ids are ASCII letters, digits and hyphens")
}

/// A call that came to nothing, in one line that says what to do.
fn failed(Failed { error, .. }: Failed) -> Error {
    let text = plain(&error.to_string());
    match error {
        Cause::Credentials(_) => Error::Forbidden(format!(
            "{text}; --direct needs those of AWS, as aws sts get-caller-identity finds them"
        )),
        Cause::Connect(_) | Cause::BrokenOff(_) => Error::Unreachable(text),
        Cause::Timeout(_) => Error::TimedOut(text),
        Cause::Service(said) => {
            let request = said.request_id.as_deref().unwrap_or("unknown");
            let text = format!("AWS answers {text} (request {})", plain(request));
            match (said.status.as_u16(), said.name.as_str()) {
                (_, "AccessDeniedException" | "UnrecognizedClientException") | (401 | 403, _) => {
                    Error::Forbidden(text)
                }
                (404, _) => Error::NotFound(text),
                _ => Error::Failed(text),
            }
        }
        _ => Error::Failed(text),
    }
}
