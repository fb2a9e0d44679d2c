//! Looks at registries and at objects: what they find out, what they cost, what they say when they fail.

use std::sync::Arc;
use std::time::Duration;

use agentcore_api::reasons;
use agentcore_aws::Operation;
use agentcore_aws::fair::Tenant;
use agentcore_plan::image::{
    Facts, Flaw, Freshness, Inspected, Listing, ObjectHead, Read, Repository, Trouble, Wanted,
};
use futures::future::join_all;
use serde_json::{Value, json};

use super::support::{PROGRAM, REGION, World, quick, rates, soon, until};

const ACCOUNT: &str = "111122223333";
const OFTEN: Freshness = Freshness::Within(Duration::from_mins(5));

fn team(namespace: &str) -> Tenant {
    Tenant::new(namespace, 10)
}

fn repository(name: &str) -> Repository {
    Repository {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        name: name.to_owned(),
    }
}

async fn look(
    world: &World,
    name: &str,
    wanted: Wanted,
    freshness: Freshness,
) -> Result<Arc<Listing>, Trouble> {
    let mut facts = Facts::default();
    let read = Read::Look {
        repository: repository(name),
        wanted: wanted.clone(),
        freshness,
    };
    soon("a look", world.aws.source(&team("shop"), read, &mut facts)).await;
    facts.listings.remove(&wanted).expect("an answer")
}

async fn tag(world: &World, tag: &str, freshness: Freshness) -> Result<Option<String>, Trouble> {
    let listing = look(world, "support", Wanted::Tag(tag.to_owned()), freshness).await?;
    Ok(listing.tags.first().map(|seen| seen.digest.clone()))
}

async fn inspect(world: &World, digest: &str) -> Result<Inspected, Trouble> {
    let mut facts = Facts::default();
    let read = Read::Inspect {
        repository: repository("support"),
        digest: digest.to_owned(),
    };
    soon(
        "a look into an image",
        world.aws.source(&team("shop"), read, &mut facts),
    )
    .await;
    facts.images.remove(digest).expect("an answer")
}

/// Pushes an image whose content is its tag and the rest of what is said.
async fn push(world: &World, tag: &str, more: Value) -> String {
    let mut image = json!({
        "repository": "support", "tag": tag, "program": { "argv": [PROGRAM, tag] }, "architectures": ["arm64"],
    });
    for (key, value) in more.as_object().expect("an object") {
        image[key] = value.clone();
    }
    let pushed = world.admin("POST", "images", image).await;
    pushed["digest"].as_str().expect("a digest").to_owned()
}

#[tokio::test]
async fn an_index_is_known_by_its_own_digest_and_that_of_its_arm64_image() {
    let world = World::start(quick()).await;
    let both = json!({ "architectures": ["amd64", "arm64"] });
    let digest = push(&world, "multi", both).await;
    let found = tag(&world, "multi", Freshness::Now).await.expect("a look");
    assert_eq!(found, Some(digest.clone()));
    let seen = inspect(&world, &digest).await.expect("an answer");
    assert_eq!(seen.flaw, None);
    assert!(seen.pushed_at.is_some());
    let platform = seen.platform_digest.expect("an image for arm64");
    assert_ne!(platform, digest);
    let alone = inspect(&world, &platform).await.expect("an answer");
    assert_eq!(alone.platform_digest, Some(platform));
}

#[tokio::test]
async fn what_cannot_run_is_found_out_before_anything_is_made_of_it() {
    let world = World::start(quick()).await;
    let no_arm = Some(Flaw::NoArm64);
    let amd64 = push(&world, "amd64", json!({ "architectures": ["amd64"] })).await;
    let seen = inspect(&world, &amd64).await.expect("seen");
    assert_eq!((seen.flaw(false), seen.flaw(true)), (no_arm, None));
    let index = json!({ "architectures": ["amd64"], "index": true });
    let index = push(&world, "amd64-index", index).await;
    let seen = inspect(&world, &index).await.expect("seen");
    assert_eq!((seen.flaw(false), seen.flaw(true)), (no_arm, None));
    assert!(seen.platform_digest.is_some_and(|image| image != index));
    let two = json!({ "architectures": ["ppc64le", "s390x"] });
    let others = push(&world, "others", two).await;
    assert_eq!(inspect(&world, &others).await.expect("seen").flaw, no_arm);
    let large = push(&world, "large", json!({ "sizeBytes": 2_000_000_001_u64 })).await;
    let flaw = inspect(&world, &large).await.expect("seen").flaw;
    assert!(
        matches!(flaw, Some(Flaw::TooLarge { bytes }) if bytes > 2_000_000_000),
        "{flaw:?}"
    );
    let nothing = format!("sha256:{:064}", 0);
    let flaw = inspect(&world, &nothing).await.expect("seen").flaw;
    assert_eq!(flaw, Some(Flaw::Missing));
}

#[tokio::test]
async fn what_lies_beside_images_is_told_from_images() {
    let world = World::start(quick()).await;
    push(&world, "prod", json!({})).await;
    // As cosign makes a signature: the configuration of an image, and a layer of its own.
    let layer = "application/vnd.dev.cosign.simplesigning.v1+json";
    let artifact = json!({ "artifact": { "layerMediaType": layer } });
    let signature = push(&world, "signed", artifact).await;
    let seen = inspect(&world, &signature).await.expect("seen");
    assert_eq!(seen.flaw, Some(Flaw::NotAnImage));
    let (chart, layer) = (
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    );
    let artifact = json!({ "artifact": { "mediaType": chart, "layerMediaType": layer } });
    let chart = push(&world, "1.0.0", artifact).await;
    let seen = inspect(&world, &chart).await.expect("seen");
    assert_eq!(seen.flaw, Some(Flaw::NotAnImage));
    let listing = look(&world, "support", Wanted::All, Freshness::Now).await;
    let listing = listing.expect("a look");
    let mut tags: Vec<_> = listing.tags.iter().map(|seen| seen.tag.as_str()).collect();
    tags.sort_unstable();
    assert_eq!(
        tags,
        ["prod", "signed"],
        "ECR says that the chart is no image"
    );
}

#[tokio::test]
async fn an_index_without_its_image_is_incomplete_until_the_image_is_there() {
    let world = World::start(quick()).await;
    let early = json!({ "indexOnly": true });
    let digest = push(&world, "early", early).await;
    let flaw = inspect(&world, &digest).await.expect("seen").flaw;
    assert_eq!(flaw, Some(Flaw::Incomplete));
    let whole = push(&world, "early", json!({ "index": true })).await;
    assert_eq!(whole, digest, "the same content");
    assert_eq!(inspect(&world, &digest).await.expect("seen").flaw, None);
}

#[tokio::test]
async fn hundreds_who_ask_at_once_share_a_few_looks_and_each_sees_what_was_there_when_it_asked() {
    let world = World::with_rates(quick(), rates(5.0)).await;
    let digest = push(&world, "prod", json!({})).await;
    let asked = (0..300).map(|_| tag(&world, "prod", Freshness::Now));
    for answer in join_all(asked).await {
        assert_eq!(answer, Ok(Some(digest.clone())));
    }
    let calls = world.calls(Operation::BatchGetImage).await;
    assert!(calls <= 3, "{calls} looks");
}

#[tokio::test]
async fn a_look_does_not_wait_behind_another_namespaces_look_at_the_same_repository() {
    let world = Arc::new(World::with_rates(quick(), rates(4.0)).await);
    push(&world, "prod", json!({})).await;
    let ask = |namespace: &'static str, repository_name: String| {
        let world = world.clone();
        async move {
            let mut facts = Facts::default();
            let read = Read::Look {
                repository: repository(&repository_name),
                wanted: Wanted::Tag("prod".to_owned()),
                freshness: Freshness::Now,
            };
            world.aws.source(&team(namespace), read, &mut facts).await;
            facts.listings
        }
    };
    // Forty places, and the last of them is the other's too.
    let mut crowd = Vec::new();
    for number in 0..40 {
        crowd.push(tokio::spawn(ask("crowd", format!("place-{number}"))));
    }
    until("the crowd looks", async || {
        (world.calls(Operation::BatchGetImage).await > 0).then_some(())
    })
    .await;
    crowd.push(tokio::spawn(ask("crowd", "support".to_owned())));
    tokio::task::yield_now().await;
    let before = world.calls(Operation::BatchGetImage).await;
    let listings = soon("a look", ask("shop", "support".to_owned())).await;
    assert!(listings.values().all(Result::is_ok), "{listings:?}");
    let ahead = world.calls(Operation::BatchGetImage).await - before;
    assert!(ahead <= 6, "{ahead} looks came first");
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn followers_of_one_repository_cost_one_look_an_interval_whatever_tags_they_follow() {
    let world = World::start(quick()).await;
    for name in ["a", "b", "c"] {
        push(&world, name, json!({})).await;
    }
    for name in ["a", "b", "c"] {
        tag(&world, name, OFTEN)
            .await
            .expect("a look")
            .expect("there");
    }
    let learned = world.calls(Operation::BatchGetImage).await;
    // Older than any answer that is there: one look brings all three along.
    let again = Freshness::Within(Duration::from_nanos(1));
    tag(&world, "a", again).await.expect("a look");
    for _ in 0..50 {
        for name in ["a", "b", "c"] {
            tag(&world, name, OFTEN)
                .await
                .expect("a look")
                .expect("there");
        }
    }
    assert_eq!(world.calls(Operation::BatchGetImage).await, learned + 1);
}

#[tokio::test]
async fn a_list_of_many_pages_is_seen_whole_and_a_page_that_fails_makes_no_list() {
    let world = World::start(quick()).await;
    let pushes = (0..1005).map(|n| {
        let image = json!({
            "repository": "support", "tag": format!("build-{n}"), "architectures": ["arm64"],
            "program": { "argv": ["/bin/true", n.to_string()] },
        });
        world.admin("POST", "images", image)
    });
    join_all(pushes).await;
    let listing = look(&world, "support", Wanted::All, OFTEN)
        .await
        .expect("a look");
    assert!(listing.complete);
    assert_eq!(listing.tags.len(), 1005);
    assert!(listing.tags.iter().all(|seen| seen.pushed_at.is_some()));
    assert_eq!(world.calls(Operation::DescribeImages).await, 2);
    let late =
        json!({ "operation": "DescribeImages", "when": "after", "error": "ServerException" });
    world.fault(late).await;
    let trouble = look(&world, "support", Wanted::All, Freshness::Now)
        .await
        .expect_err("no list");
    assert_eq!(trouble.reason, reasons::REGISTRY_UNREACHABLE);
}

#[tokio::test]
async fn what_is_not_there_is_told_apart_from_what_may_not_be_seen() {
    let world = World::start(quick()).await;
    push(&world, "prod", json!({})).await;
    let gone = tag(&world, "gone", Freshness::Now).await;
    assert_eq!(gone, Ok(None), "a tag that is not there");
    let nowhere = Wanted::Tag("prod".to_owned());
    let trouble = look(&world, "nobody/has-it", nowhere, Freshness::Now)
        .await
        .expect_err("no such repository");
    assert_eq!(trouble.reason, reasons::REPOSITORY_NOT_FOUND);
    world
        .fault(json!({ "operation": "BatchGetImage", "error": "AccessDeniedException" }))
        .await;
    let trouble = tag(&world, "prod", Freshness::Now)
        .await
        .expect_err("refused");
    assert_eq!(trouble.reason, reasons::REGISTRY_ACCESS_DENIED);
    assert!(
        trouble.message.contains("ecr:BatchGetImage") && trouble.message.contains("support"),
        "{}",
        trouble.message
    );
}

#[tokio::test]
async fn a_failed_look_is_everybodys_and_is_not_repeated_before_its_pause_is_over() {
    let world = World::start(quick()).await;
    push(&world, "prod", json!({})).await;
    world
        .fault(json!({ "operation": "BatchGetImage", "error": "ThrottlingException", "times": 6 }))
        .await;
    let trouble = tag(&world, "prod", OFTEN).await.expect_err("throttled");
    assert_eq!(trouble.reason, reasons::REGISTRY_UNREACHABLE);
    assert!(trouble.again.is_some());
    for freshness in [OFTEN, Freshness::Now] {
        let same = tag(&world, "prod", freshness).await.expect_err("not yet");
        assert_eq!(same, trouble);
    }
    assert_eq!(world.calls(Operation::BatchGetImage).await, 6);
}

async fn object(world: &World, bucket: &str, key: &str) -> Result<ObjectHead, Trouble> {
    let mut facts = Facts::default();
    let read = Read::Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        region: REGION.to_owned(),
        freshness: Freshness::Now,
    };
    soon(
        "the head of an object",
        world.aws.source(&team("shop"), read, &mut facts),
    )
    .await;
    facts.object.expect("an answer")
}

async fn write(world: &World, content: &str, versioned: bool) -> Value {
    let program = json!({ "argv": ["/bin/true", content] });
    let object = json!({ "bucket": "team-a-code", "key": "support/app v1.zip", "program": program, "versioned": versioned });
    world.admin("POST", "objects", object).await
}

#[tokio::test]
async fn an_objects_version_and_content_are_seen() {
    let world = World::start(quick()).await;
    let first = write(&world, "one", true).await;
    let head = object(&world, "team-a-code", "support/app v1.zip")
        .await
        .expect("there");
    assert_eq!(head.version_id.as_deref(), first["versionId"].as_str());
    assert_eq!(head.etag, first["etag"].as_str().expect("an ETag"));
    assert!(head.last_modified.is_some());
    let second = write(&world, "two", false).await;
    let head = object(&world, "team-a-code", "support/app v1.zip")
        .await
        .expect("there");
    assert_eq!(head.version_id, None, "no versioning any more");
    assert_eq!(head.etag, second["etag"].as_str().expect("an ETag"));
    assert_ne!(second["etag"], first["etag"]);
}

#[tokio::test]
async fn an_object_that_is_missing_or_forbidden_is_said_to_be() {
    let world = World::start(quick()).await;
    let trouble = object(&world, "team-a-code", "nothing.zip")
        .await
        .expect_err("missing");
    assert_eq!(trouble.reason, reasons::CODE_NOT_FOUND);
    world
        .fault(json!({ "operation": "HeadObject", "error": "AccessDenied" }))
        .await;
    let trouble = object(&world, "team-a-code", "nothing.zip")
        .await
        .expect_err("refused");
    assert_eq!(trouble.reason, reasons::CODE_ACCESS_DENIED);
    assert!(
        trouble.message.contains("s3:GetObject"),
        "{}",
        trouble.message
    );
}
