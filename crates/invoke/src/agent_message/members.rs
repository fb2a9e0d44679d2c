//! The members of a JSON object that matter, as they were written, and the texts in them.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Members that are looked at. The first ones, up to [`Name::Choices`], hold an agent's text: the first that has one. Those from
/// [`Name::Content`] on may belong to an error, too.
#[derive(Deserialize, Clone, Copy)]
#[serde(field_identifier)]
pub enum Name {
    #[serde(rename = "response")]
    Response,
    #[serde(rename = "completion")]
    Completion,
    #[serde(rename = "result")]
    Result,
    #[serde(rename = "delta")]
    Delta,
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "output")]
    Output,
    #[serde(rename = "content")]
    Content,
    #[serde(rename = "message")]
    Message,
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "choices")]
    Choices,
    #[serde(rename = "role")]
    Role,
    #[serde(rename = "type")]
    Type,
    #[serde(rename = "error")]
    Error,
    /// Around Converse's events, in Strands' streams.
    #[serde(rename = "event")]
    Event,
    #[serde(rename = "contentBlockDelta")]
    ContentBlockDelta,
    /// Converse's events without text.
    #[serde(
        rename = "messageStart",
        alias = "contentBlockStart",
        alias = "contentBlockStop",
        alias = "messageStop",
        alias = "metadata"
    )]
    Converse,
    /// Converse's faults within a stream.
    #[serde(
        rename = "internalServerException",
        alias = "modelStreamErrorException",
        alias = "serviceUnavailableException",
        alias = "throttlingException",
        alias = "validationException"
    )]
    Fault,
    #[serde(rename = "init_event_loop")]
    InitEventLoop,
    #[serde(rename = "start_event_loop")]
    StartEventLoop,
    #[serde(rename = "start")]
    Start,
    #[serde(other)]
    Other,
}

/// How many members hold an agent's text whatever else there is, and how many hold one at all.
const ALWAYS: usize = Name::Content as usize;
const TEXTS: usize = Name::Role as usize;
/// How deep a text may lie: `{"output": {"message": {"content": [{"text": "..."}]}}}`, and two more.
const DEPTH: usize = 6;

/// An object's members that are looked at, as they were written.
#[derive(Default)]
pub struct Members<'a> {
    known: [Option<&'a RawValue>; Name::Other as usize],
    count: usize,
}

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
                    members.count += 1;
                    match members.known.get_mut(name as usize) {
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
    /// A member that is not null.
    pub fn get(&self, name: Name) -> Option<&'a RawValue> {
        let member = self.known.get(name as usize).copied().flatten();
        member.filter(|value| value.get() != "null")
    }

    /// Whether this is an event of Bedrock's Converse and nothing else.
    pub fn is_converse(&self) -> bool {
        let known = [Name::ContentBlockDelta, Name::Converse, Name::Fault];
        self.count == 1 && known.iter().any(|name| self.get(*name).is_some())
    }

    /// The text of the first member that has one. What a user or a tool said is no text of the agent.
    pub fn text(&self) -> Option<String> {
        self.text_within(DEPTH)
    }

    fn text_within(&self, depth: usize) -> Option<String> {
        let role = self.get(Name::Role).and_then(string);
        if role.is_some_and(|role| role == "user" || role == "tool" || role == "system") {
            return Some(String::new());
        }
        let texts = match self.get(Name::Error) {
            Some(_) => ALWAYS,
            None => TEXTS,
        };
        let members = self.known.iter().take(texts).flatten();
        members.copied().find_map(|value| within(value, depth))
    }
}

/// The text of a value: a string, a message, or a list of a message's blocks.
pub fn text_in(value: &RawValue) -> Option<String> {
    within(value, DEPTH)
}

fn within(value: &RawValue, depth: usize) -> Option<String> {
    let text = value.get();
    let depth = depth.checked_sub(1)?;
    match text.as_bytes().first() {
        Some(b'"') => string(value),
        Some(b'-' | b'0'..=b'9') => Some(text.to_owned()),
        Some(b'{') => {
            let members = serde_json::from_str::<Members<'_>>(text);
            members.ok()?.text_within(depth)
        }
        Some(b'[') => {
            let mut reading = serde_json::Deserializer::from_str(text);
            Blocks { depth }.deserialize(&mut reading).ok()?
        }
        _ => None,
    }
}

/// Reads the texts of a message's blocks, joined; none where no block is one that anybody knows. Blocks such as a tool's use have no text.
struct Blocks {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Blocks {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Blocks {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut whole: Option<String> = None;
        while let Some(block) = list.next_element::<&RawValue>()? {
            if let Some(text) = block_text(block, self.depth) {
                whole.get_or_insert_default().push_str(&text);
            }
        }
        Ok(whole)
    }
}

/// A block's text: its own, or that of a choice's message.
fn block_text(block: &RawValue, depth: usize) -> Option<String> {
    /// Blocks of Converse and Anthropic that are no text for anybody.
    #[derive(Deserialize)]
    struct Silent {
        #[serde(
            alias = "toolUse",
            alias = "toolResult",
            alias = "reasoningContent",
            alias = "cachePoint"
        )]
        image: Option<IgnoredAny>,
        #[serde(rename = "type")]
        kind: Option<String>,
    }

    match block.get().as_bytes().first() {
        Some(b'"') => return string(block),
        Some(b'{') => {}
        _ => return None,
    }
    let silent = serde_json::from_str::<Silent>(block.get()).ok()?;
    let kind = silent.kind.as_deref();
    if silent.image.is_some()
        || kind.is_some_and(|kind| !["text", "output_text", "message"].contains(&kind))
    {
        return Some(String::new());
    }
    within(block, depth)
}

/// A value's text if it is a string.
pub fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A value's text: a string as it is meant, anything else as it was written.
pub fn text_of(value: &RawValue) -> String {
    string(value).unwrap_or_else(|| value.get().to_owned())
}
