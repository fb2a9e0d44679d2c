//! Nobody waits behind another namespace's crowd, and a region that nobody uses is let go. What counts is the order in which calls reach AWS,
//! not how long they take.

use agentcore_api::AgentRuntime;
use futures::stream::{StreamExt, iter};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::rig::{Rig, runtime_is_ready};

/// Objects of the crowd.
const CROWD: usize = 120;
/// Calls of the crowd that may come between somebody's wish and the call for it: those that are made while the wish goes through the API server
/// on a busy machine. Behind the crowd it would be nearly all of them.
const HANDFUL: usize = CROWD / 5;

/// Two namespaces: the rig's own, which holds the crowd, and another.
struct Stage {
    rig: Rig,
    other: String,
}

impl Stage {
    async fn start(crowd: &str, other: &str) -> Self {
        let rig = Rig::start(crowd).await;
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(other.to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(rig.client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("namespace");
        let other = other.to_owned();
        Self { rig, other }
    }

    /// Applies the other namespace's only object.
    async fn apply_other(&self, description: &str) {
        let api = Api::<AgentRuntime>::namespaced(self.rig.client.clone(), &self.other);
        let role = format!(
            "arn:aws:iam::111122223333:role/agentcore/{}/support",
            self.other
        );
        let spec = json!({"description": description, "executionRole": {"arn": role}});
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "alone"},
            "spec": self.rig.spec_with(spec),
        });
        let params = PatchParams::apply("test").force();
        api.patch("alone", &params, &Patch::Apply(&object))
            .await
            .expect("AgentRuntime accepted");
    }

    async fn apply_crowd(&self, description: &str) {
        let spec = self.rig.spec_with(json!({"description": description}));
        iter(0..CROWD)
            .for_each_concurrent(16, async |number| {
                let name = format!("crowd-{number}");
                self.rig.apply_runtime(&name, spec.clone()).await;
            })
            .await;
    }

    /// Descriptions that AWS was given of the crowd's runtimes and of the other's, oldest runtime first.
    async fn described(&self) -> (Vec<String>, Option<String>) {
        let (mut crowd, mut alone) = (Vec::new(), None);
        for runtime in self.rig.aws_runtimes().await {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let description = text(&runtime["description"]);
            if text(&runtime["tags"]["agentcore.dev/namespace"]) == self.other {
                alone = Some(description);
            } else {
                crowd.push(description);
            }
        }
        (crowd, alone)
    }

    /// How many of the crowd have this description in AWS, as soon as the other has it.
    async fn ahead(&self, description: &str) -> usize {
        let (ahead, _) = self
            .until(description, |_, alone| alone == Some(description))
            .await;
        ahead
    }

    /// Waits until the crowd's share of this description and the other's are as wished.
    async fn until(
        &self,
        description: &str,
        good: impl Fn(usize, Option<&str>) -> bool,
    ) -> (usize, Option<String>) {
        self.rig
            .until(&format!("described as {description}"), async || {
                let (crowd, alone) = self.described().await;
                let count = crowd.iter().filter(|one| *one == description).count();
                if good(count, alone.as_deref()) {
                    Ok((count, alone))
                } else {
                    Err(format!("{count} of the crowd, and {alone:?}"))
                }
            })
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_behind_a_crowd_of_another_namespace_is_made_after_a_handful_of_it() {
    let stage = Stage::start("fair-create-a", "fair-create-b").await;
    let rates = ["--aws-rate", "CreateAgentRuntime=1"];
    let flags = [&["--watch-namespace", "fair-create-b"], &rates[..]].concat();
    let _operator = stage.rig.operator_at_default_rates(&flags);
    stage.apply_crowd("one").await;
    let (before, _) = stage.until("one", |made, _| made > 0).await;
    stage.apply_other("one").await;
    let ahead = stage.ahead("one").await;
    assert!(
        ahead <= before + HANDFUL,
        "{ahead} of the crowd were made before it, {before} of them before it was asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_edit_behind_a_crowd_of_another_namespace_is_sent_after_a_handful_of_it() {
    let stage = Stage::start("fair-edit-a", "fair-edit-b").await;
    let rates = ["--aws-rate", "UpdateAgentRuntime=1"];
    let flags = [&["--watch-namespace", "fair-edit-b"], &rates[..]].concat();
    let _operator = stage.rig.operator(&flags);
    stage.apply_other("one").await;
    stage.apply_crowd("one").await;
    let api = Api::<AgentRuntime>::namespaced(stage.rig.client.clone(), &stage.other);
    stage
        .rig
        .until("all Ready", async || {
            let (crowd, every) = (stage.rig.runtimes(), ListParams::default());
            let all = crowd.list(&every).await.expect("list");
            let ready = all.iter().filter(|one| runtime_is_ready(one)).count();
            let alone = api.get("alone").await.expect("get");
            if ready == CROWD && runtime_is_ready(&alone) {
                Ok(())
            } else {
                Err(format!("{ready} of the crowd"))
            }
        })
        .await;
    stage.apply_crowd("two").await;
    let (before, _) = stage.until("two", |edited, _| edited > 0).await;
    stage.apply_other("two").await;
    let ahead = stage.ahead("two").await;
    assert!(
        ahead <= before + HANDFUL,
        "{ahead} of the crowd were edited before it, {before} of them before it was asked for"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_last_object_is_gone_is_let_go_and_comes_back_with_the_next() {
    let rig = Rig::start("region-let-go").await;
    let operator = rig.operator(&[]);
    rig.apply_runtime("first", rig.spec()).await;
    rig.runtime_ready("first").await;
    rig.delete_runtime("first").await;
    rig.runtime_gone("first").await;
    let before = rig.calls("ListAgentRuntimes").await;
    rig.until("let go", async || {
        let text = operator.text();
        let told = text.contains("no object uses this region any more");
        told.then_some(()).ok_or(text)
    })
    .await;
    let lists = rig.calls("ListAgentRuntimes").await;
    // The poller has ended; at rest it would have listed once a minute.
    assert!(lists <= before + 2, "{before} and then {lists} lists");
    rig.apply_runtime("second", rig.spec()).await;
    rig.runtime_ready("second").await;
    assert!(rig.calls("ListAgentRuntimes").await > lists);
}
