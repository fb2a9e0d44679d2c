//! Where images and code come from: what is asked of registries and of S3, what they answer, and which image a policy takes.
//!
//! Pure, like everything here: the looks are made and shared by the caller, the clock is passed in.

mod policy;
mod select;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::values::{ImageRef, Registry};
use jiff::Timestamp;

pub use policy::Policy;
pub use select::{Choice, Current, Selection, select};
pub(crate) use select::{is_other, said};

/// Largest image that AgentCore takes, in bytes (2 GB).
pub const MOST_BYTES: u64 = 2_000_000_000;

/// A repository of a private registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    /// Account that owns the registry.
    pub account: String,
    /// Region of the registry.
    pub region: String,
    /// Name, slashes included.
    pub name: String,
}

impl Repository {
    /// The repository of an image; `None` at public.ecr.aws.
    pub fn of(image: &ImageRef) -> Option<Self> {
        match &image.registry {
            Registry::Public => None,
            Registry::Private {
                account,
                region,
                china: _,
            } => Some(Self {
                account: account.clone(),
                region: region.clone(),
                name: image.repository.clone(),
            }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            account,
            region,
            name,
        } = self;
        write!(out, "{name} in registry {account} of {region}")
    }
}

/// What of a repository is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wanted {
    /// One tag.
    Tag(String),
    /// Every tag, with the time of its image's push.
    All,
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// From a look that began after the question.
    Now,
    /// From a look that began within this time.
    Within(Duration),
}

/// A question about where an image or code comes from. Answers go into [`Facts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Which digests tags have.
    Look {
        /// Where.
        repository: Repository,
        /// Which tags.
        wanted: Wanted,
        /// How old the answer may be.
        freshness: Freshness,
    },
    /// Whether an image can run.
    Inspect {
        /// Where.
        repository: Repository,
        /// Digest of an index or an image.
        digest: String,
    },
    /// Head of an S3 object.
    Object {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// Region that is asked.
        region: String,
        /// How old the answer may be.
        freshness: Freshness,
    },
}

/// A tag and what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// Tag.
    pub tag: String,
    /// Digest.
    pub digest: String,
    /// When the image was pushed, where the look tells.
    pub pushed_at: Option<Timestamp>,
}

/// What a look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// When the look began.
    pub at: Timestamp,
    /// Whether everything was seen; false where the repository holds more than is looked at.
    pub complete: bool,
    /// The tags, of which each is there once.
    pub tags: Vec<Tagged>,
}

/// What is wrong with an image, if anything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not there.
    Missing,
    /// The index is there, and its image for linux/arm64 is not: a push that is under way, or an image that was deleted.
    Incomplete,
    /// It has nothing for linux/arm64.
    NoArm64,
    /// It is no image, but something that is stored beside images: a signature, an SBOM, a chart.
    NotAnImage,
    /// It is larger than [`MOST_BYTES`].
    TooLarge {
        /// Its size.
        bytes: u64,
    },
}

/// An image, looked into.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Inspected {
    /// Digest of the image for linux/arm64, else of that for linux/amd64.
    pub platform_digest: Option<String>,
    /// When it was pushed.
    pub pushed_at: Option<Timestamp>,
    /// It is for linux/amd64 alone, which capacity providers run and microVMs do not.
    pub only_amd64: bool,
    /// What is wrong with it wherever it runs.
    pub flaw: Option<Flaw>,
}

impl Inspected {
    /// What is wrong with it; `amd64`: where images for linux/amd64 run too.
    pub fn flaw(&self, amd64: bool) -> Option<Flaw> {
        let unfit = (self.only_amd64 && !amd64).then_some(Flaw::NoArm64);
        self.flaw.or(unfit)
    }
}

/// An object in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its version, in a bucket with versioning.
    pub version_id: Option<String>,
    /// Its ETag, without quotes.
    pub etag: String,
    /// When it was written.
    pub last_modified: Option<Timestamp>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// Why something could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// Text for people: the step that failed, and the right that is missing, if one is.
    pub message: String,
    /// When it may be asked again; absent: at the asker's own pace.
    pub again: Option<Timestamp>,
}

/// What was answered in this pass.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Looks.
    pub listings: BTreeMap<Wanted, Result<Arc<Listing>, Trouble>>,
    /// Images by digest.
    pub images: BTreeMap<String, Result<Inspected, Trouble>>,
    /// Head of the object.
    pub object: Option<Result<ObjectHead, Trouble>>,
}
