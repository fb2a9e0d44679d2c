//! `logs`: what sessions wrote.

use std::io::{BufRead as _, BufReader};
use std::sync::mpsc;

use serde_json::Value;

use crate::stage::{DEADLINE, Run, session, stage};

/// Runs a session and returns AgentCore's id of it.
fn session_of(name: &str) -> String {
    let id = session(name);
    let run = stage().direct(["invoke", "support", r#"{"prompt": "x"}"#, "--session", &id]);
    run.good();
    id
}

fn logs(arguments: &[&str]) -> Run {
    Run::of(
        stage().program().args(["logs", "support"]).args(arguments),
        "",
    )
}

#[test]
fn a_sessions_lines_are_told_from_those_of_others() {
    let (one, two) = (session_of("log-one"), session_of("log-two"));
    let both = logs(&["-o", "json"]).good();
    let of = |id: &str| {
        let lines = both
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["session"] == id).count()
    };
    assert!(of(&one) > 0 && of(&two) > 0, "{both}");
    let own = logs(&["--session", &one, "--prefix", "--timestamps"]).good();
    assert_eq!(own.lines().count(), of(&one));
    assert!(own.contains("\"message\":\"listening\""), "{own}");
    for line in own.lines() {
        let mut words = line.split(' ');
        assert!(
            words.next().unwrap().parse::<jiff::Timestamp>().is_ok(),
            "{line}"
        );
        assert_eq!(words.next(), Some(one.as_str()));
    }
    let last = logs(&["--session", &one, "--tail", "1"]).good();
    assert_eq!(last.lines().count(), 1);
    assert!(own.trim_end().ends_with(last.trim_end()));
    assert_eq!(logs(&["--session", &one, "--tail", "0"]).good(), "");
}

#[test]
fn lines_beyond_a_page_are_read_to_the_end() {
    let stage = stage();
    let (id, name) = (
        session("pages"),
        "[runtime-logs-pages-0123456789-0123456789-0123456789]1",
    );
    let group = {
        let ended = session_of("log-pages");
        let all = stage.sessions();
        let session = all.iter().find(|it| it["id"] == ended.as_str()).unwrap();
        let arn = session["runtimeArn"].as_str().unwrap();
        format!(
            "/aws/bedrock-agentcore/runtimes/{}-DEFAULT",
            arn.rsplit('/').next().unwrap()
        )
    };
    // More than a mebibyte, which is a page.
    let line = "x".repeat(100_000);
    for n in 0..25 {
        let place = ("111122223333", "us-east-1");
        let app = stage.sim.app();
        app.logs.write(
            place,
            &group,
            &format!("2026/11/21/{name}"),
            app.now(),
            &format!("{n} {line}"),
        );
    }
    let out = logs(&["--session", &id]).good();
    let numbers: Vec<String> = out
        .lines()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(numbers, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn following_shows_each_new_line_once() {
    let stage = stage();
    let id = session_of("log-follow");
    let mut command = stage.program();
    command.args(["logs", "support", "--session", &id, "-f"]);
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let next = || receiver.recv_timeout(DEADLINE).expect("a line");
    let mut seen = vec![next()];
    for turn in ["\"turn\":2", "\"turn\":3"] {
        stage
            .direct(["invoke", "support", r#"{"prompt": "x"}"#, "--session", &id])
            .good();
        while !seen.last().unwrap().contains(turn) {
            seen.push(next());
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut unique = seen.clone();
    unique.dedup();
    assert_eq!(seen, unique);
    assert_eq!(
        seen.iter()
            .filter(|line| line.contains("\"turn\":"))
            .count(),
        3,
        "{seen:?}"
    );
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let stage = stage();
    // Nobody ever calls it: other tests use DEFAULT and live.
    let mut command = stage.program();
    command
        .args(["logs", "support"])
        .env("AWS_ACCESS_KEY_ID", "unknown");
    let error = Run::of(&mut command, "").bad(5);
    assert!(error.contains("UnrecognizedClientException"), "{error}");
    let mut command = stage.program();
    command.args(["logs", "support"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let error = Run::of(&mut command, "").bad(5);
    assert!(error.contains("no AWS credentials"), "{error}");
    assert!(!error.contains(" { "), "a dump for developers: {error}");
    let error = logs(&["--since", "soon"]).err;
    assert!(error.contains("30s, 5m or 1h30m"), "{error}");
}
