//! A registry with one repository and a bucket with one object, looked at as the operator's shared scanner does.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentcore_api::reasons;
use agentcore_plan::image::{
    Facts, Flaw, Freshness, Inspected, Listing, ObjectHead, Read, Tagged, Trouble, Wanted,
};
use jiff::{SignedDuration, Timestamp};

/// The image that a spec names by a tag of this registry.
pub const PRIVATE: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod";

#[derive(Clone, Debug, Default)]
pub struct Registry {
    pub tags: BTreeMap<String, String>,
    pub images: BTreeMap<String, Inspected>,
    /// The repository holds more than is looked at.
    pub capped: bool,
    /// Every look fails with this reason.
    pub fault: Option<&'static str>,
    /// Version and ETag of the object.
    pub object: Option<(Option<String>, String)>,
    /// Looks that were made.
    pub looks: u32,
    last: BTreeMap<Wanted, Arc<Listing>>,
}

/// A digest that can be told from others.
pub fn digest(which: u8) -> String {
    format!("sha256:{which:064x}")
}

/// As the spec gets it.
pub fn pinned(which: u8) -> String {
    format!(
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/support@{}",
        digest(which)
    )
}

impl Registry {
    /// A push at `at`: the digest gets the tag.
    pub fn push(&mut self, tag: &str, which: u8, at: Timestamp) {
        self.push_flawed(tag, which, at, None);
    }

    pub fn push_flawed(&mut self, tag: &str, which: u8, at: Timestamp, flaw: Option<Flaw>) {
        self.images.entry(digest(which)).or_insert(Inspected {
            platform_digest: Some(digest(which.wrapping_add(100))),
            pushed_at: Some(at),
            flaw,
            ..Inspected::default()
        });
        self.tags.insert(tag.into(), digest(which));
    }

    pub fn answer(&mut self, read: Read, now: Timestamp, facts: &mut Facts) {
        let trouble = |reason: &'static str| Trouble {
            reason,
            message: "the look failed".into(),
            again: Some(now + SignedDuration::from_secs(20)),
        };
        let failing = self.fault.map(trouble);
        match read {
            Read::Look {
                repository: _,
                wanted,
                freshness,
            } => {
                let recent = self.last.get(&wanted).filter(|listing| match freshness {
                    Freshness::Now => false,
                    Freshness::Within(most) => {
                        now.duration_since(listing.at) < SignedDuration::try_from(most).unwrap()
                    }
                });
                let answer = match (recent.cloned(), failing) {
                    (Some(listing), _) => Ok(listing),
                    (None, Some(trouble)) => Err(trouble),
                    (None, None) => Ok(self.look(&wanted, now)),
                };
                facts.listings.insert(wanted, answer);
            }
            Read::Inspect {
                repository: _,
                digest,
            } => {
                let missing = Inspected {
                    flaw: Some(Flaw::Missing),
                    ..Inspected::default()
                };
                let seen = self.images.get(&digest).cloned().unwrap_or(missing);
                facts.images.insert(digest, failing.map_or(Ok(seen), Err));
            }
            Read::Object { .. } => {
                self.looks += 1;
                facts.object = Some(match (&self.object, failing) {
                    (_, Some(trouble)) => Err(trouble),
                    (None, None) => Err(trouble(reasons::CODE_NOT_FOUND)),
                    (Some((version, etag)), None) => Ok(ObjectHead {
                        version_id: version.clone(),
                        etag: etag.clone(),
                        last_modified: None,
                        at: now,
                    }),
                });
            }
        }
    }

    fn look(&mut self, wanted: &Wanted, now: Timestamp) -> Arc<Listing> {
        self.looks += 1;
        let all = self.tags.iter().map(|(tag, digest)| Tagged {
            tag: tag.clone(),
            digest: digest.clone(),
            pushed_at: self.images.get(digest).and_then(|image| image.pushed_at),
        });
        let tags = match wanted {
            Wanted::All => all.collect(),
            Wanted::Tag(tag) => all
                .filter(|seen| seen.tag == *tag)
                .map(|seen| Tagged {
                    pushed_at: None,
                    ..seen
                })
                .collect(),
        };
        let listing = Arc::new(Listing {
            at: now,
            complete: !self.capped || *wanted != Wanted::All,
            tags,
        });
        self.last.insert(wanted.clone(), listing.clone());
        listing
    }
}
