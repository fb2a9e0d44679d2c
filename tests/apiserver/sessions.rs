//! Declared sessions: begun by a manifest, kept alive, replaced on a roll, stopped with the object; whatever dies on the way.

use agentcore_api::{AgentSession, AgentSessionStatus};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::agent::agent_program;
use super::rig::{Operator, Rig, clean, condition};

/// A killed holder's lease has to run out, which is not what is tested here.
const NO_LEASE: &[&str] = &["--leader-elect=false"];
const NAME: &str = "bridge";

/// A rig with declared sessions.
struct Stage {
    rig: Rig,
}

impl Stage {
    /// The image `support:prod` runs the reference agent.
    async fn start(name: &str) -> Self {
        let rig = Rig::start(name).await;
        rig.push_program("support", "prod", agent_program()).await;
        Self { rig }
    }

    fn api(&self) -> Api<AgentSession> {
        Api::namespaced(self.rig.client.clone(), &self.rig.namespace)
    }

    async fn agent(&self, description: &str) {
        let spec = self.rig.spec_with(json!({"description": description}));
        self.rig.apply_runtime("support", spec).await;
    }

    async fn endpoint(&self) {
        let spec = json!({"runtimeRef": {"name": "support"}, "version": "Latest"});
        self.rig.apply_endpoint("live", spec).await;
    }

    async fn declare(&self, every: &str) {
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession", "metadata": {"name": NAME},
            "spec": {
                "endpointRef": {"name": "live"},
                "keepAlive": {"every": every, "payload": {"action": "keepalive"}},
            },
        });
        let params = PatchParams::apply("test").force();
        self.api()
            .patch(NAME, &params, &Patch::Apply(&object))
            .await
            .expect("AgentSession accepted");
    }

    async fn delete(&self) {
        let params = DeleteParams::default();
        self.api()
            .delete(NAME, &params)
            .await
            .expect("delete accepted");
    }

    async fn gone(&self) {
        self.rig
            .until("gone", async || {
                match self.api().get_opt(NAME).await.expect("get") {
                    None => Ok(()),
                    Some(object) => Err(format!("{:#?}", object.status)),
                }
            })
            .await;
    }

    /// Waits until the status is as wished.
    async fn status_until(
        &self,
        what: &str,
        good: impl Fn(&AgentSessionStatus) -> bool,
    ) -> AgentSessionStatus {
        self.rig
            .until(what, async || {
                let object = self.api().get_opt(NAME).await.expect("get");
                let status = object.and_then(|object| object.status).unwrap_or_default();
                if good(&status) {
                    Ok(status)
                } else {
                    Err(format!("{status:#?}"))
                }
            })
            .await
    }

    /// Waits until one serves this version, with nothing left to stop.
    async fn serves(&self, version: &str) -> AgentSessionStatus {
        self.status_until(&format!("serving version {version}"), |status| {
            status.version.as_deref() == Some(version)
                && reason(status) == "Ready"
                && status.next.is_none()
                && status.previous.is_empty()
        })
        .await
    }

    /// Sessions in the simulated AWS, oldest first.
    async fn sessions(&self) -> Vec<Value> {
        let state = self.rig.aws().await;
        state["sessions"].as_array().cloned().unwrap_or_default()
    }

    async fn running(&self) -> Vec<Value> {
        let mut sessions = self.sessions().await;
        sessions.retain(|session| session["state"] == "RUNNING");
        sessions
    }

    /// Waits for a running session as wished.
    async fn session_until(&self, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        self.rig
            .until(what, async || {
                let running = self.running().await;
                let found = running.iter().find(|session| good(session)).cloned();
                found.ok_or_else(|| json!(running).to_string())
            })
            .await
    }

    /// Starts an operator and kills it while `operation` is under way.
    async fn die_at(&self, operation: &str, when: &str) {
        let rig = &self.rig;
        rig.faults(json!([{"operation": operation, "when": when, "delayMs": 600_000}]))
            .await;
        let before = rig.calls(operation).await;
        let sessions = self.states().await;
        let operator = rig.operator(NO_LEASE);
        rig.until(&format!("calling {operation}"), async || {
            let calls = rig.calls(operation).await;
            (calls > before).then_some(()).ok_or(format!("{calls}"))
        })
        .await;
        if when == "after" {
            rig.until("done in AWS", async || {
                let now = self.states().await;
                (now != sessions).then_some(()).ok_or(format!("{now:?}"))
            })
            .await;
        }
        operator.kill();
        rig.no_faults().await;
    }

    async fn states(&self) -> Vec<(String, String, u64)> {
        let of = |session: &Value| {
            (
                text(session, "id"),
                text(session, "state"),
                session["invocations"].as_u64().unwrap_or_default(),
            )
        };
        self.sessions().await.iter().map(of).collect()
    }

    /// One session of this version runs, under the id in status.
    async fn one_runs(&self, version: &str) {
        let status = self.serves(version).await;
        let running = self.running().await;
        assert_eq!(running.len(), 1, "{running:?}");
        assert_eq!(Some(text(&running[0], "id")), status.session_id);
        assert_eq!(running[0]["version"], version);
    }
}

fn text(session: &Value, field: &str) -> String {
    session[field].as_str().unwrap_or_default().to_owned()
}

fn reason(status: &AgentSessionStatus) -> &str {
    condition(&status.conditions, "Ready").map_or("", |ready| ready.reason.as_str())
}

fn is_ready(status: &AgentSessionStatus) -> bool {
    condition(&status.conditions, "Ready").is_some_and(|ready| ready.status == "True")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_begins_a_session_which_is_kept_alive_replaced_and_stopped() {
    let stage = Stage::start("declared-life").await;
    let operator: Operator = stage.rig.operator(&[]);
    stage.declare("10s").await;
    stage
        .status_until("waiting for its endpoint", |status| {
            reason(status) == "EndpointNotFound"
        })
        .await;
    stage.agent("one").await;
    stage.endpoint().await;
    let first = stage.serves("1").await;
    let id = first.session_id.clone().expect("an id");
    let born = stage
        .session_until("running", |session| text(session, "id") == id)
        .await;
    assert_eq!(born["version"], "1");
    let kept = stage
        .session_until("kept alive", |session| {
            text(session, "id") == id && session["invocations"].as_u64() >= Some(2)
        })
        .await;
    assert_eq!(kept["pid"], born["pid"], "the same process all the time");

    // Its process dies: the next keepalive begins it again, under the same id.
    let pid = i32::try_from(born["pid"].as_i64().expect("pid")).expect("pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
    let again = stage
        .session_until("begun again", |session| {
            text(session, "id") == id && session["pid"] != born["pid"]
        })
        .await;
    assert_eq!(again["version"], "1");

    // A roll: the new one answers first, then the old one is stopped.
    stage.agent("two").await;
    let second = stage.serves("2").await;
    assert_ne!(second.session_id, first.session_id);
    assert_eq!(stage.running().await.len(), 1);
    let sessions = stage.sessions().await;
    let of = |id: &Option<String>| {
        let found = sessions.iter().rev();
        let mut found = found.filter(|session| Some(text(session, "id")) == *id);
        found.next().cloned().expect("known to AgentCore")
    };
    let (old, new) = (of(&first.session_id), of(&second.session_id));
    assert_eq!(old["endReason"], "STOPPED_BY_CALLER");
    assert!(
        text(&old, "endedAt") >= text(&new, "lastUsedAt"),
        "the new one was used first: {old} {new}"
    );
    let events = stage.rig.events(NAME).await;
    for reason in ["SessionStarted", "Replacing", "SessionReplaced"] {
        assert!(
            events.iter().any(|one| one == reason),
            "{reason}: {events:?}"
        );
    }

    stage.delete().await;
    stage.gone().await;
    assert!(stage.running().await.is_empty());
    let log = operator.text();
    assert!(clean(operator.stop().await));
    assert!(!log.contains("keepalive\"}"), "no payload in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_that_does_not_answer_leaves_the_old_session_serving() {
    let stage = Stage::start("declared-broken").await;
    let operator = stage.rig.operator(&[]);
    stage.agent("one").await;
    stage.endpoint().await;
    stage.declare("5m").await;
    let first = stage.serves("1").await;

    let image = |tagged: &str| json!({"container": {"image": Rig::image(tagged)}});
    stage.rig.push("broken", "prod", &["arm64"]).await;
    let spec = json!({"artifact": image("broken:prod")});
    let spec = stage.rig.spec_with(spec);
    stage.rig.apply_runtime("support", spec).await;
    let failing = stage
        .status_until("a failing replacement", |status| {
            reason(status) == "ReplacementFailed"
        })
        .await;
    assert!(is_ready(&failing), "the old one serves: {failing:#?}");
    assert_eq!(failing.session_id, first.session_id);
    let id = first.session_id.expect("an id");
    stage
        .session_until("the old one", |session| text(session, "id") == id)
        .await;

    stage.agent("three").await;
    stage.one_runs("3").await;
    assert!(clean(operator.stop().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_or_after_each_call_leaves_one_session() {
    let stage = Stage::start("declared-kills").await;
    let operator = stage.rig.operator(NO_LEASE);
    stage.agent("one").await;
    stage.endpoint().await;
    stage.rig.endpoint_ready("live").await;
    assert!(clean(operator.stop().await));

    stage.declare("5m").await;
    for when in ["before", "after"] {
        stage.die_at("InvokeAgentRuntime", when).await;
    }
    let operator = stage.rig.operator(NO_LEASE);
    stage.one_runs("1").await;
    stage.agent("two").await;
    stage.rig.runtime_ready("support").await;
    assert!(clean(operator.stop().await));

    stage.agent("three").await;
    for (operation, when) in [
        ("InvokeAgentRuntime", "before"),
        ("InvokeAgentRuntime", "after"),
        ("StopRuntimeSession", "before"),
        ("StopRuntimeSession", "after"),
    ] {
        stage.die_at(operation, when).await;
    }
    let operator = stage.rig.operator(NO_LEASE);
    stage.one_runs("3").await;
    assert!(clean(operator.stop().await));

    stage.delete().await;
    for when in ["before", "after"] {
        stage.die_at("StopRuntimeSession", when).await;
    }
    let operator = stage.rig.operator(NO_LEASE);
    stage.gone().await;
    assert!(stage.running().await.is_empty());
    assert!(clean(operator.stop().await));
}
