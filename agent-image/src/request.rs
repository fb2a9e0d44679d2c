//! What a caller may ask for: the JSON body of an invocation, parsed once.

use std::time::Duration;

use serde::Deserialize;

/// Longest wait after one piece of an answer, in milliseconds (one hour).
const MAX_DELAY_MS: u64 = 3_600_000;
/// Most pieces that an answer may be asked to have.
const MAX_CHUNKS: usize = 1_000_000;
/// Longest background task, in seconds (AgentCore ends a session after eight hours by default).
const MAX_BUSY_SECONDS: u64 = 28_800;

/// A parsed request.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A chat turn.
    Turn(Turn),
    /// Says that the session is still wanted; no turn.
    Keepalive,
    /// Work in the background for this long.
    Busy(Duration),
    /// One environment variable's value.
    Env(String),
    /// Fail before there is an answer.
    Fail(String),
    /// End the process at once, with status 1.
    Crash,
}

/// How a chat turn is to be answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    /// What the user said.
    pub prompt: String,
    /// The wait after each piece of the answer.
    pub delay: Duration,
    /// How many pieces the answer has; as many as the prompt gives when not said.
    pub chunks: Option<usize>,
    /// What happens on the way.
    pub mishap: Option<Mishap>,
}

/// A failure that a test asks for, after so many pieces of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// The turn fails, the process lives on.
    Fail(usize),
    /// The process ends.
    Crash(usize),
}

/// Why a body is no request. Both arms become a 400 answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not JSON at all.
    NotJson(String),
    /// JSON, but not a request that this agent knows.
    Unknown(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    prompt: Option<String>,
    action: Option<Action>,
    name: Option<String>,
    message: Option<String>,
    seconds: Option<u64>,
    delay_ms: Option<u64>,
    chunks: Option<usize>,
    fail_after: Option<usize>,
    crash_after: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Keepalive,
    Busy,
    Env,
    Fail,
    Crash,
}

impl Request {
    /// Reads a body. Unknown members are ignored.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                Refusal::Unknown(error.to_string())
            } else {
                Refusal::NotJson(error.to_string())
            }
        })?;
        match body.action {
            None => body.turn().map(Self::Turn),
            Some(Action::Keepalive) => Ok(Self::Keepalive),
            Some(Action::Busy) => {
                let seconds = at_most("seconds", body.seconds.unwrap_or(1), MAX_BUSY_SECONDS)?;
                Ok(Self::Busy(Duration::from_secs(seconds)))
            }
            Some(Action::Env) => body
                .name
                .map(Self::Env)
                .ok_or_else(|| Refusal::Unknown("action env needs a name".into())),
            Some(Action::Fail) => Ok(Self::Fail(
                body.message.unwrap_or_else(|| "failed as asked".into()),
            )),
            Some(Action::Crash) => Ok(Self::Crash),
        }
    }
}

impl Body {
    fn turn(self) -> Result<Turn, Refusal> {
        let prompt = self
            .prompt
            .ok_or_else(|| Refusal::Unknown("prompt or action is required".into()))?;
        let delay = at_most("delayMs", self.delay_ms.unwrap_or(0), MAX_DELAY_MS)?;
        let chunks = self
            .chunks
            .map(|wished| at_most("chunks", wished, MAX_CHUNKS))
            .transpose()?;
        let mishap = match (self.fail_after, self.crash_after) {
            (Some(pieces), _) => Some(Mishap::Fail(pieces)),
            (None, Some(pieces)) => Some(Mishap::Crash(pieces)),
            (None, None) => None,
        };
        Ok(Turn {
            prompt,
            delay: Duration::from_millis(delay),
            chunks,
            mishap,
        })
    }
}

fn at_most<T: Copy + PartialOrd + std::fmt::Display>(
    name: &str,
    wished: T,
    limit: T,
) -> Result<T, Refusal> {
    if wished > limit {
        return Err(Refusal::Unknown(format!("{name} must be at most {limit}")));
    }
    Ok(wished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_json_and_unknown_requests_are_told_apart() {
        assert!(matches!(
            Request::parse(b"{\"prompt\":"),
            Err(Refusal::NotJson(_))
        ));
        assert!(matches!(Request::parse(b""), Err(Refusal::NotJson(_))));
        for body in [
            r#"{"prompt":1}"#,
            "{}",
            r#"{"action":"dance"}"#,
            r#"{"action":"env"}"#,
        ] {
            let parsed = Request::parse(body.as_bytes());
            assert!(
                matches!(parsed, Err(Refusal::Unknown(_))),
                "{body}: {parsed:?}"
            );
        }
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(Request::parse(br#"{"prompt":"a","chunks":1000000}"#).is_ok());
        assert!(Request::parse(br#"{"prompt":"a","chunks":1000001}"#).is_err());
        assert!(Request::parse(br#"{"action":"busy","seconds":28800}"#).is_ok());
        assert!(Request::parse(br#"{"action":"busy","seconds":28801}"#).is_err());
    }
}
