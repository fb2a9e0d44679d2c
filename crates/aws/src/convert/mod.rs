//! Between the planner's normal form and the SDK's shapes.
//!
//! Ours are taken apart without `..`, so that a new field of a wish cannot be forgotten; the SDK's shapes do not allow that, and
//! a test compares their fields with those known here. A value of an answer that this version does not know is left
//! out and named: no Update takes it away unless a spec says so.

mod answers;
mod artifact;
mod authorizer;
mod beyond;
mod known;
mod parts;
mod requests;

pub use answers::{
    created, created_endpoint, endpoint, listed, listed_endpoint, listed_version, runtime, updated,
    updated_endpoint,
};
pub use beyond::beyond;
pub use requests::{create, update};

use aws_smithy_types::DateTime;
use aws_smithy_types::error::operation::BuildError;
use jiff::Timestamp;

/// A value that has no counterpart on the other side.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct Mismatch {
    /// AWS's name of the field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it is right, and this version does not know it.
    pub unknown: bool,
}

impl Mismatch {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
            unknown: false,
        }
    }

    fn unknown_arm(field: &'static str) -> Self {
        let unknown = true;
        let problem = "holds something that is not known to this version";
        Self {
            unknown,
            ..Self::new(field, problem)
        }
    }

    pub(crate) fn missing(field: &'static str) -> Self {
        Self::new(field, "is missing")
    }
}

impl From<BuildError> for Mismatch {
    fn from(error: BuildError) -> Self {
        Self::new("request", error.to_string())
    }
}

type Converted<T> = Result<T, Mismatch>;

/// A timestamp of an answer.
fn timestamp(field: &'static str, time: &DateTime) -> Converted<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos())
        .map_err(|_| Mismatch::new(field, "is not a timestamp"))?;
    Timestamp::new(time.secs(), nanos).map_err(|error| Mismatch::new(field, error.to_string()))
}

/// A text that an answer cannot do without; the SDK puts an empty one where AWS sent none.
fn required(field: &'static str, text: &str) -> Converted<String> {
    if text.is_empty() {
        return Err(Mismatch::missing(field));
    }
    Ok(text.to_owned())
}

/// The only value that is there.
fn exactly_one<T>(
    field: &'static str,
    values: impl IntoIterator<Item = Option<T>>,
) -> Converted<T> {
    let mut given = values.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Mismatch::new(
            field,
            "exactly one of its members must be given",
        )),
    }
}

/// Declares the two directions of an enumeration, spelling by spelling. What this release does not know passes as it is.
macro_rules! spellings {
    ($to:ident, $from:ident, $ours:ident, $theirs:ty, { $($our:ident = $their:ident),+ $(,)? }) => {
        pub(super) fn $to(value: &$ours) -> $theirs {
            match value {
                $($ours::$our => <$theirs>::$their,)+
                $ours::Other(name) => <$theirs>::from(name.as_str()),
            }
        }

        pub(super) fn $from(value: &$theirs) -> $ours {
            match value {
                $(<$theirs>::$their => $ours::$our,)+
                other => $ours::Other(other.as_str().to_owned()),
            }
        }
    };
}
use spellings;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
