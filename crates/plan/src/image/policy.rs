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
    /// Whether images for linux/amd64 alone may be taken.
    pub(super) amd64: bool,
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
            amd64: false,
            interval: seconds("interval", interval.as_ref(), INTERVAL)?,
            settle: seconds("settle", settle.as_ref(), SETTLE)?,
        })
    }

    /// The policy for a place where images for linux/amd64 alone run, or do not.
    #[must_use]
    pub fn where_amd64_runs(self, amd64: bool) -> Self {
        Self { amd64, ..self }
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

    /// The best of what was seen, excluded ones and those that are no images aside; `Err(true)` where only such ones were there.
    pub(crate) fn best<'a>(
        &self,
        listing: &'a Listing,
        is_other: impl Fn(&str) -> bool,
    ) -> Result<&'a Tagged, bool> {
        let fits = |seen: &&Tagged| match &self.rule {
            Rule::Tag(tag) => seen.tag == *tag,
            Rule::Semver(range) => self
                .version(&seen.tag)
                .is_some_and(|version| range.matches(&version)),
            Rule::Newest => !of_another(&seen.tag) && self.text(&seen.tag).is_some(),
        };
        let fitting: Vec<_> = listing.tags.iter().filter(fits).collect();
        let passed_over = |seen: &Tagged| {
            // A tag that is asked for by its name is told what it is.
            !matches!(self.rule, Rule::Tag(_)) && is_other(&seen.digest)
        };
        let allowed =
            |seen: &&&Tagged| !self.excludes(Some(&seen.tag), &seen.digest) && !passed_over(seen);
        fitting
            .iter()
            .filter(allowed)
            .max_by(|one, other| self.order(one, other))
            .copied()
            .ok_or(!fitting.is_empty())
    }

    /// Tags that look like later versions than `best` within the range, and cannot be read as such, in words; `None`: there are none.
    pub(crate) fn unread(&self, listing: &Listing, best: Option<&str>) -> Option<String> {
        let Rule::Semver(range) = &self.rule else {
            return None;
        };
        let numbers = |tag: &str| numbers(&self.text(tag)?);
        let best = best.and_then(numbers).unwrap_or_default();
        let mut tags: Vec<_> = listing
            .tags
            .iter()
            .filter(|seen| self.version(&seen.tag).is_none())
            .filter(|seen| !self.excludes(Some(&seen.tag), &seen.digest))
            .filter_map(|seen| Some((numbers(&seen.tag)?, seen.tag.as_str())))
            .filter(|(version, _)| *version > best && range.matches(&padded(version)))
            .collect();
        tags.sort();
        let (_, newest) = tags.pop()?;
        let more = match tags.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!(
            "tag {newest}{more} is passed over: a version has three numbers, such as 2027.1.0; name it so, or take its part with filterTags.extract"
        ))
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
        let text = text.strip_prefix('v').unwrap_or(&text);
        Version::parse(&plain_numbers(text)).ok()
    }
}

/// Whether a tag names what belongs to another image: `sha256-<digest>` with or without an ending, as signatures, SBOMs and attestations are tagged
/// (cosign, and the referrers tag of the OCI distribution specification).
fn of_another(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| {
        let (digest, _) = rest.split_once('.').unwrap_or((rest, ""));
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A version with the leading zeros of its numbers taken off: calendar versions have them (`2027.01.0`), semantic versions do not.
fn plain_numbers(text: &str) -> String {
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, rest) = text.split_at(end);
    let plain = |number: &str| match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0".to_owned(),
        plain => plain.to_owned(),
    };
    let plain: Vec<_> = numbers.split('.').map(plain).collect();
    plain.join(".") + rest
}

/// The numbers of what looks like a version: several, divided by dots.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let numbers = text
        .get(..end)?
        .split('.')
        .map(|number| number.parse().ok());
    numbers
        .collect::<Option<Vec<_>>>()
        .filter(|numbers| numbers.len() > 1)
}

/// The semantic version that is nearest.
fn padded(numbers: &[u64]) -> Version {
    let number = |n: usize| numbers.get(n).copied().unwrap_or_default();
    Version::new(number(0), number(1), number(2))
}
