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
    assert!(error.contains("no such session"), "{error}");
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
