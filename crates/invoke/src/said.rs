//! What an agent says, in its own form, and the text in it.

use serde_json::Value;

use crate::sse::Decoder;

/// Members that hold an agent's text, the first that is there (design of the chat path; AG-UI's `delta` among them).
const MEMBERS: [&str; 6] = [
    "response",
    "completion",
    "result",
    "delta",
    "text",
    "output",
];
/// How some agents end a stream.
const DONE: &str = "[DONE]";

/// One message of an agent: an answer, an event of a stream, or a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A piece of the answer.
    Text(String),
    /// Something about the protocol, with no text in it.
    Nothing,
    /// The answer is complete.
    Done,
    /// The agent failed.
    Failed(String),
}

/// Reads a whole answer. What is not JSON is the text itself.
pub fn answer(body: &[u8]) -> Said {
    match serde_json::from_slice(body) {
        Ok(value) => of_json(&value, Whole::Answer, || lossy(body)),
        Err(_) => Said::Text(lossy(body)),
    }
}

/// Reads one event's data, or a frame.
pub fn piece(data: &str) -> Said {
    if data.trim() == DONE {
        return Said::Done;
    }
    match serde_json::from_str(data) {
        Ok(value) => of_json(&value, Whole::Piece, || data.to_owned()),
        Err(_) => Said::Text(data.to_owned()),
    }
}

/// Reads a frame. Some hold events as they stand in a stream.
pub fn frame(data: &str) -> Vec<Said> {
    if !(data.starts_with("data:") && data.ends_with("\n\n")) {
        return vec![piece(data)];
    }
    let mut events = Vec::new();
    match Decoder::new(data.len()).feed(data.as_bytes(), &mut events) {
        Ok(()) => events.iter().map(|event| piece(&event.data)).collect(),
        Err(_) => vec![piece(data)],
    }
}

/// What the JSON is the whole of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Answer,
    Piece,
}

fn of_json(value: &Value, whole: Whole, raw: impl FnOnce() -> String) -> Said {
    let Value::Object(members) = value else {
        return match value {
            Value::String(text) => Said::Text(text.clone()),
            _ => Said::Text(raw()),
        };
    };
    let present = |name: &&str| members.get(*name).filter(|value| !value.is_null());
    if let Some(value) = MEMBERS.iter().find_map(present) {
        return Said::Text(match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    let kind = members.get("type").and_then(Value::as_str);
    if kind == Some("done") {
        return Said::Done;
    }
    if let Some(error) = members.get("error").filter(|_| whole == Whole::Piece) {
        return Said::Failed(match error {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    }
    match kind {
        // AG-UI's way to fail.
        Some("RUN_ERROR") => {
            let message = members.get("message").and_then(Value::as_str);
            Said::Failed(message.unwrap_or("the agent failed").to_owned())
        }
        // An event of a protocol, such as AG-UI's RUN_STARTED, is no text for anybody.
        Some(_) if whole == Whole::Piece => Said::Nothing,
        _ => Said::Text(raw()),
    }
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    #[test]
    fn the_first_known_member_is_the_text() {
        assert_eq!(answer(br#"{"text":"b","response":"a"}"#), text("a"));
        assert_eq!(answer(br#"{"output":"x"}"#), text("x"));
        assert_eq!(answer(br#"{"result":{"a":1}}"#), text(r#"{"a":1}"#));
        assert_eq!(answer(br#"{"response":null,"output":"x"}"#), text("x"));
        assert_eq!(answer(br#""hello""#), text("hello"));
        assert_eq!(answer(b"[1, 2]"), text("[1, 2]"));
        assert_eq!(answer(br#"{ "answer": 42 }"#), text(r#"{ "answer": 42 }"#));
        assert_eq!(answer("plain \u{e9}".as_bytes()), text("plain \u{e9}"));
    }

    #[test]
    fn pieces_know_ends_failures_and_protocol_events() {
        assert_eq!(piece("[DONE]"), Said::Done);
        assert_eq!(frame("data: [DONE]\n\n"), [Said::Done]);
        assert_eq!(piece("data: kept"), text("data: kept"));
        assert_eq!(
            frame("data:   two\ndata: lines\n\n"),
            [text("  two\nlines")]
        );
        assert_eq!(piece(r#"{"type":"done","turn":1}"#), Said::Done);
        assert_eq!(
            frame("data: {\"type\":\"TEXT_MESSAGE_CONTENT\",\"delta\":\"hi\"}\n\n"),
            [text("hi")]
        );
        assert_eq!(
            piece(r#"{"type":"RUN_STARTED","runId":"1"}"#),
            Said::Nothing
        );
        assert_eq!(
            piece(r#"{"type":"RUN_ERROR","message":"boom"}"#),
            Said::Failed("boom".to_owned())
        );
        assert_eq!(
            piece(r#"{"error":"boom","error_type":"X"}"#),
            Said::Failed("boom".to_owned())
        );
        assert_eq!(piece(" two  words "), text(" two  words "));
        assert_eq!(piece(r#"{"response":""}"#), text(""));
    }

    proptest::proptest! {
        #[test]
        fn whatever_an_agent_says_is_read(data in "(data:)?[ -~]{0,40}|\\PC{0,20}", body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let _ = (piece(&data), answer(&body));
        }
    }
}
