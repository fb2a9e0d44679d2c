//! Which image a policy takes, from what a look saw and what runs.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

use agentcore_api::reasons;
use agentcore_api::runtime::{Downgrade, Exclude, FilterTags, Follow, FollowNewest, FollowSemver};
use agentcore_plan::image::{
    Choice, Current, Facts, Flaw, Inspected, Listing, Policy, Selection, Tagged, Wanted, select,
};
use jiff::{SignedDuration, Timestamp};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// So many seconds ago.
fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

/// A repository: tag, digest, age of the push in seconds, flaw.
struct Shelf {
    listing: Listing,
    facts: Facts,
}

fn shelf(images: &[(&str, &str, i64, Option<Flaw>)]) -> Shelf {
    let mut facts = Facts::default();
    let mut tags = Vec::new();
    for (tag, digest, age, flaw) in images {
        let pushed_at = Some(ago(*age));
        tags.push(Tagged {
            tag: (*tag).to_owned(),
            digest: (*digest).to_owned(),
            pushed_at,
        });
        let seen = Inspected {
            platform_digest: Some(format!("{digest}-arm64")),
            pushed_at,
            flaw: *flaw,
            ..Inspected::default()
        };
        facts.images.insert((*digest).to_owned(), Ok(seen));
    }
    Shelf {
        listing: Listing {
            at: now(),
            complete: true,
            tags,
        },
        facts,
    }
}

fn running(digest: &'static str, tag: &'static str, age: i64) -> Current<'static> {
    Current {
        digest,
        tag: Some(tag),
        pushed_at: Some(ago(age)),
    }
}

fn by_tag(tag: &str) -> Follow {
    Follow {
        tag: Some(tag.to_owned()),
        ..Follow::default()
    }
}

fn by_semver(range: &str) -> Follow {
    Follow {
        semver: Some(FollowSemver {
            range: range.to_owned(),
        }),
        ..Follow::default()
    }
}

fn newest() -> Follow {
    Follow {
        newest: Some(FollowNewest {}),
        ..Follow::default()
    }
}

fn decide(follow: &Follow, shelf: &Shelf, current: Option<Current<'_>>) -> Selection {
    let policy = Policy::parse(follow).unwrap();
    select(
        &policy,
        &shelf.listing,
        current.as_ref(),
        &shelf.facts,
        now(),
    )
}

fn picked(selection: &Selection) -> (&str, &str) {
    match selection {
        Selection::Pick(Choice { tag, digest, .. }) => (tag.as_deref().unwrap(), digest),
        other => panic!("not a pick: {other:?}"),
    }
}

fn refusal(selection: &Selection) -> &'static str {
    match selection {
        Selection::Refused { reason, .. } => reason,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_tag_that_moves_forward_is_taken_and_one_that_stays_is_kept() {
    let shelf = shelf(&[("prod", "d2", 60, None)]);
    let follow = by_tag("prod");
    assert_eq!(
        Policy::parse(&follow).unwrap().wanted(),
        Wanted::Tag("prod".into())
    );
    let before = running("d1", "prod", 600);
    assert_eq!(
        picked(&decide(&follow, &shelf, Some(before))),
        ("prod", "d2")
    );
    let same = running("d2", "prod", 60);
    let kept = Selection::Keep { tag: "prod".into() };
    assert_eq!(decide(&follow, &shelf, Some(same)), kept);
}

#[test]
fn an_image_is_looked_into_before_it_is_taken() {
    let mut shelf = shelf(&[("prod", "d2", 60, None)]);
    shelf.facts.images.clear();
    let asked = Selection::Inspect {
        digest: "d2".into(),
    };
    assert_eq!(decide(&by_tag("prod"), &shelf, None), asked);
}

#[test]
fn a_tag_that_is_gone_takes_nothing() {
    let shelf = shelf(&[("other", "d2", 60, None)]);
    let current = Some(running("d1", "prod", 600));
    let said = decide(&by_tag("prod"), &shelf, current);
    assert_eq!(refusal(&said), reasons::TAG_NOT_FOUND);
    let said = decide(&by_semver("^1"), &shelf, None);
    assert_eq!(refusal(&said), reasons::TAG_NOT_FOUND);
}

#[test]
fn an_image_that_cannot_run_is_refused_and_one_that_is_not_whole_is_waited_for() {
    let current = Some(running("d1", "prod", 600));
    for (flaw, reason) in [
        (Flaw::NoArm64, reasons::NO_ARM64),
        (Flaw::TooLarge { bytes: 3 << 30 }, reasons::TOO_LARGE),
    ] {
        let shelf = shelf(&[("prod", "d2", 60, Some(flaw))]);
        assert_eq!(refusal(&decide(&by_tag("prod"), &shelf, current)), reason);
    }
    for flaw in [Flaw::Incomplete, Flaw::Missing] {
        let shelf = shelf(&[("prod", "d2", 60, Some(flaw))]);
        let said = decide(&by_tag("prod"), &shelf, current);
        assert!(
            matches!(&said, Selection::Wait { until, .. } if *until > now()),
            "{said:?}"
        );
    }
}

#[test]
fn a_young_push_settles_first_and_a_registry_whose_clock_runs_ahead_holds_nothing_up_for_longer() {
    let follow = by_tag("prod");
    let until = |age: i64| match decide(&follow, &shelf(&[("prod", "d2", age, None)]), None) {
        Selection::Wait { until, .. } => until,
        other => panic!("does not wait: {other:?}"),
    };
    assert_eq!(until(10), ago(10) + SignedDuration::from_secs(30));
    assert_eq!(until(-3600), now() + SignedDuration::from_secs(30));
    let old = shelf(&[("prod", "d2", 30, None)]);
    assert_eq!(picked(&decide(&follow, &old, None)).1, "d2");
    let at_once = Follow {
        settle: Some("0s".into()),
        ..by_tag("prod")
    };
    let young = shelf(&[("prod", "d2", 0, None)]);
    assert_eq!(picked(&decide(&at_once, &young, None)).1, "d2");
}

#[test]
fn a_tag_that_moves_back_is_refused_unless_downgrades_are_allowed() {
    let shelf = shelf(&[("prod", "d1", 600, None)]);
    let current = Some(running("d2", "prod", 60));
    let said = decide(&by_tag("prod"), &shelf, current);
    assert_eq!(refusal(&said), reasons::DOWNGRADE_REFUSED);
    let allowed = Follow {
        downgrade: Some(Downgrade::Allow),
        ..by_tag("prod")
    };
    assert_eq!(picked(&decide(&allowed, &shelf, current)).1, "d1");
}

#[test]
fn of_two_tags_that_are_swapped_only_the_one_that_moves_forward_is_followed() {
    let swapped = shelf(&[("blue", "new", 60, None), ("green", "old", 600, None)]);
    let blue = decide(&by_tag("blue"), &swapped, Some(running("old", "blue", 600)));
    assert_eq!(picked(&blue).1, "new");
    let green = decide(
        &by_tag("green"),
        &swapped,
        Some(running("new", "green", 60)),
    );
    assert_eq!(refusal(&green), reasons::DOWNGRADE_REFUSED);
}

#[test]
fn the_highest_version_of_the_range_is_taken_whenever_it_was_pushed() {
    let tags = [
        ("v1.9.0", "d9", 900, None),
        ("1.10.0", "d10", 800, None),
        ("v1.11.0-rc.1", "rc", 60, None),
        ("v2.0.0", "d20", 60, None),
        ("latest", "d20", 60, None),
    ];
    let shelf = shelf(&tags);
    let said = decide(&by_semver("^1.2"), &shelf, None);
    assert_eq!(picked(&said), ("1.10.0", "d10"));
    // Pushed later than what is taken, and lower: a fix of an old line.
    let fix = Some(running("fix", "v1.8.7", 30));
    assert_eq!(picked(&decide(&by_semver("^1.2"), &shelf, fix)).1, "d10");
    let lower = Some(running("d20", "v2.0.0", 60));
    let said = decide(&by_semver("~1.9.0"), &shelf, lower);
    assert_eq!(refusal(&said), reasons::DOWNGRADE_REFUSED);
}

#[test]
fn the_newest_push_is_taken_of_the_tags_that_match() {
    let tags = [
        ("build-7", "d7", 300, None),
        ("build-8", "d8", 200, None),
        ("debug-9", "d9", 100, None),
    ];
    let follow = Follow {
        filter_tags: Some(FilterTags {
            pattern: "^build-[0-9]+$".into(),
            extract: None,
        }),
        ..newest()
    };
    let said = decide(&follow, &shelf(&tags), Some(running("d7", "build-7", 300)));
    assert_eq!(picked(&said), ("build-8", "d8"));
}

#[test]
fn a_version_can_be_a_part_of_the_tag() {
    let tags = [
        ("1.2.0-arm", "arm", 300, None),
        ("1.3.0-x86", "x86", 200, None),
    ];
    let follow = Follow {
        filter_tags: Some(FilterTags {
            pattern: "^(?P<v>.*)-arm$".into(),
            extract: Some("$v".into()),
        }),
        ..by_semver("*")
    };
    assert_eq!(picked(&decide(&follow, &shelf(&tags), None)).1, "arm");
}

#[test]
fn what_is_excluded_is_passed_over_and_left_for_what_is_older() {
    let tags = [("v1.2.0", "d2", 600, None), ("v1.3.0", "d3", 300, None)];
    let excluding = |tags: Option<&str>, digests: Option<&str>| Follow {
        exclude: Some(Exclude {
            tags: tags.map(|tag| vec![tag.to_owned()]),
            digests: digests.map(|digest| vec![digest.to_owned()]),
        }),
        ..by_semver("^1")
    };
    let current = Some(running("d3", "v1.3.0", 300));
    for follow in [excluding(Some("v1.3.0"), None), excluding(None, Some("d3"))] {
        assert_eq!(picked(&decide(&follow, &shelf(&tags), current)).1, "d2");
    }
    let only = Follow {
        exclude: Some(Exclude {
            tags: None,
            digests: Some(vec!["d3".into()]),
        }),
        ..by_tag("v1.3.0")
    };
    let said = decide(&only, &shelf(&tags), None);
    assert_eq!(refusal(&said), reasons::EXCLUDED);
}

#[test]
fn of_a_repository_that_was_not_seen_whole_nothing_older_and_nothing_first_is_taken() {
    let partial = |age| {
        let mut shelf = shelf(&[("a", "d2", age, None)]);
        shelf.listing.complete = false;
        shelf
    };
    let allowed = Follow {
        downgrade: Some(Downgrade::Allow),
        ..newest()
    };
    let current = Some(running("d1", "b", 600));
    assert_eq!(picked(&decide(&allowed, &partial(60), current)).1, "d2");
    let back = decide(&allowed, &partial(900), current);
    assert_eq!(refusal(&back), reasons::LISTING_INCOMPLETE);
    let first = decide(&allowed, &partial(60), None);
    assert_eq!(refusal(&first), reasons::LISTING_INCOMPLETE);
}

#[test]
fn a_policy_that_cannot_be_carried_out_says_which_field() {
    let pattern = Follow {
        filter_tags: Some(FilterTags {
            pattern: "(unclosed".into(),
            extract: None,
        }),
        ..newest()
    };
    assert!(
        Policy::parse(&pattern)
            .unwrap_err()
            .starts_with("filterTags.pattern")
    );
    let huge = Follow {
        filter_tags: Some(FilterTags {
            pattern: "(a{1000}){1000}".into(),
            extract: None,
        }),
        ..newest()
    };
    assert!(
        Policy::parse(&huge)
            .unwrap_err()
            .starts_with("filterTags.pattern")
    );
    let range = by_semver("one and a half");
    assert!(
        Policy::parse(&range)
            .unwrap_err()
            .starts_with("semver.range")
    );
}

#[test]
fn calendar_versions_are_versions_and_the_newest_of_them_is_taken() {
    let shelf = shelf(&[
        ("2026.12.3", "d1", 600, None),
        ("2027.01.0", "d2", 300, None),
        ("2027.00.09", "d0", 60, None),
    ]);
    let current = Some(running("d1", "2026.12.3", 600));
    let selection = decide(&by_semver(">=2026"), &shelf, current);
    assert_eq!(picked(&selection), ("2027.01.0", "d2"));
}

#[test]
fn what_lies_beside_images_is_passed_over_and_what_is_an_image_is_looked_at() {
    let of = format!("sha256-{}", "ab".repeat(32));
    let (signature, bare) = (format!("{of}.sig"), of.clone());
    // A signature says that it is an image of no architecture; only its tag tells.
    let mut shelf = shelf(&[
        ("1.4.0", "image", 600, None),
        (&signature, "signature", 120, Some(Flaw::NoArm64)),
        (&bare, "referrers", 110, Some(Flaw::NoArm64)),
        ("sbom", "other", 100, Some(Flaw::NotAnImage)),
    ]);
    assert_eq!(picked(&decide(&newest(), &shelf, None)), ("1.4.0", "image"));
    let chart = by_semver("*");
    shelf.listing.tags[3].tag = "2.0.0".to_owned();
    assert_eq!(picked(&decide(&chart, &shelf, None)), ("1.4.0", "image"));
    // Asked for by its name, it is told what it is.
    let said = decide(&by_tag("2.0.0"), &shelf, None);
    assert_eq!(refusal(&said), reasons::NOT_AN_IMAGE);
    // Nothing but signatures is nothing.
    shelf.listing.tags.drain(..1);
    shelf.listing.tags.truncate(2);
    assert_eq!(
        refusal(&decide(&newest(), &shelf, None)),
        reasons::TAG_NOT_FOUND
    );
}

#[test]
fn an_image_for_amd64_alone_is_taken_where_such_images_run() {
    let mut shelf = shelf(&[("prod", "d1", 600, None)]);
    for seen in shelf.facts.images.values_mut().flatten() {
        seen.only_amd64 = true;
    }
    let follow = by_tag("prod");
    assert_eq!(refusal(&decide(&follow, &shelf, None)), reasons::NO_ARM64);
    let policy = Policy::parse(&follow).unwrap().where_amd64_runs(true);
    let selection = select(&policy, &shelf.listing, None, &shelf.facts, now());
    assert_eq!(picked(&selection), ("prod", "d1"));
}
