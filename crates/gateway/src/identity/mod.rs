//! Who calls and what they may: the words. The API server's answers are in [`review`].

#[cfg(test)]
mod fake;
mod inventions;
mod lanes;
mod metrics;
pub mod review;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};

pub use agentcore_api::Kind;
pub use review::{Answer, Asking, AtOnce, Gate};

/// Longest token, in bytes. ServiceAccount tokens have about 1 KiB; those of identity providers with many groups have a few.
pub const TOKEN_MAX: usize = 16 * 1024;

/// Which bytes a token may have (RFC 6750, section 2.1): a table, as a token is long and there is one in each request.
const GOOD: [bool; 256] = {
    let mut good = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        good[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        byte += 1;
    }
    good
};

/// Whom the API server found behind a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// User name, such as `system:serviceaccount:shop:frontend`. Never empty.
    pub user: String,
    /// UID, where the authenticator knows one.
    pub uid: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// What else the authenticator says, as authorizers want to see it.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A bearer token as it came, not verified. Its text appears in no log and no error.
#[derive(Clone)]
pub struct Token {
    text: String,
    digest: [u8; 32],
}

impl Token {
    /// The token of a request's one Authorization header.
    ///
    /// # Errors
    /// [`Denied::NoToken`] without the header; [`Denied::BadToken`] when there are several, when it is not of scheme Bearer, or
    /// when the token is empty, longer than [`TOKEN_MAX`] or has characters that no token has.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Denied> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(Denied::NoToken)?;
        if values.next().is_some() {
            return Err(Denied::bad_token("more than one Authorization header"));
        }
        let not_bearer = || Denied::bad_token("the Authorization header is not `Bearer TOKEN`");
        let (scheme, token) = value
            .to_str()
            .ok()
            .and_then(|text| text.trim().split_once(' '))
            .ok_or_else(not_bearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(not_bearer());
        }
        let token = token.trim_start();
        if token.len() > TOKEN_MAX {
            return Err(Denied::bad_token("the token is longer than 16 KiB"));
        }
        if token.is_empty() || !token.bytes().all(|byte| GOOD[usize::from(byte)]) {
            return Err(Denied::bad_token(
                "the token is empty or has characters that no bearer token has",
            ));
        }
        Ok(Self {
            text: token.to_owned(),
            digest: Sha256::digest(token).into(),
        })
    }

    /// The token itself, for the API server's eyes.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256, which stands for the token where it is remembered.
    pub(super) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Verbs that the gateway asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Calls an agent.
    Create,
    /// Reads.
    Get,
    /// Ends a session.
    Delete,
}

impl Verb {
    /// As RBAC rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Delete => "delete",
        }
    }
}

/// Subresources that exist for RBAC only: the API server serves neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// Calls of an agent.
    Invocations,
    /// The caller's sessions.
    Sessions,
}

impl Subresource {
    /// As RBAC rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invocations => "invocations",
            Self::Sessions => "sessions",
        }
    }
}

/// What a caller wants to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// Kind of the object.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Verb.
    pub verb: Verb,
    /// Subresource.
    pub subresource: Subresource,
}

/// Why a caller is not let through. The texts are for the caller: they hold no token and nothing of the cluster's inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No Authorization header.
    #[error("a Kubernetes token is needed: Authorization: Bearer TOKEN")]
    NoToken,
    /// A token that is none, or that the API server does not accept for this audience.
    #[error("{0}")]
    BadToken(String),
    /// Known, and not allowed.
    #[error("{0}")]
    Forbidden(String),
    /// It asked for too many things lately that it may not have, or that are not there: how long it has to wait.
    #[error("too many names of this caller lead nowhere")]
    TooMany(Duration),
    /// Nobody could say in time. The caller is not let through, and may try again.
    #[error("{0}")]
    Unavailable(String),
}

impl Denied {
    fn bad_token(text: &str) -> Self {
        Self::BadToken(text.to_owned())
    }

    /// The refusal of an access, in the API server's manner.
    fn forbidden(who: &Identity, access: &Access) -> Self {
        Self::Forbidden(format!(
            "user {:?} cannot {} {}/{} {:?} of API group {} in namespace {:?}",
            who.user,
            access.verb.as_str(),
            access.kind.plural(),
            access.subresource.as_str(),
            access.name,
            agentcore_api::GROUP,
            access.namespace,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, value.parse().expect("a header value"));
        }
        headers
    }

    fn refusal(values: &[&str]) -> Denied {
        Token::from_headers(&headers(values)).expect_err("refused")
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let token = Token::from_headers(&headers(&[&format!("{scheme} abc.def-_")]));
            assert_eq!(token.expect("good").text(), "abc.def-_");
        }
    }

    #[test]
    fn a_request_without_a_token_is_told_what_is_needed() {
        assert_eq!(refusal(&[]), Denied::NoToken);
    }

    #[test]
    fn two_headers_another_scheme_and_odd_tokens_are_refused() {
        let long = format!("Bearer {}", "a".repeat(TOKEN_MAX + 1));
        for values in [
            &["Bearer a", "Bearer a"][..],
            &["Basic dXNlcjpwdw=="],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a,b"],
            &[long.as_str()],
        ] {
            assert!(matches!(refusal(values), Denied::BadToken(_)), "{values:?}");
        }
        let longest = format!("Bearer {}", "a".repeat(TOKEN_MAX));
        assert!(Token::from_headers(&headers(&[&longest])).is_ok());
    }

    #[test]
    fn neither_debug_nor_a_refusal_shows_the_token() {
        let token = Token::from_headers(&headers(&["Bearer s3cret"])).expect("good");
        assert!(!format!("{token:?}").contains("s3cret"));
        let refused = refusal(&["Bearer s3cret, s3cret"]);
        assert!(!format!("{refused:?} {refused}").contains("s3cret"));
    }
}
