//! What the operator leaves alone, seen on a real API server: specs are Git's. And that its passes can be traced.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agentcore_sim::{Config, Sim};
use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{Kubectl, Operator, cluster_with, root};

const PATIENCE: Duration = Duration::from_secs(90);
const PLURALS: &str = "agentruntimes,agentendpoints,agentsessions";
/// Namespace in the examples; each group of them is tried in namespaces of its own.
const NAMESPACE: &str = "team-a";
/// Each way to apply, with the namespaces' ending.
const WAYS: [(&str, &[&str]); 2] = [
    ("client", &["apply", "--output=name", "-f", "-"]),
    (
        "server",
        &["apply", "--server-side", "--output=name", "-f", "-"],
    ),
];

/// Folders of examples that go together, and their files.
fn groups() -> Vec<(String, Vec<PathBuf>)> {
    let files = |folder: &Path| {
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let all = files(&root().join("examples"));
    let (folders, files_at_top): (Vec<_>, Vec<_>) = all.into_iter().partition(|path| path.is_dir());
    let mut groups = vec![("top".to_owned(), files_at_top)];
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        groups.push((name, files(&folder)));
    }
    groups
}

fn manifest(path: &Path, namespace: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap()
        .replace(NAMESPACE, namespace)
}

/// Starts a simulator that has the image of the examples.
async fn simulator() -> anyhow::Result<Sim> {
    let sim = Sim::start(Config::default()).await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let image = json!({
        "repository": "support", "tag": "prod", "architectures": ["arm64"],
        "program": {"argv": ["/bin/true"], "env": {}},
    });
    let url = format!("{}/_sim/images", sim.url());
    http.post(url)
        .json(&image)
        .send()
        .await?
        .error_for_status()?;
    let url = format!("{}/_sim/settings", sim.url());
    let settings = json!({"ratePerSecond": 200, "burst": 200});
    http.put(url)
        .json(&settings)
        .send()
        .await?
        .error_for_status()?;
    Ok(sim)
}

fn install_crds(kubectl: &Kubectl<'_>) -> anyhow::Result<()> {
    let crds = root().join("crds");
    let crds = crds.to_str().context("a path that is no text")?;
    kubectl.run(&["apply", "--server-side", "-f", crds], "")?;
    kubectl.run(
        &[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "-f",
            crds,
        ],
        "",
    )?;
    Ok(())
}

/// All objects of our kinds, or those of a manifest, as they are now.
fn objects(kubectl: &Kubectl<'_>, args: &[&str], manifest: &str) -> anyhow::Result<Vec<Value>> {
    let args = [&["get", "--output=json", "--show-managed-fields"], args].concat();
    let list: Value = serde_json::from_str(&kubectl.run(&args, manifest)?)?;
    Ok(match list["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![list],
    })
}

/// Waits until this holds for every object of our kinds.
async fn all_until(
    kubectl: &Kubectl<'_>,
    operator: &Operator,
    good: impl Fn(&Value) -> bool,
) -> anyhow::Result<Vec<Value>> {
    let begun = Instant::now();
    loop {
        let all = objects(kubectl, &[PLURALS, "--all-namespaces"], "")?;
        let bad: Vec<_> = all.iter().filter(|object| !good(object)).collect();
        if bad.is_empty() && !all.is_empty() {
            return Ok(all);
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {}\n{}",
            serde_json::to_string_pretty(&bad)?,
            operator.last_words()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The operator has a verdict on this generation, and is not on its way any more.
fn settled(object: &Value) -> bool {
    let status = |kind| super::condition(object, kind).map(|it| it["status"].as_str().unwrap());
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && status("Ready").is_some()
        && status("Reconciling").is_none()
}

/// What people wrote is theirs; the operator owns the status and its finalizer.
fn owned_by_people(object: &Value) {
    let within = format!(
        "{} {}/{}",
        object["kind"], object["metadata"]["namespace"], object["metadata"]["name"]
    );
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    let (people, ours): (Vec<_>, Vec<_>) = managers
        .iter()
        .partition(|it| it["manager"].as_str().unwrap().starts_with("kubectl"));
    assert!(
        people
            .iter()
            .any(|it| it["fieldsV1"].get("f:spec").is_some()),
        "{within}"
    );
    assert!(
        ours.iter()
            .any(|it| it["fieldsV1"].get("f:status").is_some()),
        "{within}"
    );
    for manager in ours {
        let fields = manager["fieldsV1"].as_object().unwrap();
        let more: Vec<_> = fields
            .keys()
            .filter(|it| !["f:status", "f:metadata"].contains(&it.as_str()))
            .collect();
        assert!(
            more.is_empty(),
            "{within}: {} owns {more:?}",
            manager["manager"]
        );
        let metadata = fields.get("f:metadata").and_then(Value::as_object);
        let more: Vec<_> = metadata
            .into_iter()
            .flat_map(|it| it.keys())
            .filter(|it| *it != "f:finalizers")
            .collect();
        assert!(
            more.is_empty(),
            "{within}: {} owns {more:?} of metadata",
            manager["manager"]
        );
    }
}

/// A second apply of a manifest changes nothing.
fn applied_again(
    kubectl: &Kubectl<'_>,
    way: &str,
    command: &[&str],
    manifest: &str,
) -> anyhow::Result<()> {
    let facts = || -> anyhow::Result<_> {
        let objects = objects(kubectl, &["-f", "-"], manifest)?;
        let fact = |name: &str| -> Vec<_> {
            objects
                .iter()
                .map(|it| it["metadata"][name].clone())
                .collect()
        };
        Ok((fact("generation"), fact("resourceVersion")))
    };
    let begun = Instant::now();
    // The operator may write a status between the two looks.
    loop {
        let before = facts()?;
        let plain: Vec<_> = command
            .iter()
            .copied()
            .filter(|it| !it.starts_with("--output"))
            .collect();
        let said = kubectl.run(&plain, manifest)?;
        let word = if way == "client" {
            " unchanged"
        } else {
            " serverside-applied"
        };
        assert!(said.lines().all(|line| line.ends_with(word)), "{said}");
        let after = facts()?;
        assert_eq!(before.0, after.0, "a new generation");
        if before.1 == after.1 {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "every apply changes it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spec_belongs_to_the_operator_and_a_second_apply_of_each_example_changes_nothing()
-> anyhow::Result<()> {
    let groups = groups();
    let namespaces: Vec<_> = groups
        .iter()
        .flat_map(|(group, _)| WAYS.map(|(way, _)| format!("{group}-{way}")))
        .collect();
    let mut names: Vec<_> = namespaces.iter().map(String::as_str).collect();
    names.push("agentcore-system");
    let cluster = cluster_with(&names).await?;
    let kubectl = Kubectl(&cluster);
    install_crds(&kubectl)?;
    let sim = simulator().await?;
    let mut applied = Vec::new();
    for (group, files) in &groups {
        for (way, command) in WAYS {
            for file in files {
                let manifest = manifest(file, &format!("{group}-{way}"));
                kubectl.run(command, &manifest)?;
                applied.push((way, command, file, manifest));
            }
        }
    }
    let operator = Operator::start(&cluster, &sim.url(), &[])?;
    // The agent does not start, and the runtime that examples/full adopts is not there: what needs them goes on waiting.
    let waits = |object: &Value| {
        let adopts = object["metadata"]["namespace"]
            .as_str()
            .unwrap()
            .starts_with("full-");
        let observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        observed
            && (object["kind"] == "AgentSession" || adopts && object["kind"] == "AgentEndpoint")
    };
    let all = all_until(&kubectl, &operator, |object| {
        settled(object) || waits(object)
    })
    .await?;

    all.iter().for_each(owned_by_people);
    for (way, command, file, manifest) in applied {
        let within = format!("{way} {}", file.display());
        applied_again(&kubectl, way, command, &manifest).context(within)?;
    }
    drop(operator);
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_of_the_controller_are_spans_where_the_environment_names_a_collector()
-> anyhow::Result<()> {
    let (send, mut spans) = mpsc::unbounded_channel();
    let take = async move |body: Bytes| drop(send.send(body));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let collector = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let cluster = cluster_with(&[NAMESPACE, "agentcore-system"]).await?;
    let kubectl = Kubectl(&cluster);
    install_crds(&kubectl)?;
    let sim = simulator().await?;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let operator = Operator::start(&cluster, &sim.url(), &environment)?;
    kubectl.run(
        &["apply", "-f", "-"],
        &manifest(&root().join("examples/support.yaml"), NAMESPACE),
    )?;
    all_until(&kubectl, &operator, settled).await?;

    let mut body = Vec::new();
    let has =
        |body: &[u8], word: &str| body.windows(word.len()).any(|part| part == word.as_bytes());
    let words = [
        "agentcore-operator-controller",
        "reconcile",
        "AgentRuntime",
        NAMESPACE,
        "support",
    ];
    while !words.iter().all(|word| has(&body, word)) {
        let more = tokio::time::timeout(PATIENCE, spans.recv()).await;
        body.extend(
            more.context("the spans do not come")?
                .context("the collector ended")?,
        );
    }
    drop(operator);
    cluster.stop().await
}
