//! What Secrets and ConfigMaps make of an environment, and that nothing of a value is kept.

#![allow(clippy::unwrap_used)] // a test may fail where it stands

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentcore_api::runtime::{
    AgentRuntimeSpec, CauseType, ConfigKey, ConfigObject, EnvFrom, EnvVar, EnvVarSource,
};
use agentcore_api::{AgentRuntime, reasons};
use agentcore_plan::config::{
    ConfigInput, EnvValue, Environment, Found, HashKey, Source, SourceKind, environment, scrub,
};
use agentcore_plan::hash::WishHash;
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime::{Facts, View, Wish, render, surplus};
use agentcore_plan::step::Due;
use model::Switches;
use model::world::config::token_variable;
use model::world::{Secret, Stored, World, runtime_object};

fn source(kind: SourceKind, name: &str) -> Source {
    Source {
        kind,
        name: name.into(),
    }
}

fn data(pairs: &[(&str, &str)]) -> Found {
    let pairs = pairs.iter();
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), Some(EnvValue::hidden(*value)));
    Found::Data(Arc::new(pairs.map(entry).collect()))
}

fn given(found: Vec<(Source, Found)>) -> ConfigInput {
    with_key(9, found)
}

fn with_key(byte: u8, found: Vec<(Source, Found)>) -> ConfigInput {
    ConfigInput::Given {
        key: HashKey::new(vec![byte; 32]).unwrap(),
        found: found.into_iter().collect(),
    }
}

fn spec(env: Vec<EnvVar>, env_from: Vec<EnvFrom>) -> AgentRuntimeSpec {
    let mut spec = runtime_object(0).spec;
    spec.env = Some(env);
    spec.env_from = Some(env_from);
    spec
}

fn from_map(name: &str, prefix: Option<&str>) -> EnvFrom {
    EnvFrom {
        prefix: prefix.map(str::to_owned),
        secret_ref: None,
        config_map_ref: Some(ConfigObject {
            name: name.into(),
            optional: None,
        }),
    }
}

fn from_key(variable: &str, key: &str, optional: bool) -> EnvVar {
    EnvVar {
        name: variable.into(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(ConfigKey {
                name: "s".into(),
                key: key.into(),
                optional: Some(optional),
            }),
            config_map_key_ref: None,
        }),
    }
}

fn plain(made: &Environment) -> Vec<(&str, &str)> {
    let values = made.values.iter();
    values
        .map(|(name, value)| (name.as_str(), value.reveal()))
        .collect()
}

fn reason(spec: &AgentRuntimeSpec, input: &ConfigInput) -> (&'static str, String) {
    let refusal = environment(spec, "uid", input).unwrap_err();
    (refusal.reason, refusal.message)
}

#[test]
fn a_later_source_wins_over_an_earlier_one_and_env_over_all() {
    let spec = spec(
        vec![EnvVar::literal("C", "own"), from_key("D", "d", false)],
        vec![
            from_map("one", None),
            from_map("two", None),
            from_map("two", Some("P_")),
        ],
    );
    let input = given(vec![
        (
            source(SourceKind::ConfigMap, "one"),
            data(&[
                ("A", "1"),
                ("B", "1"),
                ("C", "1"),
                ("tls.crt", "x"),
                ("0A", "x"),
            ]),
        ),
        (
            source(SourceKind::ConfigMap, "two"),
            data(&[("B", "2"), ("C", "2"), ("D", "2")]),
        ),
        (source(SourceKind::Secret, "s"), data(&[("d", "secret")])),
    ]);
    let made = environment(&spec, "uid", &input).unwrap();
    let wanted = [
        ("A", "1"),
        ("B", "2"),
        ("C", "own"),
        ("D", "secret"),
        ("P_B", "2"),
        ("P_C", "2"),
        ("P_D", "2"),
    ];
    assert_eq!(plain(&made), wanted);
    assert_eq!(
        made.skipped,
        ["0A (ConfigMap one)", "tls.crt (ConfigMap one)"]
    );
    assert!(!made.origins.contains_key("C"), "the manifest shows it");
    assert_eq!(made.origins["D"].source, source(SourceKind::Secret, "s"));
}

#[test]
fn what_is_optional_may_be_missing_and_nothing_else() {
    let one = |optional| spec(vec![from_key("D", "d", optional)], vec![]);
    let there = |found| given(vec![(source(SourceKind::Secret, "s"), found)]);
    for found in [Found::Missing, data(&[("other", "x")])] {
        assert!(
            environment(&one(true), "uid", &there(found.clone()))
                .unwrap()
                .values
                .is_empty()
        );
        let (reason, text) = reason(&one(false), &there(found));
        assert_eq!(reason, reasons::CONFIG_MISSING);
        assert!(
            text.contains("env D") && text.contains("Secret s"),
            "{text}"
        );
    }
    for optional in [true, false] {
        let said = |found| reason(&one(optional), &there(found)).0;
        assert_eq!(said(Found::Forbidden), reasons::CONFIG_FORBIDDEN);
        assert_eq!(said(Found::Unavailable), reasons::CONFIG_UNAVAILABLE);
    }
    let no_key = ConfigInput::NoKey { why: "no".into() };
    assert_eq!(reason(&one(true), &no_key).0, reasons::CONFIG_UNAVAILABLE);
    assert_eq!(
        reason(&one(true), &ConfigInput::NotNeeded).0,
        reasons::CONFIG_UNAVAILABLE,
        "what nobody asked for is not taken for missing"
    );
}

#[test]
fn limits_of_agentcore_are_told_by_name_and_never_by_value() {
    let input = |found| given(vec![(source(SourceKind::ConfigMap, "m"), found)]);
    let whole = spec(vec![], vec![from_map("m", None)]);
    let (limit, beyond) = ("é".repeat(5000), "é".repeat(5001));
    assert!(environment(&whole, "uid", &input(data(&[("A", &limit)]))).is_ok());
    let (why, text) = reason(&whole, &input(data(&[("A", &beyond)])));
    assert_eq!(why, reasons::CONFIG_INVALID);
    assert!(text.contains("env A") && !text.contains('é'), "{text}");

    let names: Vec<String> = (0..51).map(|n| format!("N{n}")).collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(environment(&whole, "uid", &input(data(&pairs[..50]))).is_ok());
    assert_eq!(
        reason(&whole, &input(data(&pairs))).0,
        reasons::CONFIG_INVALID
    );

    let binary = Found::Data(Arc::new(BTreeMap::from([("A".to_owned(), None)])));
    let (why, text) = reason(&whole, &input(binary));
    assert_eq!(why, reasons::CONFIG_INVALID);
    assert!(text.contains("env A") && text.contains("UTF-8"), "{text}");
}

#[test]
fn a_value_is_not_shown_by_debug_and_is_taken_out_of_texts_of_others() {
    let values = [
        EnvValue::hidden("hunter22"),
        EnvValue::hidden("dev"),
        EnvValue::hidden("1"),
        EnvValue::literal("info"),
    ];
    assert!(!format!("{values:?}").contains("hunter"));
    assert!(format!("{values:?}").contains("info"));
    let key = HashKey::new(vec![65; 32]).unwrap();
    assert!(!format!("{key:?}").contains("65"));
    assert_eq!(
        scrub("'hunter22x' dev device 1 is info", &values),
        "'[hidden]x' [hidden] device 1 is info"
    );
    assert!(HashKey::new(vec![1; 15]).is_none());
}

#[test]
fn nothing_is_left_of_values_that_overlap_or_were_cut() {
    for (text, values, clean) in [
        (
            "key abcdefgh-and-more.",
            ["abcdefgh", "abcdefgh-and-more"],
            "key [hidden].",
        ),
        (
            "12345678AB12345678",
            ["12345678AB", "AB12345678"],
            "[hidden]",
        ),
        ("x!a!y ba-a-a", ["!a!", "a-a"], "x[hidden]y ba-[hidden]"),
        ("'abcdefghij", ["abcdefghijkl", "other"], "'[hidden]"),
    ] {
        assert_eq!(scrub(text, &values.map(EnvValue::hidden)), clean);
    }
}

#[test]
fn values_that_were_read_and_others_may_be_parts_of_each_other() {
    let read = given(vec![(
        source(SourceKind::Secret, "a"),
        data(&[("A", "hunter22")]),
    )]);
    let old = EnvValue::hidden("hunter22-before");
    assert_eq!(read.scrub("is hunter22-before", [&old]), "is [hidden]");
    assert_eq!(
        ConfigInput::NotNeeded.scrub("hunter22-before", [&old]),
        "[hidden]"
    );
}

/// The wish of an object.
fn wish(object: &AgentRuntime, config: &ConfigInput) -> Wish {
    let policy = Policy {
        cluster_id: "c1".into(),
        account: model::ACCOUNT.into(),
        region: "us-east-1".into(),
        ..Policy::default()
    };
    let view = View {
        object,
        policy: &policy,
        granted: &agentcore_plan::grant::Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config,
        used_versions: &BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: Facts::default(),
        outcome: None,
    };
    render(&view).unwrap()
}

#[test]
fn without_references_a_wish_is_known_by_what_it_always_was() {
    let mut object = runtime_object(0);
    object.spec.env = Some(vec![EnvVar::literal("LOG_LEVEL", "info")]);
    let wish = wish(&object, &ConfigInput::NotNeeded);
    // As an operator that knew literals only wrote it: an upgrade must not make versions.
    let before = concat!(
        r#"{"artifact":{"container":{"image":"public.ecr.aws/a/support:1"}},"#,
        r#""role_arn":"arn:aws:iam::111122223333:role/agentcore/team-a/support","network":{"mode":"PUBLIC"},"#,
        r#""capacity_provider_arn":null,"description":"one","authorizer":null,"request_headers":[],"#,
        r#""protocol":{"server_protocol":"HTTP","port":8080,"path":"/invocations"},"idle_timeout_seconds":900,"#,
        r#""max_lifetime_seconds":28800,"env":{"LOG_LEVEL":"info"},"filesystems":[],"require_mmdsv2":false,"#,
        r#""platform_version":null,"require_service_s3_endpoint":null,"allowed_ports":[]}"#,
    );
    assert_eq!(serde_json::to_string(&wish.config).unwrap(), before);
    let hash = WishHash::of("uid-0", &wish.config, &wish.tags, None);
    assert_eq!(wish.hash, hash);
}

#[test]
fn a_wish_with_a_value_is_known_by_the_operators_key() {
    let mut object = runtime_object(0);
    object.spec.env = Some(vec![from_key("D", "d", false)]);
    let with = |key, value| {
        let found = vec![(source(SourceKind::Secret, "s"), data(&[("d", value)]))];
        wish(&object, &with_key(key, found))
    };
    let one = with(1, "value");
    assert_eq!(one.config.env["D"].reveal(), "value");
    assert_eq!(one.hash, with(1, "value").hash);
    assert_ne!(one.hash, with(1, "other").hash);
    assert_ne!(one.hash, with(2, "value").hash, "nobody can try values out");
    let plain = WishHash::of("uid-0", &one.config, &one.tags, None);
    assert_ne!(one.hash.request, plain.request);
    assert!(!format!("{one:?}").contains("\"value\""), "{one:?}");
}

#[test]
fn a_rotated_value_makes_one_version_of_cause_config_and_a_rotated_key_none() {
    let mut world = World::new(Switches::default());
    let mut object = runtime_object(0);
    object.spec.env = Some(vec![token_variable()]);
    world.runtime = Some(Stored::new(object));
    world.secret = Secret::Value(1);
    world.run(1);
    assert_eq!(world.status().ready_version.as_deref(), Some("1"));
    world.set_secret(Secret::Value(2));
    world.run(1);
    let status = world.status();
    assert_eq!(status.ready_version.as_deref(), Some("2"));
    assert_eq!(status.previous_version.as_deref(), Some("1"));
    assert_eq!(status.causes[0].cause.r#type, CauseType::Config);
    let text = &status.causes[0].cause.message;
    assert!(text.contains("TOKEN (Secret support, key token)"), "{text}");
    assert_eq!(status.causes[1].cause.r#type, CauseType::Spec);
    assert_eq!(status.causes[1].cause.message, "created");
    let reached = |world: &World| world.aws.calls["UpdateAgentRuntime"];
    assert_eq!(reached(&world), 1);
    world.hash_key = 8;
    world.set_secret(Secret::Value(2));
    world.run(1);
    assert_eq!(reached(&world), 1);
    assert_eq!(world.status().ready_version.as_deref(), Some("2"));
}

#[test]
fn a_new_image_and_drift_have_causes_of_their_own() {
    let mut world = World::with_runtime(|_| {});
    world.run(1);
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/support:2".into();
    });
    world.run(1);
    assert_eq!(world.status().causes[0].cause.r#type, CauseType::Spec);
    // An edit without effect is no cause: what comes next is not of its making.
    world.edit(|spec| spec.deletion_policy = Some(agentcore_api::DeletionPolicy::Delete));
    world.run(1);
    world.aws.runtimes[0].config.description = Some("by hand".into());
    world.aws.runtimes[0].updated = world.aws.now;
    world.poll_list();
    world.run(1);
    let status = world.status();
    assert_eq!(status.causes[0].cause.r#type, CauseType::Drift);
    assert_eq!(status.causes[0].version, "3");
    assert_eq!(status.causes[0].generation, 3);
}

#[test]
fn a_version_that_is_tried_again_keeps_its_cause() {
    let mut world = World::with_runtime(|_| {});
    world.aws.switches.failed_makes_version = true;
    world.run(1);
    world.aws.healed = false;
    world.edit(|spec| {
        spec.artifact.container.as_mut().unwrap().image = "public.ecr.aws/a/broken:1".into();
    });
    world.run(1);
    let failed = world.status();
    assert_eq!(failed.ready_version.as_deref(), Some("1"));
    world.aws.healed = true;
    world.run(2);
    let status = world.status();
    assert_ne!(status.ready_version.as_deref(), Some("1"));
    assert_eq!(
        status.ready_version.as_ref(),
        Some(&status.causes[0].version)
    );
    assert_eq!(status.causes[0].cause.r#type, CauseType::Spec);
    assert_eq!(status.causes[0].cause.to.as_deref(), Some("generation 2"));
}

#[test]
fn revisions_beyond_the_limit_go_unless_their_version_is_there() {
    let kept = ["n-9", "n-8", "n-7", "n-2", "m-5"];
    let listed = ["n-9", "n-8", "n-2"].map(str::to_owned);
    assert_eq!(surplus(&kept, &listed, 1), ["n-7", "m-5"]);
    assert_eq!(surplus(&kept, &listed, 10), Vec::<&str>::new());
}
