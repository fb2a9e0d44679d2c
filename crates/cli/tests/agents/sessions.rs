//! `sessions`: list, stop, drain.

use serde_json::Value;

use crate::stage::{Run, session, stage};

#[test]
fn a_session_is_listed_until_it_is_stopped() {
    let stage = stage();
    let id = session("listed");
    let prompt = r#"{"prompt": "x"}"#;
    stage
        .run(["invoke", "support", prompt, "--session", &id])
        .good();
    let list = || {
        stage
            .run(["sessions", "list", "support", "-o", "json"])
            .json()
    };
    let own = |list: &Value| {
        let all = list["sessions"].as_array().unwrap().clone();
        all.into_iter().find(|it| it["sessionId"] == id.as_str())
    };
    let listed = own(&list()).unwrap();
    assert_eq!(
        (&listed["version"], &listed["endpoint"]),
        (&"1".into(), &"DEFAULT".into())
    );
    let upstream = listed["upstreamSessionId"].as_str().unwrap().to_owned();

    let table = stage.run(["sessions", "list", "support"]).good();
    assert!(
        table.starts_with("SESSION ") && table.contains(&id),
        "{table}"
    );
    assert!(!table.contains(&upstream), "{table}");
    let wide = stage
        .run(["sessions", "list", "support", "-o", "wide"])
        .good();
    assert!(wide.contains(&upstream), "{wide}");
    let names = stage
        .run(["sessions", "list", "support", "-o", "name"])
        .good();
    assert!(names.lines().any(|line| line == id), "{names}");

    let out = stage.run(["sessions", "stop", "support", &id]).good();
    assert!(out.contains("stopped"), "{out}");
    assert!(own(&list()).is_none());
    assert!(
        stage
            .sessions()
            .iter()
            .all(|it| it["id"] != upstream.as_str())
    );
    let error = stage.run(["sessions", "stop", "support", &id]).bad(4);
    assert!(error.contains("session not found"), "{error}");
}

#[test]
fn without_a_caller_the_counts_of_everybody_are_left() {
    let stage = stage();
    let run = Run::of(stage.program().args(["sessions", "list", "support"]), "");
    assert!(run.err.contains("--as-serviceaccount"), "{}", run.err);
    assert!(run.good().starts_with("runtime/support: "));
    let error = Run::of(stage.program().args(["sessions", "list", "suport"]), "").bad(4);
    assert!(error.contains("did you mean support?"), "{error}");
}

#[test]
fn a_declared_session_is_one_for_all_and_ends_with_its_object() {
    let stage = stage();
    let prompt = r#"{"prompt": "x"}"#;
    let session = |answer: Value| answer["sessionId"].as_str().unwrap().to_owned();
    let own = session(stage.run(["invoke", "session/night", prompt]).json());
    let same = session(stage.direct(["invoke", "ase/night", prompt]).json());
    assert_eq!(own, same);
    let listed = stage
        .run(["sessions", "list", "session/night", "-o", "name"])
        .good();
    assert!(listed.lines().any(|line| line == own), "{listed}");
    let log = Run::of(
        stage.program().args(["logs", "session/night", "--prefix"]),
        "",
    );
    let log = log.good();
    assert!(
        log.lines().count() > 0 && log.lines().all(|line| line.starts_with(&own)),
        "{log}"
    );

    let error = stage
        .run(["sessions", "stop", "session/night", &own])
        .bad(1);
    assert!(error.contains("DeclaredSession"), "{error}");
    let error = stage
        .direct(["sessions", "stop", "session/night", &own])
        .bad(2);
    assert!(error.contains("ends with its AgentSession"), "{error}");
    let other = crate::stage::session("other");
    let error = stage
        .direct(["invoke", "session/night", prompt, "--session", &other])
        .bad(2);
    assert!(error.contains("leave --session out"), "{error}");
}

#[test]
fn a_drain_of_what_is_not_there_changes_nothing() {
    let stage = stage();
    let mut command = stage.program();
    command.args(["sessions", "drain", "support", "suport"]);
    let run = Run::of(&mut command, "");
    assert_eq!(run.out, "");
    let error = run.bad(4);
    assert!(error.contains("did you mean support?"), "{error}");
}
