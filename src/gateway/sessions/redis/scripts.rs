//! The scripts, and how what they take and give is written.

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::SessionId;
use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use redis::{FromRedisValue, Script, ScriptInvocation};
use sha2::{Digest as _, Sha256};

use crate::gateway::agents::Kind;
use crate::gateway::sessions::ledger::{Birth, Group, Member, Owner, Record};

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
                    $($name: Script::new(concat!(
                        include_str!("common.lua"),
                        include_str!(concat!(stringify!($name), ".lua")),
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
    survey,
    judge,
    stale_since,
    members,
    retire,
    ended,
    stopped
);

/// Key of a replica's sign of life.
pub fn replica_key(replica: &str) -> String {
    format!("{{agentcore}}:r:{replica}")
}

/// A time as scripts count it.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A short name of a conversation.
pub fn id_of(owner: &Owner, conversation: &SessionId) -> String {
    hashed(owner, conversation.as_str())
}

/// A short name of a caller at an object.
pub fn owner_id(owner: &Owner) -> String {
    hashed(owner, "")
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
    BASE32_NOPAD
        .encode(&hash.finalize()[..20])
        .to_ascii_lowercase()
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
        kind: kind(part()?)?,
        namespace: part()?.into(),
        name: part()?.into(),
        version: given(part()?).map(Into::into),
    })
}

fn kind(text: &str) -> Option<Kind> {
    let kinds = [Kind::AgentRuntime, Kind::AgentEndpoint, Kind::AgentSession];
    kinds.into_iter().find(|kind| kind.as_str() == text)
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A session as `describe` writes it.
pub struct Row(Vec<String>);

impl FromRedisValue for Row {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        Vec::from_redis_value(value).map(Self)
    }
}

impl Row {
    /// The session; none where a key was lost in between.
    pub fn member(self) -> Option<Member> {
        let Self(fields) = self;
        let [
            subject,
            kind_name,
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
        ]: &[String; 15] = fields.as_slice().try_into().ok()?;
        let time = |text: &str| Timestamp::from_millisecond(text.parse().ok()?).ok();
        let span = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some(Member {
            owner: Owner {
                subject: Arc::from(subject.as_str()),
                kind: kind(kind_name)?,
                namespace: Arc::from(namespace.as_str()),
                name: Arc::from(name.as_str()),
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
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
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
