//! Every action of every kind, with and without the tags that it needs.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::aws::RuntimeConfig;
use crate::config::ConfigInput;
use crate::fault::Class;
use crate::grant::Granted;
use crate::policy::Policy;
use crate::step::Due;
use crate::{endpoint, runtime};

const ID: &str = "support-0123456789";
const ARN: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-0123456789";
const OTHER: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/billing-0123456789";

fn config() -> RuntimeConfig {
    let object = serde_json::from_value(json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
        "metadata": {"namespace": "team-a", "name": "support", "uid": "u-1"},
        "spec": {
            "artifact": {"container": {"image": "public.ecr.aws/a/support:1"}},
            "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/team-a/support"},
            "network": {"mode": "PUBLIC"},
        },
    }));
    let policy = Policy {
        region: "us-east-1".to_owned(),
        ..Policy::default()
    };
    let view = runtime::View {
        object: &object.unwrap(),
        policy: &policy,
        granted: &Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config: &ConfigInput::NotNeeded,
        used_versions: &BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: runtime::Facts::default(),
        outcome: None,
    };
    runtime::render(&view).unwrap().config
}

/// One action of each sort, and whether it changes what is there.
fn runtime_actions() -> Vec<(runtime::Action, bool)> {
    use runtime::Action as A;
    let (id, arn, token) = (|| ID.to_owned(), || ARN.to_owned(), || "t".repeat(64));
    let all = vec![
        A::AddFinalizer,
        A::RemoveFinalizer,
        A::Create {
            name: "support".to_owned(),
            config: Box::new(config()),
            tags: Tags::new(),
            client_token: token(),
        },
        A::Update {
            id: id(),
            config: Box::new(config()),
            client_token: token(),
        },
        A::Delete {
            id: id(),
            client_token: token(),
        },
        A::DeleteVersion {
            id: id(),
            version: "1".to_owned(),
            client_token: token(),
        },
        A::DeleteEndpoint {
            runtime_id: id(),
            name: "live".to_owned(),
            client_token: token(),
        },
        A::Tag {
            arn: arn(),
            tags: Tags::new(),
        },
        A::Untag {
            arn: arn(),
            keys: Vec::new(),
        },
        A::PutResourcePolicy {
            arn: arn(),
            policy: String::new(),
        },
        A::DeleteResourcePolicy { arn: arn() },
    ];
    // A new action does not compile before it is named here, and is then missing above.
    let sort = |action: &A| match action {
        A::AddFinalizer => (0, false),
        A::RemoveFinalizer => (1, false),
        A::Create { .. } => (2, false),
        A::Update { .. } => (3, true),
        A::Delete { .. } => (4, true),
        A::DeleteVersion { .. } => (5, true),
        A::DeleteEndpoint { .. } => (6, true),
        A::Tag { .. } => (7, true),
        A::Untag { .. } => (8, true),
        A::PutResourcePolicy { .. } => (9, true),
        A::DeleteResourcePolicy { .. } => (10, true),
    };
    sorted(all, sort)
}

fn endpoint_actions() -> Vec<(endpoint::Action, bool)> {
    use endpoint::Action as A;
    let (id, arn, token) = (|| ID.to_owned(), || ARN.to_owned(), || "t".repeat(64));
    let (name, version) = (|| "live".to_owned(), || "1".to_owned());
    let all = vec![
        A::AddFinalizer,
        A::RemoveFinalizer,
        A::Create {
            runtime_id: id(),
            name: name(),
            version: version(),
            description: None,
            tags: Tags::new(),
            client_token: token(),
        },
        A::Update {
            runtime_id: id(),
            name: name(),
            version: version(),
            description: None,
            client_token: token(),
        },
        A::Delete {
            runtime_id: id(),
            name: name(),
            client_token: token(),
        },
        A::Tag {
            arn: arn(),
            tags: Tags::new(),
        },
        A::Untag {
            arn: arn(),
            keys: Vec::new(),
        },
    ];
    let sort = |action: &A| match action {
        A::AddFinalizer => (0, false),
        A::RemoveFinalizer => (1, false),
        A::Create { .. } => (2, true),
        A::Update { .. } => (3, true),
        A::Delete { .. } => (4, true),
        A::Tag { .. } => (5, true),
        A::Untag { .. } => (6, true),
    };
    sorted(all, sort)
}

fn sorted<A>(all: Vec<A>, sort: impl Fn(&A) -> (usize, bool)) -> Vec<(A, bool)> {
    let sorts: Vec<usize> = all.iter().map(|action| sort(action).0).collect();
    assert_eq!(sorts, (0..all.len()).collect::<Vec<_>>());
    let with = |action: A| {
        let changes = sort(&action).1;
        (action, changes)
    };
    all.into_iter().map(with).collect()
}

fn read(arn: &str, answer: Result<Option<Tags>, Fault>) -> TagsRead {
    [(arn.to_owned(), answer)].into()
}

fn owned_by(name: &str) -> Tags {
    [("owner".to_owned(), name.to_owned())].into()
}

fn ask<A: Mutation + Clone>(action: &A, read: &TagsRead, runtime: Option<&str>) -> &'static str {
    let ours = |tags: &Tags| *tags == owned_by("us");
    match clear(action.clone(), runtime, read, ours) {
        Clearance::Given(_) => "given",
        Clearance::Unread(_) => "unread",
        Clearance::Unreadable(_) => "unreadable",
        Clearance::Gone => "gone",
        Clearance::Refused => "refused",
    }
}

fn check<A: Mutation + Clone + std::fmt::Debug>(all: Vec<(A, bool)>) {
    let fault = Fault {
        class: Class::Transient,
        reason: agentcore_api::reasons::SERVICE_UNAVAILABLE,
        code: "Timeout".to_owned(),
        message: String::new(),
        request_id: None,
    };
    for (action, changes) in all {
        let cases = [
            ("nothing read", TagsRead::new(), "unread"),
            (
                "another's read",
                read(OTHER, Ok(Some(owned_by("us")))),
                "unread",
            ),
            ("not readable", read(ARN, Err(fault.clone())), "unreadable"),
            ("not there", read(ARN, Ok(None)), "gone"),
            ("theirs", read(ARN, Ok(Some(owned_by("them")))), "refused"),
            ("nobody's", read(ARN, Ok(Some(Tags::new()))), "refused"),
            ("ours", read(ARN, Ok(Some(owned_by("us")))), "given"),
        ];
        for (case, read, expected) in cases {
            let expected = if changes { expected } else { "given" };
            assert_eq!(
                ask(&action, &read, Some(ARN)),
                expected,
                "{case}: {action:?}"
            );
        }
        // Tags of one runtime are no proof for another.
        let both = read(OTHER, Ok(Some(owned_by("us"))));
        if let Effect::OfRuntime(_) = action.effect() {
            for runtime in [Some(OTHER), None] {
                assert_eq!(ask(&action, &both, runtime), "refused", "{action:?}");
            }
        }
    }
}

#[test]
fn no_action_of_a_runtime_goes_out_without_its_tags() {
    check(runtime_actions());
}

#[test]
fn no_action_of_an_endpoint_goes_out_without_tags() {
    check(endpoint_actions());
}
