//! Durations, derived names, images and roles.

use agentcore_api::AgentRuntime;
use agentcore_api::limits::{DURATION_PATTERN, NAME_PATTERN, RESERVED_NAME_PATTERN};
use agentcore_api::values::{
    ClusterNames, DurationError, ImageRef, ImageRefError, Registry, RoleArn, RoleArnError,
    cluster_prefix, default_endpoint_name, former_runtime_name, is_reserved, namespace_prefix,
    parse_duration,
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
    let names = |uid: &str| ClusterNames {
        id: "cluster-1".into(),
        uid: uid.into(),
        former_uids: vec!["before".into()],
    };
    let name = names("uid-1").new_name("team-a", "support");
    assert_eq!(
        name,
        names("uid-1").new_name("team-a", "support"),
        "the same input gives the same name"
    );
    assert!(name.starts_with(&cluster_prefix("uid-1")), "{name}");
    assert!(
        name.starts_with(&namespace_prefix("uid-1", "team-a")),
        "{name}"
    );
    for other in [
        names("uid-2").new_name("team-a", "support"),
        names("uid-1").new_name("team", "a-support"),
        names("uid-1").new_name("team.a", "support"),
        names("uid-1").new_name("team-a", "supporter"),
    ] {
        assert_ne!(name, other);
    }
    let all = names("uid-1").all("team-a", "support");
    let former = ClusterNames {
        uid: "before".into(),
        ..ClusterNames::default()
    };
    assert_eq!(
        all,
        [
            name,
            former.new_name("team-a", "support"),
            "team_a_support_b6e40768".to_owned()
        ],
        "names that were given before are known for ever"
    );
}

#[test]
fn no_namespaces_prefix_takes_in_another_namespaces_names() {
    // As a pattern of IAM: everything that begins so.
    let prefix = namespace_prefix("uid-1", "team");
    for other in ["team-a", "team_a", "team.a", "tea", ""] {
        let names = ClusterNames {
            uid: "uid-1".into(),
            ..ClusterNames::default()
        };
        assert!(!names.new_name(other, "a").starts_with(&prefix), "{other}");
    }
}

#[test]
fn a_runtime_can_be_an_objects_by_its_name_only() {
    let names = ClusterNames {
        id: "cluster-1".into(),
        uid: "uid-1".into(),
        former_uids: Vec::new(),
    };
    let object = |spec: serde_json::Value| -> AgentRuntime {
        let mut whole = serde_json::json!({
            "artifact": {"container": {"image": "public.ecr.aws/a/support:1"}},
            "executionRole": {"arn": "arn:aws:iam::111122223333:role/a"},
            "network": {"mode": "PUBLIC"},
        });
        whole
            .as_object_mut()
            .unwrap()
            .extend(spec.as_object().unwrap().clone());
        serde_json::from_value(serde_json::json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
            "metadata": {"namespace": "team-a", "name": "support"}, "spec": whole,
        }))
        .unwrap()
    };
    let id = |name: &str| format!("{name}-0123456789");
    let (own, theirs) = (
        names.new_name("team-a", "support"),
        names.new_name("team-b", "support"),
    );
    let plain = object(serde_json::json!({}));
    assert!(names.can_own(&plain, &id(&own)));
    assert!(names.can_own(&plain, &id("team_a_support_b6e40768")));
    assert!(!names.can_own(&plain, &id(&theirs)));
    assert!(!names.can_own(&plain, "support"));
    let explicit = object(serde_json::json!({"runtimeName": "support"}));
    assert!(names.can_own(&explicit, &id("support")));
    assert!(!names.can_own(&explicit, &id(&own)));
    let squatter = object(serde_json::json!({"runtimeName": theirs}));
    assert!(
        !names.can_own(&squatter, &id(&theirs)),
        "derived names are reserved"
    );
    let adopter = object(serde_json::json!({"adopt": {"runtimeId": id("legacy")}}));
    assert!(names.can_own(&adopter, &id("legacy")));
    assert!(!names.can_own(&adopter, "legacy-abcdefghij"));
}

#[test]
fn every_derived_name_is_one_that_agentcore_takes_and_no_spec_may_choose() {
    let pattern = Regex::new(NAME_PATTERN).unwrap();
    let reserved = Regex::new(RESERVED_NAME_PATTERN).unwrap();
    let long = "x".repeat(253);
    for name in [
        "support",
        "0day",
        "support-live",
        "a.b.c",
        long.as_str(),
        "7",
    ] {
        let names = ClusterNames {
            id: "c".into(),
            uid: "u".into(),
            former_uids: Vec::new(),
        };
        for runtime in names.all(name, name) {
            assert!(pattern.is_match(&runtime), "{runtime}");
            assert_eq!(
                reserved.is_match(&runtime),
                is_reserved(&runtime),
                "{runtime}"
            );
        }
        assert!(is_reserved(&names.new_name(name, name)));
        let endpoint = default_endpoint_name(name);
        assert!(pattern.is_match(&endpoint), "{endpoint}");
    }
    for free in [
        "support",
        "c0123456789abcdef0_x",
        "c0123456789abcdef01x",
        "C0123456789abcdef01_",
    ] {
        assert_eq!(reserved.is_match(free), is_reserved(free), "{free}");
        assert!(!is_reserved(free), "{free}");
    }
    assert_eq!(former_runtime_name("c", &long, "n").len(), 48);
    assert!(former_runtime_name("c", "0day", "n").starts_with("a0day_n_"));
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
