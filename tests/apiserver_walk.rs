//! A walk of every leaf of every CRD: set, changed, taken out, as large as it may be, and wrong. What AWS has afterwards is what a fresh object of the same
//! spec gives, but for what is kept when a spec leaves it out, and another namespace's object goes on, before and after a restart.
//!
//! `make test` does a batch of it, refuses a wrong value of each leaf and walks the metadata; `AGENTCORE_WALK=N` does another batch, and
//! `make campaign` everything. `AGENTCORE_WALK=N..` goes on at batch N of everything, where a walk had broken off.

#[path = "apiserver/agent.rs"]
mod agent;
#[path = "walk/contexts.rs"]
mod contexts;
#[path = "walk/empty.rs"]
mod empty;
#[path = "walk/leaves.rs"]
mod leaves;
#[allow(dead_code)] // other tests use more of it
#[path = "apiserver/rig.rs"]
mod rig;
#[path = "walk/stage.rs"]
mod stage;

use std::collections::BTreeMap;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use leaves::{EFFECTIVE, Leaf, REFUSED, Way};
use rig::Rig;
use stage::{Case, NAMESPACE, Stage, api, filled, plain};

/// Leaves whose objects are there at the same time.
const BATCH: usize = 40;
/// Leaves that AWS keeps when they are taken out of a spec.
const KEPT: [&str; 8] = [
    "AgentRuntime.protocol.",
    "AgentRuntime.lifecycle.",
    "AgentRuntime.metadataService.",
    "AgentRuntime.platformVersion",
    "AgentRuntime.hooks.",
    "AgentRuntime.resources.",
    "AgentRuntime.capacityProvider.operatingSystem.",
    "AgentRuntime.authorizer.customJWT.certificateConfigurations.",
];
/// What the chart gives the controller, in bytes.
const MEMORY: u64 = 256 << 20;

/// The batches of a walk, with their numbers: all with `AGENTCORE_WALK=all`, those from N on with `N..`, else one from all over,
/// another one for each number.
fn batches() -> Vec<(usize, Vec<Case>)> {
    let all = every_case();
    let walk = std::env::var("AGENTCORE_WALK").unwrap_or_default();
    let number = |text: &str| -> usize {
        text.parse()
            .expect("AGENTCORE_WALK: `all`, a number, or a number and `..`")
    };
    let first = match (walk.as_str(), walk.strip_suffix("..")) {
        ("all", _) => Some(0),
        (_, first) => first.map(number),
    };
    let count = all.len().div_ceil(BATCH);
    let mut batches: Vec<(usize, Vec<Case>)> = (0..count).map(|n| (n, Vec::new())).collect();
    for (n, case) in all.into_iter().enumerate() {
        let batch = if first.is_some() {
            n / BATCH
        } else {
            n % count
        };
        batches[batch].1.push(case);
    }
    if let Some(first) = first {
        return batches.split_off(first);
    }
    let one = if walk.is_empty() { 0 } else { number(&walk) };
    vec![batches.swap_remove(one % count)]
}

fn every_case() -> Vec<Case> {
    let contexts = contexts::contexts();
    let mut cases = Vec::new();
    for leaf in leaves::leaves() {
        let specs = of(&leaf, &contexts);
        let (before, others) = specs
            .split_first()
            .unwrap_or_else(|| panic!("{} is set in no spec of the walk", leaf.name()));
        let others: Vec<Value> = others.iter().map(|(_, value)| value.clone()).collect();
        cases.extend(EFFECTIVE.into_iter().filter_map(|way| {
            let after = leaf.after(&before.0, way, &others)?;
            let kept = way == Way::Unset && KEPT.iter().any(|kept| leaf.name().starts_with(kept));
            Some(Case {
                what: format!("{} {way:?}", leaf.name()),
                kind: leaf.kind.clone(),
                before: before.0.clone(),
                fresh: if kept { &before.0 } else { &after }.clone(),
                after,
            })
        }));
    }
    cases
}

/// The specs in which a leaf is set, with its value there.
fn of(leaf: &Leaf, contexts: &[(&str, Value)]) -> Vec<(Value, Value)> {
    let mine = contexts.iter().filter(|(kind, _)| *kind == leaf.kind);
    mine.filter_map(|(_, spec)| {
        let place = leaf.place(spec)?;
        let value = place.iter().try_fold(spec, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            value => value.get(step),
        })?;
        Some((spec.clone(), value.clone()))
    })
    .collect()
}

/// Resident memory of a process, in bytes.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    let kilobytes: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("a number");
    kilobytes << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_leaf_aws_has_what_a_fresh_object_gives_and_others_go_on() {
    let stage = Stage::start().await;
    let mut operator = stage.operator();
    stage
        .apply("AgentRuntime", NAMESPACE, "support", &contexts::base())
        .await
        .expect("accepted");
    stage.rig.runtime_ready("support").await;
    let live = json!({"runtimeRef": {"name": "support"}, "version": "Latest"});
    stage
        .apply("AgentEndpoint", NAMESPACE, "live", &live)
        .await
        .expect("accepted");
    stage.rig.endpoint_ready("live").await;
    let (mut refused, mut walked) = (Vec::new(), 0);
    for (batch, cases) in batches() {
        println!(
            "batch {batch}: {} to {}",
            cases[0].what,
            cases[cases.len() - 1].what
        );
        walked += cases.len();
        let names: Vec<(String, String)> = (0..cases.len())
            .map(|n| (format!("e-{batch}-{n}"), format!("f-{batch}-{n}")))
            .collect();
        // As it is before, and a fresh one of the same: they agree, too.
        let objects = cases
            .iter()
            .zip(&names)
            .map(|(case, (edited, _))| (case.kind.clone(), edited.clone(), case.before.clone()));
        for (said, case) in stage
            .apply_all(objects.collect())
            .await
            .into_iter()
            .zip(&cases)
        {
            said.unwrap_or_else(|error| panic!("{} before: {error}", case.what));
        }
        let alone: Vec<_> = cases
            .iter()
            .zip(&names)
            .map(|(case, (edited, _))| (case, edited.clone(), edited.clone()))
            .collect();
        stage.agree(&alone).await;
        let objects = cases
            .iter()
            .zip(&names)
            .map(|(case, (edited, _))| (case.kind.clone(), edited.clone(), case.after.clone()));
        let said = stage.apply_all(objects.collect()).await;
        let mut pairs = Vec::new();
        let mut fresh_ones = Vec::new();
        for ((case, (edited, fresh)), said) in cases.iter().zip(&names).zip(said) {
            match said {
                Ok(()) => {
                    fresh_ones.push((case.kind.clone(), fresh.clone(), case.fresh.clone()));
                    pairs.push((case, edited.clone(), fresh.clone()));
                }
                Err(kube::Error::Api(status)) if status.code == 422 => {
                    refused.push(case.what.clone());
                    pairs.push((case, edited.clone(), edited.clone()));
                }
                Err(error) => panic!("{}: {error}", case.what),
            }
        }
        for said in stage.apply_all(fresh_ones).await {
            said.expect("a fresh object of what an edit made");
        }
        stage.agree(&pairs).await;
        stage
            .witness(&format!("word {batch} before a restart"))
            .await;
        assert!(
            memory(operator.pid()) < MEMORY,
            "{} bytes",
            memory(operator.pid())
        );
        operator.stop().await;
        operator = stage.operator();
        stage
            .witness(&format!("word {batch} after a restart"))
            .await;
        stage.agree(&pairs).await;
        assert!(
            memory(operator.pid()) < MEMORY,
            "{} bytes",
            memory(operator.pid())
        );
        stage.clear().await;
    }
    assert!(
        refused.len() * 2 < walked,
        "the walk goes nowhere: {refused:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_value_of_any_leaf_is_refused_where_it_is_applied() {
    let rig = Rig::start("walk-refused").await;
    let contexts = contexts::contexts();
    for leaf in leaves::leaves() {
        let specs = of(&leaf, &contexts);
        let (spec, _) = specs
            .first()
            .unwrap_or_else(|| panic!("{} is set in no spec of the walk", leaf.name()));
        for way in REFUSED {
            let Some(wrong) = leaf.after(spec, way, &[]) else {
                continue;
            };
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::apply("test").force()
            };
            let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": leaf.kind, "metadata": {"name": "wrong"}, "spec": filled(&wrong, "wrong", "walk-refused")});
            let said = api(&rig, &leaf.kind, "walk-refused")
                .patch("wrong", &params, &Patch::Apply(&object))
                .await;
            let refused = matches!(&said, Err(kube::Error::Api(status)) if [400, 422, 500].contains(&status.code));
            assert!(refused, "{} {way:?}: {said:?}", leaf.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_the_metadata_aws_has_the_same_and_others_go_on() {
    const METADATA: &str = "walk-metadata";
    let rig = Rig::start(METADATA).await;
    let _operator = rig.operator(&[]);
    let stage = Stage { rig };
    let many = |count: usize, length: usize| -> BTreeMap<String, String> {
        (0..count)
            .map(|n| (format!("example.com/key-{n}"), "x".repeat(length)))
            .collect()
    };
    let metadata = [
        json!({"labels": many(100, 63)}),
        json!({"annotations": many(20, 10_000)}),
        json!({"finalizers": ["example.com/hold"]}),
        json!({"annotations": {"agentcore.dev/drain-requested-at": "x".repeat(10_000)}}),
        json!({"labels": {"": ""}}),
    ];
    stage
        .apply("AgentRuntime", METADATA, "plain", &contexts::base())
        .await
        .expect("accepted");
    stage.rig.runtime_ready("plain").await;
    let (mut names, mut taken) = (vec!["plain".to_owned()], 0);
    for (n, metadata) in metadata.into_iter().enumerate() {
        let name = format!("e-{n}");
        stage
            .apply("AgentRuntime", METADATA, &name, &contexts::base())
            .await
            .expect("accepted");
        stage.rig.runtime_ready(&name).await;
        let mut metadata = metadata;
        metadata["name"] = json!(name);
        match stage
            .apply_with("AgentRuntime", METADATA, metadata, &contexts::base())
            .await
        {
            Ok(()) => taken += 1,
            Err(kube::Error::Api(status)) => assert!(status.code == 422, "{status:?}"),
            Err(error) => panic!("{error}"),
        }
        names.push(name);
    }
    assert!(taken >= 4, "{taken} of {names:?}");
    stage
        .rig
        .until("the same for all", async || {
            let runtimes: Vec<Value> = stage.rig.aws_runtimes().await.iter().map(plain).collect();
            let same = runtimes.iter().all(|runtime| *runtime == runtimes[0]);
            same.then_some(())
                .ok_or_else(|| json!(runtimes).to_string())
        })
        .await;
    for name in &names {
        stage.rig.delete_runtime(name).await;
    }
    // The finalizer of somebody else holds the object, and not what AWS has of it.
    stage
        .rig
        .until("nothing in AWS", async || {
            let runtimes = stage.rig.aws_runtimes().await;
            if runtimes.is_empty() {
                Ok(())
            } else {
                Err(json!(runtimes).to_string())
            }
        })
        .await;
    let none = json!({"metadata": {"finalizers": null}});
    api(&stage.rig, "AgentRuntime", METADATA)
        .patch("e-2", &PatchParams::default(), &Patch::Merge(&none))
        .await
        .expect("let go");
    stage.rig.runtime_gone("e-2").await;
}
