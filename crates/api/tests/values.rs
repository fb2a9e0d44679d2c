//! Durations, derived names, images and roles.

#![allow(clippy::unwrap_used)] // a test's panic is its report

use agentcore_api::limits::{DURATION_PATTERN, NAME_PATTERN};
use agentcore_api::values::{
    DurationError, ImageRef, ImageRefError, Registry, RoleArn, RoleArnError, default_endpoint_name,
    default_runtime_name, parse_duration,
};
use regex::Regex;

const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn durations_are_whole_hours_minutes_and_seconds_in_this_order() {
    for (text, seconds) in [
        ("60s", 60),
        ("15m", 900),
        ("8h", 28_800),
        ("336h", 1_209_600),
        ("1h30m", 5_400),
        ("1h1m1s", 3_661),
        ("0s", 0),
        ("1h1s", 3_601),
    ] {
        assert_eq!(parse_duration(text), Ok(seconds), "{text}");
    }
    for text in [
        "15", "m", "1.5h", "15m ", " 15m", "1m1h", "1m1m", "-1m", "1d", "1h30", "10ms", "+1s", "١s",
    ] {
        assert_eq!(parse_duration(text), Err(DurationError::Form), "{text}");
    }
    assert_eq!(parse_duration(""), Err(DurationError::Empty));
    assert_eq!(parse_duration("1193047h"), Err(DurationError::TooLong));
    assert_eq!(parse_duration("99999999999s"), Err(DurationError::TooLong));
}

#[test]
fn the_schemas_duration_pattern_and_the_parser_agree() {
    let pattern = Regex::new(DURATION_PATTERN).unwrap();
    for text in [
        "60s", "15m", "1h30m", "1h1m1s", "15", "m", "1.5h", "1m1h", "-1m", "1d", "1m1m", "9999h",
    ] {
        assert_eq!(
            pattern.is_match(text),
            parse_duration(text).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn a_runtime_name_is_derived_from_cluster_namespace_and_name() {
    let name = default_runtime_name("cluster-1", "team-a", "support");
    assert_eq!(name, "team_a_support_b6e40768");
    assert_eq!(
        name,
        default_runtime_name("cluster-1", "team-a", "support"),
        "the same input gives the same name"
    );
    for other in [
        default_runtime_name("cluster-2", "team-a", "support"),
        default_runtime_name("cluster-1", "team", "a-support"),
        default_runtime_name("cluster-1", "team.a", "support"),
    ] {
        assert_ne!(name, other);
    }
}

#[test]
fn every_derived_name_is_one_that_agentcore_takes() {
    let pattern = Regex::new(NAME_PATTERN).unwrap();
    let long = "x".repeat(253);
    for name in [
        "support",
        "0day",
        "support-live",
        "a.b.c",
        long.as_str(),
        "7",
    ] {
        let runtime = default_runtime_name("c", name, name);
        assert!(pattern.is_match(&runtime), "{runtime}");
        let endpoint = default_endpoint_name(name);
        assert!(pattern.is_match(&endpoint), "{endpoint}");
    }
    assert_eq!(default_runtime_name("c", &long, "n").len(), 48);
    assert!(default_runtime_name("c", "0day", "n").starts_with("a0day_n_"));
}

#[test]
fn an_endpoint_keeps_its_own_name_only_where_it_maps_one_to_one() {
    assert_eq!(default_endpoint_name("live"), "live");
    let longest = "x".repeat(48);
    assert_eq!(default_endpoint_name(&longest), longest);
    assert_eq!(default_endpoint_name(&"x".repeat(49)).len(), 48);
    let hyphen = default_endpoint_name("support-live");
    assert!(
        hyphen.starts_with("support_live_") && hyphen.len() == "support_live_".len() + 8,
        "{hyphen}"
    );
    assert_ne!(hyphen, default_endpoint_name("support.live"));
    assert!(default_endpoint_name("7up").starts_with("a7up_"));
}

#[test]
fn an_image_is_taken_apart_and_written_as_it_was() {
    let text = format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/team/support:prod@{DIGEST}");
    let image = ImageRef::parse(&text).unwrap();
    assert_eq!(
        image,
        ImageRef {
            registry: Registry::Private {
                account: "111122223333".into(),
                region: "us-east-1".into(),
                china: false
            },
            repository: "team/support".into(),
            tag: Some("prod".into()),
            digest: Some(DIGEST.into()),
        }
    );
    assert_eq!(image.to_string(), text);
    for text in [
        "public.ecr.aws/a1b2/agent",
        "public.ecr.aws/a1b2/agent:1.2.3",
        "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/support:prod",
    ] {
        assert_eq!(ImageRef::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn an_image_without_tag_and_digest_means_latest() {
    let tag = |text: &str| {
        ImageRef::parse(text)
            .unwrap()
            .effective_tag()
            .map(str::to_owned)
    };
    assert_eq!(tag("public.ecr.aws/a/b"), Some("latest".into()));
    assert_eq!(tag("public.ecr.aws/a/b:1"), Some("1".into()));
    assert_eq!(tag(&format!("public.ecr.aws/a/b@{DIGEST}")), None);
}

#[test]
fn a_pinned_image_has_the_digest_and_no_tag() {
    let image = ImageRef::parse("public.ecr.aws/a/b:1").unwrap();
    assert_eq!(
        image.pinned(DIGEST).to_string(),
        format!("public.ecr.aws/a/b@{DIGEST}")
    );
}

#[test]
fn images_that_agentcore_cannot_pull_are_refused() {
    for text in [
        "",
        "nginx",
        "docker.io/library/nginx:1",
        "11112222333.dkr.ecr.us-east-1.amazonaws.com/support:prod",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/Support:prod",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:",
        "https://111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod",
        "public.ecr.aws/a/b:1\n",
        "public.ecr.aws/a/b:1/2",
        "public.ecr.aws/a/b@sha256",
    ] {
        assert_eq!(ImageRef::parse(text), Err(ImageRefError::Form), "{text:?}");
    }
    let long = format!("public.ecr.aws/a@{}", "x".repeat(1024));
    assert_eq!(ImageRef::parse(&long), Err(ImageRefError::TooLong));
}

#[test]
fn a_role_is_taken_apart_and_written_as_it_was() {
    let text = "arn:aws:iam::111122223333:role/agentcore/team-a/support";
    let role = RoleArn::parse(text).unwrap();
    assert_eq!(
        role,
        RoleArn {
            partition: "aws".into(),
            account: Some("111122223333".into()),
            path: "/agentcore/team-a/".into(),
            name: "support".into(),
        }
    );
    assert_eq!(role.to_string(), text);
    let plain = RoleArn::parse("arn:aws-us-gov:iam::111122223333:role/support").unwrap();
    assert_eq!(
        (
            plain.partition.as_str(),
            plain.path.as_str(),
            plain.name.as_str()
        ),
        ("aws-us-gov", "/", "support")
    );
    let bare = "arn:aws:iam:::role/x:y";
    let without_account = RoleArn::parse(bare).unwrap();
    assert_eq!(
        (
            without_account.account.as_deref(),
            without_account.name.as_str()
        ),
        (None, "x:y")
    );
    assert_eq!(without_account.to_string(), bare);
}

#[test]
fn what_is_not_a_role_is_refused() {
    for text in [
        "",
        "support",
        "arn:aws:iam::111122223333:role/",
        "arn:aws:iam::111122223333:role/path/",
        "arn:aws:iam::111122223333:user/x",
        "arn:aws:iam::1111:role/x",
        "arn:aws:sts::111122223333:assumed-role/x/y",
        "arn:gcp:iam::111122223333:role/x",
    ] {
        assert_eq!(RoleArn::parse(text), Err(RoleArnError::Form), "{text}");
    }
    assert_eq!(
        RoleArn::parse(&format!(
            "arn:aws:iam::111122223333:role/{}",
            "x".repeat(2048)
        )),
        Err(RoleArnError::TooLong)
    );
}
