//! What an agent says, in its own form, and the text in it. Of JSON only the members that matter are read: a tree of a large answer would
//! take many times its bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sse::Decoder;

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
    read(body, Whole::Answer)
}

/// Reads one event's data, or a frame.
pub fn piece(data: &str) -> Said {
    if data.trim() == DONE {
        return Said::Done;
    }
    read(data.as_bytes(), Whole::Piece)
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

/// Members that are looked at. The first six hold an agent's text, the first that is there (design of the chat path; AG-UI's `delta`
/// among them).
#[derive(Deserialize, Clone, Copy)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Response,
    Completion,
    Result,
    Delta,
    Text,
    Output,
    Type,
    Error,
    Message,
    #[serde(other)]
    Other,
}

/// How many members hold text.
const TEXTS: usize = Name::Type as usize;

/// An object's members that are looked at, as they were written.
#[derive(Default)]
struct Members<'a>([Option<&'a RawValue>; Name::Other as usize]);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;

        impl<'de> Visitor<'de> for Reading {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Name>()? {
                    match members.0.get_mut(name as usize) {
                        Some(member) => *member = Some(map.next_value()?),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reading)
    }
}

impl<'a> Members<'a> {
    fn get(&self, name: Name) -> Option<&'a RawValue> {
        self.0.get(name as usize).copied().flatten()
    }
}

/// A value's text: a string as it is meant, anything else as it was written.
fn text_of(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

/// A value's text if it is a string.
fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn read(body: &[u8], whole: Whole) -> Said {
    let members = match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice::<Members<'_>>(body).ok(),
        Some(b'"') => {
            let text = serde_json::from_slice(body);
            return Said::Text(text.unwrap_or_else(|_| lossy(body)));
        }
        _ => None,
    };
    let Some(members) = members else {
        return Said::Text(lossy(body));
    };
    let text = members.0.iter().take(TEXTS).flatten();
    if let Some(value) = text.copied().find(|value| value.get() != "null") {
        return Said::Text(text_of(value));
    }
    let kind = members.get(Name::Type).and_then(string);
    if kind.as_deref() == Some("done") {
        return Said::Done;
    }
    if let Some(error) = members.get(Name::Error).filter(|_| whole == Whole::Piece) {
        return Said::Failed(text_of(error));
    }
    match kind.as_deref() {
        // AG-UI's way to fail.
        Some("RUN_ERROR") => {
            let message = members.get(Name::Message).and_then(string);
            Said::Failed(message.unwrap_or_else(|| "the agent failed".to_owned()))
        }
        // An event of a protocol, such as AG-UI's RUN_STARTED, is no text for anybody.
        Some(_) if whole == Whole::Piece => Said::Nothing,
        _ => Said::Text(lossy(body)),
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
    fn a_tree_of_very_many_values_is_not_built() {
        // Deeper than any reader of trees goes, and read all the same.
        let deep = format!(
            r#"{{"x":{}{},"response":"a"}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert_eq!(answer(deep.as_bytes()), text("a"));
        assert_eq!(answer(br#"{"text":"a","text":"b"}"#), text("b"));
        assert_eq!(
            answer(br#"{"response":1 ,"x":"#),
            text(r#"{"response":1 ,"x":"#)
        );
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
