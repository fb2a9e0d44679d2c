//! Verbs that need a cluster, on a real API server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStdout, Stdio};

use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use kube::api::DeleteParams;
use kube::runtime::wait::await_condition;
use serde_json::{Value, json};

use crate::objects::{NAMESPACE, World, condition, ready};
use crate::run::{offline, run};
use crate::runtime;

/// A world with one of everything.
async fn team() -> anyhow::Result<World> {
    let world = World::new().await?;
    let made = world.runtime("support", ready(&json!({"conditions": [condition("Ready", "True", "Ready", "version 3 is live"), condition("ImageResolved", "True", "Resolved", "tag prod")]}))).await?;
    let failed = [
        condition("Ready", "False", "UpdateFailed", "the image has no program"),
        condition(
            "Stalled",
            "True",
            "UpdateFailed",
            "the image has no program",
        ),
    ];
    world
        .runtime(
            "billing",
            ready(&json!({"latestVersion": "4", "conditions": failed})),
        )
        .await?;
    let spec = json!({"spec": {"runtimeRef": {"name": "support"}, "version": "Latest"}});
    let moving = [
        condition("Ready", "False", "Updating", "moves"),
        condition("Reconciling", "True", "Updating", "moves"),
    ];
    let status = json!({"observedGeneration": 1, "liveVersion": "2", "targetVersion": "3", "conditions": moving});
    world.make("AgentEndpoint", "live", spec, status).await?;
    let spec = json!({"spec": {"endpointRef": {"name": "live"}}});
    let answers = [condition("Ready", "True", "Ready", "it answers")];
    let status =
        json!({"observedGeneration": 1, "phase": "ACTIVE", "version": "2", "conditions": answers});
    world.make("AgentSession", "nightly", spec, status).await?;
    let uid = made.metadata.uid.unwrap_or_default();
    for (version, time) in [("2", "2026-11-20T09:00:00Z"), ("3", "2026-11-21T09:00:00Z")] {
        let revision = json!({
            "metadata": {"labels": {"agentcore.dev/runtime-uid": uid, "agentcore.dev/version": version}},
            "revision": version.parse::<i64>()?,
            "data": {"version": version, "runtimeId": "support-abcdefghij", "generation": 1, "time": time, "actor": "kubectl",
                     "cause": {"type": "Spec", "message": "edited"}, "imageDigest": null,
                     "input": {"description": version, "env": [{"name": "A", "hmac": "x"}]}},
        });
        world
            .make(
                "ControllerRevision",
                &format!("support-{version}"),
                revision,
                Value::Null,
            )
            .await?;
    }
    for (name, kind, about, reason) in [
        ("e1", "AgentRuntime", "support", "ImagePicked"),
        ("e2", "AgentEndpoint", "live", "Updating"),
        ("e3", "AgentRuntime", "billing", "UpdateFailed"),
    ] {
        let event = json!({
            "regarding": {"apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "name": about, "namespace": NAMESPACE},
            "reason": reason, "note": format!("{reason} it was"), "type": "Normal", "action": "Reconcile",
            "eventTime": "2026-11-21T09:00:00.000000Z", "reportingController": "agentcore-operator", "reportingInstance": "a",
        });
        world.make("Event", name, event, Value::Null).await?;
    }
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_tell_of_agents_what_their_status_and_history_say() -> anyhow::Result<()> {
    let world = team().await?;

    let all = world.says(&["status"]).await;
    assert_eq!((all.code, all.err.as_str()), (0, ""));
    let lines: Vec<&str> = all.out.lines().collect();
    assert_eq!(
        lines[0],
        "2 runtimes: 1 failed, 1 ready; 1 endpoint: 1 in progress; 1 session: 1 ready"
    );
    assert_eq!(
        lines[2], "✖ AgentRuntime billing: UpdateFailed: the image has no program",
        "what is wrong comes first"
    );
    let tree: Vec<&str> = lines[5..]
        .iter()
        .filter_map(|line| line.split("   ").next())
        .map(str::trim_end)
        .collect();
    let expected = [
        "AgentRuntime/billing",
        "AgentRuntime/support",
        "└─ AgentEndpoint/live",
        "",
    ];
    assert_eq!(tree, expected, "{}", all.out);
    assert!(
        all.out.contains("   └─ AgentSession/nightly   ✔ Ready"),
        "{}",
        all.out
    );

    let one = world
        .says(&["status", "support", "--color", "always"])
        .await;
    assert!(one.out.contains("\x1b[32m✔ live\x1b[0m"), "{}", one.out);
    assert!(one.out.contains("because of Image"), "{}", one.out);
    assert!(one.out.contains("ImageResolved\x1b[0m"), "{}", one.out);
    assert!(!one.out.contains("billing"), "{}", one.out);
    let value: Value = serde_json::from_str(&world.says(&["status", "-o", "json"]).await.out)?;
    assert_eq!(
        value.pointer("/items/1/children/0/children/0/name"),
        Some(&json!("nightly"))
    );
    assert_eq!(
        value.pointer("/items/0/problems/0/reason"),
        Some(&json!("UpdateFailed"))
    );
    let names = world.says(&["status", "-o", "name"]).await.out;
    assert!(
        names.contains("agentendpoint.agentcore.dev/live\n"),
        "{names}"
    );

    let history = world.says(&["rollout", "history", "support"]).await.out;
    let rows: Vec<Vec<&str>> = history
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        (rows[0][0], rows[0][2], rows[0][5]),
        ("3", "kubectl", "live"),
        "{history}"
    );
    assert_eq!(rows[1][0], "2");
    let diff = world.says(&["rollout", "diff", "support", "2"]).await.out;
    assert_eq!(diff, "- description: \"2\"\n+ description: \"3\"\n");
    let missing = world
        .says(&["rollout", "history", "support", "--revision", "9"])
        .await;
    assert_eq!(missing.code, 4);
    assert!(missing.err.ends_with("kept are 3, 2\n"), "{missing:?}");

    let images = world.says(&["image", "list", "support"]).await.out;
    assert!(images.contains("sha256:abababababab   prod"), "{images}");
    assert!(images.contains("NoArm64"), "{images}");
    let why = world.says(&["image", "explain", "support"]).await.out;
    assert!(why.contains("tag prod was read once"), "{why}");
    assert!(why.contains("follow:\n"), "the edit: {why}");

    let events = world.says(&["events", "support"]).await.out;
    assert!(
        events.contains("ImagePicked it was") && events.contains("AgentEndpoint/live"),
        "{events}"
    );
    assert!(!events.contains("billing"), "{events}");
    // What was deleted has left its events; what never was has none.
    world
        .api("AgentRuntime")
        .delete("billing", &DeleteParams::default())
        .await?;
    let left = world.says(&["events", "billing"]).await;
    assert!(
        left.code == 0 && left.out.contains("UpdateFailed it was"),
        "{left:?}"
    );
    assert_eq!(world.says(&["events", "nobody"]).await.code, 4);
    world.cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_act_set_an_annotation_and_wait_for_its_echo() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.runtime("support", ready(&json!({}))).await?;
    let before = world.api("AgentRuntime").get("support").await?;

    let late = world
        .says(&["retry", "support", "--wait", "--timeout", "1s"])
        .await;
    assert_eq!(
        (late.code, late.out.as_str()),
        (3, "agentruntime/support retry requested\n"),
        "{late:?}"
    );
    assert_eq!(late.err.lines().count(), 1);

    let echo = async {
        let asked = "agentcore.dev/resolve-requested-at";
        let annotated = |object: Option<&kube::api::DynamicObject>| {
            object.is_some_and(|object| {
                object
                    .metadata
                    .annotations
                    .iter()
                    .flatten()
                    .any(|(key, _)| key == asked)
            })
        };
        let object = await_condition(world.api("AgentRuntime"), "support", annotated)
            .await?
            .expect("it is there");
        let value = object.metadata.annotations.unwrap_or_default()[asked].clone();
        let status = json!({"image": {"lastResolveRequest": value}});
        world.status("AgentRuntime", "support", status).await
    };
    let (scan, echoed) = tokio::join!(world.says(&["image", "scan", "support", "--wait"]), echo);
    echoed?;
    assert_eq!(scan.code, 0, "{scan:?}");
    assert_eq!(
        scan.out,
        "agentruntime/support scan requested\nagentruntime/support scan taken up\n"
    );

    let restart = world.says(&["restart", "support"]).await;
    assert_eq!(restart.code, 0, "{restart:?}");
    let after = world.api("AgentRuntime").get("support").await?;
    let annotations = after.metadata.annotations.unwrap_or_default();
    let time = &annotations["agentcore.dev/drain-requested-at"];
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert!(annotations.contains_key("agentcore.dev/requested-at"));
    assert_eq!(
        before.metadata.generation, after.metadata.generation,
        "the spec is nobody's but Git's"
    );

    // One wrong name, and nothing is asked of any.
    let wrong = world.says(&["restart", "support", "nobody"]).await;
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert_eq!(wrong.out, "");
    world.cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rollout_status_waits_and_tells_its_end_by_its_exit_code() -> anyhow::Result<()> {
    let world = World::new().await?;
    let rolling = [
        condition("Ready", "False", "Updating", "version 4 is made"),
        condition("Reconciling", "True", "Updating", "m"),
    ];
    let rolling = json!({"latestVersion": "4", "conditions": rolling});
    world.runtime("support", ready(&rolling)).await?;
    let late = world
        .says(&["rollout", "status", "support", "--timeout", "1s"])
        .await;
    assert_eq!(late.code, 3, "{late:?}");
    assert!(
        late.out
            .contains("Updating: version 4 is made (version 3 serves, 4 is next)"),
        "{late:?}"
    );
    let now = world
        .says(&["rollout", "status", "support", "--watch=false"])
        .await;
    assert_eq!(now.code, 0, "{now:?}");

    // The program is waiting once it has said how it stands; then the roll ends.
    for (status, code) in [
        (
            ready(
                &json!({"latestVersion": "4", "readyVersion": "4", "defaultEndpoint": {"liveVersion": "4", "status": "READY"}}),
            ),
            0,
        ),
        (
            ready(
                &json!({"conditions": [condition("Ready", "False", "UpdateFailed", "x"), condition("Stalled", "True", "UpdateFailed", "x")]}),
            ),
            1,
        ),
    ] {
        world
            .status("AgentRuntime", "support", ready(&rolling))
            .await?;
        let mut child = world
            .program(&["rollout", "status", "support"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (lines, first) = tokio::task::spawn_blocking(move || {
            let first = lines.next();
            (lines, first)
        })
        .await?;
        assert!(first.expect("a line")?.contains("Updating"));
        world.status("AgentRuntime", "support", status).await?;
        let ended = tokio::task::spawn_blocking(move || (child.wait(), lines.count())).await?;
        assert_eq!(ended.0?.code(), Some(code));
    }
    world.cluster.stop().await
}

/// Reads until a text is there, and answers what was read.
async fn read_until(mut out: ChildStdout, text: &'static str) -> (ChildStdout, String) {
    let read = move || {
        let (mut seen, mut more) = (String::new(), [0; 4096]);
        while !seen.contains(text) {
            let count = out.read(&mut more).expect("readable");
            assert!(count > 0, "{text:?} did not come: {seen}");
            seen.push_str(&String::from_utf8_lossy(&more[..count]));
        }
        (out, seen)
    };
    tokio::task::spawn_blocking(read).await.expect("it comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_goes_on_until_it_is_interrupted() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.runtime("support", ready(&json!({}))).await?;
    let mut child = world
        .program(&["status", "-w"])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().expect("a pipe");
    let (out, _) = read_until(out, "AgentRuntime/support").await;
    world.runtime("billing", ready(&json!({}))).await?;
    let (_, seen) = read_until(out, "AgentRuntime/billing").await;
    assert!(!seen.contains('\x1b'), "no codes into a pipe: {seen}");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
    let status = tokio::task::spawn_blocking(move || child.wait()).await??;
    assert_eq!(status.code(), Some(130));
    world.cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_in_one_line_with_a_code_of_its_own() -> anyhow::Result<()> {
    let world = World::bare().await?;
    let no_crds = world.says(&["status"]).await;
    assert_eq!(no_crds.code, 4, "{no_crds:?}");
    assert!(
        no_crds.err.contains("install the operator's CRDs first"),
        "{no_crds:?}"
    );
    world.cluster.stop().await?;

    let world = World::new().await?;
    world.runtime("support", ready(&json!({}))).await?;
    for (arguments, code, says) in [
        (
            &["status", "suport"][..],
            4,
            "AgentRuntime \"suport\" not found in namespace team-a; did you mean support?",
        ),
        (&["restart", "endpoint/support"], 4, "did you mean support?"),
        (&["status", "pod/a"], 2, "is not a kind of agentcore.dev"),
        (&["status", "--as", "nobody"], 5, "you may not list "),
        (&["status", "-A", "--as", "nobody"], 5, "in all namespaces"),
        (
            &["status", "--context", "nope"],
            1,
            "no context \"nope\": kubectl config get-contexts",
        ),
        (
            &["status", "--kubeconfig", "/nonexistent"],
            1,
            "give one with --kubeconfig",
        ),
        (
            &["rollout", "history", "endpoint/a"],
            2,
            "name its AgentRuntime",
        ),
    ] {
        let said = world.says(arguments).await;
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        assert!(
            said.err.starts_with("error: ") && said.err.contains(says),
            "{arguments:?}: {said:?}"
        );
        assert_eq!(
            (said.err.lines().count(), said.out.as_str()),
            (1, ""),
            "{arguments:?}: {said:?}"
        );
    }
    // Somebody who may see runtimes only sees runtimes.
    let role = json!({"metadata": {"name": "some"}, "rules": [{"apiGroups": ["agentcore.dev"], "resources": ["agentruntimes"], "verbs": ["get", "list"]}]});
    world.make("Role", "some", role, Value::Null).await?;
    let binding = json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "some"},
                         "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}]});
    world
        .make("RoleBinding", "some", binding, Value::Null)
        .await?;
    let some = world.says(&["status", "--as", "somebody"]).await;
    assert!(
        some.code == 0 && some.out.contains("AgentRuntime/support"),
        "{some:?}"
    );
    assert_eq!(
        some.err
            .matches("not shown: you may not list agent")
            .count(),
        2,
        "{some:?}"
    );

    let empty = world.says(&["status", "-n", "default"]).await;
    assert_eq!(
        (empty.code, empty.err.as_str()),
        (0, "no agents in namespace default\n")
    );

    // A cluster that is gone.
    let kubeconfig = std::fs::read_to_string(world.cluster.kubeconfig())?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), kubeconfig)?;
    let path = file.path().to_str().expect("a path").to_owned();
    world.cluster.stop().await?;
    let gone = offline(&["status", "--kubeconfig", &path], "");
    assert_eq!(gone.code, 6, "{gone:?}");
    assert!(
        gone.err.contains("does not answer") && gone.err.contains("kubectl cluster-info"),
        "{gone:?}"
    );
    assert_eq!(gone.err.lines().count(), 1, "{gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_thousand_runtimes_is_told() -> anyhow::Result<()> {
    let world = World::new().await?;
    let made = (0..1000).map(|number| {
        let world = &world;
        async move {
            world
                .runtime(&format!("agent-{number}"), ready(&json!({})))
                .await
                .map(drop)
        }
    });
    iter(made).buffer_unordered(32).try_collect::<()>().await?;
    let ran = world.says(&["status"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.starts_with("1000 runtimes: 1000 ready"),
        "{}",
        &ran.out[..80]
    );
    world.cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_names_of_objects() -> anyhow::Result<()> {
    let world = World::new().await?;
    world.runtime("support", ready(&json!({}))).await?;
    let spec = json!({"spec": {"runtimeRef": {"name": "support"}, "version": "Latest"}});
    world
        .make("AgentEndpoint", "live", spec, Value::Null)
        .await?;
    // As the documentation says: both programs in a folder of the path.
    let folder = tempfile::tempdir()?;
    let script = offline(&["completion", "kubectl"], "").out;
    let asked = folder.path().join("kubectl_complete-agentcore");
    std::fs::write(&asked, script)?;
    std::fs::set_permissions(&asked, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_kubectl-agentcore"),
        folder.path().join("kubectl-agentcore"),
    )?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    let kubectl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(world.cluster.kubectl());
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("PATH", &path)
            .env("KUBECONFIG", world.cluster.kubeconfig());
        run(command, "")
    };
    let names = kubectl(&["__complete", "agentcore", "status", "-n", NAMESPACE, ""]);
    assert_eq!(names.out, "support\nendpoint/live\n:4\n", "{names:?}");
    let one = kubectl(&[
        "__complete",
        "agentcore",
        "restart",
        "-n",
        NAMESPACE,
        "endpoint/",
    ]);
    assert_eq!(one.out, "endpoint/live\n:4\n", "{one:?}");
    let namespaces = kubectl(&["__complete", "agentcore", "status", "-n", "team"]);
    assert_eq!(namespaces.out, "team-a\n:4\n", "{namespaces:?}");
    let verbs = kubectl(&["__complete", "agentcore", "rollout", "h"]);
    assert!(verbs.out.starts_with("history\t"), "{verbs:?}");
    // And kubectl finds the program itself.
    let status = kubectl(&["agentcore", "status", "-n", NAMESPACE, "-o", "name"]);
    assert!(
        status
            .out
            .starts_with("agentruntime.agentcore.dev/support\n"),
        "{status:?}"
    );
    world.cluster.stop().await
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..3000 {
        let mut object = runtime::minimal();
        object["spec"]["unknown"] = json!(number);
        std::fs::write(
            folder.path().join(format!("{number}.json")),
            object.to_string(),
        )
        .expect("a file");
    }
    let program = env!("CARGO_BIN_EXE_kubectl-agentcore");
    let line = format!(
        "{program} lint {} | head -1; echo \"${{PIPESTATUS[0]}}\"",
        folder.path().display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .output()
        .expect("bash");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("\n0\n"), "{out}");
    assert!(
        !String::from_utf8_lossy(&output.stderr).contains("error"),
        "{output:?}"
    );
}
