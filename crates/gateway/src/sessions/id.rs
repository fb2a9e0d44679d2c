//! Session ids: the caller's, and what AgentCore gets instead.
//!
//! AgentCore does not tie a session to a user: whoever knows an id reaches the microVM. So the id that a caller gives is only a name
//! of its own conversation. What goes on is a keyed hash of who calls, which endpoint, and that name: the same id of another caller
//! is another session, and nothing has to be remembered for it.
//!
//! An MCP session lives within one of AgentCore's. Its id goes to the caller with what tells which one that is, under a seal.

use agentcore_invoke::SessionId;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use super::ledger::Owner;

/// Bytes of the MAC behind an MCP session id: 128 bits, 22 characters.
const SEAL: usize = 16;
/// Separates the parts of a sealed id; AWS's alphabet of session ids does not have it.
const SEAL_MARK: char = '.';
/// The conversation of a caller's requests to an MCP server that name none.
const UNNAMED: &str = "requests-that-name-no-session-of-their-own";

/// An MCP session, and the session that it lives in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpSession {
    /// The id that AgentCore or the server made.
    pub id: String,
    /// The conversation that it belongs to.
    pub conversation: SessionId,
    /// Which upstream session of that conversation has it.
    pub generation: u32,
}

/// An id that cannot name a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id must not contain control characters")]
pub struct InvalidId;

/// Makes upstream ids and seals. One key for all replicas.
#[derive(Clone)]
pub struct Deriver {
    keyed: Hmac<Sha256>,
}

impl Deriver {
    /// With a secret of any length; 32 random bytes are good.
    ///
    /// # Panics
    /// Never: HMAC takes keys of any length.
    pub fn new(key: &[u8]) -> Self {
        Self {
            keyed: Hmac::new_from_slice(key).expect("HMAC takes keys of any length"),
        }
    }

    /// AgentCore's id of a conversation: 52 characters of base32.
    ///
    /// # Panics
    /// Never: base32 is within AWS's alphabet and long enough.
    pub fn upstream(&self, owner: &Owner, conversation: &SessionId, generation: u32) -> SessionId {
        let generation = generation.to_be_bytes();
        let digest = self.mac(
            b"session",
            owner,
            &[conversation.as_str().as_bytes(), &generation],
        );
        BASE32_NOPAD
            .encode(&digest)
            .to_ascii_lowercase()
            .parse()
            .expect("base32 of 32 bytes is a session id")
    }

    /// What a caller gets for an MCP session, so that nobody else can use it.
    pub fn seal(&self, owner: &Owner, session: &McpSession) -> String {
        let McpSession {
            id,
            conversation,
            generation,
        } = session;
        let open = format!("{id}{SEAL_MARK}{conversation}{SEAL_MARK}{generation}");
        let digest = self.mac(b"mcp", owner, &[open.as_bytes()]);
        let seal = BASE64URL_NOPAD.encode(&digest[..SEAL]);
        format!("{open}{SEAL_MARK}{seal}")
    }

    /// The MCP session under a seal; `None` if it was not sealed for this caller and endpoint.
    pub fn unseal(&self, owner: &Owner, sealed: &str) -> Option<McpSession> {
        let (open, seal) = sealed.rsplit_once(SEAL_MARK)?;
        let seal = BASE64URL_NOPAD.decode(seal.as_bytes()).ok()?;
        if seal.len() != SEAL {
            return None;
        }
        self.fed(b"mcp", owner, &[open.as_bytes()])
            .verify_truncated_left(&seal)
            .ok()?;
        let mut parts = open.rsplitn(3, SEAL_MARK);
        let generation = parts.next()?.parse().ok()?;
        let conversation = parts.next()?.parse().ok()?;
        Some(McpSession {
            id: parts.next()?.to_owned(),
            conversation,
            generation,
        })
    }

    /// A short name of a session for logs: tells nobody the id.
    pub fn shown(&self, upstream: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(b"log");
        mac.update(upstream.as_bytes());
        let digest = mac.finalize().into_bytes();
        BASE32_NOPAD.encode(&digest[..5]).to_ascii_lowercase()
    }

    fn mac(&self, purpose: &[u8], owner: &Owner, parts: &[&[u8]]) -> [u8; 32] {
        self.fed(purpose, owner, parts)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Each part with its length before it, so that no two lists of parts read the same.
    fn fed(&self, purpose: &[u8], owner: &Owner, parts: &[&[u8]]) -> Hmac<Sha256> {
        let Owner {
            subject,
            kind,
            namespace,
            name,
        } = owner;
        let mut mac = self.keyed.clone();
        let own = [
            purpose,
            subject.as_bytes(),
            kind.as_str().as_bytes(),
            namespace.as_bytes(),
            name.as_bytes(),
        ];
        for part in own.iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// The conversation that a caller names; none for an empty id. What AgentCore would not take for an id, such as a short one, stands for a
/// conversation all the same: its hash does.
///
/// # Errors
/// The id has control characters.
///
/// # Panics
/// Never: base32 of 32 bytes is a session id.
pub fn named(given: &[u8]) -> Result<Option<SessionId>, InvalidId> {
    if given.is_empty() {
        return Ok(None);
    }
    if let Ok(text) = std::str::from_utf8(given) {
        if text.chars().any(char::is_control) {
            return Err(InvalidId);
        }
        if let Ok(id) = text.parse() {
            return Ok(Some(id));
        }
    }
    if given.iter().any(u8::is_ascii_control) {
        return Err(InvalidId);
    }
    let digest = BASE32_NOPAD.encode(&Sha256::digest(given));
    let id = digest.to_ascii_lowercase().parse();
    Ok(Some(id.expect("base32 of 32 bytes is a session id")))
}

/// A conversation that nobody has named.
///
/// # Panics
/// Never: a UUID is a session id.
pub fn fresh() -> SessionId {
    let id = uuid::Uuid::new_v4().to_string();
    id.parse().expect("a UUID is a session id")
}

/// The conversation of a caller's requests to an MCP server that name none.
///
/// # Panics
/// Never: it is a session id.
pub fn unnamed() -> SessionId {
    UNNAMED.parse().expect("it is a session id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::Kind;

    fn owner(subject: &str, namespace: &str, name: &str) -> Owner {
        Owner {
            subject: subject.into(),
            kind: Kind::AgentRuntime,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    #[test]
    fn another_caller_endpoint_name_or_generation_is_another_session() {
        let deriver = Deriver::new(b"key");
        let (id, other) = (fresh(), unnamed());
        let base = deriver.upstream(&owner("a", "b", "c"), &id, 0);
        assert_eq!(base, deriver.upstream(&owner("a", "b", "c"), &id, 0));
        assert_eq!(base.as_str().len(), 52);
        for different in [
            deriver.upstream(&owner("x", "b", "c"), &id, 0),
            deriver.upstream(&owner("a", "x", "c"), &id, 0),
            deriver.upstream(&owner("a", "b", "x"), &id, 0),
            deriver.upstream(&owner("ab", "", "c"), &id, 0),
            deriver.upstream(&owner("a", "b", "c"), &other, 0),
            deriver.upstream(&owner("a", "b", "c"), &id, 1),
            Deriver::new(b"other").upstream(&owner("a", "b", "c"), &id, 0),
        ] {
            assert_ne!(base, different);
        }
    }

    #[test]
    fn a_seal_holds_for_its_caller_alone() {
        let deriver = Deriver::new(b"key");
        let mine = owner("a", "b", "c");
        let session = McpSession {
            id: "mcp-1.x".to_owned(),
            conversation: unnamed(),
            generation: 7,
        };
        let sealed = deriver.seal(&mine, &session);
        assert_eq!(deriver.unseal(&mine, &sealed), Some(session));
        assert_eq!(deriver.unseal(&owner("x", "b", "c"), &sealed), None);
        for bad in [
            "mcp-1.x".to_owned(),
            "mcp-1.x.".to_owned(),
            format!("y{sealed}"),
            sealed.replace(".7.", ".8."),
            sealed[..sealed.len() - 2].to_owned(),
        ] {
            assert_eq!(deriver.unseal(&mine, &bad), None, "{bad}");
        }
    }

    #[test]
    fn an_id_that_aws_would_refuse_names_one_conversation_all_the_same() {
        let named = |text: &str| named(text.as_bytes());
        let good = "a".repeat(33);
        assert_eq!(named(&good).unwrap().unwrap().as_str(), good);
        assert_eq!(named(""), Ok(None));
        let short = named("user-1").unwrap().unwrap();
        assert_eq!(named("user-1"), Ok(Some(short.clone())));
        // The answer's id, sent back, names it too.
        assert_eq!(named(short.as_str()), Ok(Some(short.clone())));
        for other in ["user-2", "auth0|507f1f77", "J\u{fc}rgen", &"a".repeat(257)] {
            assert!(named(other).unwrap().is_some_and(|id| id != short));
        }
        for bad in ["user\n1", "\u{7f}", "\u{85}"] {
            assert_eq!(named(bad), Err(InvalidId), "{bad:?}");
        }
        assert_eq!(super::named(b"\xff\x00"), Err(InvalidId));
        assert!(super::named(b"\xff").unwrap().is_some());
    }
}
