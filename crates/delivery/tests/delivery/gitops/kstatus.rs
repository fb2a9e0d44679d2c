//! The rules of kstatus (sigs.k8s.io/cli-utils) for kinds that it does not know, by which Flux, `helm --wait` and others judge.

use serde_json::{Value, json};

use super::condition;

/// What they say of an object.
pub fn status(object: &Value) -> &'static str {
    let is = |kind: &str| condition(object, kind).map(|found| found["status"].as_str().unwrap());
    if object["metadata"].get("deletionTimestamp").is_some() {
        return "Terminating";
    }
    let observed = &object["status"]["observedGeneration"];
    if !observed.is_null() && *observed != object["metadata"]["generation"] {
        return "InProgress";
    }
    if is("Reconciling") == Some("True") {
        return "InProgress";
    }
    if is("Stalled") == Some("True") {
        return "Failed";
    }
    match is("Ready") {
        Some("True") | None => "Current",
        Some(_) => "InProgress",
    }
}

#[test]
fn an_object_without_any_status_would_pass_for_current_so_the_schema_gives_it_one() {
    let bare = json!({"metadata": {"generation": 1}});
    assert_eq!(status(&bare), "Current");
    for crd in agentcore_api::crds() {
        let crd = serde_json::to_value(crd).unwrap();
        if crd["spec"]["names"]["kind"] == "AgentGrant" {
            continue; // in force as soon as it is stored
        }
        let schema =
            &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        let given = json!({"metadata": {"generation": 1}, "status": schema["default"]});
        assert_eq!(status(&given), "InProgress", "{}", crd["metadata"]["name"]);
    }
}
