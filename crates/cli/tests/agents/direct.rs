//! `--direct`: straight to AgentCore, with AWS credentials.

use crate::stage::{Run, session, stage};

#[test]
fn an_agent_is_invoked_and_its_session_stopped() {
    let stage = stage();
    let id = session("direct");
    let prompt = r#"{"prompt": "one two"}"#;
    for (turn, arguments) in [
        (1, &["invoke", "support", "--endpoint", "live"][..]),
        (2, &["invoke", "endpoint/live"]),
    ] {
        let run = stage
            .direct([arguments, &[prompt, "--session", &id]].concat())
            .json();
        assert_eq!(
            (&run["response"], &run["turn"]),
            (&"one two".into(), &turn.into())
        );
    }
    let sessions = stage.sessions();
    let here = sessions.iter().find(|it| it["id"] == id.as_str()).unwrap();
    assert_eq!(here["endpoint"], "live");
    stage
        .direct(["sessions", "stop", "endpoint/live", &id])
        .good();
    let error = stage
        .direct(["sessions", "stop", "endpoint/live", &id])
        .bad(4);
    assert!(error.contains("ResourceNotFoundException"), "{error}");
}

#[test]
fn chat_speaks_with_the_agent_itself() {
    let stage = stage();
    for transport in ["http", "ws"] {
        let mut command = stage.program();
        command.args(["chat", "support", "--direct", "--transport", transport]);
        let out = Run::of(&mut command, "one two three four\nfive\n").good();
        assert_eq!(out, "one two three four\nfive\n", "{transport}");
    }
}

#[test]
fn what_aws_refuses_is_said_in_one_line() {
    let stage = stage();
    let mut command = stage.program();
    command
        .args(["invoke", "support", "{}", "--direct"])
        .env("AWS_ACCESS_KEY_ID", "unknown");
    let error = Run::of(&mut command, "").bad(5);
    assert!(
        error.contains("UnrecognizedClientException") && error.contains("request "),
        "{error}"
    );
    let mut command = stage.program();
    command.args(["invoke", "support", "{}", "--direct"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let error = Run::of(&mut command, "").bad(5);
    assert!(
        error.contains("no AWS credentials") && error.contains("--direct"),
        "{error}"
    );
    let mut command = stage.program();
    command
        .args(["invoke", "support", "{}", "--direct"])
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let error = Run::of(&mut command, "").bad(6);
    assert!(error.contains("cannot connect to AgentCore"), "{error}");
}
