//! What a status says of sessions, from what gateways report.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

use agentcore_api::names::annotations;
use agentcore_api::report::{Entry, edition};
use agentcore_api::sessions::Coverage;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentRuntimeStatus};
use agentcore_plan::stale_sessions::{Known, Reported, note_endpoint, note_runtime};
use agentcore_plan::step::{Decision, Rest, Step};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

const ROLLED: &str = "2026-11-21T12:00:00Z";

fn at(minutes: i64) -> Timestamp {
    ROLLED.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

/// A runtime that serves version 2, with this in its spec.
fn runtime(spec: &Value) -> AgentRuntime {
    let mut object = json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
        "metadata": {"name": "support", "namespace": "shop", "generation": 3},
        "spec": {
            "artifact": {"container": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:prod"}},
            "executionRole": {"arn": "arn:aws:iam::111122223333:role/agentcore/shop/support"},
            "network": {"mode": "PUBLIC"},
        },
        "status": {
            "defaultEndpoint": {"liveVersion": "2", "status": "READY"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": ROLLED}],
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn decision<S>(status: S) -> Decision<S, (), ()> {
    Decision {
        status,
        step: Step::Rest(Rest::Settled),
        events: Vec::new(),
    }
}

fn entry(versions: &[(&str, u32)], more: &Value) -> Entry {
    let versions: std::collections::BTreeMap<_, _> = versions.iter().copied().collect();
    let mut entry = json!({
        "kind": "AgentRuntime", "namespace": "shop", "name": "support", "versions": versions,
        "draining": 0, "stopped": 0, "failed": 0,
    });
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    serde_json::from_value(entry).unwrap()
}

fn known(entries: &[Entry]) -> Reported {
    let mut known = Known::default();
    for entry in entries {
        known.add(entry);
    }
    Reported::Gateway(known)
}

fn current(status: &AgentRuntimeStatus) -> Option<&Condition> {
    let mut conditions = status.conditions.iter();
    conditions.find(|condition| condition.type_ == "SessionsCurrent")
}

/// Status, reason, and reasons of events, after a look at `minutes` after the roll.
fn said(
    object: &AgentRuntime,
    reported: &Reported,
    minutes: i64,
) -> (AgentRuntimeStatus, String, Vec<&'static str>) {
    let mut decision = decision(object.status.clone().unwrap());
    note_runtime(&mut decision, object, reported, at(minutes));
    let condition = current(&decision.status).expect("the condition");
    assert_eq!(condition.observed_generation, Some(3));
    let said = format!("{} {}", condition.status, condition.reason);
    let ready = &decision.status.conditions[0];
    assert_eq!(
        (ready.type_.as_str(), ready.status.as_str()),
        ("Ready", "True")
    );
    let events = decision.events.iter().map(|event| event.reason).collect();
    (decision.status, said, events)
}

#[test]
fn reports_of_all_replicas_are_summed() {
    let one = entry(
        &[("1", 2), ("2", 3), ("", 1)],
        &json!({"draining": 1, "stopped": 4, "failed": 1, "oldestStaleSince": "2026-11-21T12:00:05Z"}),
    );
    let two = entry(
        &[("1", 1)],
        &json!({"draining": 1, "stopped": 1, "oldestStaleSince": ROLLED}),
    );
    let (status, said, _) = said(&runtime(&json!({})), &known(&[one, two]), 1);
    let sessions = status.sessions.unwrap();
    assert_eq!(
        serde_json::to_value(&sessions).unwrap(),
        json!({
            "tracked": 7, "current": 4, "stale": 3, "draining": 2, "stopped": 5, "failed": 1,
            "oldestStaleSince": ROLLED, "byVersion": {"1": 3, "2": 3}, "coverage": "Gateway",
        })
    );
    assert_eq!(said, "False Draining");
}

#[test]
fn sessions_from_before_a_drain_request_are_stale_whatever_their_version() {
    let mut object = runtime(&json!({}));
    let reported = |count| {
        known(&[entry(
            &[("2", 2), (&edition("2", Some("noon")), count)],
            &json!({}),
        )])
    };
    let sums = |object: &AgentRuntime, count| {
        let status = said(object, &reported(count), 0).0;
        let sessions = status.sessions.unwrap();
        assert_eq!(sessions.by_version["2"], 2 + count);
        (
            (sessions.stale, sessions.current),
            status.last_handled_drain,
        )
    };
    assert_eq!(sums(&object, 0), ((0, 2), None));
    let asked = [(
        annotations::DRAIN_REQUESTED_AT.to_owned(),
        "noon".to_owned(),
    )];
    object.metadata.annotations = Some(asked.into());
    assert_eq!(sums(&object, 1), ((2, 1), Some("noon".to_owned())));
    // Taken away after it was taken up: nothing changes.
    object.metadata.annotations = None;
    object.status.as_mut().unwrap().last_handled_drain = Some("noon".to_owned());
    assert_eq!(sums(&object, 1), ((2, 1), Some("noon".to_owned())));
}

#[test]
fn each_state_of_sessions_has_its_word() {
    let stale = entry(
        &[("1", 2), ("2", 1)],
        &json!({"draining": 2, "oldestStaleSince": ROLLED}),
    );
    let (fresh, stale) = (known(&[entry(&[("2", 1)], &json!({}))]), known(&[stale]));
    let jwt = json!({"authorizer": {"customJWT": {"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["a"]}}});
    let drain = json!({"sessions": {"drain": {"deadline": "10m"}}});
    let stop = json!({"sessions": {"onUpdate": "Stop"}});
    let leave = json!({"sessions": {"onUpdate": "Leave"}});
    // Spec, what is reported, minutes after the roll -> status and reason, event.
    let table: [(Value, &Reported, i64, &str, &[&str]); 11] = [
        (json!({}), &known(&[]), 0, "True AllCurrent", &[]),
        (json!({}), &fresh, 0, "True AllCurrent", &[]),
        (json!({}), &stale, 0, "False Draining", &["Draining"]),
        (json!({}), &stale, 61, "False Draining", &["Draining"]),
        (json!({}), &stale, 62, "False Overdue", &["Overdue"]),
        (drain.clone(), &stale, 11, "False Draining", &["Draining"]),
        (drain.clone(), &stale, 12, "False Overdue", &["Overdue"]),
        (stop, &stale, 62, "False Overdue", &["Overdue"]),
        (leave, &stale, 600, "False LeftToTimeOut", &[]),
        (jwt, &stale, 600, "Unknown JwtAuthorizer", &[]),
        (drain, &Reported::Nobody, 0, "Unknown NoReport", &[]),
    ];
    for (spec, reported, minutes, wanted, events) in table {
        let (_, found, published) = said(&runtime(&spec), reported, minutes);
        assert_eq!(
            (found.as_str(), published.as_slice()),
            (wanted, events),
            "{spec} at {minutes}"
        );
    }
}

#[test]
fn without_a_gateway_there_is_nothing_to_say_until_somebody_asks_or_one_was_there() {
    let mut object = runtime(&json!({}));
    let mut first = decision(object.status.clone().unwrap());
    note_runtime(&mut first, &object, &Reported::Nobody, at(0));
    assert_eq!(
        (current(&first.status), &first.status.sessions),
        (None, &None)
    );
    note_runtime(&mut first, &object, &known(&[]), at(0));
    object.status = Some(first.status);
    let (status, said, _) = said(&object, &Reported::Nobody, 5);
    assert_eq!(said, "Unknown NoReport");
    assert_eq!(status.sessions.unwrap().coverage, Coverage::None);
}

#[test]
fn what_was_said_goes_on_until_the_reports_are_read() {
    let mut object = runtime(&json!({}));
    let stale = entry(&[("1", 1)], &json!({"oldestStaleSince": ROLLED}));
    let (status, ..) = said(&object, &known(&[stale]), 1);
    object.status = Some(status.clone());
    // As the planner leaves it: only its own conditions are there.
    let mut again = decision(AgentRuntimeStatus {
        conditions: status.conditions[..1].to_vec(),
        ..status.clone()
    });
    note_runtime(&mut again, &object, &Reported::Unread, at(9));
    assert_eq!(again.status, status);
    assert!(again.events.is_empty());
}

#[test]
fn the_same_numbers_make_the_same_status_at_any_time() {
    let mut object = runtime(&json!({}));
    let stale = known(&[entry(
        &[("1", 9)],
        &json!({"draining": 9, "oldestStaleSince": ROLLED}),
    )]);
    let (first, ..) = said(&object, &stale, 1);
    object.status = Some(first.clone());
    let (second, _, events) = said(&object, &stale, 30);
    assert_eq!(first, second);
    assert!(events.is_empty(), "said once");
}

#[test]
fn an_endpoint_is_judged_by_its_own_version_and_its_runtimes_authorizer() {
    let object: AgentEndpoint = serde_json::from_value(json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
        "metadata": {"name": "blue", "namespace": "shop", "generation": 1},
        "spec": {"runtimeRef": {"name": "support"}, "version": "1"},
        "status": {"liveVersion": "1", "conditions": []},
    }))
    .unwrap();
    let reported = known(&[entry(&[("1", 1)], &json!({}))]);
    let guarded = runtime(
        &json!({"authorizer": {"customJWT": {"discoveryUrl": "https://idp.example.com/.well-known/openid-configuration", "allowedAudience": ["a"]}}}),
    );
    for (runtime, wanted) in [
        (None, "AllCurrent"),
        (Some(&runtime(&json!({}))), "AllCurrent"),
        (Some(&guarded), "JwtAuthorizer"),
    ] {
        let mut decision = decision(object.status.clone().unwrap());
        note_endpoint(&mut decision, &object, runtime, &reported, at(0));
        assert_eq!(decision.status.conditions[0].reason, wanted);
        assert_eq!(decision.status.sessions.unwrap().current, 1);
    }
}
