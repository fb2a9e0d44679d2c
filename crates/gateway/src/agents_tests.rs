use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-0123456789";

fn cluster() -> ClusterNames {
    ClusterNames {
        id: "test".to_owned(),
        uid: "u-0".to_owned(),
        former_uids: Vec::new(),
    }
}

fn runtime(spec: &Value, status: &Value) -> AgentRuntime {
    let mut whole = json!({
        "runtimeName": "support",
        "artifact": { "container": { "image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/support:1" } },
        "executionRole": { "arn": "arn:aws:iam::111122223333:role/agentcore/shop/support" },
        "network": { "mode": "PUBLIC" },
    });
    let fields = whole.as_object_mut().expect("an object");
    fields.extend(spec.as_object().expect("an object").clone());
    serde_json::from_value(json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
        "metadata": { "namespace": "shop", "name": "support", "uid": "u-1", "resourceVersion": "1" },
        "spec": whole, "status": status,
    }))
    .expect("an AgentRuntime")
}

fn endpoint(status: &Value) -> AgentEndpoint {
    serde_json::from_value(json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
        "metadata": { "namespace": "shop", "name": "prod", "uid": "u-2", "resourceVersion": "1" },
        "spec": { "runtimeRef": { "name": "support" }, "version": "2" }, "status": status,
    }))
    .expect("an AgentEndpoint")
}

fn declared(status: &Value) -> Value {
    let mut whole = json!({
        "sessionId": "s".repeat(64), "runtimeArn": ARN, "qualifier": "prod", "version": "2",
        "conditions": ready("True", "Ready"),
    });
    let fields = whole.as_object_mut().expect("an object");
    fields.extend(status.as_object().expect("an object").clone());
    json!({
        "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession",
        "metadata": { "namespace": "shop", "name": "bridge", "uid": "u-3", "resourceVersion": "1" },
        "spec": { "endpointRef": { "name": "prod" } }, "status": whole,
    })
}

fn ready(status: &str, reason: &str) -> Value {
    json!([{ "type": "Ready", "status": status, "reason": reason, "message": "because",
             "lastTransitionTime": "2026-11-01T00:00:00Z" }])
}

fn live() -> Value {
    json!({ "arn": ARN, "defaultEndpoint": { "liveVersion": "3", "status": "READY" }, "conditions": ready("True", "Ready") })
}

/// An API server that does not stream lists: it lists these objects, and then says nothing more; and the agents that come of it.
async fn agents(runtimes: Vec<AgentRuntime>, endpoints: Vec<AgentEndpoint>) -> Agents {
    let lists = Arc::new([
        ("agentruntimes", json!(runtimes)),
        ("agentendpoints", json!(endpoints)),
        ("agentsessions", json!([declared(&json!({}))])),
    ]);
    let answer = move |request: Request<Body>| {
        let lists = lists.clone();
        async move {
            let path = request.uri().path();
            let query = request.uri().query().unwrap_or_default();
            if query.contains("sendInitialEvents=true") {
                let status = json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
                                     "reason": "Invalid", "code": 422, "message": "forbidden" });
                let body = Body::from(status.to_string().into_bytes());
                let mut refused = Response::new(body);
                *refused.status_mut() = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
                return Ok(refused);
            }
            if query.contains("watch=true") {
                std::future::pending::<()>().await;
            }
            let (_, items) = lists
                .iter()
                .find(|(kind, _)| path.ends_with(kind))
                .expect("one of the three kinds");
            let list = json!({ "apiVersion": "agentcore.dev/v1alpha1", "kind": "List",
                               "metadata": { "resourceVersion": "1" }, "items": items });
            let body = Body::from(list.to_string().into_bytes());
            Ok::<_, std::convert::Infallible>(Response::new(body))
        }
    };
    let client = Client::new(tower::service_fn(answer), "default");
    let (agents, running) = Agents::watch(&client, &["shop".to_owned()], cluster());
    tokio::spawn(running);
    tokio::time::timeout(Duration::from_mins(1), agents.filled())
        .await
        .expect("the lists are read");
    agents
}

#[tokio::test]
async fn a_runtime_leads_to_its_arn_and_what_a_request_needs() {
    let spec = json!({
        "protocol": { "serverProtocol": "MCP" },
        "requestHeaders": { "allowlist": ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team", "X-Tenant"] },
    });
    let agents = agents(vec![runtime(&spec, &live())], Vec::new()).await;
    let agent = agents
        .resolve(Kind::AgentRuntime, "shop", "support")
        .expect("resolves");
    let expected = Agent {
        kind: Kind::AgentRuntime,
        namespace: "shop".into(),
        name: "support".into(),
        uid: "u-1".to_owned(),
        target: Target {
            arn: ARN.parse().expect("an ARN"),
            qualifier: None,
        },
        session: None,
        version: Some("3".to_owned()),
        edition: Some("3".into()),
        idle_timeout: Duration::from_mins(15),
        max_lifetime: Duration::from_hours(8),
        protocol: ServerProtocol::Mcp,
        jwt: false,
        allowlist: vec![
            HeaderName::from_static("x-amzn-bedrock-agentcore-runtime-custom-team"),
            HeaderName::from_static("x-tenant"),
        ],
        sessions: Policy::default(),
        ready: Ok(()),
    };
    assert_eq!(*agent, expected);
    let again = agents
        .resolve(Kind::AgentRuntime, "shop", "support")
        .expect("resolves");
    assert!(
        Arc::ptr_eq(&agent, &again),
        "it was made anew for an object that did not change"
    );
}

#[tokio::test]
async fn what_is_in_force_goes_before_what_is_wished_for() {
    let spec = json!({
        "authorizer": { "customJWT": { "discoveryUrl": "https://id.example.com/.well-known/openid-configuration" } },
        "requestHeaders": { "allowlist": ["X-New"] },
    });
    let mut status = live();
    status["effective"] = json!({
        "idleRuntimeSessionTimeout": "60s", "maxLifetime": "120s", "serverProtocol": "HTTP", "port": 8080, "path": "/invocations",
        "inboundAuth": "IAM", "requestHeaders": ["X-Old"],
    });
    let agents = agents(vec![runtime(&spec, &status)], vec![]).await;
    let agent = agents
        .resolve(Kind::AgentRuntime, "shop", "support")
        .expect("resolves");
    assert_eq!(
        (agent.jwt, &agent.allowlist),
        (false, &vec!["x-old".parse().expect("a header")])
    );
}

#[tokio::test]
async fn an_endpoint_has_its_own_place_and_its_runtimes_ways() {
    let spec = json!({ "authorizer": { "customJWT": { "discoveryUrl": "https://id.example.com/.well-known/openid-configuration" } } });
    let status = json!({ "arn": format!("{ARN}/runtime-endpoint/prod_1"), "name": "prod_1", "runtimeArn": ARN,
                         "liveVersion": "2", "conditions": ready("True", "Ready") });
    let agents = agents(vec![runtime(&spec, &live())], vec![endpoint(&status)]).await;
    let agent = agents
        .resolve(Kind::AgentEndpoint, "shop", "prod")
        .expect("resolves");
    let target = Target {
        arn: ARN.parse().expect("an ARN"),
        qualifier: Some("prod_1".to_owned()),
    };
    assert_eq!(agent.target, target);
    assert_eq!((agent.version.as_deref(), agent.jwt), (Some("2"), true));
    assert_eq!(
        (agent.kind, agent.uid.as_str()),
        (Kind::AgentEndpoint, "u-2")
    );
}

#[tokio::test]
async fn names_of_nothing_are_not_found() {
    let agents = agents(vec![runtime(&json!({}), &live())], Vec::new()).await;
    for (kind, namespace, name) in [
        (Kind::AgentRuntime, "shop", "other"),
        (Kind::AgentRuntime, "unwatched", "support"),
        (Kind::AgentRuntime, "", "support"),
        (Kind::AgentEndpoint, "shop", "support"),
        (Kind::AgentSession, "shop", "support"),
    ] {
        let found = agents.resolve(kind, namespace, name);
        assert_eq!(
            found,
            Err(Unresolved::NotFound),
            "{kind:?} {namespace}/{name}"
        );
    }
}

#[tokio::test]
async fn what_does_not_serve_yet_says_why() {
    let creating = json!({ "arn": ARN, "conditions": ready("False", "CreateFailed") });
    let fresh = endpoint(
        &json!({ "runtimeArn": ARN, "name": "prod", "conditions": ready("False", "RuntimeNotReady") }),
    );
    let agents = agents(vec![runtime(&json!({}), &creating)], vec![fresh]).await;
    for (kind, name, expected) in [
        (Kind::AgentRuntime, "support", "CreateFailed"),
        (Kind::AgentEndpoint, "prod", "RuntimeNotReady"),
    ] {
        let found = agents.resolve(kind, "shop", name);
        let Err(Unresolved::NotReady { reason, message }) = found else {
            panic!("{found:?}")
        };
        assert_eq!((reason.as_str(), message.as_str()), (expected, "because"));
    }
}

#[tokio::test]
async fn an_object_that_no_controller_has_seen_and_an_orphan_are_not_ready() {
    let status = json!({ "arn": "arn", "name": "prod", "runtimeArn": ARN, "liveVersion": "2" });
    let orphan = endpoint(&status);
    let unseen = agents(
        vec![runtime(&json!({}), &json!({ "observedGeneration": -1 }))],
        Vec::new(),
    )
    .await;
    let found = unseen.resolve(Kind::AgentRuntime, "shop", "support");
    assert!(
        matches!(found, Err(Unresolved::NotReady { .. })),
        "{found:?}"
    );
    let alone = agents(Vec::new(), vec![orphan]).await;
    let found = alone.resolve(Kind::AgentEndpoint, "shop", "prod");
    let Err(Unresolved::NotReady { reason, message }) = found else {
        panic!("{found:?}")
    };
    assert_eq!(reason, reasons::RUNTIME_NOT_FOUND);
    assert!(message.contains("support"), "{message}");
}

#[tokio::test]
async fn what_failed_on_its_newest_version_still_serves_the_older_one() {
    let status = json!({ "arn": ARN, "phase": "FAILED", "latestVersion": "4",
                         "defaultEndpoint": { "liveVersion": "3", "status": "READY" },
                         "conditions": ready("False", "UpdateFailed") });
    let agents = agents(vec![runtime(&json!({}), &status)], Vec::new()).await;
    let agent = agents
        .resolve(Kind::AgentRuntime, "shop", "support")
        .expect("resolves");
    assert_eq!(agent.version.as_deref(), Some("3"));
    let not_ready = agent.ready.clone().expect_err("not Ready");
    assert_eq!(not_ready.reason, "UpdateFailed");
}

#[test]
fn an_agent_is_made_once_for_an_object_and_anew_for_its_successor() {
    let made = Made::<AgentRuntime>::default();
    let count = AtomicUsize::new(0);
    let resolve = |object: &Arc<AgentRuntime>| {
        let build = || {
            count.fetch_add(1, Ordering::Relaxed);
            of_runtime(object, &cluster())
        };
        made.agent(ObjectRef::from_obj(&**object), object, object, build)
    };
    let first = Arc::new(runtime(&json!({}), &live()));
    resolve(&first).expect("resolves");
    resolve(&first).expect("resolves");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let mut status = live();
    status["defaultEndpoint"]["liveVersion"] = json!("4");
    let second = Arc::new(runtime(&json!({}), &status));
    let agent = resolve(&second).expect("resolves");
    assert_eq!(agent.version.as_deref(), Some("4"));
    assert_eq!(count.load(Ordering::Relaxed), 2);
    made.forget(&second);
    assert!(made.0.read().is_empty());
}

#[test]
fn objects_whose_end_was_never_told_are_forgotten_in_time() {
    let made = Made::<AgentRuntime>::default();
    for number in 0..10_000 {
        let mut object = runtime(&json!({}), &live());
        object.metadata.name = Some(format!("support-{number}"));
        let object = Arc::new(object);
        let reference = ObjectRef::from_obj(&*object);
        made.agent(reference, &object, &object, || {
            of_runtime(&object, &cluster())
        })
        .expect("resolves");
    }
    let left = made.0.read().len();
    assert!(left < 100, "{left} are remembered");
}

#[tokio::test]
async fn a_declared_session_leads_to_its_one_session_on_the_version_that_it_was_born_on() {
    let status = json!({ "arn": "x", "runtimeArn": ARN, "name": "prod", "liveVersion": "3", "conditions": ready("True", "Ready") });
    let agents = agents(vec![runtime(&json!({}), &live())], vec![endpoint(&status)]).await;
    // Its list is not waited for.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    let agent = loop {
        match agents.resolve(Kind::AgentSession, "shop", "bridge") {
            Ok(agent) => break agent,
            Err(Unresolved::NotReady { .. }) if tokio::time::Instant::now() < deadline => {
                tokio::task::yield_now().await;
            }
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(agent.session, "s".repeat(64).parse().ok());
    assert_eq!(agent.target.qualifier.as_deref(), Some("prod"));
    assert_eq!(agent.version.as_deref(), Some("2"));
    assert_eq!(
        agents.resolve(Kind::AgentSession, "shop", "other"),
        Err(Unresolved::NotFound)
    );
}

/// What resolving says is wrong, for each of the three kinds that lead to the runtime. The list of declared sessions is waited for.
async fn reasons_of(runtimes: Vec<AgentRuntime>, endpoints: Vec<AgentEndpoint>) -> Vec<String> {
    let agents = agents(runtimes, endpoints).await;
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while !agents.shards["shop"].declared_are_listed() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "no list of sessions"
        );
        tokio::task::yield_now().await;
    }
    let names = [
        (Kind::AgentRuntime, "support"),
        (Kind::AgentEndpoint, "prod"),
        (Kind::AgentSession, "bridge"),
    ];
    let reason = |(kind, name)| match agents.resolve(kind, "shop", name) {
        Err(Unresolved::NotReady { reason, .. }) => reason,
        other => format!("{other:?}"),
    };
    names.map(reason).into()
}

#[tokio::test]
async fn a_runtime_that_is_anothers_by_its_tags_is_not_called_though_its_arn_is_in_status() {
    let mut taken = live();
    taken["conditions"] = ready("False", "NotOwned");
    let serving = json!({ "arn": format!("{ARN}/runtime-endpoint/prod_1"), "name": "prod_1", "runtimeArn": ARN,
                          "liveVersion": "2", "conditions": ready("True", "Ready") });
    let found = reasons_of(vec![runtime(&json!({}), &taken)], vec![endpoint(&serving)]).await;
    assert_eq!(found, ["NotOwned", "NotOwned", "NotOwned"]);
    let mut told = serving;
    told["conditions"] = ready("False", "NotOwned");
    let found = reasons_of(vec![runtime(&json!({}), &live())], vec![endpoint(&told)]).await;
    assert_eq!(found[1..], ["NotOwned", "NotOwned"]);
}

#[tokio::test]
async fn a_status_that_names_another_objects_runtime_leads_nowhere() {
    let theirs = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/billing-0123456789";
    let mut forged = live();
    forged["arn"] = json!(theirs);
    let pointing = json!({ "arn": format!("{theirs}/runtime-endpoint/prod_1"), "name": "prod_1", "runtimeArn": theirs,
                           "liveVersion": "2", "conditions": ready("True", "Ready") });
    let found = reasons_of(
        vec![runtime(&json!({}), &forged)],
        vec![endpoint(&pointing)],
    )
    .await;
    assert_eq!(found[..2], ["NotOwned", "NotOwned"]);
    // A runtime of another namespace of this cluster, by its derived name.
    let own = cluster().new_name("shop", "support");
    let other = cluster().new_name("bank", "support");
    for (name, expected) in [(own, "Ok"), (other, "Err")] {
        let mut object = runtime(&json!({}), &live());
        object.spec.runtime_name = None;
        let status = object.status.as_mut().expect("a status");
        status.arn = Some(ARN.replace("support", &name));
        let made = of_runtime(&object, &cluster());
        assert!(
            format!("{made:?}").starts_with(expected),
            "{name}: {made:?}"
        );
    }
}
