//! The scripts, and how what they take and give is written.

use std::time::Duration;

use agentcore_invoke::SessionId;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use redis::{FromRedisValue, Script, ScriptInvocation};
use sha2::{Digest as _, Sha256};

use crate::agents::Kind;
use crate::sessions::ledger::{Birth, Group, Member, Owner, Record};

/// A script with its arguments.
pub struct Call<'a>(pub ScriptInvocation<'a>);

macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        /// All scripts.
        pub struct Scripts {
            $(pub $name: Script),+
        }

        impl Default for Scripts {
            fn default() -> Self {
                Self {
                    // Each gives how many values could not be read, how many conversations it forgot, and what it was asked for.
                    $($name: Script::new(concat!(
                        include_str!("common.lua"),
                        "local function main()\n",
                        include_str!(concat!(stringify!($name), ".lua")),
                        "end\nlocal said = main()\nreturn { odd, forgotten, said }\n",
                    ))),+
                }
            }
        }
    };
}

scripts!(
    enter,
    leave,
    list,
    find,
    replace,
    count,
    judge,
    stale_since,
    members,
    retire,
    ended,
    stopped
);

/// In the slot of all keys: what their braces say.
pub const SLOT: &str = "{agentcore}";

/// Key of a replica's sign of life.
pub fn replica_key(replica: &str) -> String {
    format!("{{agentcore}}:2:r:{replica}")
}

/// A time as scripts count it, in at most 15 digits.
pub fn millis(time: Duration) -> u64 {
    const MOST: u64 = 999_999_999_999_999;
    u64::try_from(time.as_millis()).map_or(MOST, |millis| millis.min(MOST))
}

/// A short name of a conversation.
pub fn id_of(owner: &Owner, conversation: &SessionId) -> String {
    hashed(owner, conversation.as_str())
}

/// A short name of a caller at an object, with that of the caller and with the namespace.
pub fn owner_key(owner: &Owner) -> String {
    let caller = short(Sha256::digest(&*owner.subject).as_slice());
    format!("{}/{caller}/{}", hashed(owner, ""), owner.namespace)
}

/// Each part with its length before it, so that no two lists of parts read the same.
fn hashed(owner: &Owner, conversation: &str) -> String {
    let Owner {
        subject,
        kind,
        namespace,
        name,
    } = owner;
    let mut hash = Sha256::new();
    for part in [subject, kind.as_str(), namespace, name, conversation] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    short(hash.finalize().as_slice())
}

fn short(hash: &[u8]) -> String {
    BASE32_NOPAD.encode(&hash[..20]).to_ascii_lowercase()
}

/// A group as keys hold it: no part has a slash in it.
pub fn group_key(group: &Group) -> String {
    let Group {
        kind,
        namespace,
        name,
        version,
    } = group;
    let version = version.as_deref().unwrap_or_default();
    format!("{}/{namespace}/{name}/{version}", kind.as_str())
}

/// The group of a key.
pub fn group(key: &str) -> Option<Group> {
    let mut parts = key.split('/');
    let mut part = || parts.next();
    Some(Group {
        kind: Kind::from_name(part()?)?,
        namespace: part()?.into(),
        name: part()?.into(),
        version: given(part()?).map(Into::into),
    })
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Text of the server's. What is not UTF-8 is nobody's fault but its own: it counts as none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text(Vec<u8>);

impl FromRedisValue for Text {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        Vec::from_redis_value(value).map(Self)
    }
}

impl Text {
    /// As it is.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text; none where it is none.
    pub fn get(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// A session as `describe` writes it.
pub struct Row(Vec<Text>);

impl FromRedisValue for Row {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        Vec::from_redis_value(value).map(Self)
    }
}

impl Row {
    /// The session; none where it cannot be read.
    pub fn member(self) -> Option<Member> {
        let fields: Vec<&str> = self.0.iter().map(Text::get).collect::<Option<_>>()?;
        let [
            subject,
            kind,
            namespace,
            name,
            conversation,
            generation,
            qualifier,
            version,
            idle,
            life,
            started,
            used,
            busy,
            retired,
            in_flight,
        ]: [&str; 15] = fields.try_into().ok()?;
        let time = |text: &str| Timestamp::from_millisecond(text.parse().ok()?).ok();
        let span = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some(Member {
            owner: Owner {
                subject: subject.into(),
                kind: Kind::from_name(kind)?,
                namespace: namespace.into(),
                name: name.into(),
            },
            record: Record {
                conversation: conversation.parse().ok()?,
                generation: generation.parse().ok()?,
                birth: Birth {
                    qualifier: given(qualifier).map(str::to_owned),
                    version: given(version).map(Into::into),
                    idle_timeout: span(idle)?,
                    max_lifetime: span(life)?,
                },
                started_at: time(started)?,
                last_used_at: time(used)?,
                in_flight: in_flight.parse().ok()?,
                busy: busy == "1",
            },
            retired: retired == "1",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_as_it_was_written() {
        for version in [None, Some("12".into())] {
            let written = Group {
                kind: Kind::AgentEndpoint,
                namespace: "shop".into(),
                name: "support-live".into(),
                version,
            };
            assert_eq!(group(&group_key(&written)), Some(written));
        }
        assert_eq!(group("Pod/a/b/1"), None);
        assert_eq!(group("AgentRuntime/a"), None);
    }
}
