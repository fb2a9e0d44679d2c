//! What the gateway says when a call fails, in one line.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::agents::plain;
use crate::error::Error;

/// A problem (RFC 9457) of the gateway.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    title: String,
    status: u16,
    reason: String,
    detail: String,
    aws_error: Option<String>,
    aws_request_id: Option<String>,
    #[serde(skip)]
    retry_after: Option<String>,
}

impl Problem {
    /// The problem that an answer is, if it is one.
    pub fn of(headers: &HeaderMap, body: &Bytes) -> Option<Self> {
        let mut problem: Self = serde_json::from_slice(body).ok()?;
        problem.retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| Some(value.to_str().ok()?.to_owned()));
        Some(problem)
    }

    /// Whether the caller lacks a right to the agent, or there is no such agent: the gateway tells strangers neither.
    pub fn is_forbidden(&self) -> bool {
        self.reason == "Forbidden"
    }

    /// Whether headers announce one.
    pub fn is_announced(headers: &HeaderMap) -> bool {
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.starts_with("application/problem+json"))
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            title,
            status,
            reason,
            detail,
            aws_error,
            aws_request_id,
            retry_after,
        } = self;
        write!(f, "{status} {}: {} (", plain(title), plain(detail))?;
        f.write_str(&plain(reason))?;
        if let Some(error) = aws_error {
            write!(f, ", AWS says {}", plain(error))?;
        }
        if let Some(id) = aws_request_id {
            write!(f, ", request {}", plain(id))?;
        }
        f.write_str(")")?;
        match retry_after {
            Some(seconds) => write!(f, "; try again in {} s", plain(seconds)),
            None => Ok(()),
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let text = format!("the gateway answers {problem}");
        // Names of the reference: docs/gateway.md, errors.
        match problem.reason.as_str() {
            "Forbidden" => {
                let question = can_i(&problem.detail);
                let question = question.unwrap_or_else(|| "kubectl auth can-i".to_owned());
                Self::Forbidden(format!("{text}; see {}", plain(&question)))
            }
            "InvalidToken" => {
                Self::Forbidden(format!("{text}; --token-audience has to be the gateway's"))
            }
            "NoAgentToken" => Self::Forbidden(format!("{text}; give it with --agent-token FILE")),
            "UpstreamUnavailable"
            | "ReviewUnavailable"
            | "LedgerUnavailable"
            | "GatewayStopping" => Self::Unreachable(text),
            "UpstreamTimeout" => Self::TimedOut(text),
            "AgentFailed" => Self::Failed(format!("{text}; kubectl agentcore logs may say why")),
            _ => match StatusCode::from_u16(problem.status) {
                Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Self::Forbidden(text),
                Ok(StatusCode::NOT_FOUND) => Self::NotFound(text),
                _ => Self::Failed(text),
            },
        }
    }
}

/// How to ask the API server what the gateway asked it, from the gateway's words: `user "u" cannot VERB KIND/SUBRESOURCE "NAME" of API group
/// agentcore.dev in namespace "NAMESPACE"`.
fn can_i(detail: &str) -> Option<String> {
    let (_, asked) = detail.rsplit_once(" cannot ")?;
    let mut words = asked.split(' ').map(|word| word.trim_matches('"'));
    let (verb, (kind, subresource)) = (words.next()?, words.next()?.split_once('/')?);
    let (name, namespace) = (words.next()?, words.next_back()?);
    Some(format!(
        "kubectl auth can-i {verb} {kind}.agentcore.dev/{name} --subresource={subresource} --namespace {namespace}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn error(body: &str, headers: &HeaderMap) -> Error {
        let body = Bytes::from(body.to_owned());
        Problem::of(headers, &body).unwrap().into()
    }

    #[test]
    fn a_problem_is_one_line_with_all_that_helps() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "5".parse().unwrap());
        let body = r#"{"title":"Too Many Requests","status":429,"reason":"Throttled","detail":"Rate\nexceeded \u001b[2J",
            "awsError":"ThrottlingException","awsRequestId":"4c49"}"#;
        assert_eq!(
            error(body, &headers).to_string(),
            "the gateway answers 429 Too Many Requests: Rate exceeded [2J (Throttled, AWS says ThrottlingException, request 4c49); \
             try again in 5 s"
        );
    }

    #[test]
    fn a_refusal_names_the_right_that_is_missing() {
        let body = r#"{"status":403,"reason":"Forbidden","detail":"user \"system:serviceaccount:a:b\" cannot create agentendpoints/invocations \"x\" of API group agentcore.dev in namespace \"team-a\""}"#;
        let text = error(body, &HeaderMap::new()).to_string();
        let question = "see kubectl auth can-i create agentendpoints.agentcore.dev/x --subresource=invocations --namespace team-a";
        assert!(text.ends_with(question), "{text}");
        let text = error(r#"{"status":403,"reason":"Forbidden"}"#, &HeaderMap::new());
        assert!(text.to_string().ends_with("see kubectl auth can-i"));
    }

    #[test]
    fn exit_codes_follow_reason_and_status() {
        for (status, reason, exit) in [
            (403, "Forbidden", Exit::Forbidden),
            (401, "InvalidToken", Exit::Forbidden),
            (404, "NotFound", Exit::NotFound),
            (503, "UpstreamUnavailable", Exit::Unreachable),
            (503, "AgentNotReady", Exit::Failed),
            (504, "UpstreamTimeout", Exit::TimedOut),
            (424, "AgentFailed", Exit::Failed),
        ] {
            let body = format!(r#"{{"status":{status},"reason":"{reason}"}}"#);
            assert_eq!(error(&body, &HeaderMap::new()).exit(), exit, "{reason}");
        }
    }
}
