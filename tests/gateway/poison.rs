//! Objects that are meant to do harm: nested and named so that decoders give up, or as large as the API server takes them. Nobody else notices.

use agentcore_api::{AgentSession, AgentSessionStatus};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use crate::rig::{Operator, Rig, condition};

/// More levels than `serde_json` reads.
const LEVELS: usize = 150;
const MIB: u64 = 1 << 20;
/// A payload that the agent takes.
const KEEP_ALIVE: &str = r#"{"action":"keepalive"}"#;

fn nested(innermost: &str, levels: usize) -> String {
    let (head, tail) = (r#"{"f:a":"#.repeat(levels), "}".repeat(levels));
    format!("{head}{innermost}{tail}")
}

/// A request with a body that no client library would write.
async fn send(rig: &Rig, method: Method, plural: &str, name: &str, body: String) -> String {
    let path = format!(
        "/apis/agentcore.dev/v1alpha1/namespaces/{}/{plural}{name}",
        rig.namespace
    );
    let kind = if method == Method::PATCH {
        "application/merge-patch+json"
    } else {
        "application/json"
    };
    let request = http::Request::builder()
        .method(method.as_str())
        .uri(path)
        .header("content-type", kind)
        .body(body.into_bytes())
        .expect("a request");
    rig.client.request_text(request).await.expect("accepted")
}

fn session(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"agentcore.dev/v1alpha1","kind":"AgentSession","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
    )
}

fn with_payload(name: &str, payload: &str) -> String {
    let keep_alive = format!(r#"{{"every":"60s","payload":{payload}}}"#);
    session(
        name,
        &format!(r#"{{"runtimeRef":{{"name":"support"}},"keepAlive":{keep_alive}}}"#),
    )
}

fn sessions(rig: &Rig) -> Api<AgentSession> {
    Api::namespaced(rig.client.clone(), &rig.namespace)
}

/// The status alone: the whole object may not be readable here either.
async fn status(rig: &Rig, name: &str) -> Value {
    #[derive(serde::Deserialize)]
    struct Object {
        #[serde(default)]
        status: Value,
    }
    let text = send(rig, Method::GET, "agentsessions/", name, String::new()).await;
    serde_json::from_str::<Object>(&text)
        .expect("an object")
        .status
}

fn reason(status: &Value) -> &str {
    let conditions = status["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|one| one["type"] == "Ready");
    ready.map_or("", |one| one["reason"].as_str().unwrap_or_default())
}

async fn says(rig: &Rig, name: &str, wanted: &str) {
    let what = format!("AgentSession {name} says {wanted}");
    rig.until(&what, async || {
        let status = status(rig, name).await;
        let good = reason(&status) == wanted;
        good.then_some(()).ok_or_else(|| status.to_string())
    })
    .await;
}

async fn gone(rig: &Rig, name: &str) {
    let params = DeleteParams::default();
    // The answer may not be readable here; what counts is that it goes.
    let _ = sessions(rig).delete(name, &params).await;
    let api = Api::<kube::core::PartialObjectMeta<AgentSession>>::namespaced(
        rig.client.clone(),
        &rig.namespace,
    );
    rig.until("gone", async || match api.get_opt(name).await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Figures of an operator.
async fn metrics(rig: &Rig, operator: &Operator) -> String {
    let address = rig
        .until("admin endpoint listens", async || {
            let text = operator.text();
            let line = text
                .lines()
                .find(|line| line.contains("admin endpoint listens"));
            let address = line.and_then(|line| line.split("address=").nth(1));
            let address = address.and_then(|rest| rest.split_whitespace().next());
            address.map(str::to_owned).ok_or(text)
        })
        .await;
    let http = reqwest::Client::builder().no_proxy().build();
    let answer = http
        .expect("client")
        .get(format!("http://{address}/metrics"));
    let answer = answer.send().await.expect("metrics");
    answer.text().await.expect("text")
}

/// Bytes that a process has, or had at most, in memory.
fn memory(pid: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let kib = found.expect(line).trim().trim_end_matches(" kB");
    kib.parse::<u64>().expect("a number") * 1024
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines)] // one story
async fn json_that_no_decoder_takes_stops_nobody_elses_objects_before_and_after_a_restart() {
    let front = Front::start("gw-poison").await;
    let (rig, token) = (&front.rig, front.token("caller").await);
    let deep = nested("1", LEVELS);
    send(
        rig,
        Method::POST,
        "agentsessions",
        "",
        with_payload("deep", &deep),
    )
    .await;
    for (name, key) in [("odd-value", "RawValue"), ("odd-number", "Number")] {
        let payload = format!(r#"{{"$serde_json::private::{key}":"{{","action":"keepalive"}}"#);
        send(
            rig,
            Method::POST,
            "agentsessions",
            "",
            with_payload(name, &payload),
        )
        .await;
    }
    send(
        rig,
        Method::POST,
        "agentsessions",
        "",
        with_payload("good", KEEP_ALIVE),
    )
    .await;
    // Managed fields are somebody's own words too.
    let mut poisoned = rig.spec();
    poisoned["suspend"] = json!(true);
    let fields = nested("{}", LEVELS);
    let body = format!(
        r#"{{"apiVersion":"agentcore.dev/v1alpha1","kind":"AgentRuntime","metadata":{{"name":"poisoned","managedFields":[{{"manager":"x","operation":"Update","apiVersion":"agentcore.dev/v1alpha1","time":"2026-11-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{fields}}}]}},"spec":{poisoned}}}"#
    );
    let answer = send(rig, Method::POST, "agentruntimes", "", body).await;
    assert!(
        answer.contains(&r#"{"f:a":"#.repeat(130)),
        "not kept: {answer}"
    );

    says(rig, "deep", "InvalidSpec").await;
    for name in ["odd-value", "odd-number", "good"] {
        says(rig, name, "Ready").await;
    }
    rig.apply_runtime("second", rig.spec()).await;
    rig.runtime_ready("second").await;
    let answer = front
        .invoke(&token, &json!({"prompt": "hello"}))
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 200);

    // Both begin anew: everything is listed again.
    let Front {
        rig,
        operator,
        gateway,
        http,
    } = front;
    assert!(operator.stop().await.success());
    drop(gateway);
    let operator = rig.operator(&[]);
    let gateway = Gateway::start(&rig, &[]).await;
    let front = Front {
        rig,
        operator,
        gateway,
        http,
    };
    let rig = &front.rig;
    rig.apply_runtime("third", rig.spec()).await;
    rig.runtime_ready("third").await;
    says(rig, "deep", "InvalidSpec").await;
    send(
        rig,
        Method::POST,
        "agentsessions",
        "",
        with_payload("later", KEEP_ALIVE),
    )
    .await;
    says(rig, "later", "Ready").await;
    let answer = front
        .invoke(&token, &json!({"prompt": "hello"}))
        .send()
        .await;
    assert_eq!(answer.expect("an answer").status(), 200);
    // They are objects like others: edited, and deleted.
    let smaller =
        r#"{"spec":{"keepAlive":{"payload":{"f:a":null,"action":"keepalive"}}}}"#.to_owned();
    send(rig, Method::PATCH, "agentsessions/", "deep", smaller).await;
    says(rig, "deep", "Ready").await;
    for name in ["deep", "odd-value", "odd-number", "good", "later"] {
        gone(rig, name).await;
    }
    let _ = rig
        .runtimes()
        .delete("poisoned", &DeleteParams::default())
        .await;
    let api = Api::<kube::core::PartialObjectMeta<agentcore_api::AgentRuntime>>::namespaced(
        rig.client.clone(),
        &rig.namespace,
    );
    rig.until("gone", async || match api.get_opt("poisoned").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_object_says_so_recovers_and_can_be_deleted_while_others_live() {
    let front = Front::start("gw-unreadable").await;
    let (rig, token) = (&front.rig, front.token("caller").await);
    for name in ["bad", "good"] {
        send(
            rig,
            Method::POST,
            "agentsessions",
            "",
            with_payload(name, KEEP_ALIVE),
        )
        .await;
        says(rig, name, "Ready").await;
    }
    // The schema knows no largest u32: whoever may write a status gets this past it.
    let spoil = async |value: Value| {
        let patch = json!({"status": {"failures": value}});
        let params = PatchParams::default();
        let api = Api::<kube::core::DynamicObject>::namespaced_with(
            rig.client.clone(),
            &rig.namespace,
            &kube::core::ApiResource::erase::<AgentSession>(&()),
        );
        let patched = api
            .patch_status("bad", &params, &Patch::Merge(&patch))
            .await;
        patched.expect("accepted");
    };
    let calls = |name: &str| {
        let url = format!(
            "{}/v1/namespaces/{}/agentsessions/{name}/ping",
            front.gateway.url, rig.namespace
        );
        front.http.get(url).bearer_auth(&token)
    };
    // A pass that is under way may write the field once more.
    let spoiled = async || {
        rig.until("unreadable", async || {
            spoil(json!(5_000_000_000_u64)).await;
            let status = status(rig, "bad").await;
            let good = reason(&status) == "Unreadable";
            good.then_some(()).ok_or_else(|| status.to_string())
        })
        .await;
    };
    spoiled().await;
    assert_eq!(
        status(rig, "bad").await["sessionId"].as_str().map(str::len),
        Some(64)
    );
    rig.until("503 with the reason", async || {
        let answer = calls("bad").send().await.expect("an answer");
        let (code, text) = (answer.status(), answer.text().await.expect("text"));
        let good = code == 503 && text.contains("Unreadable");
        good.then_some(()).ok_or(format!("{code} {text}"))
    })
    .await;
    assert_eq!(calls("good").send().await.expect("an answer").status(), 200);
    rig.until("an Event", async || {
        let events = rig.events("bad").await;
        let said = events.iter().any(|reason| reason == "Unreadable");
        said.then_some(()).ok_or(format!("{events:?}"))
    })
    .await;
    let line = format!(
        r#"agentcore_unreadable_objects{{kind="AgentSession",namespace="{}"}} 1"#,
        rig.namespace
    );
    let text = metrics(rig, &front.operator).await;
    assert!(text.contains(&line), "{text}");
    // A field that fits again ends it, and leaves nothing of it behind.
    spoil(Value::Null).await;
    rig.until("Ready again", async || {
        let object = sessions(rig)
            .get("bad")
            .await
            .map_err(|error| error.to_string())?;
        let AgentSessionStatus { conditions, .. } = object.status.unwrap_or_default();
        let ready = condition(&conditions, "Ready").is_some_and(|one| one.status == "True");
        let good = ready && condition(&conditions, "Stalled").is_none();
        good.then_some(()).ok_or(format!("{conditions:?}"))
    })
    .await;
    let line = "agentcore_unreadable_objects{";
    assert!(!metrics(rig, &front.operator).await.contains(line));
    // Deleted while it cannot be read, it stops its session and goes.
    spoiled().await;
    let before = rig.calls("StopRuntimeSession").await;
    gone(rig, "bad").await;
    assert!(rig.calls("StopRuntimeSession").await > before);
    assert_eq!(calls("good").send().await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_as_large_as_the_api_server_takes_them_cost_little_memory() {
    let front = Front::start("gw-weight").await;
    let rig = &front.rig;
    let resident = |line: &str| {
        [
            memory(front.operator.pid(), line),
            memory(front.gateway.pid(), line),
        ]
    };
    let before = resident("VmHWM:");
    let text = "x".repeat(1_100_000);
    for n in 0..5 {
        let payload = format!(r#"{{"a":"{text}"}}"#);
        let keep_alive = format!(r#"{{"payload":{payload}}}"#);
        let spec = format!(
            r#"{{"runtimeRef":{{"name":"support"}},"suspend":true,"keepAlive":{keep_alive}}}"#
        );
        send(
            rig,
            Method::POST,
            "agentsessions",
            "",
            session(&format!("large-{n}"), &spec),
        )
        .await;
    }
    for n in 0..5 {
        says(rig, &format!("large-{n}"), "Suspended").await;
    }
    let value = "y".repeat(5000);
    let env: Vec<Value> = (0..50)
        .map(|n| json!({"name": format!("V{n}"), "value": value}))
        .collect();
    let spec = rig.spec_with(json!({"env": env}));
    let runtimes = 150;
    for n in 0..runtimes {
        rig.apply_runtime(&format!("wide-{n}"), spec.clone()).await;
    }
    for n in 0..runtimes {
        rig.runtime_ready(&format!("wide-{n}")).await;
    }
    let objects = 5 * 1_100_000 + runtimes * 50 * 5000;
    let after = resident("VmHWM:");
    println!("before {before:?}, after {after:?}, bytes of objects {objects}");
    let [controller, gateway] = after;
    assert!(controller < 256 * MIB && gateway < 512 * MIB, "{after:?}");
    for (before, after) in before.into_iter().zip(after) {
        // 43 MB of objects: less than twice their size at the worst moment, AWS's requests for them included.
        assert!(after - before < 2 * objects, "{before} to {after}");
    }
    // The same after a restart, when everything comes at once.
    let Front {
        rig,
        operator,
        gateway,
        http,
    } = front;
    assert!(operator.stop().await.success());
    drop(gateway);
    let operator = rig.operator(&[]);
    let gateway = Gateway::start(&rig, &[]).await;
    let front = Front {
        rig,
        operator,
        gateway,
        http,
    };
    front.rig.apply_runtime("last", front.rig.spec()).await;
    front.rig.runtime_ready("last").await;
    let peaks = [front.operator.pid(), front.gateway.pid()].map(|pid| memory(pid, "VmHWM:"));
    println!("after a restart {peaks:?}");
    assert!(peaks[0] < 256 * MIB && peaks[1] < 512 * MIB, "{peaks:?}");
}
