//! `follow`, understood: which tags count, and which of them is the best.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use agentcore_api::runtime::{Downgrade, Follow};
use agentcore_api::values::parse_duration;
use regex::{Regex, RegexBuilder};
use semver::{Version, VersionReq};

use super::{Listing, Tagged, Wanted};

/// Time between looks where nothing is said, in seconds.
const INTERVAL: u32 = 300;
/// Age of a push where nothing is said, in seconds.
const SETTLE: u32 = 30;
/// Most bytes of a compiled regular expression.
const REGEX_BYTES: usize = 1 << 20;

/// A policy that can be carried out.
#[derive(Clone, Debug)]
pub struct Policy {
    rule: Rule,
    filter: Option<(Regex, Option<String>)>,
    excluded_tags: BTreeSet<String>,
    excluded_digests: BTreeSet<String>,
    /// Whether older images may be taken.
    pub downgrade: bool,
    /// Time between looks.
    pub interval: Duration,
    /// Age that a push must reach.
    pub settle: Duration,
}

#[derive(Clone, Debug)]
enum Rule {
    Tag(String),
    Semver(VersionReq),
    Newest,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// A text for people, where the API server cannot check: regular expressions and ranges of versions.
    pub fn parse(follow: &Follow) -> Result<Self, String> {
        // Every field by name: a new one has to be heeded.
        let Follow {
            tag,
            semver,
            newest: _,
            filter_tags,
            interval,
            settle,
            pin: _,
            exclude,
            downgrade,
        } = follow;
        let rule = match (tag, semver) {
            (Some(tag), _) => Rule::Tag(tag.clone()),
            (None, Some(semver)) => Rule::Semver(
                VersionReq::parse(&semver.range)
                    .map_err(|error| format!("semver.range {:?}: {error}", semver.range))?,
            ),
            (None, None) => Rule::Newest,
        };
        let filter = filter_tags
            .as_ref()
            .map(|filter| {
                let regex = RegexBuilder::new(&filter.pattern)
                    .size_limit(REGEX_BYTES)
                    .build();
                regex
                    .map(|regex| (regex, filter.extract.clone()))
                    .map_err(|error| {
                        let text = error.to_string();
                        let why = text.lines().last().unwrap_or_default();
                        format!("filterTags.pattern {:?}: {why}", filter.pattern)
                    })
            })
            .transpose()?;
        let exclude = exclude.clone().unwrap_or_default();
        let seconds = |field: &str, text: Option<&String>, otherwise: u32| {
            text.map_or(Ok(otherwise), |text| parse_duration(text))
                .map(|seconds| Duration::from_secs(u64::from(seconds)))
                .map_err(|error| format!("{field}: {error}"))
        };
        Ok(Self {
            rule,
            filter,
            excluded_tags: exclude.tags.unwrap_or_default().into_iter().collect(),
            excluded_digests: exclude.digests.unwrap_or_default().into_iter().collect(),
            downgrade: *downgrade == Some(Downgrade::Allow),
            interval: seconds("interval", interval.as_ref(), INTERVAL)?,
            settle: seconds("settle", settle.as_ref(), SETTLE)?,
        })
    }

    /// What has to be looked at.
    pub fn wanted(&self) -> Wanted {
        match &self.rule {
            Rule::Tag(tag) => Wanted::Tag(tag.clone()),
            Rule::Semver(_) | Rule::Newest => Wanted::All,
        }
    }

    /// The policy for people.
    pub fn describe(&self) -> String {
        match &self.rule {
            Rule::Tag(tag) => format!("tag {tag}"),
            Rule::Semver(range) => format!("versions {range}"),
            Rule::Newest => "the newest push".to_owned(),
        }
    }

    /// Whether something of this tag and digest is never taken.
    pub fn excludes(&self, tag: Option<&str>, digest: &str) -> bool {
        self.excluded_digests.contains(digest)
            || tag.is_some_and(|tag| self.excluded_tags.contains(tag))
    }

    /// The best of what was seen, excluded ones aside; `Err(true)` where only excluded ones were there.
    pub(crate) fn best<'a>(&self, listing: &'a Listing) -> Result<&'a Tagged, bool> {
        let fits = |seen: &&Tagged| match &self.rule {
            Rule::Tag(tag) => seen.tag == *tag,
            Rule::Semver(range) => self
                .version(&seen.tag)
                .is_some_and(|version| range.matches(&version)),
            Rule::Newest => self.text(&seen.tag).is_some(),
        };
        let fitting: Vec<_> = listing.tags.iter().filter(fits).collect();
        let allowed = |seen: &&&Tagged| !self.excludes(Some(&seen.tag), &seen.digest);
        fitting
            .iter()
            .filter(allowed)
            .max_by(|one, other| self.order(one, other))
            .copied()
            .ok_or(!fitting.is_empty())
    }

    fn order(&self, one: &Tagged, other: &Tagged) -> Ordering {
        self.by_version(&one.tag, &other.tag)
            .then_with(|| one.pushed_at.cmp(&other.pushed_at))
            .then_with(|| one.tag.cmp(&other.tag))
    }

    /// Order by version where versions count, else none.
    pub(super) fn by_version(&self, one: &str, other: &str) -> Ordering {
        match &self.rule {
            Rule::Semver(_) => self.version(one).cmp(&self.version(other)),
            Rule::Tag(_) | Rule::Newest => Ordering::Equal,
        }
    }

    /// What of a tag counts; `None`: it is filtered out.
    fn text(&self, tag: &str) -> Option<String> {
        let Some((regex, extract)) = &self.filter else {
            return Some(tag.to_owned());
        };
        let found = regex.captures(tag)?;
        let mut text = String::new();
        match extract {
            Some(template) => found.expand(template, &mut text),
            None => tag.clone_into(&mut text),
        }
        Some(text)
    }

    fn version(&self, tag: &str) -> Option<Version> {
        let text = self.text(tag)?;
        Version::parse(text.strip_prefix('v').unwrap_or(&text)).ok()
    }
}
