//! The data plane as controllers need it: a keepalive in a declared session, and the end of one.
//!
//! The calls go through the client that the gateway uses, with the credentials, rates and observer of the control plane. Each is made
//! once: the caller requeues.

use std::time::Duration;

use agentcore_api::reasons;
use agentcore_invoke::{
    Answer, Auth, Client, Error, Failed, Invoke, Payload, Phase, Resend, SESSION_HEADER, SessionId,
    Settings, Target,
};
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::session::{Address, CallResult};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::http::{HeaderMap, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::control::Caller;
use super::operation::Operation;
use super::{Priority, classify};
use crate::fair::Tenant;

/// Most bytes of an answer that are read, so that its connection can be used again; of a longer one the rest is given up.
const ANSWER_MAX: usize = 1_000_000;
/// Most characters of an error's text that are kept: it ends up in a status.
const MESSAGE_MAX: usize = 1024;
/// AgentCore's name for what is the agent's own fault.
const AGENTS_FAULT: &str = "RuntimeClientError";

/// AgentCore's data plane in one region. Cheap to clone: clones share connections and rates.
#[derive(Clone, Debug)]
pub struct DataPlane {
    caller: Caller,
    client: Client,
}

/// What the client of the data plane is told: requeueing is the only retry.
pub(super) fn settings() -> Settings {
    Settings {
        resends: 0,
        ..Settings::default()
    }
}

impl DataPlane {
    pub(super) fn new(caller: Caller, client: Client) -> Self {
        Self { caller, client }
    }

    /// The same region, called on behalf of a namespace.
    #[must_use]
    pub fn of(&self, tenant: Tenant) -> Self {
        Self::new(self.caller.of(tenant), self.client.clone())
    }

    /// InvokeAgentRuntime in a session, with a JSON text; `within` is until the whole answer. What the agent says is dropped.
    pub async fn invoke(
        &self,
        priority: Priority,
        at: &Address,
        payload: String,
        within: Duration,
    ) -> CallResult {
        let (target, session) = match parsed(at) {
            Ok(parsed) => parsed,
            Err(fault) => return CallResult::Failed(fault),
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accept);
        // A session id is ASCII.
        if let Ok(id) = HeaderValue::from_str(session.as_str()) {
            headers.insert(SESSION_HEADER, id);
        }
        let operation = Operation::InvokeAgentRuntime;
        let mut attempt = self.caller.attempt(operation, priority).await;
        let call = Invoke {
            target: &target,
            headers,
            payload: Payload::Memory(Bytes::from(payload)),
            auth: Auth::SigV4,
            first_byte: within,
            resend: Resend::Safe,
        };
        let result = attempt.make(|| self.exchange(call, within)).await;
        match &result {
            CallResult::Failed(fault) => attempt.end(&fault.code, Some(fault.class)),
            CallResult::AgentFailed(_) => attempt.end(AGENTS_FAULT, None),
            CallResult::Answered(_) | CallResult::Stopped => attempt.end("OK", None),
        }
        result
    }

    /// A call to the end of its answer.
    async fn exchange(&self, call: Invoke<'_>, within: Duration) -> CallResult {
        let deadline = Instant::now() + within;
        match self.client.invoke(call).await {
            Ok(Answer { status, body, .. }) if status.is_success() => {
                match timeout_at(deadline, discard(body)).await {
                    Ok(Err(why)) => CallResult::AgentFailed(why),
                    // An agent that goes on talking has answered.
                    Ok(Ok(())) | Err(_) => CallResult::Answered(status.as_u16()),
                }
            }
            Ok(answer) => CallResult::Answered(answer.status.as_u16()),
            Err(failed) => unanswered(&failed, within),
        }
    }

    /// StopRuntimeSession.
    pub async fn stop(&self, priority: Priority, at: &Address) -> CallResult {
        let (target, session) = match parsed(at) {
            Ok(parsed) => parsed,
            Err(fault) => return CallResult::Failed(fault),
        };
        let operation = Operation::StopRuntimeSession;
        let mut attempt = self.caller.attempt(operation, priority).await;
        let stopping = || self.client.stop(&target, &session, Auth::SigV4);
        let stopped = attempt.make(stopping).await;
        match stopped {
            Ok(()) => {
                attempt.end("OK", None);
                CallResult::Stopped
            }
            Err(failed) => {
                let fault = fault_of(&failed);
                attempt.end(&fault.code, Some(fault.class));
                CallResult::Failed(fault)
            }
        }
    }
}

/// Status holds what AgentCore or this program wrote; an address that cannot be read is somebody else's work.
fn parsed(at: &Address) -> Result<(Target, SessionId), Fault> {
    let arn = at.runtime_arn.parse();
    let arn =
        arn.map_err(|error: agentcore_invoke::ArnError| classify::unsendable(&error.to_string()))?;
    let session = at.session_id.parse();
    let session = session.map_err(|error: agentcore_invoke::SessionIdError| {
        classify::unsendable(&error.to_string())
    })?;
    let qualifier = Some(at.qualifier.clone());
    Ok((Target { arn, qualifier }, session))
}

/// Reads an answer to its end, or as much of it as is worth it.
async fn discard(mut body: Incoming) -> Result<(), String> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("its answer broke off: {error}"))?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > ANSWER_MAX {
            break;
        }
    }
    Ok(())
}

/// A call without an answer: by the agent's fault, or by AWS's.
fn unanswered(failed: &Failed, within: Duration) -> CallResult {
    match &failed.error {
        Error::Timeout(Phase::FirstByte) => {
            let seconds = within.as_secs();
            CallResult::AgentFailed(format!("the agent did not answer within {seconds} s"))
        }
        Error::Service(error) if error.name == AGENTS_FAULT => {
            let text = if error.message.is_empty() {
                &error.name
            } else {
                &error.message
            };
            let text: String = text.chars().take(MESSAGE_MAX).collect();
            CallResult::AgentFailed(format!("AgentCore says of the agent: {text}"))
        }
        _ => CallResult::Failed(fault_of(failed)),
    }
}

fn fault_of(failed: &Failed) -> Fault {
    let text = failed.error.to_string();
    let (class, reason, code) = match &failed.error {
        Error::Service(error) => {
            let status = error.status.as_u16();
            return Fault {
                request_id: error.request_id.clone(),
                ..classify::refused(&error.name, status, &error.message)
            };
        }
        Error::Credentials(_) => (Class::Denied, reasons::ACCESS_DENIED, "Credentials"),
        Error::Timeout(_) => (Class::Transient, reasons::SERVICE_UNAVAILABLE, "Timeout"),
        Error::Connect(_) | Error::BrokenOff(_) => {
            (Class::Transient, reasons::SERVICE_UNAVAILABLE, "Dispatch")
        }
        _ => (Class::Invalid, reasons::INVALID, "Construction"),
    };
    classify::fault(class, reason, code, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: Error) -> Failed {
        Failed { error, attempts: 1 }
    }

    #[test]
    fn what_is_the_agents_fault_is_told_from_what_is_aws_s() {
        let within = Duration::from_secs(30);
        let timeout = unanswered(&failed(Error::Timeout(Phase::FirstByte)), within);
        assert_eq!(
            timeout,
            CallResult::AgentFailed("the agent did not answer within 30 s".to_owned())
        );
        let CallResult::Failed(fault) =
            unanswered(&failed(Error::Connect("refused".to_owned())), within)
        else {
            panic!("a connection is not the agent's business");
        };
        assert_eq!(
            (fault.class, fault.code.as_str()),
            (Class::Transient, "Dispatch")
        );
    }

    #[test]
    fn a_runtime_without_mmdsv2_is_told_by_its_own_reason_and_asked_again() {
        let refused = agentcore_invoke::ServiceError {
            name: "ValidationException".to_owned(),
            status: hyper::StatusCode::BAD_REQUEST,
            message: "This runtime is not MMDSv2-enabled and can no longer be invoked. Enable MMDSv2 by calling UpdateAgentRuntime \
                      with requireMMDSV2=True in metadataConfiguration."
                .to_owned(),
            request_id: None,
            retry_after: None,
            challenge: None,
        };
        let fault = fault_of(&failed(Error::Service(refused)));
        assert_eq!(
            (fault.class, fault.reason),
            (Class::NotYet, reasons::NOT_INVOCABLE)
        );
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_called() {
        let at = Address {
            runtime_arn: "arn:aws:s3:::bucket".to_owned(),
            qualifier: "DEFAULT".to_owned(),
            session_id: "a".repeat(64),
        };
        assert_eq!(
            parsed(&at).expect_err("no runtime").reason,
            reasons::INVALID_SPEC
        );
    }
}
