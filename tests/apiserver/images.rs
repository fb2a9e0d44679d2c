//! Images and code that change outside the manifest: pushes, tags that move, registries that refuse.

use std::time::{Duration, Instant};

use agentcore_api::AgentRuntime;
use agentcore_api::runtime::ImageStatus;
use serde_json::{Value, json};

use super::rig::{Rig, condition, reason, runtime_is_ready};

/// Brings a look forward.
const RESOLVE: &str = "agentcore.dev/resolve-requested-at";

fn image(object: &AgentRuntime) -> ImageStatus {
    let status = object.status.clone().unwrap_or_default();
    status.image.unwrap_or_default()
}

/// Status and reason of ImageResolved.
fn resolved(object: &AgentRuntime) -> (String, String) {
    let conditions = object.status.as_ref().map(|status| &status.conditions);
    let found = conditions.and_then(|conditions| condition(conditions, "ImageResolved"));
    found.map_or_else(Default::default, |found| {
        (found.status.clone(), found.reason.clone())
    })
}

fn following(repository: &str, follow: &Value) -> Value {
    let image = Rig::image(&format!("{repository}:prod"));
    json!({ "artifact": { "container": { "image": image, "follow": follow } } })
}

impl Rig {
    /// Pushes an image with a content of its own, and says its digest.
    async fn push_content(&self, tagged: &str, content: &str, architectures: &[&str]) -> String {
        let (repository, tag) = tagged.split_once(':').expect("a tag");
        let pushed = self
            .sim_post(
                "/_sim/images",
                json!({
                    "repository": repository, "tag": tag, "architectures": architectures,
                    "program": { "argv": ["/bin/true", content], "env": {} },
                }),
            )
            .await;
        pushed["digest"].as_str().expect("a digest").to_owned()
    }

    /// The image that AWS has for the one runtime.
    async fn aws_image(&self) -> String {
        let runtimes = self.aws_runtimes().await;
        let uri = runtimes[0].pointer("/agentRuntimeArtifact/containerConfiguration/containerUri");
        uri.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    async fn versions(&self) -> usize {
        let runtimes = self.aws_runtimes().await;
        runtimes[0]["versions"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_not_there_is_a_failed_phase_with_a_time() {
    let rig = Rig::start("img-nosuch").await;
    let _operator = rig.operator(&[]);
    let image = Rig::image("support:nosuch");
    let spec = rig.spec_with(json!({ "artifact": { "container": { "image": image } } }));
    rig.apply_runtime("support", spec).await;
    let object = rig
        .runtime_until("support", "TagNotFound", |object| {
            reason(object) == "TagNotFound"
        })
        .await;
    let status = object.status.expect("a status");
    assert_eq!(status.phase, Some(agentcore_api::runtime::Phase::Failed));
    let at: jiff::Timestamp = status.retry_at.expect("a time").parse().expect("RFC 3339");
    assert!(at > jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_becomes_a_version_by_itself_and_ready_never_wavers() {
    let rig = Rig::start("img-push").await;
    let first = rig.push_content("support:prod", "one", &["arm64"]).await;
    let _operator = rig.operator(&[]);
    let follow = json!({ "tag": "prod", "interval": "30s", "settle": "0s" });
    rig.apply_runtime("support", rig.spec_with(following("support", &follow)))
        .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(
        rig.aws_image().await,
        Rig::image(&format!("support@{first}"))
    );
    assert_eq!(image(&object).digest, Some(first.clone()));
    let generation = object.metadata.generation;
    let pushed = Instant::now();
    let second = rig
        .push_content("support:prod", "two", &["amd64", "arm64"])
        .await;
    let mut rolling = false;
    let wanted = Rig::image(&format!("support@{second}"));
    while rig.aws_image().await != wanted || !rolling {
        let object = rig.runtimes().get("support").await.expect("there");
        assert!(runtime_is_ready(&object), "{:#?}", object.status);
        rolling |= reason(&object) == "RolloutActive";
        assert!(
            pushed.elapsed() < Duration::from_mins(1),
            "{:#?}",
            object.status
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        pushed.elapsed() < Duration::from_secs(33 + 5 + 5),
        "{:?}",
        pushed.elapsed()
    );
    let object = rig
        .runtime_until("support", "rolled", |object| {
            object.status.as_ref().is_some_and(|status| {
                status.ready_version.as_deref() == Some("2") && reason(object) == "Ready"
            })
        })
        .await;
    assert_eq!(object.metadata.generation, generation, "nobody edited");
    let image = image(&object);
    assert_eq!(image.previous.expect("the one before").digest, first);
    assert_ne!(
        image.platform_digest,
        Some(second),
        "the image in the index"
    );
    let events = rig.events("support").await;
    assert!(events.contains(&"ImagePicked".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_run_is_rejected_and_a_registry_that_refuses_changes_nothing() {
    let rig = Rig::start("img-bad").await;
    let first = rig.push_content("support:prod", "one", &["arm64"]).await;
    let _operator = rig.operator(&[]);
    let follow = json!({ "tag": "prod", "interval": "1h", "settle": "0s" });
    rig.apply_runtime("support", rig.spec_with(following("support", &follow)))
        .await;
    rig.runtime_ready("support").await;
    let bad = rig.push_content("support:prod", "two", &["amd64"]).await;
    rig.annotate_runtime("support", RESOLVE, "1").await;
    let object = rig
        .runtime_until("support", "rejected", |object| {
            resolved(object) == ("False".into(), "NoArm64".into())
        })
        .await;
    assert!(runtime_is_ready(&object));
    assert_eq!(image(&object).rejected[0].digest, bad);
    assert_eq!(image(&object).digest, Some(first.clone()));
    let denied = json!([{ "operation": "BatchGetImage", "when": "before", "error": "AccessDeniedException" }]);
    rig.faults(denied).await;
    rig.annotate_runtime("support", RESOLVE, "2").await;
    let object = rig
        .runtime_until("support", "refused", |object| {
            resolved(object) == ("False".into(), "RegistryAccessDenied".into())
        })
        .await;
    let status = object.status.clone().expect("status");
    let said = condition(&status.conditions, "ImageResolved").expect("said");
    assert!(
        said.message.contains("ecr:BatchGetImage"),
        "{}",
        said.message
    );
    assert!(runtime_is_ready(&object));
    rig.no_faults().await;
    let good = rig.push_content("support:prod", "three", &["arm64"]).await;
    rig.annotate_runtime("support", RESOLVE, "3").await;
    rig.runtime_until("support", "healed", |object| {
        resolved(object) == ("True".into(), "Resolved".into())
            && image(object).digest.as_ref() == Some(&good)
    })
    .await;
    rig.until("rolled", async || {
        let seen = rig.aws_image().await;
        (seen.ends_with(&good)).then_some(()).ok_or(seen)
    })
    .await;
    assert_eq!(rig.versions().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_tags_move_forward_only() {
    let rig = Rig::start("img-swap").await;
    let old = rig.push_content("support:green", "old", &["arm64"]).await;
    let new = rig.push_content("support:prod", "new", &["arm64"]).await;
    let _operator = rig.operator(&[]);
    let follow = json!({ "tag": "prod", "interval": "1h", "settle": "0s" });
    rig.apply_runtime("support", rig.spec_with(following("support", &follow)))
        .await;
    rig.runtime_ready("support").await;
    for (tag, digest) in [("prod", &old), ("green", &new)] {
        let moved = json!({ "repository": "support", "tag": tag, "digest": digest });
        rig.sim_post("/_sim/tags", moved).await;
    }
    rig.annotate_runtime("support", RESOLVE, "1").await;
    let object = rig
        .runtime_until("support", "refused", |object| {
            resolved(object) == ("False".into(), "DowngradeRefused".into())
        })
        .await;
    assert_eq!(image(&object).digest, Some(new.clone()));
    let green = json!({ "artifact": { "container": { "follow": { "tag": "green" } } } });
    let mut spec = rig.spec_with(following("support", &follow));
    spec["artifact"]["container"]["follow"]["tag"] =
        green["artifact"]["container"]["follow"]["tag"].clone();
    rig.apply_runtime("support", spec).await;
    rig.runtime_until("support", "on the other tag", |object| {
        runtime_is_ready(object) && image(object).tag.as_deref() == Some("green")
    })
    .await;
    assert_eq!(rig.versions().await, 1, "it is the image that runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tag_nothing_is_made_until_it_is_pushed() {
    let rig = Rig::start("img-late").await;
    rig.push_content("late:other", "one", &["arm64"]).await;
    let _operator = rig.operator(&[]);
    let image = json!({ "artifact": { "container": { "image": Rig::image("late:prod") } } });
    rig.apply_runtime("support", rig.spec_with(image)).await;
    let object = rig
        .runtime_until("support", "waiting for a push", |object| {
            reason(object) == "TagNotFound"
        })
        .await;
    assert_eq!(resolved(&object), ("False".into(), "TagNotFound".into()));
    assert_eq!(rig.calls("CreateAgentRuntime").await, 0);
    rig.push_content("late:prod", "one", &["arm64"]).await;
    rig.runtime_ready("support").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runtimes_of_one_repository_share_its_looks() {
    const RUNTIMES: usize = 12;
    let rig = Rig::start("img-shared").await;
    for repository in ["one", "two"] {
        rig.push_content(&format!("{repository}:prod"), repository, &["arm64"])
            .await;
    }
    let _operator = rig.operator(&["--aws-rate", "UpdateAgentRuntime=50"]);
    let follow = json!({ "tag": "prod", "interval": "30s" });
    for number in 0..RUNTIMES {
        let repository = ["one", "two"][number % 2];
        let spec = rig.spec_with(following(repository, &follow));
        rig.apply_runtime(&format!("agent-{number}"), spec).await;
    }
    for number in 0..RUNTIMES {
        rig.runtime_ready(&format!("agent-{number}")).await;
    }
    let (began, before) = (Instant::now(), rig.calls("BatchGetImage").await);
    rig.until("looked at again", async || {
        let seen = rig.calls("BatchGetImage").await;
        (seen >= before + 2)
            .then_some(())
            .ok_or(format!("{seen} looks"))
    })
    .await;
    // Nobody is before the others by more than the jitter of a look: what more there is comes at once.
    let wait = Duration::from_secs(35).saturating_sub(began.elapsed());
    let late = Instant::now() + wait;
    let seen = rig
        .until("settled", async || {
            let seen = rig.calls("BatchGetImage").await;
            (Instant::now() >= late)
                .then_some(seen)
                .ok_or(String::new())
        })
        .await;
    assert!(
        seen - before <= 4,
        "{} looks for 2 repositories",
        seen - before
    );
    assert_eq!(rig.calls("UpdateAgentRuntime").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_fixed_to_its_objects_version_and_followed() {
    let rig = Rig::start("img-code").await;
    rig.grant(json!({"buckets": ["team-a-code"]})).await;
    let write = async |content: &str, versioned: bool| {
        let object = json!({
            "bucket": "team-a-code", "key": "app.zip", "versioned": versioned,
            "program": { "argv": ["/bin/true", content] },
        });
        rig.sim_post("/_sim/objects", object).await
    };
    let first = write("one", true).await;
    let _operator = rig.operator(&[]);
    let code = json!({
        "runtime": "PYTHON_3_13", "entryPoint": ["main.py"],
        "s3": { "bucket": "team-a-code", "prefix": "app.zip" }, "follow": { "interval": "1h" },
    });
    rig.apply_runtime(
        "support",
        rig.spec_with(json!({ "artifact": { "container": null, "code": code } })),
    )
    .await;
    let object = rig.runtime_ready("support").await;
    let in_aws = async || {
        let runtimes = rig.aws_runtimes().await;
        let id = runtimes[0].pointer("/agentRuntimeArtifact/codeConfiguration/code/s3/versionId");
        id.and_then(Value::as_str).map(str::to_owned)
    };
    assert_eq!(in_aws().await.as_deref(), first["versionId"].as_str());
    let seen = object.status.and_then(|status| status.code).expect("said");
    assert_eq!(seen.etag.as_deref(), first["etag"].as_str());
    let second = write("two", true).await;
    rig.annotate_runtime("support", RESOLVE, "1").await;
    rig.until("the second version", async || {
        let seen = in_aws().await;
        (seen.as_deref() == second["versionId"].as_str())
            .then_some(())
            .ok_or(format!("{seen:?}"))
    })
    .await;
    rig.runtime_until("support", "live", |object| {
        reason(object) == "Ready"
            && object
                .status
                .as_ref()
                .is_some_and(|status| status.ready_version.as_deref() == Some("2"))
    })
    .await;
    // Without versioning only the content tells that there is something new.
    write("three", false).await;
    rig.annotate_runtime("support", RESOLVE, "2").await;
    rig.until("the third version", async || {
        let versions = rig.versions().await;
        (versions == 3).then_some(()).ok_or(format!("{versions}"))
    })
    .await;
    assert_eq!(in_aws().await, None);
    rig.runtime_until("support", "live", |object| reason(object) == "Ready")
        .await;
    write("four", false).await;
    rig.annotate_runtime("support", RESOLVE, "3").await;
    rig.until("the fourth version", async || {
        let versions = rig.versions().await;
        (versions == 4).then_some(()).ok_or(format!("{versions}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_pushed_after_its_image_is_passed_over() {
    let rig = Rig::start("img-signed").await;
    let digest = rig.push_content("support:1.0.0", "one", &["arm64"]).await;
    let layer = "application/vnd.dev.cosign.simplesigning.v1+json";
    let notation = "application/vnd.cncf.notary.signature";
    let tag = digest.replace(':', "-");
    for (tag, artifact) in [
        (format!("{tag}.sig"), json!({ "layerMediaType": layer })),
        (
            "by-notation".to_owned(),
            json!({ "mediaType": notation, "layerMediaType": "application/jose+json" }),
        ),
        // Only its manifest tells.
        (
            "other".to_owned(),
            json!({ "layerMediaType": "application/vnd.in-toto+json" }),
        ),
    ] {
        let program = json!({ "argv": ["/bin/true", tag], "env": {} });
        let push = json!({ "repository": "support", "tag": tag, "program": program, "artifact": artifact });
        rig.sim_post("/_sim/images", push).await;
    }
    let _operator = rig.operator(&[]);
    let follow = json!({ "newest": {}, "settle": "0s" });
    rig.apply_runtime("support", rig.spec_with(following("support", &follow)))
        .await;
    let object = rig.runtime_ready("support").await;
    assert_eq!(image(&object).digest, Some(digest));
    assert_eq!(resolved(&object), ("True".into(), "Resolved".into()));
}
