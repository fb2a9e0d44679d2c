//! What a caller asks for with a chat request, and what of it the agent gets.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::problem::Problem;

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
    /// What an AG-UI agent gets instead: a `RunAgentInput` with the prompt as its message. Members of that name are the caller's.
    ///
    /// # Errors
    /// The caller gives messages of its own.
    pub fn as_run(&self, thread: &str) -> Result<Bytes, Problem> {
        let raw = |text: String| RawValue::from_string(text);
        let run = || -> serde_json::Result<Option<Vec<u8>>> {
            let mut run: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&self.forwarded)?;
            let prompt = run.remove("prompt");
            if run.contains_key("messages") {
                return Ok(None);
            }
            for (name, nothing) in [
                ("state", "{}"),
                ("tools", "[]"),
                ("context", "[]"),
                ("forwardedProps", "{}"),
            ] {
                if !run.contains_key(name) {
                    run.insert(name.to_owned(), raw(nothing.to_owned())?);
                }
            }
            let prompt = prompt.as_ref().map_or("\"\"", |prompt| prompt.get());
            let (message, id) = (Uuid::new_v4(), Uuid::new_v4());
            let messages = format!(r#"[{{"id":"{message}","role":"user","content":{prompt}}}]"#);
            run.insert("messages".to_owned(), raw(messages)?);
            run.insert("threadId".to_owned(), raw(serde_json::to_string(thread)?)?);
            run.insert("runId".to_owned(), raw(format!("\"{id}\""))?);
            serde_json::to_vec(&run).map(Some)
        };
        let run = run().ok().flatten().map(Bytes::from);
        run.ok_or_else(|| {
            let detail = "an AG-UI agent gets the prompt as its one message: use invocations for messages of your own";
            Problem::bad_request("InvalidBody", detail)
        })
    }

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
    fn an_ag_ui_agent_gets_a_run() {
        let body = br#"{"prompt": "hi \"you\"", "sessionId": "x", "state": {"a": 1.50}}"#;
        let run = Chat::parse(body).unwrap().as_run("thread-1").unwrap();
        assert!(std::str::from_utf8(&run).unwrap().contains("1.50"));
        let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
        assert_eq!(run["threadId"], "thread-1");
        assert_eq!(run["messages"][0]["content"], "hi \"you\"");
        assert_eq!(run["messages"][0]["role"], "user");
        assert!(run["tools"].is_array() && run["context"].is_array() && run["runId"].is_string());
        let own = br#"{"prompt": "hi", "messages": []}"#;
        assert!(Chat::parse(own).unwrap().as_run("thread-1").is_err());
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
