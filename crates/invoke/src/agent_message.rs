//! What an agent says, in its own form, and the text in it. Of JSON only the members that matter are read: a tree of a large answer would
//! take many times its bytes.
//!
//! The forms, each as the framework named writes it (`docs/gateway.md` has the same table):
//!
//! | form | from |
//! |---|---|
//! | a JSON string, or what is no JSON | BedrockAgentCoreApp |
//! | `response`, `completion`, `result`, `delta`, `text`, `output`, `content`, `data`: a text, or a message | many |
//! | a message: `{"role", "content": "..."}` or `{"role", "content": [{"text": "..."}]}`, bare or as `message` | Strands, Converse, Anthropic |
//! | `{"choices": [{"message": ...}]}`, `{"choices": [{"delta": ...}]}` | OpenAI's chat completions |
//! | `{"contentBlockDelta": {"delta": {"text"}}}`, bare or as `event` | Converse, Strands' `stream_async` |
//! | `{"type": "TEXT_MESSAGE_CONTENT", "delta"}` and the chunk; of its other events none | AG-UI |
//! | `{"type": "content_block_delta", "delta": {"text"}}`, `{"type": "response.output_text.delta", "delta"}` | Anthropic, OpenAI's responses |

mod members;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::sse::Decoder;
use members::{Members, Name, string, text_in, text_of};

/// How some agents end a stream.
const DONE: &str = "[DONE]";

/// Prefixes of the types of AG-UI's events, those of former releases included. But for two of them none has a text for anybody.
const AG_UI: [&str; 12] = [
    "TEXT_MESSAGE_",
    "THINKING_",
    "REASONING_",
    "TOOL_CALL_",
    "STATE_",
    "MESSAGES_SNAPSHOT",
    "ACTIVITY_",
    "RAW",
    "CUSTOM",
    "RUN_",
    "STEP_",
    "SUBAGENT_",
];
/// Types of Anthropic's events without a text.
const OTHERS: [&str; 6] = [
    "message_start",
    "message_delta",
    "message_stop",
    "content_block_start",
    "content_block_stop",
    "ping",
];

/// One message of an agent: an answer, an event of a stream, or a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentMessage {
    /// A piece of the answer.
    Text(String),
    /// Something about the protocol, with no text in it.
    Nothing,
    /// The answer is complete.
    Done,
    /// The agent failed.
    Failed(String),
    /// An answer in none of the forms above.
    Unknown,
}

/// Reads a whole answer. What is not JSON is the text itself.
pub fn answer(body: &[u8]) -> AgentMessage {
    let text = body.trim_ascii_start();
    match text.first() {
        Some(b'"') => {
            AgentMessage::Text(serde_json::from_slice(body).unwrap_or_else(|_| lossy(body)))
        }
        Some(b'{') => match serde_json::from_slice::<Members<'_>>(body) {
            Ok(members) => whole(&members),
            Err(_) => AgentMessage::Text(lossy(body)),
        },
        Some(b'[') if serde_json::from_slice::<&RawValue>(body).is_ok() => AgentMessage::Unknown,
        _ => AgentMessage::Text(lossy(body)),
    }
}

fn whole(members: &Members<'_>) -> AgentMessage {
    if let Some(text) = members.text() {
        return AgentMessage::Text(text);
    }
    match members.get(Name::Error) {
        Some(error) => AgentMessage::Failed(text_of(error)),
        None => AgentMessage::Unknown,
    }
}

/// Reads the pieces of one answer: events of a stream, or frames. Some forms say a text twice, or say with one event how others are meant.
#[derive(Debug, Default)]
pub struct Reader {
    /// Strands' events were there. BedrockAgentCoreApp sends those that are no JSON as the text of Python's objects; they say nothing that
    /// the others do not.
    strands: bool,
    /// Some text was there.
    spoke: bool,
    /// Something was there that nobody here knows.
    lost: bool,
}

impl Reader {
    /// Reads one event's data, or a frame.
    pub fn piece(&mut self, data: &str) -> AgentMessage {
        if data.trim() == DONE {
            return AgentMessage::Done;
        }
        let said = self.read(data);
        match &said {
            AgentMessage::Text(text) => self.spoke |= !text.is_empty(),
            AgentMessage::Unknown => {
                self.lost = true;
                return AgentMessage::Nothing;
            }
            _ => {}
        }
        said
    }

    /// Reads a frame. Some hold events as they stand in a stream.
    pub fn frame(&mut self, data: &str) -> Vec<AgentMessage> {
        if !(data.starts_with("data:") && data.ends_with("\n\n")) {
            return vec![self.piece(data)];
        }
        let mut events = Vec::new();
        match Decoder::new(data.len()).feed(data.as_bytes(), &mut events) {
            Ok(()) => events.iter().map(|event| self.piece(&event.data)).collect(),
            Err(_) => vec![self.piece(data)],
        }
    }

    /// Whether an answer that is over said nothing but what nobody here knows.
    pub fn is_lost(&self) -> bool {
        self.lost && !self.spoke
    }

    fn read(&mut self, data: &str) -> AgentMessage {
        let text = match data.trim_ascii_start().as_bytes().first() {
            Some(b'{') => match serde_json::from_str::<Members<'_>>(data) {
                Ok(members) => return self.object(&members),
                Err(_) => Cow::Borrowed(data),
            },
            Some(b'"') => match serde_json::from_str(data) {
                Ok(text) => Cow::Owned(text),
                Err(_) => Cow::Borrowed(data),
            },
            Some(b'[') if serde_json::from_str::<&RawValue>(data).is_ok() => {
                return AgentMessage::Unknown;
            }
            _ => Cow::Borrowed(data),
        };
        if text.starts_with("{'") && text.ends_with('}') {
            if self.strands {
                return AgentMessage::Nothing;
            }
            if text.contains("': <strands.") {
                return AgentMessage::Unknown;
            }
        }
        AgentMessage::Text(text.into_owned())
    }

    fn object(&mut self, members: &Members<'_>) -> AgentMessage {
        if let Some(event) = members.get(Name::Event)
            && let Ok(event) = serde_json::from_str::<Members<'_>>(event.get())
            && event.is_converse()
        {
            self.strands = true;
            return converse(&event);
        }
        if members.is_converse() {
            return converse(members);
        }
        if members.get(Name::InitEventLoop).is_some() || members.get(Name::StartEventLoop).is_some()
        {
            self.strands = true;
            return AgentMessage::Nothing;
        }
        let kind = members.get(Name::Type).and_then(string);
        if let Some(kind) = &kind {
            let said = typed(kind, members);
            if said != AgentMessage::Unknown {
                return said;
            }
        }
        let said_already = self.spoke && members.get(Name::Message).is_some();
        if self.strands && (said_already || members.get(Name::Start).is_some()) {
            return AgentMessage::Nothing;
        }
        match members.text() {
            Some(text) => AgentMessage::Text(text),
            None => match members.get(Name::Error) {
                Some(error) => AgentMessage::Failed(text_of(error)),
                None => AgentMessage::Unknown,
            },
        }
    }
}

/// An event of Bedrock's Converse: a piece of text, a fault, or one of the others, such as reasoning and a tool's arguments.
fn converse(event: &Members<'_>) -> AgentMessage {
    if let Some(fault) = event.get(Name::Fault) {
        let members = serde_json::from_str::<Members<'_>>(fault.get()).unwrap_or_default();
        let message = members.get(Name::Message).unwrap_or(fault);
        return AgentMessage::Failed(text_of(message));
    }
    let delta = event.get(Name::ContentBlockDelta);
    let delta = delta.and_then(|delta| serde_json::from_str::<Members<'_>>(delta.get()).ok());
    let delta = delta
        .and_then(|delta| serde_json::from_str::<Members<'_>>(delta.get(Name::Delta)?.get()).ok());
    let text = delta.and_then(|delta| string(delta.get(Name::Text)?));
    text.map_or(AgentMessage::Nothing, AgentMessage::Text)
}

/// An event that says what it is. [`AgentMessage::Unknown`]: its type says nothing here.
fn typed(kind: &str, members: &Members<'_>) -> AgentMessage {
    let text = |name| {
        let text = members.get(name).and_then(text_in);
        text.map_or(AgentMessage::Nothing, AgentMessage::Text)
    };
    match kind {
        "done" | "RUN_FINISHED" => AgentMessage::Done,
        "TEXT_MESSAGE_CONTENT"
        | "TEXT_MESSAGE_CHUNK"
        | "response.output_text.delta"
        | "content_block_delta" => text(Name::Delta),
        "RUN_ERROR" => {
            let message = members.get(Name::Message).and_then(string);
            AgentMessage::Failed(message.unwrap_or_else(|| "the agent failed".to_owned()))
        }
        "error" | "response.failed" => {
            let said = members
                .get(Name::Error)
                .or_else(|| members.get(Name::Message));
            AgentMessage::Failed(said.map_or_else(|| "the agent failed".to_owned(), text_of))
        }
        _ if AG_UI.iter().any(|prefix| kind.starts_with(prefix)) => AgentMessage::Nothing,
        _ if OTHERS.contains(&kind) || kind.starts_with("response.") => AgentMessage::Nothing,
        _ => AgentMessage::Unknown,
    }
}

fn lossy(body: &[u8]) -> String {
    String::from_utf8_lossy(body).into_owned()
}

#[cfg(test)]
mod tests;
