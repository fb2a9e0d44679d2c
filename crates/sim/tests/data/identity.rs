//! Session ids, addresses, and which process a session is.

use std::collections::HashSet;

use futures::future::join_all;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::escape;
use crate::stage::{SESSION, Stage, Wish, id, push, refused, told};

#[tokio::test]
async fn a_session_id_has_33_to_256_characters_and_is_made_when_absent() {
    let stage = Stage::start(json!({})).await;
    let invoke = async |length: Option<usize>| {
        let session = length.map(|length| "s".repeat(length));
        stage
            .invoke(Wish {
                session,
                body: json!({}),
                ..Wish::default()
            })
            .await
    };
    for length in [0, 32, 257] {
        refused(invoke(Some(length)).await, 400, "ValidationException").await;
    }
    assert_eq!(
        stage.sessions().await.len(),
        0,
        "a refused id began a session"
    );
    for length in [33, 256] {
        let answer = invoke(Some(length)).await;
        assert_eq!(
            answer.headers()[SESSION].to_str().unwrap(),
            "s".repeat(length)
        );
        let told = told(answer).await;
        assert_eq!(told["headers"][SESSION], "s".repeat(length));
    }
    let answer = invoke(None).await;
    let made = answer.headers()[SESSION].to_str().unwrap().to_owned();
    assert!(made.len() >= 33, "{made}");
    assert_eq!(told(answer).await["headers"][SESSION], made.as_str());
    assert_ne!(
        invoke(None).await.headers()[SESSION].to_str().unwrap(),
        made
    );
}

#[tokio::test]
async fn an_id_means_one_process_of_one_runtime_and_one_endpoint() {
    let stage = Stage::start(json!({})).await;
    stage.endpoint("live").await;
    let first = stage.pid(1).await;
    assert_eq!(stage.pid(1).await, first);
    let other_id = stage.pid(2).await;
    let by_endpoint = Wish {
        qualifier: Some("live"),
        ..Wish::of(1, json!({}))
    };
    let other_endpoint = told(stage.invoke(by_endpoint).await).await["pid"]
        .as_u64()
        .unwrap();
    let by_name = Wish {
        qualifier: Some("DEFAULT"),
        ..Wish::of(1, json!({}))
    };
    assert_eq!(told(stage.invoke(by_name).await).await["pid"], first);
    assert_eq!(HashSet::from([first, other_id, other_endpoint]).len(), 3);

    let entry = stage.entry(first).await;
    assert_eq!(
        (&entry["id"], &entry["endpoint"]),
        (&json!(id(1)), &json!("DEFAULT"))
    );
    assert_eq!(
        (&entry["version"], &entry["state"]),
        (&json!("1"), &json!("RUNNING"))
    );
    assert_eq!(
        (&entry["runtimeArn"], &entry["invocations"]),
        (&json!(stage.arn), &json!(3))
    );
    assert!(entry["startedAt"].as_str().unwrap() <= entry["lastUsedAt"].as_str().unwrap());
}

#[tokio::test]
async fn many_first_invocations_at_once_begin_one_session() {
    let stage = Stage::start(json!({})).await;
    let pids: HashSet<u64> = join_all((0..12).map(|_| stage.pid(1)))
        .await
        .into_iter()
        .collect();
    assert_eq!(pids.len(), 1);
    assert_eq!(stage.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_runtime_is_found_by_escaped_arn_and_by_id_with_account() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let mut headers = HeaderMap::new();
    headers.insert(SESSION, id(1).parse().unwrap());
    let call = async |target: String| {
        stage
            .post(&target, &headers, "{}".to_owned())
            .await
            .unwrap()
    };
    let all_escaped = escape(&stage.arn).replace('-', "%2D");
    let runtime = &stage.runtime;
    for target in [
        format!("/runtimes/{all_escaped}/invocations"),
        format!("/runtimes/{runtime}/invocations?accountId=111122223333"),
        format!("/runtimes/{runtime}/invocations?accountId=111122223333&qualifier=DEFAULT"),
        format!(
            "/runtimes/{}/invocations?accountId=111122223333",
            escape(&stage.arn)
        ),
    ] {
        assert_eq!(told(call(target).await).await["pid"], pid);
    }
    for target in [
        format!("/runtimes/{runtime}/invocations"),
        format!("/runtimes/{runtime}/invocations?accountId=12"),
    ] {
        refused(call(target).await, 400, "ValidationException").await;
    }
    for target in [
        format!("/runtimes/{runtime}/invocations?accountId=999999999999"),
        format!(
            "/runtimes/{}/invocations?qualifier=nothing",
            escape(&stage.arn)
        ),
        format!(
            "/runtimes/{}/invocations",
            escape(&stage.arn.replace("us-east-1", "us-west-2"))
        ),
        "/runtimes/other-abcdefghij/invocations?accountId=111122223333".to_owned(),
    ] {
        refused(call(target).await, 404, "ResourceNotFoundException").await;
    }
}

#[tokio::test]
async fn a_session_stays_on_the_version_it_was_born_on() {
    let stage = Stage::with(
        json!({}),
        json!({ "environmentVariables": { "LOG_LEVEL": "runtime" } }),
    )
    .await;
    let old = stage.told(1).await;
    assert_eq!(
        old["env"]["LOG_LEVEL"], "runtime",
        "the runtime's variables go over the image's"
    );
    assert_eq!(old["env"]["FROM"], "image");
    // The tag moves too: the version keeps what the tag meant when it was made.
    push(&stage.bench, json!({ "FROM": "image 2" })).await;
    assert_eq!(stage.told(2).await["env"]["FROM"], "image");
    stage.update(json!({})).await;
    let kept = stage.told(1).await;
    assert_eq!(
        (&kept["pid"], &kept["env"]["FROM"]),
        (&old["pid"], &json!("image"))
    );
    let new = stage.told(3).await;
    assert_eq!(
        (&new["env"]["FROM"], &new["env"]["LOG_LEVEL"]),
        (&json!("image 2"), &json!("image"))
    );
    assert_eq!(
        stage.entry(new["pid"].as_u64().unwrap()).await["version"],
        "2"
    );
}

#[tokio::test]
async fn a_program_has_its_own_port_folder_and_only_its_own_environment() {
    let stage = Stage::start(json!({})).await;
    let (one, two) = (stage.told(1).await, stage.told(2).await);
    let env = &one["env"];
    assert_eq!(env["AWS_REGION"], "us-east-1");
    assert_eq!(
        one["argv"],
        json!([format!("--port={}", env["PORT"].as_str().unwrap())])
    );
    assert_ne!(env["PORT"], two["env"]["PORT"]);
    assert_ne!(one["cwd"], two["cwd"]);
    assert_eq!(one["path"], "/invocations");
    assert_eq!(
        env.get("CARGO_MANIFEST_DIR"),
        None,
        "the simulator's environment leaks"
    );
    let folder = one["cwd"].as_str().unwrap().to_owned();
    assert!(std::path::Path::new(&folder).is_dir());
    stage.stop(1, None, Value::Null).await;
    stage.ended(one["pid"].as_u64().unwrap()).await;
    assert!(!std::path::Path::new(&folder).exists(), "the folder stayed");
}
