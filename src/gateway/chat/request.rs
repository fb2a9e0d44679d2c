//! What a caller asks for with a chat request, and what of it the agent gets.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::gateway::problem::Problem;

/// A chat request.
pub struct Chat {
    /// What the agent gets: the caller's object without the two members below.
    pub forwarded: Bytes,
    /// The conversation that it goes on with.
    pub session_id: Option<String>,
    /// Whether it goes over the pooled WebSocket of its session.
    pub web_socket: bool,
    /// Length of the prompt, for the log.
    pub prompt_bytes: u64,
}

/// The members that say something to the gateway; the others are the agent's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    prompt: String,
    session_id: Option<String>,
    transport: Option<Transport>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Transport {
    Http,
    Ws,
}

impl Chat {
    /// Reads a request's body.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        // The error's own text would quote the body.
        let invalid = |error: &serde_json::Error| {
            let detail = format!(
                "the body must be a JSON object with a string prompt, and may have a string sessionId and a transport of \"http\" or \
                 \"ws\" (line {}, column {})",
                error.line(),
                error.column()
            );
            Problem::bad_request("InvalidBody", detail)
        };
        let known: Known = serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        // Values stay as they were written: a small body of many values would fill the memory otherwise.
        let mut members: BTreeMap<String, &RawValue> =
            serde_json::from_slice(body).map_err(|error| invalid(&error))?;
        members.remove("sessionId");
        members.remove("transport");
        let forwarded = serde_json::to_vec(&members).map_err(|error| invalid(&error))?;
        Ok(Self {
            prompt_bytes: known.prompt.len() as u64,
            forwarded: forwarded.into(),
            session_id: known.session_id,
            web_socket: known.transport == Some(Transport::Ws),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;

    #[test]
    fn the_agent_gets_what_is_not_the_gateways_as_it_was_written() {
        let body = br#"{"transport": "ws", "n": 1.50, "prompt": "hi", "sessionId": null, "list": [ 1,2 ]}"#;
        let chat = Chat::parse(body).unwrap();
        assert_eq!(
            chat.forwarded,
            br#"{"list":[ 1,2 ],"n":1.50,"prompt":"hi"}"#[..]
        );
        assert_eq!(
            (chat.web_socket, chat.session_id, chat.prompt_bytes),
            (true, None, 2)
        );
    }

    #[test]
    fn a_refusal_does_not_repeat_what_it_refuses() {
        for body in [
            r#""secret prompt""#,
            r#"{"prompt": ["secret prompt"]}"#,
            r#"{"prompt": "a", "transport": "secret prompt"}"#,
            r#"{"prompt": "secret prompt", "prompt""#,
        ] {
            let Err(problem) = Chat::parse(body.as_bytes()) else {
                panic!("{body} is taken");
            };
            assert_eq!(problem.reason, "InvalidBody");
            assert!(!problem.detail.contains("secret"), "{}", problem.detail);
        }
    }
}
