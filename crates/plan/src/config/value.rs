//! Values that may be secrets: how they are carried, taken out of foreign texts, and known by an HMAC.

use std::fmt;
use std::ops::Range;

use serde::{Serialize, Serializer};

use crate::hash::keyed;

/// Shorter values, in bytes, are hidden in foreign texts only where they are not part of a longer word.
pub(super) const SHORT: usize = 8;
/// Shorter values tell nothing, and would take every digit out of a text.
pub(super) const LEAST: usize = 3;
/// What stands in the place of a hidden value.
pub(super) const HIDDEN: &str = "[hidden]";

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

/// Takes values that may be secrets out of a text that somebody else wrote, and perhaps cut.
pub fn scrub<'a>(text: &str, values: impl IntoIterator<Item = &'a EnvValue>) -> String {
    let values = values.into_iter();
    let secrets = values.filter(|value| value.is_hidden() && value.reveal().len() >= LEAST);
    let mut places: Vec<_> = secrets
        .flat_map(|secret| places(text, secret.reveal()))
        .collect();
    places.sort_unstable_by_key(|place| place.start);
    let (mut clean, mut end) = (String::with_capacity(text.len()), 0);
    for place in places {
        // Values may overlap, or be part of each other: all of them are looked for in the text as it was.
        if place.start >= end {
            clean.push_str(&text[end..place.start]);
            clean.push_str(HIDDEN);
        }
        end = end.max(place.end);
    }
    clean.push_str(&text[end..]);
    clean
}

/// Where a value stands in a text, at its end perhaps only the beginning of it.
fn places(text: &str, secret: &str) -> Vec<Range<usize>> {
    let word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let joined = |one: Option<char>, other: Option<char>| word(one) && word(other);
    let first = secret.chars().next().map_or(1, char::len_utf8);
    let (mut places, mut from) = (Vec::new(), 0);
    while let Some(at) = text[from..].find(secret) {
        let (start, end) = (from + at, from + at + secret.len());
        let (before, after) = (&text[..start], &text[end..]);
        let part = joined(before.chars().next_back(), secret.chars().next())
            || joined(secret.chars().next_back(), after.chars().next());
        if secret.len() >= SHORT || !part {
            places.push(start..end);
        }
        from = start + first;
    }
    let beginnings = (SHORT..secret.len()).rev();
    let mut cut = beginnings.filter_map(|length| secret.get(..length));
    if let Some(cut) = cut.find(|cut| text.ends_with(cut)) {
        places.push(text.len() - cut.len()..text.len());
    }
    places
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
