//! Each version leaves a revision that says what it is made of, why and by whom; old versions go, used ones stay.

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::CauseType;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use super::rig::{Rig, id, reason, runtime_is_ready};

impl Rig {
    fn revisions(&self) -> Api<ControllerRevision> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn all_revisions(&self) -> Vec<ControllerRevision> {
        let (api, every) = (self.revisions(), ListParams::default());
        api.list(&every).await.expect("list").items
    }

    /// The history, oldest first: version and data.
    async fn history(&self) -> Vec<(i64, Value)> {
        let mut items = self.all_revisions().await;
        items.sort_by_key(|one| one.revision);
        items
            .into_iter()
            .map(|one| (one.revision, one.data.expect("data").0))
            .collect()
    }

    async fn history_until(&self, versions: &[i64]) -> Vec<(i64, Value)> {
        self.until(&format!("a history of {versions:?}"), async || {
            let history = self.history().await;
            let there: Vec<i64> = history.iter().map(|(version, _)| *version).collect();
            if there == versions {
                Ok(history)
            } else {
                Err(format!("{there:?}"))
            }
        })
        .await
    }

    async fn described(&self, text: &str, more: Value) -> AgentRuntime {
        let mut spec = self.spec_with(more);
        spec["description"] = json!(text);
        self.apply_runtime("support", spec).await;
        self.runtime_until("support", "Ready", |object| {
            runtime_is_ready(object)
                && reason(object) == "Ready"
                && object.spec.description.as_deref() == Some(text)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_leaves_what_it_is_made_of_and_why() {
    let rig = Rig::start("history-causes").await;
    let operator = rig.operator(&[]);
    let env = json!({"env": [{"name": "LOG_LEVEL", "value": "info"}]});
    let object = rig.described("one", env.clone()).await;
    rig.described("two", env.clone()).await;
    rig.update_by_hand(&id(&object), "changed by hand").await;
    // Somebody asks for a look, which the next list would cause within a minute.
    rig.annotate_runtime("support", "agentcore.dev/requested-at", "now")
        .await;
    let object = rig
        .runtime_until("support", "set back", |object| {
            let status = object.status.as_ref();
            reason(object) == "Ready"
                && status.and_then(|status| status.ready_version.as_deref()) == Some("4")
        })
        .await;
    let causes = object.status.clone().expect("status").causes;
    let kinds: Vec<_> = causes
        .iter()
        .map(|one| (one.version.as_str(), one.cause.r#type))
        .collect();
    assert_eq!(
        kinds,
        [
            ("4", CauseType::Drift),
            ("3", CauseType::Drift),
            ("2", CauseType::Spec),
            ("1", CauseType::Spec)
        ]
    );
    assert_eq!(causes[2].cause.from.as_deref(), Some("generation 1"));

    let history = rig.history_until(&[1, 2, 3, 4]).await;
    let described = |at: usize| history[at].1["input"]["description"].as_str();
    assert_eq!(described(0), Some("one"));
    assert_eq!(described(1), Some("two"));
    assert_eq!(described(2), Some("changed by hand"));
    assert_eq!(described(3), Some("two"));
    let second = &history[1].1;
    assert_eq!(second["cause"]["type"], "Spec");
    assert_eq!(second["actor"], "test");
    assert_eq!(second["generation"], 2);
    assert_eq!(
        second["input"]["env"],
        json!([{"name": "LOG_LEVEL", "value": "info"}])
    );
    let items = rig.all_revisions().await;
    for one in &items {
        let owner = &one.metadata.owner_references.as_ref().expect("owner")[0];
        assert_eq!(owner.uid, object.metadata.uid.clone().expect("UID"));
    }

    // What is lost while nobody looks is written again.
    operator.stop().await;
    let last = items.iter().find(|one| one.revision == 4).expect("4");
    let name = last.metadata.name.clone().expect("name");
    rig.revisions()
        .delete(&name, &DeleteParams::default())
        .await
        .expect("deleted");
    let _operator = rig.operator(&[]);
    let again = rig.history_until(&[1, 2, 3, 4]).await;
    assert_eq!(again[3].1["cause"], history[3].1["cause"]);
    assert_eq!(again[3].1["input"], history[3].1["input"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_but_those_that_an_endpoint_uses() {
    let rig = Rig::start("history-prune").await;
    let _operator = rig.operator(&["--aws-rate", "ListAgentRuntimeVersions=50"]);
    let limit = json!({"revisionHistoryLimit": 1});
    let object = rig.described("one", limit.clone()).await;
    rig.apply_endpoint(
        "pinned",
        json!({"runtimeRef": {"name": "support"}, "version": "1"}),
    )
    .await;
    rig.endpoint_ready("pinned").await;
    rig.described("two", limit.clone()).await;
    // Nobody's endpoint counts as well.
    rig.endpoint_by_hand(&id(&object), "stranger").await;
    for text in ["three", "four", "five"] {
        rig.described(text, limit.clone()).await;
    }
    rig.until("pruned", async || {
        let versions = rig.versions_by_hand(&id(&object)).await;
        (versions == [1, 2, 4, 5])
            .then_some(())
            .ok_or(format!("{versions:?}"))
    })
    .await;
    rig.history_until(&[1, 2, 4, 5]).await;
    rig.runtime_until("support", "counted", |object| {
        let status = object.status.as_ref();
        let versions = status.and_then(|status| status.versions.as_ref());
        versions.is_some_and(|versions| versions.used == 4 && versions.checked == "5")
    })
    .await;
    assert_eq!(
        rig.calls("DeleteAgentRuntime").await,
        1,
        "one version was free to go"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_version_moves_no_endpoint() {
    let rig = Rig::start("history-failed").await;
    let _operator = rig.operator(&[]);
    rig.described("one", json!({})).await;
    rig.apply_endpoint(
        "live",
        json!({"runtimeRef": {"name": "support"}, "version": "Latest"}),
    )
    .await;
    rig.endpoint_ready("live").await;
    let broken =
        json!({"artifact": {"container": {"image": "public.ecr.aws/team-a/nowhere:prod"}}});
    rig.apply_runtime("support", rig.spec_with(broken)).await;
    let failed = rig
        .runtime_until("support", "failed", |object| {
            reason(object) == "ImageNotFound"
        })
        .await;
    let status = failed.status.expect("status");
    assert_eq!(status.ready_version.as_deref(), Some("1"));
    rig.described("two", json!({})).await;
    let live = rig
        .endpoint_until("live", "on the good version", |object| {
            let live = object
                .status
                .as_ref()
                .and_then(|status| status.live_version.clone());
            live.is_some_and(|version| version != "1")
        })
        .await;
    rig.endpoint_ready("live").await;
    assert_eq!(
        rig.calls("UpdateAgentRuntimeEndpoint").await,
        1,
        "only the good version moved it: {:?}",
        live.status
    );
}
