//! What is watched of an image's repository or of a code object, and which of it is taken.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits::{
    DIGEST_PATTERN, DURATION_PATTERN, PIN_PATTERN, REGEX_MAX, TAG_MAX, TAG_PATTERN,
};
use crate::rules;

/// Which image of the repository is taken; a new digest is a new version without an edit of the manifest.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::exactly_one("spec.artifact.container.follow", &["tag", "semver", "newest"]),
    validation = (
        "!has(self.tag) || !has(self.filterTags)",
        "spec.artifact.container.follow.filterTags may be given only with semver or newest"
    )
)]
pub struct Follow {
    /// Takes what this tag names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TAG_MAX), regex(pattern = TAG_PATTERN))]
    pub tag: Option<String>,
    /// Takes the highest semantic version among the tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<FollowSemver>,
    /// Takes the tagged image that was pushed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<FollowNewest>,
    /// Which tags count, with `semver` and `newest`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_tags: Option<FilterTags>,
    /// Time between looks at the repository, 30s to 24h; absent: 5m. A look comes up to a tenth later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.artifact.container.follow.interval", "30s", "24h"))]
    pub interval: Option<String>,
    /// Age that a push must reach before it is taken, 0s to 1h; absent: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.artifact.container.follow.settle", "0s", "1h"))]
    pub settle: Option<String>,
    /// Holds a tag or a digest of the repository, whatever the policy would take; status still shows that as the candidate.
    /// The tag is read once, when it is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TAG_MAX), regex(pattern = PIN_PATTERN))]
    pub pin: Option<String>,
    /// What is never taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Exclude>,
    /// `Deny` or `Allow`: whether an image may be taken that is older than the one that runs (an older push, a lower version);
    /// absent: `Deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downgrade: Option<Downgrade>,
}

/// Semantic versions of tags.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct FollowSemver {
    /// Range, such as `^1.2`, `~1.4.0` or `>=1.0, <2.0`, 1 to 128 characters. Tags may begin with a `v`.
    #[schemars(length(min = 1, max = 128))]
    pub range: String,
}

/// The last push. There is nothing to set.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FollowNewest {}

/// Which tags count, and what of them.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct FilterTags {
    /// Regular expression (Rust's syntax) that a tag must match, 1 to 256 characters.
    #[schemars(length(min = 1, max = REGEX_MAX))]
    pub pattern: String,
    /// What of a tag that matches is read as its version, such as `$v` for a group `(?P<v>...)`, 1 to 256 characters; absent:
    /// the whole tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = REGEX_MAX))]
    pub extract: Option<String>,
}

/// What is never taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Default)]
pub struct Exclude {
    /// Tags, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = TAG_MAX), regex(pattern = TAG_PATTERN)))]
    pub tags: Option<Vec<String>>,
    /// Digests such as `sha256:...`, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(max = 71), regex(pattern = DIGEST_PATTERN)))]
    pub digests: Option<Vec<String>>,
}

/// Whether an older image may be taken.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[schemars(transform = crate::rules::undescribed)]
pub enum Downgrade {
    /// It is refused.
    #[default]
    Deny,
    /// It is taken, after a complete look at the repository.
    Allow,
}

/// Watches the object: a new version or content of it is a new version of the runtime without an edit of the manifest.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Default)]
pub struct CodeFollow {
    /// Time between looks at the object, 30s to 24h; absent: 5m. A look comes up to a tenth later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 20), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = rules::duration_range("spec.artifact.code.follow.interval", "30s", "24h"))]
    pub interval: Option<String>,
}
