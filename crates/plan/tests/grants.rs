//! What namespaces have by AgentGrants, and what they are refused.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use std::collections::BTreeMap;

use agentcore_api::grant::{Adoption, Limits, Namespaces, ResourcePolicies};
use agentcore_api::runtime::{
    CapacityProvider, Code, Container, Network, NetworkMode, S3Location, Vpc,
};
use agentcore_api::{AgentGrantSpec, AgentRuntimeSpec, reasons};
use agentcore_plan::conditions::{find, is_ready};
use agentcore_plan::grant::{Granted, asks, reach, refusal};
use agentcore_plan::policy::Policy;
use agentcore_plan::step::{Due, Rest, Step, Sweep};
use model::steps::{event_count, pass, ready, reason, settle, wait};
use model::world::{Disturb, World, runtime_object};
use proptest::prelude::*;

const ACCOUNT: &str = "111122223333";

fn policy() -> Policy {
    Policy {
        account: ACCOUNT.into(),
        partition: "aws".into(),
        region: "us-east-1".into(),
        ..Policy::default()
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn names(texts: &[&str]) -> Namespaces {
    Namespaces {
        names: Some(strings(texts)),
        match_labels: None,
    }
}

fn grant(namespaces: &[&str]) -> AgentGrantSpec {
    AgentGrantSpec {
        namespaces: names(namespaces),
        ..AgentGrantSpec::default()
    }
}

fn granted(namespace: &str, grants: &[AgentGrantSpec]) -> Granted {
    Granted::of(namespace, &BTreeMap::new(), grants, &policy())
}

fn spec(change: impl FnOnce(&mut AgentRuntimeSpec)) -> AgentRuntimeSpec {
    let mut spec = runtime_object(0).spec;
    spec.runtime_name = None;
    change(&mut spec);
    spec
}

/// Whether a namespace may have a new runtime of this spec; else why not.
fn refused(namespace: &str, spec: &AgentRuntimeSpec, granted: &Granted) -> Option<String> {
    let asks = asks(
        spec,
        spec.region.as_deref().unwrap_or("us-east-1"),
        ACCOUNT,
        true,
    );
    refusal(namespace, asks, granted)
        .map(|refusal| format!("{}: {}", refusal.reason, refusal.message))
}

#[test]
fn lists_of_several_grants_unite_and_an_absent_list_gives_nothing() {
    let grants = [
        AgentGrantSpec {
            buckets: Some(strings(&["{namespace}-code", "shared"])),
            ..grant(&["team-a", "team-b"])
        },
        AgentGrantSpec {
            buckets: Some(strings(&["shared", "more"])),
            subnets: Some(strings(&["subnet-1"])),
            ..grant(&["team-a"])
        },
    ];
    let a = granted("team-a", &grants);
    assert_eq!(a.buckets, ["more", "shared", "team-a-code"]);
    assert_eq!(a.subnets, ["subnet-1"]);
    assert!(a.repositories.is_empty() && a.execution_roles.is_empty());
    let b = granted("team-b", &grants);
    assert_eq!(b.buckets, ["shared", "team-b-code"]);
    assert!(b.subnets.is_empty());
}

#[test]
fn labels_name_a_namespace_only_where_all_of_them_are_there() {
    let by_label = AgentGrantSpec {
        namespaces: Namespaces {
            names: None,
            match_labels: Some(BTreeMap::from([
                ("team".to_owned(), "a".to_owned()),
                ("stage".to_owned(), "prod".to_owned()),
            ])),
        },
        share: Some(50),
        ..AgentGrantSpec::default()
    };
    let with = |labels: &[(&str, &str)]| {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Granted::of("team-a", &labels.collect(), [&by_label], &policy()).share
    };
    assert_eq!(
        with(&[("team", "a"), ("stage", "prod"), ("other", "x")]),
        50
    );
    assert_eq!(with(&[("team", "a")]), 10, "the built-in grant");
    assert_eq!(with(&[("team", "a"), ("stage", "test")]), 10);
    let empty = AgentGrantSpec {
        namespaces: Namespaces {
            names: None,
            match_labels: Some(BTreeMap::new()),
        },
        share: Some(50),
        ..AgentGrantSpec::default()
    };
    assert_eq!(
        granted("team-a", &[empty]).share,
        10,
        "no label is not every namespace"
    );
}

#[test]
fn limits_share_and_resource_policies_are_the_most_generous_ones() {
    let limited = |runtimes: Option<u32>, bytes: Option<u64>, share, policies| AgentGrantSpec {
        limits: Some(Limits {
            runtimes,
            bytes,
            ..Limits::default()
        }),
        share,
        resource_policies: policies,
        ..grant(&["team-a"])
    };
    let few = limited(Some(2), Some(1 << 20), Some(1), None);
    let more = limited(Some(5), None, Some(30), Some(ResourcePolicies::SameAccount));
    let one = granted("team-a", std::slice::from_ref(&few));
    assert_eq!(
        (one.limits.runtimes, one.limits.bytes, one.share),
        (Some(2), Some(1 << 20), 1)
    );
    assert_eq!(one.resource_policies, ResourcePolicies::Deny);
    let both = granted("team-a", &[few.clone(), more]);
    assert_eq!((both.limits.runtimes, both.share), (Some(5), 30));
    assert_eq!(
        both.limits.bytes,
        Some(32 << 20),
        "what a grant does not say is 32 MiB"
    );
    assert_eq!(both.resource_policies, ResourcePolicies::SameAccount);
    let unlimited = granted("team-a", &[few, grant(&["team-a"])]);
    assert_eq!(
        unlimited.limits.runtimes, None,
        "no limit is the most generous one"
    );
    assert_eq!(unlimited.share, 10);
}

#[test]
fn regions_are_the_operators_own_unless_a_grant_says_others() {
    assert_eq!(
        granted("team-a", &[grant(&["team-a"])]).regions,
        ["us-east-1"]
    );
    let there = AgentGrantSpec {
        regions: Some(strings(&["eu-west-1"])),
        ..grant(&["team-a"])
    };
    assert_eq!(
        granted("team-a", std::slice::from_ref(&there)).regions,
        ["eu-west-1"]
    );
    let both = granted("team-a", &[there, grant(&["team-a"])]);
    assert_eq!(both.regions, ["eu-west-1", "us-east-1"]);
}

#[test]
fn the_built_in_grant_is_for_namespaces_that_no_grant_names() {
    let built_in = granted("team-b", &[grant(&["team-a"])]);
    assert_eq!(built_in, granted("team-b", &[]));
    assert_eq!(
        refused(
            "team-b",
            &spec(|spec| {
                spec.execution_role.arn = format!("arn:aws:iam::{ACCOUNT}:role/agentcore/team-b/x");
                spec.artifact.container = Some(Container {
                    image: format!("{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/any/thing:1"),
                    follow: None,
                });
                spec.resource_policy = Some(statement(&format!(r#"{{"AWS": "{ACCOUNT}"}}"#)));
            }),
            &built_in
        ),
        None
    );
    assert!(
        built_in.buckets.is_empty() && built_in.subnets.is_empty() && built_in.adoption.is_empty()
    );
    let named = granted("team-a", &[grant(&["team-a"])]);
    assert!(named.execution_roles.is_empty() && named.repositories.is_empty());
    let none = Policy {
        no_default_grant: true,
        ..policy()
    };
    let nothing = Granted::of("team-b", &BTreeMap::new(), [], &none);
    assert!(nothing.regions.is_empty() && nothing.execution_roles.is_empty());
    assert!(nothing.known);
}

#[test]
fn the_operators_flags_widen_the_built_in_grant_and_no_other() {
    let policy = Policy {
        execution_role_patterns: strings(&["arn:aws:iam::*:role/shared-{namespace}"]),
        max_runtimes_per_namespace: Some(3),
        ..policy()
    };
    let built_in = Granted::of("team-b", &BTreeMap::new(), [], &policy);
    assert_eq!(built_in.limits.runtimes, Some(3));
    assert_eq!(
        built_in.execution_roles,
        [
            "arn:aws:iam::*:role/shared-team-b".to_owned(),
            format!("arn:aws:iam::{ACCOUNT}:role/agentcore/team-b/*"),
        ]
    );
    let named = Granted::of("team-a", &BTreeMap::new(), &[grant(&["team-a"])], &policy);
    assert!(named.execution_roles.is_empty());
    assert_eq!(named.limits.runtimes, None);
}

#[test]
fn a_role_is_of_the_account_and_the_namespace_however_its_arn_is_written() {
    let built_in = granted("team-a", &[]);
    let role = |arn: &str| {
        refused(
            "team-a",
            &spec(|spec| spec.execution_role.arn = arn.into()),
            &built_in,
        )
    };
    assert_eq!(
        role("arn:aws:iam::111122223333:role/agentcore/team-a/x"),
        None
    );
    for other in [
        "arn:aws:iam::111122223333:role/agentcore/team-b/x",
        "arn:aws:iam::111122223333:role/agentcore/team-a-2/x",
        "arn:aws:iam::111122223333:role/agentcore/team-a",
        "arn:aws:iam::999988887777:role/agentcore/team-a/x",
        "arn:aws:iam::999988887777:role/x:iam::111122223333:role/agentcore/team-a/x",
        "arn:aws-x:iam::111122223333:role/agentcore/team-a/x",
        "arn:aws:iam:::role/agentcore/team-a/x",
    ] {
        assert!(
            role(other).unwrap().starts_with(reasons::ROLE_NOT_ALLOWED),
            "{other}"
        );
    }
}

#[test]
fn every_thing_outside_the_grant_is_refused_with_field_value_and_remedy() {
    type Change = fn(&mut AgentRuntimeSpec);
    #[allow(clippy::unnecessary_wraps)] // as the spec has it
    fn image(image: &str) -> Option<Container> {
        Some(Container {
            image: image.into(),
            follow: None,
        })
    }
    #[allow(clippy::unnecessary_wraps)]
    fn vpc(subnet: &str, group: &str) -> Option<Network> {
        Some(Network {
            mode: NetworkMode::Vpc,
            vpc: Some(Vpc {
                subnets: vec![subnet.into()],
                security_groups: vec![group.into()],
            }),
        })
    }
    let grants = [AgentGrantSpec {
        execution_roles: Some(strings(&[
            "arn:aws:iam::111122223333:role/agentcore/{namespace}/*",
        ])),
        repositories: Some(strings(&[
            "111122223333.dkr.ecr.us-east-1.amazonaws.com/{namespace}/*",
            "public.ecr.aws/a/support",
        ])),
        buckets: Some(strings(&["{namespace}-code"])),
        subnets: Some(strings(&["subnet-a*"])),
        security_groups: Some(strings(&["sg-a"])),
        capacity_providers: Some(strings(&[
            "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/a-*",
        ])),
        runtime_names: Some(strings(&["team_a_*"])),
        adoption: Some(vec![Adoption {
            runtime_ids: strings(&["legacy-*"]),
            from_owners: None,
        }]),
        ..grant(&["team-a"])
    }];
    let cases: [(&str, &str, Change, Change); 8] = [
        (
            "spec.artifact.container.image",
            "repositories",
            |spec| {
                spec.artifact.container =
                    image("111122223333.dkr.ecr.us-east-1.amazonaws.com/team-a/x:1");
            },
            |spec| {
                spec.artifact.container =
                    image("111122223333.dkr.ecr.us-east-1.amazonaws.com/team-b/x:1");
            },
        ),
        (
            "spec.artifact.code.s3.bucket",
            "buckets",
            |spec| spec.artifact = code("team-a-code"),
            |spec| spec.artifact = code("team-b-code"),
        ),
        (
            "spec.network.vpc.subnets",
            "subnets",
            |spec| spec.network = vpc("subnet-a1", "sg-a"),
            |spec| spec.network = vpc("subnet-b1", "sg-a"),
        ),
        (
            "spec.network.vpc.securityGroups",
            "securityGroups",
            |spec| spec.network = vpc("subnet-a1", "sg-a"),
            |spec| spec.network = vpc("subnet-a1", "sg-ab"),
        ),
        (
            "spec.capacityProvider.arn",
            "capacityProviders",
            |spec| {
                spec.capacity_provider = Some(CapacityProvider {
                    arn: "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/a-1"
                        .into(),
                    operating_system: None,
                });
            },
            |spec| {
                spec.capacity_provider = Some(CapacityProvider {
                    arn: "arn:aws:bedrock-agentcore:us-east-1:111122223333:capacity-provider/b-1"
                        .into(),
                    operating_system: None,
                });
            },
        ),
        (
            "spec.runtimeName",
            "runtimeNames",
            |spec| spec.runtime_name = Some("team_a_support".into()),
            |spec| spec.runtime_name = Some("team_b_support".into()),
        ),
        (
            "spec.adopt.runtimeId",
            "adoption",
            |spec| spec.adopt = adopt("legacy-0123456789"),
            |spec| spec.adopt = adopt("theirs-0123456789"),
        ),
        (
            "spec.region",
            "regions",
            |spec| spec.region = Some("us-east-1".into()),
            |spec| spec.region = Some("eu-west-1".into()),
        ),
    ];
    let has = granted("team-a", &grants);
    for (field, list, good, bad) in cases {
        assert_eq!(refused("team-a", &spec(good), &has), None, "{field}");
        let said = refused("team-a", &spec(bad), &has).unwrap();
        assert!(
            said.starts_with("NotGranted: not granted to namespace team-a"),
            "{said}"
        );
        assert!(
            said.contains(field) && said.contains(&format!("`{list}: [")),
            "{said}"
        );
    }
}

fn code(bucket: &str) -> agentcore_api::runtime::Artifact {
    agentcore_api::runtime::Artifact {
        container: None,
        code: Some(Code {
            s3: S3Location { bucket: bucket.into(), prefix: "app.zip".into(), version_id: None },
            ..serde_json::from_value(serde_json::json!({
                "s3": {"bucket": "x", "prefix": "x"}, "runtime": "PYTHON_3_13", "entryPoint": ["main.py"],
            })).unwrap()
        }),
    }
}

#[allow(clippy::unnecessary_wraps)] // as the spec has it
fn adopt(id: &str) -> Option<agentcore_api::runtime::Adopt> {
    Some(agentcore_api::runtime::Adopt {
        runtime_id: id.into(),
        apply: None,
        take_over: Some(true),
    })
}

#[test]
fn the_way_to_an_issuer_of_tokens_needs_its_subnets_and_groups_granted() {
    let spec = spec(|spec| {
        spec.authorizer = Some(serde_json::from_value(serde_json::json!({"customJWT": {
            "discoveryUrl": "https://x/.well-known/openid-configuration",
            "privateEndpoint": {"managedVpcResource": {
                "vpcIdentifier": "vpc-1", "subnetIds": ["subnet-b1"], "endpointIpAddressType": "IPV4", "securityGroupIds": ["sg-b"],
            }},
        }})).unwrap());
    });
    let said = refused("team-a", &spec, &granted("team-a", &[])).unwrap();
    assert!(
        said.contains("privateEndpoint.managedVpcResource.subnetIds subnet-b1"),
        "{said}"
    );
    assert!(
        said.contains("privateEndpoint.managedVpcResource.securityGroupIds sg-b"),
        "{said}"
    );
}

#[test]
fn a_name_is_the_longer_patterns() {
    let named = |namespace: &str, pattern: &str| AgentGrantSpec {
        runtime_names: Some(strings(&[pattern])),
        ..grant(&[namespace])
    };
    let grants = [
        named("team", "team_*"),
        named("team-a", "team_a_*"),
        named("team", "shared_?"),
    ];
    let may = |namespace: &str, name: &str| granted(namespace, &grants).may_name(name);
    assert!(may("team", "team_support") && may("team", "shared_1"));
    assert!(!may("team", "team_a_support"), "it is team-a's");
    assert!(may("team-a", "team_a_support"));
    assert!(!may("team-a", "team_support") && !may("team-b", "team_support"));
    // A pattern with the namespace in it would take in both, so it stands for nothing.
    let by_namespace = [named("team", "{namespace}_*")];
    assert!(!granted("team", &by_namespace).may_name("team_a_support"));
    assert!(!granted("team", &by_namespace).may_name("team_support"));
}

proptest! {
    #[test]
    fn a_namespace_stands_for_itself_in_a_pattern(namespace in "[a-z*?{}][a-z0-9*?{}-]{0,20}", other in "[a-z0-9-]{1,22}") {
        let grants = [AgentGrantSpec {
            buckets: Some(strings(&["{namespace}"])),
            namespaces: names(&[&namespace]),
            ..AgentGrantSpec::default()
        }];
        let has = granted(&namespace, &grants);
        let fits = has.buckets.iter().any(|pattern| agentcore_plan::glob::matches(pattern, &other));
        prop_assert_eq!(fits, other == namespace);
    }

    #[test]
    fn whoever_is_not_surely_of_the_account_is_anybody(account in "[0-9]{12}", text in "[a-z0-9:*/]{0,30}") {
        prop_assume!(account != ACCOUNT && !text.starts_with(ACCOUNT));
        let principals = [
            format!(r#"{{"AWS": "{account}"}}"#),
            format!(r#"{{"AWS": "arn:aws:iam::{account}:root"}}"#),
            format!(r#"{{"AWS": ["{ACCOUNT}", "arn:aws:iam::{account}:role/{text}"]}}"#),
            format!(r#"{{"AWS": "arn:aws:{text}"}}"#),
            format!(r#"{{"Service": "{text}"}}"#),
        ];
        for principal in principals {
            prop_assume!(!principal.contains(&format!("iam::{ACCOUNT}:")));
            prop_assert_eq!(reach(&statement(&principal), ACCOUNT), Ok(ResourcePolicies::Any));
        }
    }
}

fn statement(principal: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {principal}, "Action": "*", "Resource": "*"}}]}}"#
    )
}

#[test]
fn a_resource_policy_reaches_as_far_as_its_widest_statement() {
    let same = [
        format!(r#"{{"AWS": "{ACCOUNT}"}}"#),
        format!(
            r#"{{"AWS": ["arn:aws:iam::{ACCOUNT}:root", "arn:aws:sts::{ACCOUNT}:assumed-role/x/y"]}}"#
        ),
        format!(r#"{{"AWS": "arn:aws-us-gov:iam::{ACCOUNT}:role/x"}}"#),
    ];
    for principal in &same {
        assert_eq!(
            reach(&statement(principal), ACCOUNT),
            Ok(ResourcePolicies::SameAccount),
            "{principal}"
        );
        assert_eq!(
            reach(&statement(principal), ""),
            Ok(ResourcePolicies::Any),
            "nobody knows the account"
        );
    }
    for principal in [
        r#""*""#,
        r#"{"AWS": "*"}"#,
        r#"{"AWS": ["111122223333", "*"]}"#,
        r#"{"AWS": "arn:aws:iam::*:root"}"#,
        r#"{"AWS": "arn:aws:iam::999988887777:root"}"#,
        r#"{"Service": "lambda.amazonaws.com"}"#,
        r#"{"Federated": "arn:aws:iam::111122223333:saml-provider/x"}"#,
        r#"{"CanonicalUser": "x"}"#,
        "{}",
        "null",
        r#"{"AWS": "AIDACKCEVSQ6C2EXAMPLE"}"#,
        r#"{"AWS": {"x": "111122223333"}}"#,
        r#"{"AWS": "arn:aws:iam::111122223333"}"#,
    ] {
        assert_eq!(
            reach(&statement(principal), ACCOUNT),
            Ok(ResourcePolicies::Any),
            "{principal}"
        );
    }
    for (document, wanted) in [
        (r#"{"Statement": []}"#, ResourcePolicies::SameAccount),
        (
            r#"{"Statement": {"Effect": "Deny", "Principal": "*"}}"#,
            ResourcePolicies::SameAccount,
        ),
        (
            r#"{"Statement": {"Effect": "Allow"}}"#,
            ResourcePolicies::Any,
        ),
        (
            r#"{"statement": {"effect": "Allow", "principal": "*"}}"#,
            ResourcePolicies::Any,
        ),
        (
            r#"{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}}}"#,
            ResourcePolicies::Any,
        ),
        (
            r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "NotPrincipal": {"AWS": "1"}}}"#,
            ResourcePolicies::Any,
        ),
        // Conditions are the caller's to meet.
        (
            r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}}}"#,
            ResourcePolicies::Any,
        ),
        (r#"{"Statement": ["x"]}"#, ResourcePolicies::Any),
    ] {
        assert_eq!(reach(document, ACCOUNT), Ok(wanted), "{document}");
    }
}

#[test]
fn a_document_that_can_be_read_in_two_ways_is_not_read() {
    for document in [
        r#"{"Statement": [], "Statement": [{"Effect": "Allow", "Principal": "*"}]}"#,
        r#"{"Statement": [], "statement": [{"Effect": "Allow", "Principal": "*"}]}"#,
        r#"{"Statement": {"Principal": "*", "Principal": {"AWS": "111122223333"}}}"#,
        "[]",
        "",
        "{",
        "\"x\"",
    ] {
        assert!(reach(document, ACCOUNT).is_err(), "{document}");
    }
    let deep = format!(
        r#"{{"Statement": {}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(
        reach(&deep, ACCOUNT).unwrap_err().to_string(),
        "it is nested more than 32 levels deep"
    );
    let quoted = format!(r#"{{"Statement": [], "Id": "{}"}}"#, "[\\\"{".repeat(50));
    assert_eq!(reach(&quoted, ACCOUNT), Ok(ResourcePolicies::SameAccount));
}

// ---- the gate

/// A grant that gives the objects of the model what they name.
fn enough(world: &World) -> Granted {
    let grants = [AgentGrantSpec {
        execution_roles: Some(strings(&["arn:aws:iam::*:role/agentcore/{namespace}/*"])),
        repositories: Some(strings(&["public.ecr.aws/a/support"])),
        runtime_names: Some(strings(&["support"])),
        resource_policies: Some(ResourcePolicies::SameAccount),
        ..grant(&["team-a"])
    }];
    Granted::of("team-a", &BTreeMap::new(), &grants, &world.policy)
}

#[test]
fn what_runs_goes_on_without_its_grant_and_its_next_change_is_refused_until_it_is_granted() {
    let mut world = ready();
    world.granted = enough(&world);
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
    world.granted = Granted::default();
    settle(&mut world);
    pass(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY, "it goes on");
    assert_eq!(world.aws.mutations(), 0);

    world.edit(|spec| spec.description = Some("two".into()));
    settle(&mut world);
    let status = world.status();
    assert_eq!(reason(&status), reasons::NOT_GRANTED);
    assert!(find(&status.conditions, agentcore_api::conditions::STALLED).is_some());
    assert_eq!(
        status.ready_version.as_deref(),
        Some("1"),
        "what serves is still said"
    );
    assert_eq!(world.aws.mutations(), 0, "{}", world.trace.join("\n"));
    assert_eq!(event_count(&world, reasons::NOT_GRANTED), 1, "said once");

    world.granted = enough(&world);
    pass(&mut world); // a grant that comes wakes the object
    settle(&mut world);
    assert!(
        is_ready(&world.status().conditions),
        "{}",
        world.trace.join("\n")
    );
    assert_eq!(world.status().ready_version.as_deref(), Some("2"));
}

#[test]
fn a_change_by_somebody_else_is_not_put_right_without_a_grant() {
    for sweep in [Sweep::Tags, Sweep::ResourcePolicy] {
        let mut world = ready();
        world.edit(|spec| {
            spec.resource_policy = Some(statement(r#"{"AWS": "111122223333"}"#));
            spec.tags = Some(BTreeMap::from([("Project".to_owned(), "x".to_owned())]));
        });
        settle(&mut world);
        assert_eq!(reason(&world.status()), reasons::READY);
        let mutations = world.aws.mutations();
        world.aws.runtimes[0].tags.remove("Project");
        world.aws.runtimes[0].policy = None;
        world.granted = Granted::default();
        let due = Due {
            poll: false,
            sweep: Some(sweep),
        };
        world.runtime_pass(due, Disturb::default());
        assert_eq!(reason(&world.status()), reasons::NOT_GRANTED, "{sweep:?}");
        assert_eq!(world.aws.mutations(), mutations, "{sweep:?}");
        // Without another sweep: the part that differs is known.
        world.granted = enough(&world);
        pass(&mut world);
        settle(&mut world);
        assert_eq!(reason(&world.status()), reasons::READY, "{sweep:?}");
        assert!(
            world.aws.mutations() > mutations,
            "{sweep:?}: put right once it is granted"
        );
    }
}

#[test]
fn deletion_and_suspension_need_no_grant() {
    let mut world = ready();
    world.granted = Granted::default();
    world.edit(|spec| spec.suspend = Some(true));
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::SUSPENDED);
    world.edit(|spec| spec.suspend = None);
    world.delete_runtime();
    settle(&mut world);
    assert!(
        world.runtime.is_none() && world.aws.runtimes.is_empty(),
        "{}",
        world.trace.join("\n")
    );
}

#[test]
fn a_new_object_that_is_refused_costs_no_call() {
    let mut world = World::with_runtime(|_| {});
    world.granted = Granted::default();
    let rest = pass(&mut world);
    assert_eq!(rest, Some(Rest::Settled), "a grant wakes it");
    assert_eq!(reason(&world.status()), reasons::NOT_GRANTED);
    assert_eq!(world.aws.total(), 0);
    world.granted = enough(&world);
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
}

#[test]
fn before_grants_are_listed_nothing_is_changed_and_what_there_is_is_read() {
    let adopt = serde_json::json!({"runtimeId": "team_b_agent-0123456789", "takeOver": true, "apply": true});
    for adopt in [None, Some(adopt)] {
        let mut world = World::with_runtime(|object| {
            object.spec.adopt = adopt.and_then(|adopt| serde_json::from_value(adopt).ok());
        });
        world.granted = Granted::unknown();
        wait(&mut world, 30);
        assert_eq!(reason(&world.status()), reasons::GRANTS_UNKNOWN);
        assert_eq!(world.aws.mutations(), 0);
        // Another's runtime is not looked at either.
        assert!(!world.aws.calls.contains_key("GetAgentRuntime"));
    }
    let mut world = ready();
    world.granted = Granted::unknown();
    wait(&mut world, 30);
    assert_eq!(reason(&world.status()), reasons::READY);
    world.edit(|spec| spec.description = Some("two".into()));
    wait(&mut world, 30);
    assert_eq!(reason(&world.status()), reasons::GRANTS_UNKNOWN);
    assert_eq!(world.aws.mutations(), 0);
    assert!(world.aws.calls.contains_key("GetAgentRuntime"));
    world.granted = Granted::everything();
    settle(&mut world);
    assert_eq!(reason(&world.status()), reasons::READY);
}

#[test]
fn a_repository_that_is_not_granted_is_not_looked_at() {
    let image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/team-b/secret:prod";
    let with_image = |world: &mut World| {
        world.edit(|spec| {
            spec.artifact.container = Some(Container {
                image: image.into(),
                follow: serde_json::from_value(serde_json::json!({"semver": ">=1"})).ok(),
            });
        });
    };
    let mut world = ready();
    world.granted = enough(&world);
    with_image(&mut world);
    settle(&mut world);
    assert_eq!(
        reason(&world.status()),
        reasons::NOT_GRANTED,
        "{}",
        world.trace.join("\n")
    );
    assert!(
        !world.trace.iter().any(|line| line.contains("Source(")),
        "{}",
        world.trace.join("\n")
    );
    assert_eq!(world.aws.mutations(), 0);
}

#[test]
fn an_endpoint_needs_its_region_granted_and_counts_against_its_limit() {
    use agentcore_plan::endpoint as ep;
    let mut world = ready();
    settle(&mut world);
    let runtime = world.runtime.clone().unwrap().now;
    let arn = runtime.status.as_ref().unwrap().arn.clone().unwrap();
    let facts = ep::Facts {
        tags: [(arn.clone(), world.aws.tags(&arn))].into(),
        ..ep::Facts::default()
    };
    let mut object = model::world::endpoint_object(1);
    object.metadata.finalizers = Some(vec![agentcore_api::names::FINALIZER.to_owned()]);
    let plan = |granted: &Granted, older: usize| {
        let view = ep::View {
            object: &object,
            policy: &world.policy,
            granted,
            older_in_namespace: older,
            runtime: Some(&runtime),
            name_taken_by: None,
            faults: 0,
            due: Due::default(),
            facts: facts.clone(),
            outcome: None,
        };
        let decision = ep::plan(&view, world.aws.now);
        let creates = matches!(decision.step, Step::Act(ep::Action::Create { .. }));
        let reason = agentcore_plan::conditions::ready_reason(&decision.status.conditions);
        (creates, reason.unwrap_or_default().to_owned())
    };
    let limited = Granted {
        limits: Limits {
            endpoints: Some(1),
            ..Limits::default()
        },
        ..enough(&world)
    };
    assert!(plan(&limited, 0).0);
    assert_eq!(
        plan(&limited, 1),
        (false, reasons::NAMESPACE_LIMIT_REACHED.to_owned())
    );
    assert_eq!(
        plan(&Granted::default(), 0),
        (false, reasons::NOT_GRANTED.to_owned())
    );
    assert_eq!(
        plan(&Granted::unknown(), 0),
        (false, reasons::GRANTS_UNKNOWN.to_owned())
    );
}
