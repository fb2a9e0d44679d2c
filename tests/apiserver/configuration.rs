//! Environment variables from Secrets and ConfigMaps: they reach the agent, a changed one makes a version, and nobody else sees them.

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::CauseType;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::kills::{NO_LEASE, die_at};
use super::rig::{Rig, condition, id, reason};

const FIRST: &str = "pa55phrase-of-monday";
const SECOND: &str = "pa55phrase-of-tuesday";

impl Rig {
    async fn secret(&self, name: &str, data: Value) {
        let object = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        Api::<Secret>::namespaced(self.client.clone(), &self.namespace)
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .expect("Secret");
    }

    async fn config_map(&self, name: &str, data: Value) {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
        });
        Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace)
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
            .expect("ConfigMap");
    }

    async fn delete_secret(&self, name: &str) {
        Api::<Secret>::namespaced(self.client.clone(), &self.namespace)
            .delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
    }

    async fn aws_env(&self) -> Value {
        self.aws_runtimes().await[0]["environmentVariables"].clone()
    }

    async fn on_version(&self, version: &str) -> AgentRuntime {
        self.runtime_until("support", "Ready on the version", |object| {
            let status = object.status.as_ref();
            super::rig::runtime_is_ready(object)
                && reason(object) == "Ready"
                && status.and_then(|status| status.ready_version.as_deref()) == Some(version)
        })
        .await
    }

    async fn with_reason(&self, wanted: &str) -> AgentRuntime {
        self.runtime_until("support", wanted, |object| {
            reason(object) == wanted
                && object
                    .status
                    .as_ref()
                    .and_then(|status| status.observed_generation)
                    == object.metadata.generation
        })
        .await
    }
}

fn message(object: &AgentRuntime) -> String {
    let status = object.status.as_ref().expect("status");
    condition(&status.conditions, "Ready")
        .expect("Ready")
        .message
        .clone()
}

fn key_of_secret(variable: &str, optional: bool) -> Value {
    json!({
        "name": variable,
        "valueFrom": {"secretKeyRef": {"name": "support", "key": "api-key", "optional": optional}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_makes_a_version_and_a_vanished_one_makes_none() {
    let rig = Rig::start("config-values").await;
    rig.secret("support", json!({"api-key": FIRST})).await;
    rig.config_map(
        "settings",
        json!({"LOG_LEVEL": "info", "REGION": "here", "a.file": "text"}),
    )
    .await;
    let _operator = rig.operator(&[]);
    let spec = rig.spec_with(json!({
        "envFrom": [
            {"configMapRef": {"name": "settings"}},
            {"prefix": "S_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "nowhere", "optional": true}},
        ],
        "env": [
            {"name": "GREETING", "value": "hello"},
            {"name": "LOG_LEVEL", "value": "debug"},
            key_of_secret("API_KEY", false),
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "none", "optional": true}}},
        ],
    }));
    rig.apply_runtime("support", spec).await;
    let first = rig.on_version("1").await;
    let wanted = |key: &str| {
        json!({
            "GREETING": "hello", "LOG_LEVEL": "debug", "REGION": "here",
            "S_LOG_LEVEL": "info", "S_REGION": "here", "API_KEY": key,
        })
    };
    assert_eq!(rig.aws_env().await, wanted(FIRST));
    assert!(
        rig.events("support")
            .await
            .contains(&"EnvNameSkipped".to_owned())
    );

    rig.secret("support", json!({"api-key": SECOND})).await;
    let second = rig.on_version("2").await;
    assert_eq!(rig.aws_env().await, wanted(SECOND));
    let since = |object: &AgentRuntime| {
        let status = object.status.clone().expect("status");
        condition(&status.conditions, "Ready")
            .expect("Ready")
            .last_transition_time
            .clone()
    };
    assert_eq!(since(&first), since(&second), "it was Ready all the time");
    let status = second.status.expect("status");
    assert_eq!(status.causes[0].version, "2");
    assert_eq!(status.causes[0].cause.r#type, CauseType::Config);
    assert!(
        status.causes[0]
            .cause
            .message
            .contains("API_KEY (Secret support, key api-key)"),
        "{:?}",
        status.causes[0]
    );
    assert_eq!(status.previous_version.as_deref(), Some("1"));

    let before = rig.mutations().await;
    rig.delete_secret("support").await;
    let missing = rig.with_reason("ConfigMissing").await;
    assert_eq!(since(&first), since(&missing), "the last version serves");
    assert!(
        message(&missing).contains("env API_KEY needs Secret support, which is not there"),
        "{}",
        message(&missing)
    );
    rig.secret("support", json!({"api-key": SECOND})).await;
    rig.on_version("2").await;
    assert_eq!(rig.mutations().await, before, "nothing was changed in AWS");
    assert_eq!(rig.calls("UpdateAgentRuntime").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_too_long_is_named_and_healed_without_an_edit() {
    let rig = Rig::start("config-missing").await;
    let _operator = rig.operator(&[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"env": [key_of_secret("API_KEY", false)]})),
    )
    .await;
    let missing = rig.with_reason("ConfigMissing").await;
    let status = missing.status.clone().expect("status");
    assert_eq!(
        condition(&status.conditions, "Ready")
            .expect("Ready")
            .status,
        "False"
    );
    assert_eq!(rig.mutations().await, 0, "nothing is made");

    rig.secret("support", json!({"other": "x"})).await;
    rig.runtime_until("support", "a missing key", |object| {
        reason(object) == "ConfigMissing"
            && message(object).contains("needs key api-key of Secret support")
    })
    .await;
    rig.secret("support", json!({"api-key": "x".repeat(5001)}))
        .await;
    let invalid = rig.with_reason("ConfigInvalid").await;
    let text = message(&invalid);
    assert!(
        text.contains("API_KEY") && text.contains("5001") && !text.contains("xxx"),
        "{text}"
    );
    rig.secret("support", json!({"api-key": FIRST})).await;
    rig.on_version("1").await;
    assert_eq!(rig.aws_env().await, json!({"API_KEY": FIRST}));
    rig.delete_secret("support").await;
    rig.with_reason("ConfigMissing").await;
    rig.delete_runtime("support").await;
    rig.runtime_gone("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_it_is_forbidden_until_a_role_is_bound() {
    let rig = Rig::start("config-rights").await;
    rig.secret("support", json!({"api-key": FIRST})).await;
    let kubeconfig = rig.least_rights().await;
    let operator = rig.operator_as(&kubeconfig, "info,agentcore_operator=debug", &[]);
    rig.grant(json!({"runtimeNames": ["plain"]})).await;
    rig.apply_runtime("plain", rig.spec_with(json!({"runtimeName": "plain"})))
        .await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"env": [key_of_secret("API_KEY", false)]})),
    )
    .await;
    rig.runtime_ready("plain").await;
    let refused = rig.with_reason("ConfigForbidden").await;
    assert!(
        message(&refused).contains("env API_KEY needs Secret support"),
        "{}",
        message(&refused)
    );
    assert_eq!(
        rig.aws_runtimes().await.len(),
        1,
        "only the plain one is made"
    );
    rig.allow_config().await;
    rig.on_version("1").await;
    rig.secret("support", json!({"api-key": SECOND})).await;
    let object = rig.on_version("2").await;
    let history = revisions(&rig, &object).await;
    assert_eq!(history.len(), 2, "{history:?}");
    drop(operator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_operator_loses_no_version_no_cause_and_no_history() {
    let rig = Rig::start("config-kills").await;
    rig.secret("support", json!({"api-key": "0"})).await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"env": [key_of_secret("API_KEY", false)]})),
    )
    .await;
    let operator = rig.operator(NO_LEASE);
    rig.on_version("1").await;
    assert!(super::rig::clean(operator.stop().await));
    for (number, when) in ["before", "after", "after"].into_iter().enumerate() {
        let value = format!("value {number}");
        rig.secret("support", json!({"api-key": value})).await;
        die_at(&rig, "UpdateAgentRuntime", when).await;
        let operator = rig.operator(NO_LEASE);
        let object = rig.on_version(&(number + 2).to_string()).await;
        assert_eq!(rig.aws_env().await, json!({"API_KEY": value}));
        let newest = object.status.expect("status").causes.remove(0);
        assert_eq!(newest.cause.r#type, CauseType::Config, "{newest:?}");
        assert!(super::rig::clean(operator.stop().await));
    }
    let object = rig.on_version("4").await;
    let mut history: Vec<_> = revisions(&rig, &object)
        .await
        .into_iter()
        .map(|one| {
            let data = one.data.expect("data").0;
            (one.revision, data["cause"]["type"].clone())
        })
        .collect();
    history.sort_by_key(|(version, _)| *version);
    let wanted = [(1, "Spec"), (2, "Config"), (3, "Config"), (4, "Config")];
    assert_eq!(
        history,
        wanted.map(|(version, cause)| (version, json!(cause)))
    );
}

/// The history of an object.
async fn revisions(rig: &Rig, object: &AgentRuntime) -> Vec<ControllerRevision> {
    let uid = object.metadata.uid.as_deref().expect("UID");
    let params = ListParams::default().labels(&format!("agentcore.dev/runtime-uid={uid}"));
    Api::<ControllerRevision>::namespaced(rig.client.clone(), &rig.namespace)
        .list(&params)
        .await
        .expect("list")
        .items
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_is_told_anywhere_but_to_agentcore() {
    let rig = Rig::start("config-secrecy").await;
    rig.secret("support", json!({"api-key": FIRST})).await;
    let operator = rig.operator_as(Rig::kubeconfig(), "trace", &[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({
            "env": [key_of_secret("API_KEY", false)],
            "envFrom": [{"prefix": "ALL_", "secretRef": {"name": "support"}}],
        })),
    )
    .await;
    rig.on_version("1").await;
    // A refused update, a failed one, a good one, and a look at all of them by another operator.
    rig.faults(json!([{"operation": "UpdateAgentRuntime", "when": "before", "error": "ValidationException", "times": 1}]))
        .await;
    rig.secret("support", json!({"api-key": SECOND})).await;
    rig.with_reason("Invalid").await;
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "now")
        .await;
    rig.on_version("2").await;
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({
            "env": [key_of_secret("API_KEY", false)],
            "artifact": {"container": {"image": "public.ecr.aws/team-a/nowhere:prod"}},
        })),
    )
    .await;
    rig.with_reason("ImageNotFound").await;
    let metrics = metrics(&operator.text()).await;
    let first_log = operator.text();
    operator.kill();
    let second = rig.operator_as(Rig::kubeconfig(), "debug", &[]);
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({"env": [key_of_secret("API_KEY", false)]})),
    )
    .await;
    let object = rig
        .runtime_until("support", "Ready", |object| {
            super::rig::runtime_is_ready(object) && reason(object) == "Ready"
        })
        .await;
    assert_eq!(rig.aws_env().await, json!({"API_KEY": SECOND}));
    assert!(id(&object).contains("_support_"));

    let history = revisions(&rig, &object).await;
    assert!(history.len() >= 3, "{}", history.len());
    let events: Api<k8s_openapi::api::events::v1::Event> =
        Api::namespaced(rig.client.clone(), &rig.namespace);
    let events = events.list(&ListParams::default()).await.expect("events");
    let told = [
        ("the status", serde_json::to_string(&object).expect("JSON")),
        (
            "the events",
            serde_json::to_string(&events.items).expect("JSON"),
        ),
        (
            "the history",
            serde_json::to_string(&history).expect("JSON"),
        ),
        ("the log", first_log),
        ("the second log", second.text()),
        ("the metrics", metrics),
        ("the client tokens", rig.client_tokens().await),
    ];
    for (what, text) in told {
        assert!(text.len() > 100, "{what} is nearly empty: {text}");
        for value in [FIRST, SECOND] {
            let encoded = serde_json::to_string(&k8s_openapi::ByteString(value.into()));
            let encoded = encoded.expect("JSON");
            assert!(!text.contains(value), "{what} has a value");
            assert!(
                !text.contains(encoded.trim_matches('"')),
                "{what} has a value"
            );
            let hash = <sha2::Sha256 as sha2::Digest>::digest(value);
            let hash = format!(
                "{:032x}",
                u128::from_be_bytes(hash[..16].try_into().expect("16 bytes"))
            );
            assert!(!text.contains(&hash), "{what} has a plain hash of a value");
        }
    }
}

/// The metrics of an operator, whose address is in its log.
async fn metrics(log: &str) -> String {
    let line = log
        .lines()
        .find(|line| line.contains("admin endpoint listens"))
        .expect("the address");
    let address = line
        .split("address=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .expect("an address");
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("client");
    http.get(format!("http://{address}/metrics"))
        .send()
        .await
        .expect("metrics")
        .text()
        .await
        .expect("text")
}
