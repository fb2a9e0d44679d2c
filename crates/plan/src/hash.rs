//! Hashes: what a wish is known by, and the tokens that make a repeated call harmless.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Hex digits of each part of a [`WishHash`]: 128 bits.
const PART_DIGITS: usize = 32;
/// A part that nobody has compared yet.
const UNSEEN: &str = "?";
/// A part that is being changed in AWS: what is there is not known until it is read again.
pub(crate) const CHANGING: &str = "+";
/// The policy part of a wish without a resource policy.
const NO_POLICY: &str = "-";

/// Hash of a wish in three parts, so that an edit of the tags alone is told from one of the configuration.
///
/// Its text form is `request.tags.policy`, then what AWS kept, if anything; each part is an HMAC-SHA256 keyed with the object's UID, cut to 128 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishHash {
    /// Of the rendered request.
    pub request: String,
    /// Of the tags.
    pub tags: String,
    /// Of the resource policy; `-` without one.
    pub policy: String,
    /// Never in a wish: names of the fields that AWS kept as they were although an update said otherwise, joined by `+`.
    pub kept: String,
}

impl WishHash {
    /// Hashes the three parts of a wish.
    pub fn of<R: Serialize, T: Serialize>(
        uid: &str,
        request: &R,
        tags: &T,
        policy: Option<&str>,
    ) -> Self {
        Self {
            request: keyed(uid, &json(request)),
            tags: keyed(uid, &json(tags)),
            policy: policy.map_or_else(|| NO_POLICY.to_owned(), |text| keyed(uid, text)),
            kept: String::new(),
        }
    }

    /// The first part alone.
    pub(crate) fn request<R: Serialize>(uid: &str, request: &R) -> String {
        keyed(uid, &json(request))
    }

    /// Reads the text form; what is not one counts as never compared.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(4, '.').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_else(|| UNSEEN.to_owned());
        Self {
            request: next(),
            tags: next(),
            policy: next(),
            kept: parts.next().unwrap_or_default(),
        }
    }

    /// Nothing was compared yet.
    pub fn unseen() -> Self {
        Self::parse(UNSEEN)
    }

    /// Whether there is a resource policy, as far as this hash tells.
    pub fn has_policy(&self) -> bool {
        self.policy != NO_POLICY && self.policy != UNSEEN
    }

    /// This hash with the policy part of a resource that has no policy.
    #[must_use]
    pub fn without_policy(self) -> Self {
        Self {
            policy: NO_POLICY.to_owned(),
            ..self
        }
    }
}

impl fmt::Display for WishHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            tags,
            policy,
            kept,
        } = self;
        write!(out, "{request}.{tags}.{policy}")?;
        if kept.is_empty() {
            return Ok(());
        }
        write!(out, ".{kept}")
    }
}

/// `requireMMDSV2` as it is hashed. One that is not written counts as the `false` that earlier releases took it for, so that an
/// upgrade compares nothing anew; a written `false` is told apart from it.
#[allow(clippy::trivially_copy_pass_by_ref, clippy::ref_option)] // the signature that serde calls
pub(crate) fn metadata_service<S: Serializer>(
    required: &Option<bool>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match required {
        Some(true) => to.serialize_bool(true),
        Some(false) => to.serialize_none(),
        None => to.serialize_bool(false),
    }
}

pub(crate) fn keyed(key: impl AsRef<[u8]>, text: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    let mut digits = hex::encode(mac.finalize().into_bytes());
    digits.truncate(PART_DIGITS);
    digits
}

/// JSON of a value whose map keys are strings and whose order is fixed.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys always has a JSON form")
}

/// What a mutating call is made of; equal calls have equal tokens, so that a repeated one has no second effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// AWS operation.
    pub operation: &'a str,
    /// Last known identity in AWS, or empty.
    pub id: &'a str,
    /// What it starts from: a version, for example.
    pub from: &'a str,
    /// `status.attempt`.
    pub attempt: u32,
    /// The request as JSON, or empty.
    pub request: &'a str,
}

impl Call<'_> {
    /// The client token: 64 hex digits (AgentCore takes 33 to 256 characters).
    pub fn token(&self) -> String {
        let Self {
            uid,
            operation,
            id,
            from,
            attempt,
            request,
        } = self;
        let mut digest = Sha256::new();
        for part in [*uid, *operation, *id, *from, &attempt.to_string(), *request] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        hex::encode(digest.finalize())
    }
}
