//! What each tool says of each situation: the contract of docs/gitops.md.

use std::collections::BTreeSet;

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};

use super::{condition, flux, folder, kstatus, lua, object};
use crate::support::root;

/// A situation: kind and file of the object, and what kstatus and Argo CD say of it. Flux with our expressions says what Argo CD says.
type Row = (&'static str, &'static str, &'static str, &'static str);

pub const KINDS: [&str; 3] = ["AgentRuntime", "AgentEndpoint", "AgentSession"];
const RUNTIME: &str = KINDS[0];
const ENDPOINT: &str = KINDS[1];
const SESSION: &str = KINDS[2];

const TABLE: &[Row] = &[
    // This generation was not looked at yet.
    (RUNTIME, "no_status", "InProgress", "Progressing"),
    (ENDPOINT, "no_status", "InProgress", "Progressing"),
    (SESSION, "no_status", "InProgress", "Progressing"),
    (RUNTIME, "not_observed", "InProgress", "Progressing"),
    (ENDPOINT, "not_observed", "InProgress", "Progressing"),
    (SESSION, "not_observed", "InProgress", "Progressing"),
    // On the way, because Git says something else than before.
    (RUNTIME, "creating", "InProgress", "Progressing"),
    (ENDPOINT, "creating", "InProgress", "Progressing"),
    (SESSION, "starting", "InProgress", "Progressing"),
    (RUNTIME, "updating", "InProgress", "Progressing"),
    (ENDPOINT, "updating", "InProgress", "Progressing"),
    // Waits for another object.
    (RUNTIME, "config_missing", "InProgress", "Progressing"),
    (ENDPOINT, "waiting_for_runtime", "InProgress", "Progressing"),
    (SESSION, "waiting_for_endpoint", "InProgress", "Progressing"),
    (ENDPOINT, "runtime_not_found", "InProgress", "Progressing"),
    (SESSION, "runtime_not_found", "InProgress", "Progressing"),
    // Live.
    (RUNTIME, "ready", "Current", "Healthy"),
    (ENDPOINT, "ready", "Current", "Healthy"),
    (SESSION, "ready", "Current", "Healthy"),
    // On the way, because something else than this object's manifest changed.
    (RUNTIME, "rolling_after_push", "Current", "Healthy"),
    (ENDPOINT, "following_latest", "Current", "Healthy"),
    (SESSION, "replacing", "Current", "Healthy"),
    // A push was not taken: the version before serves.
    (RUNTIME, "push_refused", "Current", "Healthy"),
    (RUNTIME, "push_failed", "Current", "Healthy"),
    // Sessions of the version before are ended.
    (RUNTIME, "draining", "Current", "Healthy"),
    (ENDPOINT, "draining", "Current", "Healthy"),
    (RUNTIME, "drain_overdue", "Current", "Healthy"),
    // Suspended: Argo CD's own Suspended would hold up waves. kstatus waits for what was never live.
    (RUNTIME, "suspended", "Current", "Healthy"),
    (ENDPOINT, "suspended", "Current", "Healthy"),
    (SESSION, "suspended", "Current", "Healthy"),
    (RUNTIME, "suspended_before_ready", "InProgress", "Healthy"),
    // Git's wish failed, or cannot be.
    (RUNTIME, "bad_spec", "Failed", "Degraded"),
    (RUNTIME, "create_failed", "Failed", "Degraded"),
    (RUNTIME, "update_failed", "Failed", "Degraded"),
    (ENDPOINT, "stalled", "Failed", "Degraded"),
    (SESSION, "stalled", "Failed", "Degraded"),
    // Being deleted.
    (RUNTIME, "deleting", "Terminating", "Progressing"),
    (ENDPOINT, "deleting", "Terminating", "Progressing"),
    (SESSION, "deleting", "Terminating", "Progressing"),
];

#[test]
fn argo_cd_kstatus_and_flux_say_what_the_table_says() {
    let expressions = flux::expressions();
    for (kind, state, kstatus, health) in TABLE {
        let object = object(kind, &format!("testdata/{state}.yaml"));
        let within = format!("{kind} {state}");
        assert_eq!(kstatus::status(&object), *kstatus, "{within}: kstatus");
        let said = lua::health(&super::text(kind, "health.lua"), &object).unwrap();
        assert_eq!(said.status, *health, "{within}: Argo CD");
        let flux = expressions[*kind].evaluate(&object).unwrap();
        let wanted = match *health {
            "Healthy" => "Current",
            "Degraded" => "Failed",
            _ => "InProgress",
        };
        assert_eq!(flux, wanted, "{within}: Flux");
        // What is not simply well is explained.
        if *health != "Healthy"
            || !condition(&object, "Ready").is_some_and(|it| it["reason"] == "Ready")
        {
            assert!(said.message.len() > 10, "{within}: {}", said.message);
        }
    }
}

#[test]
fn every_object_is_in_the_table_and_has_the_shape_that_the_api_server_takes() {
    let listed: BTreeSet<_> = TABLE
        .iter()
        .map(|(kind, state, ..)| format!("{kind}/{state}"))
        .collect();
    assert_eq!(listed.len(), TABLE.len(), "a row twice");
    let mut there = BTreeSet::new();
    for kind in KINDS {
        for file in std::fs::read_dir(folder(kind).join("testdata")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let state = name.strip_suffix(".yaml").unwrap();
            there.insert(format!("{kind}/{state}"));
            let object = object(kind, &format!("testdata/{name}"));
            assert_eq!(object["kind"], kind);
            match kind {
                "AgentRuntime" => drop(serde_json::from_value::<AgentRuntime>(object).unwrap()),
                "AgentEndpoint" => drop(serde_json::from_value::<AgentEndpoint>(object).unwrap()),
                _ => drop(serde_json::from_value::<AgentSession>(object).unwrap()),
            }
        }
    }
    assert_eq!(there, listed);
}

#[test]
fn the_page_has_a_row_for_each_verdict_of_the_table() {
    let page = std::fs::read_to_string(root().join("docs/gitops.md")).unwrap();
    let verdicts: BTreeSet<_> = TABLE
        .iter()
        .map(|(.., kstatus, health)| (*kstatus, *health))
        .collect();
    for (kstatus, health) in verdicts {
        let cells = format!("| {kstatus} | {health} |");
        assert!(
            page.contains(&cells),
            "docs/gitops.md has no row with {cells}"
        );
    }
}
