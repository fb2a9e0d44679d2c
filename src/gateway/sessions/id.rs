//! Session ids: the caller's, and what AgentCore gets instead.
//!
//! AgentCore does not tie a session to a user: whoever knows an id reaches the microVM. So the id that a caller gives is only a name
//! of its own conversation. What goes on is a keyed hash of who calls, which endpoint, and that name: the same id of another caller
//! is another session, and nothing has to be remembered for it.

use agentcore_invoke::SessionId;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::ledger::Owner;

/// Bytes of the MAC behind an MCP session id: 128 bits, 22 characters.
const SEAL: usize = 16;
/// Separates an MCP session id from its MAC; AWS's alphabet of ids does not have it.
const SEAL_MARK: char = '.';

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

    /// What a caller gets for an MCP session id, so that nobody else can use it.
    pub fn seal(&self, owner: &Owner, mcp_session: &str) -> String {
        let digest = self.mac(b"mcp", owner, &[mcp_session.as_bytes()]);
        format!(
            "{mcp_session}{SEAL_MARK}{}",
            BASE64URL_NOPAD.encode(&digest[..SEAL])
        )
    }

    /// The MCP session id under a seal; `None` if it was not sealed for this caller and endpoint.
    pub fn unseal<'a>(&self, owner: &Owner, sealed: &'a str) -> Option<&'a str> {
        let (mcp_session, seal) = sealed.rsplit_once(SEAL_MARK)?;
        let seal = BASE64URL_NOPAD.decode(seal.as_bytes()).ok()?;
        if seal.len() != SEAL {
            return None;
        }
        self.fed(b"mcp", owner, &[mcp_session.as_bytes()])
            .verify_truncated_left(&seal)
            .ok()?;
        Some(mcp_session)
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

/// The caller's id, or a new one when there is none or it is not valid (R4.3).
///
/// # Panics
/// Never: a UUID is a session id.
pub fn conversation(given: Option<&str>) -> (SessionId, bool) {
    match given.map(str::parse) {
        Some(Ok(id)) => (id, false),
        _ => (
            uuid::Uuid::new_v4()
                .to_string()
                .parse()
                .expect("a UUID is a session id"),
            true,
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed unwrap is a failed test
mod tests {
    use super::*;
    use crate::gateway::agents::Kind;

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
        let (id, _) = conversation(None);
        let (other, _) = conversation(None);
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
        let sealed = deriver.seal(&mine, "mcp-1.x");
        assert_eq!(deriver.unseal(&mine, &sealed), Some("mcp-1.x"));
        assert_eq!(deriver.unseal(&owner("x", "b", "c"), &sealed), None);
        assert_eq!(deriver.unseal(&mine, "mcp-1.x"), None);
        assert_eq!(deriver.unseal(&mine, "mcp-1.x."), None);
        assert_eq!(deriver.unseal(&mine, &format!("y{sealed}")), None);
        assert_eq!(deriver.unseal(&mine, &sealed[..sealed.len() - 2]), None);
    }

    #[test]
    fn an_id_that_aws_would_refuse_is_replaced() {
        let good = "a".repeat(33);
        assert_eq!(conversation(Some(&good)).0.as_str(), good);
        for bad in [
            "a".repeat(32),
            "a".repeat(257),
            format!("-{good}"),
            format!("{good} "),
            String::new(),
        ] {
            let (id, new) = conversation(Some(&bad));
            assert!(new && id.as_str() != bad, "{bad}");
        }
    }
}
