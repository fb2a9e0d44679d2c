//! `invoke`: bytes in, bytes out, and errors that say what to do.

use std::io::{BufRead as _, BufReader};
use std::time::Instant;

use serde_json::Value;

use crate::stage::{Run, session, stage};

#[test]
fn a_payload_comes_from_an_argument_a_file_or_standard_input() {
    let stage = stage();
    let prompt = r#"{"prompt": "one two"}"#;
    assert_eq!(
        stage.run(["invoke", "support", prompt]).json()["response"],
        "one two"
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("payload.json");
    std::fs::write(&file, prompt).unwrap();
    let by_file = stage.run(["invoke", "support", "--file", file.to_str().unwrap()]);
    assert_eq!(by_file.json()["response"], "one two");

    for arguments in [&["invoke", "support", "-"][..], &["invoke", "support"]] {
        let mut command = stage.caller();
        command
            .args(arguments)
            .args(["--as-serviceaccount", "team-a/caller"]);
        assert_eq!(Run::of(&mut command, prompt).json()["response"], "one two");
    }
}

#[test]
fn an_endpoint_is_called_by_its_flag_or_its_kind() {
    let stage = stage();
    let prompt = r#"{"prompt": "hello"}"#;
    for (arguments, id) in [
        (
            &["invoke", "support", "--endpoint", "live", prompt][..],
            "by-flag",
        ),
        (&["invoke", "aep/live", prompt], "by-kind"),
    ] {
        let id = session(id);
        let run = stage.run([arguments, &["--session", &id, "-i"]].concat());
        let out = run.good();
        let upstream = header(&out, "x-agentcore-upstream-session-id");
        let sessions = stage.sessions();
        let here = sessions
            .iter()
            .find(|it| it["id"] == upstream.as_str())
            .unwrap();
        assert_eq!(here["endpoint"], "live");
    }
    let error = stage
        .run(["invoke", "aep/live", prompt, "--endpoint", "live"])
        .bad(2);
    assert!(
        error.contains("--endpoint goes with the name of an AgentRuntime"),
        "{error}"
    );
}

#[test]
fn a_session_is_kept_by_its_id() {
    let stage = stage();
    let id = session("kept");
    let turn = || {
        let prompt = r#"{"prompt": "x"}"#;
        stage
            .run(["invoke", "support", prompt, "--session", &id])
            .json()["turn"]
            .clone()
    };
    assert_eq!((turn(), turn()), (1.into(), 2.into()));
    let error = stage
        .run(["invoke", "support", "{}", "--session", "short"])
        .bad(2);
    assert!(error.contains("expected 33 to 256"), "{error}");
}

#[test]
fn status_and_headers_are_shown_on_demand() {
    let out = stage()
        .run(["invoke", "support", "-i", r#"{"prompt": "x"}"#])
        .good();
    assert!(out.starts_with("HTTP 200 OK\n"), "{out}");
    assert_eq!(header(&out, "content-type"), "application/json");
    let (_, body) = out.split_once("\n\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["response"], "x");
}

#[test]
fn events_are_printed_as_they_come() {
    let prompt = r#"{"prompt": "a b c d e f g", "delayMs": 1500}"#;
    let mut command = stage().caller();
    command.args([
        "invoke",
        "support",
        "--stream",
        prompt,
        "--as-serviceaccount",
        "caller",
    ]);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let came = Instant::now();
    assert!(first.starts_with("data: "), "{first}");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let took = came.elapsed();
    assert!(child.wait().unwrap().success());
    assert_eq!(
        rest.iter()
            .filter(|line| line.starts_with("data: "))
            .count(),
        2,
        "{rest:?}"
    );
    // Two more pauses of the agent; held back it would have come with the rest.
    assert!(took.as_millis() > 2000, "{took:?}");
}

#[test]
fn the_agents_own_error_is_printed_and_told_by_the_exit_code() {
    let run = stage().run(["invoke", "support", r#"{"action": "dance"}"#]);
    assert!(run.out.contains("Invalid request"), "{}", run.out);
    let error = run.bad(1);
    assert!(error.contains("the agent answers 400"), "{error}");
}

#[test]
fn an_agent_that_dies_is_told_with_awss_error_and_request() {
    let error = stage()
        .run(["invoke", "support", r#"{"action": "crash"}"#])
        .bad(1);
    for part in [
        "424",
        "AgentFailed",
        "AWS says RuntimeClientError",
        "request ",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn a_stranger_an_unknown_agent_and_a_missing_account_are_told_apart() {
    let stage = stage();
    let call = |agent: &str, account: &str| {
        let mut command = stage.caller();
        command.args(["invoke", agent, "{}", "--as-serviceaccount", account]);
        Run::of(&mut command, "")
    };
    for (agent, kind) in [
        ("support", "agentruntimes.agentcore.dev/support"),
        ("endpoint/live", "agentendpoints.agentcore.dev/live"),
        ("session/night", "agentsessions.agentcore.dev/night"),
    ] {
        let error = call(agent, "stranger").bad(5);
        let hint = format!("kubectl auth can-i create {kind} --subresource=invocations");
        assert!(
            error.contains("(Forbidden)") && error.contains(&hint),
            "{error}"
        );
    }
    // The gateway tells strangers of no agent; kubectl's own rights do.
    let error = call("suport", "stranger").bad(4);
    assert!(error.contains("support"), "{error}");
    let error = call("suport", "caller").bad(4);
    assert!(error.contains("NotFound"), "{error}");
    let error = call("support", "nobody").bad(4);
    assert!(error.contains("create serviceaccount nobody"), "{error}");
    let error = call("support", "a/b/c").bad(2);
    assert!(error.contains("is not a ServiceAccount"), "{error}");
}

#[test]
fn without_a_token_it_says_how_to_get_one() {
    let stage = stage();
    let error = Run::of(stage.caller().args(["invoke", "support", "{}"]), "").bad(2);
    for part in ["--as-serviceaccount", "--token", "--direct"] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "nonsense\n").unwrap();
    let mut command = stage.caller();
    command.args(["invoke", "support", "{}", "--token", file.to_str().unwrap()]);
    let error = Run::of(&mut command, "").bad(5);
    assert!(
        error.contains("InvalidToken") && error.contains("--token-audience"),
        "{error}"
    );
}

#[test]
fn a_gateway_that_is_down_or_not_there_is_said_in_one_line() {
    let stage = stage();
    let down = |url: &str| {
        let mut command = stage.program();
        command.args([
            "invoke",
            "support",
            "{}",
            "--as-serviceaccount",
            "caller",
            "--gateway",
            url,
        ]);
        Run::of(&mut command, "")
    };
    let error = down("http://127.0.0.1:9").bad(6);
    assert!(
        error.contains("is unreachable") && error.contains("refused"),
        "{error}"
    );
    // What answers there speaks no TLS.
    let error = down(&stage.gateway.replace("http:", "https:")).bad(6);
    assert!(error.contains("is unreachable"), "{error}");
    let error = down("gateway.example.com").bad(2);
    assert!(error.contains("is not a gateway URL"), "{error}");

    let mut command = stage.program();
    command.args(["invoke", "support", "{}", "--as-serviceaccount", "caller"]);
    let error = Run::of(&mut command, "").bad(6);
    assert!(
        error.contains("there is no gateway in namespace agentcore-system"),
        "{error}"
    );
}

fn header(out: &str, name: &str) -> String {
    let start = format!("{name}: ");
    let line = out.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{name} in {out}")).to_owned()
}
