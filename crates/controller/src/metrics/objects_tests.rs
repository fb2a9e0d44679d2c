//! What the caches say, as series.

use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher;
use prometheus::{Encoder as _, TextEncoder};
use serde_json::{Value, json};

use super::*;
use agentcore_cluster::kept::Kept;

/// A cache with these objects.
fn cache<K: Kept>(objects: impl IntoIterator<Item = Value>) -> Cache<K> {
    let mut writer = Writer::default();
    for object in objects {
        let object = serde_json::from_value(object).expect("an object of the kind");
        writer.apply_watcher_event(&watcher::Event::Apply(object));
    }
    Cache::of(writer.as_reader())
}

fn runtime(name: &str, spec: &Value, status: &Value) -> Value {
    let mut all = json!({
        "artifact": {"container": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:b"}},
        "executionRole": {"arn": "arn:aws:iam::111122223333:role/r"},
        "network": {"mode": "PUBLIC"},
    });
    let more = spec.as_object().expect("fields").clone();
    all.as_object_mut().expect("fields").extend(more);
    json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
        "metadata": {"name": name, "namespace": "shop"}, "spec": all, "status": status,
    })
}

fn endpoint(name: &str, runtime: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"runtimeRef": {"name": runtime}, "version": "Latest"}, "status": status,
    })
}

/// The lines of one metric.
fn lines(
    metric: &str,
    runtimes: impl IntoIterator<Item = Value>,
    endpoints: impl IntoIterator<Item = Value>,
) -> Vec<String> {
    let stores = [(
        cache::<AgentRuntime>(runtimes),
        cache::<AgentEndpoint>(endpoints),
    )];
    let families = families(&stores, &[]).expect("metrics");
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&families, &mut text)
        .expect("text");
    let text = String::from_utf8(text).expect("text");
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| {
            line.starts_with(&format!("{metric}{{")) || line.starts_with(&format!("{metric} "))
        })
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn a_declared_session_is_available_while_it_is_ready_unless_it_was_suspended_before() {
    let session = |name: &str, suspend: bool, ready: &str| {
        json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"runtimeRef": {"name": "support"}, "suspend": suspend},
            "status": {"conditions": [{
                "type": "Ready", "status": ready, "reason": "Ready", "message": "", "lastTransitionTime": "2026-11-21T12:00:00Z",
            }]},
        })
    };
    let sessions = cache::<AgentSession>([
        session("fine", false, "True"),
        session("fails", false, "False"),
        session("rests", true, "True"),
        session("waits", true, "False"),
    ]);
    let families = families(&[], &[sessions]).expect("metrics");
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&families, &mut text)
        .expect("text");
    let text = String::from_utf8(text).expect("UTF-8");
    let mut found: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix(r#"agentcore_available{kind="AgentSession",name=""#))
        .collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            r#"fails",namespace="shop"} 0"#,
            r#"fine",namespace="shop"} 1"#,
            r#"rests",namespace="shop"} 1"#,
        ]
    );
}

#[test]
fn what_serves_is_available_and_what_nobody_expects_to_serve_has_no_series() {
    let none = json!({});
    let live = |status: &str| json!({"serviceStatus": status, "defaultEndpoint": {"liveVersion": "2", "status": "READY"}});
    let mut lost = live("READY");
    lost["missingSince"] = json!("2026-11-21T12:00:00Z");
    let mut going = runtime("going", &none, &live("DELETING"));
    going["metadata"]["deletionTimestamp"] = json!("2026-11-21T12:00:00Z");
    let suspended = json!({"suspend": true});
    let objects = [
        runtime("ready", &none, &live("READY")),
        runtime("updating", &none, &live("UPDATING")),
        runtime("update-failed", &none, &live("UPDATE_FAILED")),
        runtime(
            "create-failed",
            &none,
            &json!({"serviceStatus": "CREATE_FAILED"}),
        ),
        runtime("lost", &none, &lost),
        going,
        runtime("held", &suspended, &live("READY")),
        runtime("never", &suspended, &none),
    ];
    let series = |name: &str, value| {
        format!(
            r#"agentcore_available{{kind="AgentRuntime",name="{name}",namespace="shop"}} {value}"#
        )
    };
    let endpoint_down =
        r#"agentcore_available{kind="AgentEndpoint",name="waits",namespace="shop"} 0"#.to_owned();
    assert_eq!(
        lines(
            "agentcore_available",
            objects,
            [endpoint("waits", "ready", &none)]
        ),
        [
            endpoint_down,
            series("create-failed", 0),
            series("held", 1),
            series("lost", 0),
            series("ready", 1),
            series("update-failed", 1),
            series("updating", 1),
        ]
    );
}

#[test]
fn what_is_being_made_is_not_missed_before_its_time() {
    let creating = json!({"serviceStatus": "CREATING"});
    let stalled = json!({"serviceStatus": "CREATE_FAILED", "conditions": [{
        "type": "Stalled", "status": "True", "reason": "AgentUnhealthy", "message": "", "lastTransitionTime": "2026-11-21T12:00:00Z",
    }]});
    let live = json!({"serviceStatus": "READY", "defaultEndpoint": {"liveVersion": "1", "status": "READY"}});
    let of_age = |name: &str, minutes: i64, status: &serde_json::Value| {
        let mut object = runtime(name, &json!({}), status);
        let made = Timestamp::now() - SignedDuration::from_mins(minutes);
        object["metadata"]["creationTimestamp"] =
            json!(made.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        object
    };
    let found = lines(
        "agentcore_available",
        [
            of_age("young", 9, &creating),
            of_age("old", 16, &creating),
            of_age("failed", 9, &stalled),
            of_age("live", 9, &live),
        ],
        [],
    );
    let series = [("failed", 0), ("live", 1), ("old", 0)].map(|(name, value)| {
        format!(
            r#"agentcore_available{{kind="AgentRuntime",name="{name}",namespace="shop"}} {value}"#
        )
    });
    assert_eq!(found, series);
}

#[test]
fn what_served_is_missed_from_its_first_minute_on() {
    let (now, ago) = (Timestamp::now(), SignedDuration::from_mins);
    let text = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let young = |mut object: Value| {
        object["metadata"]["creationTimestamp"] = json!(text(now - ago(9)));
        object
    };
    let ready = |status: &str, since: i64| {
        json!([{
            "type": "Ready", "status": status, "reason": "Any", "message": "",
            "lastTransitionTime": text(now - ago(since)),
        }])
    };
    // AgentCore does not find it any more, and then it is made anew.
    let lost = |name: &str, suspend: bool| {
        let status = json!({
            "missingSince": text(now), "conditions": ready("True", 7),
            "defaultEndpoint": {"liveVersion": "1", "status": "READY"},
        });
        young(runtime(name, &json!({"suspend": suspend}), &status))
    };
    let again = |name: &str, turned: i64, attempt: u32| {
        let status = json!({
            "serviceStatus": "CREATING", "attempt": attempt, "conditions": ready("False", turned),
        });
        young(runtime(name, &json!({}), &status))
    };
    let endpoints = [
        (
            "broken",
            json!({"liveVersion": "1", "serviceStatus": "DELETING"}),
        ),
        (
            "fresh",
            json!({"targetVersion": "1", "serviceStatus": "CREATING"}),
        ),
    ];
    let stores = [(
        cache::<AgentRuntime>([
            lost("lost", false),
            lost("lost-and-held", true),
            again("anew", 3, 1),
            again("first-try", 9, 0),
            again("second-try", 9, 1),
            again("seen-late", 3, 0),
        ]),
        cache::<AgentEndpoint>(
            endpoints.map(|(name, status)| young(endpoint(name, "ready", &status))),
        ),
    )];
    let session = |name: &str, status: Value| {
        young(json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"runtimeRef": {"name": "support"}}, "status": status,
        }))
    };
    let mut silent = json!({"sessionId": "a", "attempt": 1, "conditions": ready("False", 2)});
    let mut begun_anew = silent.clone();
    silent["failures"] = json!(3);
    begun_anew["sessionId"] = Value::Null;
    begun_anew["attempt"] = json!(2);
    let first = json!({"attempt": 1, "conditions": ready("False", 9)});
    let sessions = [cache::<AgentSession>([
        session("silent", silent),
        session("begun-anew", begun_anew),
        session("first", first),
    ])];
    let families = families(&stores, &sessions).expect("metrics");
    let mut series: Vec<_> = families
        .iter()
        .filter(|family| family.name() == "agentcore_available")
        .flat_map(MetricFamily::get_metric)
        .map(|metric| {
            let name = metric.get_label().iter().find(|it| it.name() == "name");
            (
                name.expect("a name").value(),
                metric.get_gauge().get_value(),
            )
        })
        .collect();
    series.sort_by_key(|(name, _)| *name);
    assert_eq!(
        series,
        [
            "anew",
            "begun-anew",
            "broken",
            "lost",
            "lost-and-held",
            "silent"
        ]
        .map(|name| (name, 0.0))
    );
}

#[test]
fn the_endpoints_of_a_runtime_are_counted_with_its_default() {
    let none = json!({});
    let made = json!({"arn": "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/a/runtime-endpoint/b"});
    let runtimes = [
        runtime("made", &none, &json!({"id": "made-0123456789"})),
        runtime("none-yet", &none, &none),
    ];
    let endpoints = [
        endpoint("a", "made", &made),
        endpoint("b", "made", &made),
        endpoint("not-yet", "made", &none),
        endpoint("astray", "none-yet", &made),
    ];
    assert_eq!(
        lines("agentcore_endpoints_used", runtimes, endpoints),
        [r#"agentcore_endpoints_used{name="made",namespace="shop"} 3"#]
    );
    assert_eq!(
        lines("agentcore_endpoints_quota", [], []),
        ["agentcore_endpoints_quota 10"]
    );
}

#[test]
fn an_image_is_rejected_while_it_is_what_would_be_taken() {
    let none = json!({});
    let (bad, other) = (format!("sha256:{:064}", 1), format!("sha256:{:064}", 2));
    let image = |candidate: Option<&str>| {
        let mut image = json!({
            "given": "a:b",
            "rejected": [{"digest": bad, "reason": "UpdateFailed", "time": "2026-11-21T12:00:00Z"}],
        });
        if let Some(candidate) = candidate {
            image["candidate"] = json!({"digest": candidate});
        }
        json!({"image": image})
    };
    let runtimes = [
        runtime("bad", &none, &image(Some(&bad))),
        runtime("next", &none, &image(Some(&other))),
        runtime("past", &none, &image(None)),
    ];
    assert_eq!(
        lines("agentcore_image_rejected", runtimes, []),
        [r#"agentcore_image_rejected{name="bad",namespace="shop",reason="UpdateFailed"} 1"#]
    );
}

#[test]
fn sessions_are_overdue_by_the_reason_of_their_condition() {
    let none = json!({});
    let said = |reason: &str| {
        json!({"conditions": [{
            "type": "SessionsCurrent", "status": "False", "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-21T12:00:00Z",
        }]})
    };
    let runtimes = [
        runtime("late", &none, &said("Overdue")),
        runtime("draining", &none, &said("Draining")),
        runtime("unknown", &none, &none),
    ];
    let series = |name: &str, value| {
        format!(
            r#"agentcore_sessions_overdue{{kind="AgentRuntime",name="{name}",namespace="shop"}} {value}"#
        )
    };
    assert_eq!(
        lines("agentcore_sessions_overdue", runtimes, []),
        [series("draining", 0), series("late", 1)]
    );
}
