use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt;
use kube::api::{ObjectList, WatchEvent};

use super::*;
use crate::kept::Kept;

/// So many objects in each other.
fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"f:a":"#.repeat(levels), "}".repeat(levels))
}

fn managed(fields: &str) -> String {
    format!(
        r#"[{{"manager":"m","operation":"Update","fieldsType":"FieldsV1","fieldsV1":{fields}}}]"#
    )
}

fn session(metadata: &str, payload: &str, status: &str) -> String {
    format!(
        r#"{{"apiVersion":"agentcore.dev/v1alpha1","kind":"AgentSession","metadata":{{"name":"x","namespace":"a","uid":"u","resourceVersion":"7","generation":3,"labels":{{"app":"x"}},"annotations":{{"agentcore.dev/requested-at":"now","other":"x"}}{metadata}}},"spec":{{"endpointRef":{{"name":"live"}},"keepAlive":{{"every":"10s","payload":{payload}}}}},"status":{status}}}"#
    )
}

const ODD: [&str; 2] = [
    r#"{"$serde_json::private::RawValue":"{"}"#,
    r#"{"$serde_json::private::Number":"x"}"#,
];

#[test]
fn no_item_keeps_a_list_or_a_watch_from_being_read() {
    let mut items = vec![session("", "{}", "{}")];
    for levels in [33, 150, 10_000] {
        let fields = managed(&nested(levels));
        items.push(session(
            &format!(r#","managedFields":{fields}"#),
            "{}",
            "{}",
        ));
        items.push(session("", &nested(levels), "{}"));
        items.push(session(
            "",
            "{}",
            &format!(r#"{{"unknown":{}}}"#, nested(levels)),
        ));
    }
    for odd in ODD {
        items.push(session(
            &format!(r#","managedFields":{}"#, managed(odd)),
            "{}",
            "{}",
        ));
        items.push(session("", odd, "{}"));
    }
    items.push(session("", "1", r#"{"lastAnswer":70000}"#));
    let list = format!(
        r#"{{"apiVersion":"agentcore.dev/v1alpha1","kind":"AgentSessionList","metadata":{{"resourceVersion":"9"}},"items":[{}]}}"#,
        items.join(",")
    );
    let list: ObjectList<Raw<AgentSession>> = serde_json::from_str(&list).expect("a list");
    assert_eq!(list.items.len(), items.len());
    let readable = list.items.iter().filter(|raw| raw.decode().is_ok());
    assert_eq!(readable.count(), items.len() - 1);
    for (item, raw) in items.iter().zip(&list.items) {
        let event = format!(r#"{{"type":"MODIFIED","object":{item}}}"#);
        let WatchEvent::Modified(watched) =
            serde_json::from_str::<WatchEvent<Raw<AgentSession>>>(&event).expect("an event")
        else {
            panic!("not what it says");
        };
        assert_eq!(watched.text.get(), raw.text.get());
        let event = serde_json::from_str::<WatchEvent<Head<AgentSession>>>(&event);
        let WatchEvent::Modified(head) = event.expect("an event") else {
            panic!("not what it says");
        };
        assert_eq!(head.metadata, raw.metadata);
    }
}

#[test]
fn an_object_is_read_without_its_managed_fields_and_with_our_part_of_its_metadata() {
    let fields = format!(r#","managedFields":{}"#, managed(&nested(200)));
    let raw: Raw<AgentSession> =
        serde_json::from_str(&session(&fields, r#"{"a":1}"#, "{}")).expect("raw");
    let object = raw.decode().expect("an AgentSession");
    let meta = &object.metadata;
    assert!(meta.managed_fields.is_none() && meta.labels.is_none());
    assert_eq!(object.annotations().len(), 1);
    assert_eq!(
        (meta.generation, meta.resource_version.as_deref()),
        (Some(3), Some("7"))
    );
    let payload = object
        .spec
        .keep_alive
        .expect("given")
        .payload
        .expect("given");
    assert_eq!(payload.text(), Ok(r#"{"a":1}"#));
}

#[test]
fn a_secret_with_deep_managed_fields_is_read() {
    let fields = managed(&nested(300));
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"s","managedFields":{fields}}},"data":{{"a":"Yg=="}}}}"#
    );
    let raw: Raw<Secret> = serde_json::from_str(&text).expect("raw");
    let secret = raw.decode().expect("a Secret");
    assert_eq!(secret.data.expect("data")["a"].0, b"b");
}

#[test]
fn what_is_said_of_an_unreadable_object_names_the_place_and_quotes_nothing() {
    let text = session("", "{}", r#"{"lastAnswer":"hunter2"}"#);
    let raw: Raw<AgentSession> = serde_json::from_str(&text).expect("raw");
    let why = raw.piece().expect_err("no number").to_string();
    assert!(why.starts_with("status.lastAnswer cannot be read"), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
}

const DELETED: &str = r#","deletionTimestamp":"2026-11-21T12:00:00Z""#;

#[test]
fn an_object_that_is_being_deleted_is_read_field_by_field() {
    let status = r#"{"sessionId":"abc","lastAnswer":70000,"runtimeArn":"arn","attempt":2}"#;
    let raw: Raw<AgentSession> = serde_json::from_str(&session(DELETED, "1", status)).expect("raw");
    let object = raw.piece().expect("a part of it").object;
    assert_eq!(object.spec.endpoint_ref.expect("kept").name, "live");
    assert!(object.spec.keep_alive.is_none());
    let status = object.status.expect("a status");
    assert_eq!(status.session_id.as_deref(), Some("abc"));
    assert_eq!((status.attempt, status.last_answer), (Some(2), None));
    assert_eq!(object.metadata.name.as_deref(), Some("x"));
}

fn deleted<K: Kept>(spec: &str, status: &str) -> K {
    let text = format!(
        r#"{{"metadata":{{"name":"x","namespace":"a"{DELETED}}},"spec":{spec},"status":{status}}}"#
    );
    let raw: Raw<K> = serde_json::from_str(&text).expect("raw");
    raw.piece().expect("a part of it").object
}

#[test]
fn what_may_be_kept_in_aws_is_kept_where_that_cannot_be_read() {
    let policy = |spec: &str| {
        let object: AgentRuntime = deleted(spec, r#"{"id":"support-0123456789","phase":1}"#);
        let id = object.status.expect("a status").id;
        assert_eq!(id.as_deref(), Some("support-0123456789"));
        object.spec.deletion_policy
    };
    let retain = Some(agentcore_api::DeletionPolicy::Retain);
    assert_eq!(policy("{}"), None);
    assert_eq!(policy(r#"{"artifact":1,"env":{}}"#), None);
    assert_eq!(policy(r#"{"deletionPolicy":"Retain","env":1}"#), retain);
    assert_eq!(policy(r#"{"deletionPolicy":"Later"}"#), retain);
    assert_eq!(policy(r#"{"deletionPolicy":"Delete","adopt":1}"#), retain);
    let endpoint: AgentEndpoint = deleted(
        r#"{"runtimeRef":{"name":"support"},"version":7}"#,
        r#"{"name":"prod"}"#,
    );
    assert_eq!(endpoint.spec.runtime_ref.name, "support");
    assert_eq!(
        endpoint.status.expect("a status").name.as_deref(),
        Some("prod")
    );
}

#[test]
fn of_a_large_object_the_cache_keeps_what_others_than_its_passes_read() {
    let value = "x".repeat(5000);
    let env: Vec<String> = (0..50)
        .map(|n| format!(r#"{{"name":"V{n}","value":"{value}"}}"#))
        .collect();
    let text = format!(
        r#"{{"metadata":{{"name":"x","namespace":"a"}},"spec":{{"artifact":{{}},"executionRole":{{"arn":"a"}},"resourcePolicy":"p","env":[{},{{"name":"S","valueFrom":{{"secretKeyRef":{{"name":"s","key":"k"}}}}}}]}}}}"#,
        env.join(",")
    );
    let raw: Raw<AgentRuntime> = serde_json::from_str(&text).expect("raw");
    let piece = raw.piece().expect("an AgentRuntime");
    assert!(piece.bytes < 8192 && piece.whole.expect("more") > 250_000);
    let env = piece.object.spec.env.expect("kept");
    assert_eq!(env.len(), 51);
    assert!(env[50].value_from.is_some() && env[0].value.is_none());
    assert!(piece.object.spec.resource_policy.is_some());
    let (whole, _) = raw.whole().expect("an AgentRuntime");
    assert_eq!(
        whole.spec.env.expect("kept")[0].value.as_deref(),
        Some(value.as_str())
    );
    // A payload that is not sent is not kept anywhere.
    let large = session("", &format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)), "{}");
    let raw: Raw<AgentSession> = serde_json::from_str(&large).expect("raw");
    let piece = raw.piece().expect("an AgentSession");
    assert!(piece.bytes < 1024 && piece.whole.is_none());
}

#[test]
fn what_was_said_while_an_object_could_not_be_read_is_over_once_it_can() {
    let condition = |reason: &str| {
        format!(
            r#"{{"type":"Ready","status":"False","reason":"{reason}","message":"m","lastTransitionTime":"2026-11-21T12:00:00Z"}}"#
        )
    };
    let of = |reason: &str| {
        let status = format!(r#"{{"conditions":[{}]}}"#, condition(reason));
        let raw: Raw<AgentSession> =
            serde_json::from_str(&session("", "{}", &status)).expect("raw");
        assert_eq!(raw.verdict(), Some((reason.to_owned(), "m".to_owned())));
        let piece = raw.piece().expect("an AgentSession");
        let conditions = piece.object.status.expect("a status").conditions;
        (piece.marked, conditions.len())
    };
    assert_eq!(of("Ready"), (false, 1));
    assert_eq!(of("Unreadable"), (true, 0));
    assert_eq!(of("OverTheLimit"), (true, 0));
}

#[test]
fn the_labels_of_a_namespace_are_read_whatever_its_managed_fields_hold() {
    let item = |fields: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"team-a","labels":{{"team":"a"}},"managedFields":{fields}}}}}"#
        )
    };
    let items = [item("[]"), item(&managed(&nested(150)))];
    let list = format!(
        r#"{{"apiVersion":"v1","kind":"NamespaceList","metadata":{{}},"items":[{}]}}"#,
        items.join(",")
    );
    let list: ObjectList<Labelled<Namespace>> = serde_json::from_str(&list).expect("a list");
    assert_eq!(list.items.len(), 2);
    for namespace in &list.items {
        assert_eq!(namespace.name_any(), "team-a");
        assert_eq!(namespace.labels()["team"], "a");
    }
}
