//! Values that may be secrets: how they are carried, taken out of foreign texts, and known by an HMAC.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::hash::keyed;

/// Shorter values are hidden in foreign texts only where they stand as a word of their own.
const SHORT: usize = 8;
/// Shorter values tell nothing, and would take every digit out of a text.
const LEAST: usize = 3;
/// What stands in the place of a hidden value.
const HIDDEN: &str = "[hidden]";

/// Value of an environment variable.
///
/// Debug shows literals only. Serialize writes the value: it is for what is sent and what is hashed.
#[derive(Clone)]
pub struct EnvValue {
    text: String,
    hidden: bool,
}

impl EnvValue {
    /// A value that a manifest shows.
    pub fn literal(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hidden: false,
        }
    }

    /// A value that may be a secret.
    pub fn hidden(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hidden: true,
        }
    }

    /// The value.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether it may be a secret.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }
}

/// What counts is the value, not where it came from.
impl PartialEq for EnvValue {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for EnvValue {}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden {
            f.write_str(HIDDEN)
        } else {
            self.text.fmt(f)
        }
    }
}

impl Serialize for EnvValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Takes values that may be secrets out of a text that somebody else wrote.
pub fn scrub<'a>(text: &str, values: impl IntoIterator<Item = &'a EnvValue>) -> String {
    let mut clean = text.to_owned();
    for value in values {
        let secret = value.reveal();
        if !value.is_hidden() || secret.len() < LEAST || !clean.contains(secret) {
            continue;
        }
        clean = if secret.len() >= SHORT {
            clean.replace(secret, HIDDEN)
        } else {
            without_word(&clean, secret)
        };
    }
    clean
}

fn without_word(text: &str, word: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let last = before.chars().next_back().or(clean.chars().next_back());
        let alone = !inside(last) && !inside(after.chars().next());
        clean.push_str(before);
        clean.push_str(if alone { HIDDEN } else { word });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

/// The operator's own key for HMACs of referenced values, so that nobody can try values out against what is kept of them.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(Vec<u8>);

impl HashKey {
    /// Least bytes of a key.
    pub const LEAST: usize = 16;

    /// A key of at least [`HashKey::LEAST`] random bytes; `None` for less.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= Self::LEAST).then_some(Self(bytes))
    }

    /// What a value is known by: other objects and variables know the same value by something else.
    pub fn seal(&self, uid: &str, name: &str, value: &EnvValue) -> String {
        let value = value.reveal();
        keyed(
            &self.0,
            &format!("{}:{uid}:{}:{name}:{value}", uid.len(), name.len()),
        )
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}
