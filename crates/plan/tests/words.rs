//! Patterns, tags, hashes, failure texts and addresses.

use agentcore_api::reasons;
use agentcore_plan::aws::Tags;
use agentcore_plan::failure::{Heals, classify};
use agentcore_plan::glob::matches;
use agentcore_plan::hash::WishHash;
use agentcore_plan::policy::Policy;
use agentcore_plan::tags::{Owner, Ownership, TagDiff};
use agentcore_plan::urls;

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
    let role = "arn:aws:iam::111122223333:role/agentcore/team-a/support";
    for pattern in [
        role,
        "*",
        "arn:aws:iam::*:role/agentcore/team-a/*",
        "*support",
        "*/team-?/*",
    ] {
        assert!(matches(pattern, role), "{pattern}");
    }
    for pattern in [
        "",
        "arn",
        "*/team-b/*",
        "arn:aws:iam::111122223333:role/?",
        "*support?",
    ] {
        assert!(!matches(pattern, role), "{pattern}");
    }
    assert!(
        !matches("*a*a*a*a*a*a*a*a*b", &"a".repeat(200)),
        "and ends soon"
    );
}

#[test]
fn ownership_is_the_clusters_uid_then_the_objects_or_cluster_namespace_and_name() {
    let policy = Policy {
        cluster_id: "c".into(),
        cluster_uid: "cu".into(),
        former_cluster_uids: vec!["before".into()],
        ..Policy::default()
    };
    let owner = Owner {
        cluster: "c".into(),
        cluster_uid: "cu".into(),
        namespace: "n".into(),
        name: "a".into(),
        uid: "u".into(),
    };
    let judged = |changes: &[(&str, Option<&str>)]| {
        let mut there = owner.tags();
        assert_eq!(there.len(), 5);
        for (key, value) in changes {
            let key = format!("agentcore.dev/{key}");
            match value {
                Some(value) => there.insert(key, (*value).to_owned()),
                None => there.remove(&key),
            };
        }
        owner.judge(&there, &policy)
    };
    let other = Some("other");
    for (changes, expected) in [
        (&[][..], Ownership::Ours),
        (&[("cluster-uid", Some("before"))], Ownership::Ours),
        (&[("cluster-uid", other)], Ownership::Others),
        (&[("cluster-uid", Some(""))], Ownership::Others),
        // As an earlier release tagged: only the object's UID proves anything.
        (&[("cluster-uid", None)], Ownership::Ours),
        (
            &[("cluster-uid", None), ("cluster", other)],
            Ownership::Ours,
        ),
        (&[("cluster-uid", None), ("uid", other)], Ownership::Others),
        (&[("cluster-uid", None), ("uid", None)], Ownership::Others),
        (&[("uid", other)], Ownership::Former),
        (&[("uid", None)], Ownership::Former),
        (
            &[("uid", other), ("cluster-uid", Some("before"))],
            Ownership::Former,
        ),
        (&[("uid", other), ("cluster", other)], Ownership::Others),
        (&[("uid", other), ("namespace", other)], Ownership::Others),
        (&[("uid", other), ("name", other)], Ownership::Others),
        (&[("uid", None), ("name", None)], Ownership::Nobody),
    ] {
        assert_eq!(judged(changes), expected, "{changes:?}");
    }
    assert_eq!(owner.judge(&Tags::new(), &policy), Ownership::Nobody);
    // An object without a UID has no resource by that.
    let unknown = Owner {
        uid: String::new(),
        ..owner.clone()
    };
    let mut blank = owner.tags();
    blank.insert("agentcore.dev/uid".into(), String::new());
    blank.insert("agentcore.dev/name".into(), "other".into());
    assert_eq!(unknown.judge(&blank, &policy), Ownership::Others);
}

#[test]
fn tags_of_aws_are_never_removed() {
    let there = tags(&[("aws:x", "1"), ("old", "1"), ("same", "1"), ("other", "1")]);
    let diff = TagDiff::between(
        &there,
        &tags(&[("same", "1"), ("other", "2"), ("new", "1")]),
    );
    assert_eq!(diff.set, tags(&[("other", "2"), ("new", "1")]));
    assert_eq!(diff.remove, ["old"]);
}

#[test]
fn a_wish_hash_reads_back_and_hides_what_it_was_made_of() {
    let hash = WishHash::of("uid", &"secret", &"tags", Some("{}"));
    assert_eq!(WishHash::parse(&hash.to_string()), hash);
    let kept = WishHash {
        kept: "description+authorizer".into(),
        ..hash.clone()
    };
    assert_eq!(WishHash::parse(&kept.to_string()), kept);
    let other = WishHash::of("another uid", &"secret", &"tags", Some("{}"));
    assert_ne!(hash.request, other.request, "the key is the object's");
    assert!(!hash.to_string().contains("secret"));
    assert!(!WishHash::of("uid", &1, &2, None).has_policy() && hash.has_policy());
}

#[test]
fn failure_texts_get_their_reasons() {
    for (text, reason, heals) in [
        (
            "Architecture incompatible for uri 'x'. Supported architectures: [arm64]",
            reasons::IMAGE_ARCHITECTURE,
            Heals::ByPush,
        ),
        (
            "The specified image identifier does not exist in the repository",
            reasons::IMAGE_NOT_FOUND,
            Heals::Outside,
        ),
        (
            "Access denied while validating ECR URI 'x'",
            reasons::IMAGE_ACCESS_DENIED,
            Heals::Outside,
        ),
        (
            "Role validation failed for 'x'",
            reasons::ROLE_INVALID,
            Heals::Outside,
        ),
        (
            "Failed creating service linked role. Rate limit exceeded from IAM",
            reasons::NOT_YET,
            Heals::Outside,
        ),
        (
            "subnet-1 is in an unsupported Availability Zone",
            reasons::UNSUPPORTED_AVAILABILITY_ZONE,
            Heals::Never,
        ),
        (
            "Runtime health check failed or timed out",
            reasons::AGENT_UNHEALTHY,
            Heals::ByPush,
        ),
        (
            "Runtime initialization time exceeded. Please make sure that initialization completes in 120s.",
            reasons::AGENT_UNHEALTHY,
            Heals::ByPush,
        ),
        (
            "The warmup hook did not succeed within 120 seconds",
            reasons::WARMUP_FAILED,
            Heals::ByPush,
        ),
        (
            "Warm-up hook answered 500; the health check was passed",
            reasons::WARMUP_FAILED,
            Heals::ByPush,
        ),
        ("something else", reasons::CREATE_FAILED, Heals::Outside),
    ] {
        let failure = classify(text, reasons::CREATE_FAILED);
        assert_eq!((failure.reason, failure.heals), (reason, heals), "{text}");
    }
}

#[test]
fn addresses_carry_the_escaped_arn_and_the_partitions_domain() {
    let arn = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/a-1";
    assert_eq!(
        urls::invocation("aws", "us-east-1", arn, "DEFAULT"),
        "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A111122223333%3Aruntime%2Fa-1/invocations?qualifier=DEFAULT"
    );
    assert!(
        urls::web_socket("aws-cn", "cn-north-1", arn, "live")
            .starts_with("wss://bedrock-agentcore.cn-north-1.amazonaws.com.cn/")
    );
}
