//! Images that AgentCore can run: in a private ECR repository or at public.ecr.aws.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;

use crate::limits::{IMAGE_MAX, IMAGE_PATTERN};

static IMAGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(IMAGE_PATTERN).expect("the pattern is a constant that tests use"));

/// Where an image is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Registry {
    /// A private registry of Amazon ECR: `<account>.dkr.ecr.<region>.amazonaws.com`.
    Private {
        /// Account that owns the registry, 12 digits.
        account: String,
        /// Region of the registry.
        region: String,
        /// Whether the host ends in `.cn` (AWS China).
        china: bool,
    },
    /// `public.ecr.aws`.
    Public,
}

/// An image reference, with tag and/or digest, or neither.
///
/// Its text form ([`fmt::Display`]) is what was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    /// Where it is kept.
    pub registry: Registry,
    /// Repository, slashes included, without registry, tag and digest.
    pub repository: String,
    /// Tag without the colon; with neither tag nor digest, registries read `latest`.
    pub tag: Option<String>,
    /// Digest such as `sha256:...`, without the at sign.
    pub digest: Option<String>,
}

/// Why a text is not an image that AgentCore takes.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum ImageRefError {
    /// It is longer than 1024 characters.
    #[error("image is longer than {IMAGE_MAX} characters")]
    TooLong,
    /// It is neither in a private ECR registry nor at public.ecr.aws, or not well formed.
    #[error(
        "image must be in a private Amazon ECR registry or at public.ecr.aws, with a tag, a digest or both"
    )]
    Form,
}

impl ImageRef {
    /// Reads an image reference. The grammar is that of the AgentCore API, at most 1024 characters.
    pub fn parse(text: &str) -> Result<Self, ImageRefError> {
        if text.len() > IMAGE_MAX {
            return Err(ImageRefError::TooLong);
        }
        let found = IMAGE.captures(text).ok_or(ImageRefError::Form)?;
        let group = |index: usize| found.get(index).map(|part| part.as_str().to_owned());
        let registry = match (group(2), group(3)) {
            (Some(account), Some(region)) => Registry::Private {
                account,
                region,
                china: group(4).is_some(),
            },
            _ => Registry::Public,
        };
        let repository = group(5).ok_or(ImageRefError::Form)?;
        Ok(Self {
            registry,
            repository,
            tag: group(6),
            digest: group(7),
        })
    }

    /// The same repository pinned to `digest` alone, without a tag.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> Self {
        Self {
            tag: None,
            digest: Some(digest.to_owned()),
            ..self.clone()
        }
    }

    /// The tag that a registry is asked for: `latest` when neither tag nor digest is given, none when only a digest is.
    pub fn effective_tag(&self) -> Option<&str> {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => Some(tag),
            (None, Some(_)) => None,
            (None, None) => Some("latest"),
        }
    }
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private {
                account,
                region,
                china,
            } => {
                write!(
                    out,
                    "{account}.dkr.ecr.{region}.amazonaws.com{}",
                    if *china { ".cn" } else { "" }
                )
            }
            Self::Public => out.write_str("public.ecr.aws"),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registry,
            repository,
            tag,
            digest,
        } = self;
        write!(out, "{registry}/{repository}")?;
        if let Some(tag) = tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}
