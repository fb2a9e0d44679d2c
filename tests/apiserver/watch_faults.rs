//! The API server, or what is before it, fails once after each write that changed something in the life of a runtime and its endpoint: one runtime, no
//! version too many, the same end.

use std::collections::BTreeMap;

use agentcore_api::{AgentEndpoint, AgentRuntime};
use futures::future::join_all;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::api_proxy::{ApiProxy, FAULTS, Fault};
use super::kills::{NO_LEASE, live_on, one_runtime};
use super::rig::Rig;

/// `all`: each fault after each write; else each write has one of them, and another one for each number.
const ROUNDS: &str = "AGENTCORE_API_FAULTS";

/// The writes of a life that changed something, and how many answers, lists and events each fault spoiled.
type Lived = (Vec<(String, Option<Fault>)>, BTreeMap<Fault, usize>);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_api_server_does_after_a_write_there_is_one_runtime_and_the_same_end() {
    let (calm, felt) = live("api-calm".to_owned(), |_| None).await;
    assert!(
        calm.len() >= FAULTS.len() * 3,
        "each fault at each stage: {calm:#?}"
    );
    assert!(felt.is_empty(), "{felt:?}");
    let rounds = match std::env::var(ROUNDS).unwrap_or_default().as_str() {
        "all" => 0..FAULTS.len(),
        "" => 0..1,
        round => {
            let round: usize = round.parse().expect("`all` or a number");
            round..round + 1
        }
    };
    for round in rounds {
        let lives = FAULTS.iter().enumerate().map(|(which, &fault)| {
            let name = format!("api-{fault:?}-{round}").to_lowercase();
            let plan = move |n| ((n + which + round) % FAULTS.len() == 0).then_some(fault);
            live(name, plan)
        });
        for ((written, felt), fault) in join_all(lives).await.iter().zip(FAULTS) {
            let struck = written.iter().filter(|(_, struck)| *struck == Some(fault));
            assert!(struck.count() >= 3, "{fault:?} at each stage: {written:#?}");
            assert!(
                felt.contains_key(&fault),
                "{fault:?} does nothing: {felt:?}"
            );
        }
    }
}

/// Who edits, through the same proxy: their writes fail too, and they try again.
struct Hand {
    client: kube::Client,
    namespace: String,
}

impl Hand {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn apply(&self, rig: &Rig, kind: &str, name: &str, spec: Value) {
        let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let how = PatchParams::apply("test").force();
        rig.until("applied", async || {
            let done = if kind == "AgentRuntime" {
                let api = self.api::<AgentRuntime>();
                api.patch(name, &how, &Patch::Apply(&object))
                    .await
                    .map(drop)
            } else {
                let api = self.api::<AgentEndpoint>();
                api.patch(name, &how, &Patch::Apply(&object))
                    .await
                    .map(drop)
            };
            done.map_err(|error| error.to_string())
        })
        .await;
    }

    async fn delete<K>(&self, rig: &Rig, name: &str)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        rig.until("deleted", async || {
            match self.api::<K>().delete(name, &DeleteParams::default()).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }
}

/// One life under a plan; gives the writes that changed something.
async fn live(
    name: String,
    plan: impl Fn(usize) -> Option<Fault> + Send + Sync + 'static,
) -> Lived {
    let rig = Rig::start(&name).await;
    let proxy = ApiProxy::before(rig.client.clone(), plan).await;
    let through = proxy.kubeconfig(rig.dir.path().join("proxied.kubeconfig"));
    let operator = rig.operator_as(&through, "info,agentcore_operator=debug", NO_LEASE);
    rig.says(&operator, "leader election is off").await;
    let hand = Hand {
        client: proxy.client(),
        namespace: name.clone(),
    };
    hand.apply(&rig, "AgentRuntime", "support", rig.spec())
        .await;
    let spec = json!({"runtimeRef": {"name": "support"}, "version": "Latest"});
    hand.apply(&rig, "AgentEndpoint", "live", spec).await;
    once(&rig, "1").await;
    let edited = rig.spec_with(json!({"description": "two"}));
    hand.apply(&rig, "AgentRuntime", "support", edited).await;
    once(&rig, "2").await;
    hand.delete::<AgentEndpoint>(&rig, "live").await;
    hand.delete::<AgentRuntime>(&rig, "support").await;
    rig.endpoint_gone("live").await;
    rig.runtime_gone("support").await;
    let left = rig.aws_runtimes().await;
    assert!(left.is_empty(), "{name}: nothing orphaned: {left:?}");
    // A call that is repeated has the token that it had.
    let tokens: Vec<Value> = serde_json::from_str(&rig.client_tokens().await).expect("tokens");
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for token in &tokens {
        *of.entry(token["operation"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    for (operation, times) in [
        ("CreateAgentRuntime", 1),
        ("UpdateAgentRuntime", 1),
        ("CreateAgentRuntimeEndpoint", 1),
    ] {
        assert_eq!(
            of.get(operation),
            Some(&times),
            "{name}: {operation} in {of:?}"
        );
    }
    (proxy.writes(), proxy.felt())
}

/// Waits until both are ready on a version; then there is one runtime, with its owner's UID, and one endpoint.
async fn once(rig: &Rig, version: &str) {
    let runtime = rig.runtime_ready("support").await;
    live_on(rig, version).await;
    let name = &rig.namespace;
    let made = one_runtime(rig, version).await;
    assert_eq!(
        made["tags"]["agentcore.dev/uid"],
        json!(runtime.uid()),
        "{name}"
    );
    assert_eq!(rig.aws_endpoints().await.len(), 1, "{name}: one endpoint");
}
