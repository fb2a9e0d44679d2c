//! `chat` without a terminal: once, and a prompt a line.

use crate::stage::{Run, session, stage};

#[test]
fn once_prints_the_answer_and_nothing_else() {
    let stage = stage();
    for transport in ["http", "ws"] {
        let prompt = "one two three four five\nsix";
        let run = stage.run([
            "chat",
            "support",
            "--once",
            prompt,
            "--transport",
            transport,
        ]);
        assert_eq!(run.good(), format!("{prompt}\n"), "{transport}");
    }
}

#[test]
fn piped_lines_are_turns_of_one_session() {
    let stage = stage();
    let id = session("piped");
    let mut command = stage.caller();
    command.args([
        "chat",
        "support",
        "--session",
        &id,
        "--as-serviceaccount",
        "caller",
    ]);
    let out = Run::of(&mut command, "Hello there\n\nhow are you today\n").good();
    assert_eq!(out, "Hello there\nhow are you today\n");
    // The third turn of the same agent process.
    let turn = stage.run(["invoke", "support", r#"{"prompt": "x"}"#, "--session", &id]);
    assert_eq!(turn.json()["turn"], 3);
}

#[test]
fn the_first_failure_ends_a_pipe() {
    let stage = stage();
    let mut command = stage.caller();
    command.args(["chat", "nobody", "--as-serviceaccount", "caller"]);
    let run = Run::of(&mut command, "Hello\nagain\n");
    assert_eq!(run.out, "");
    let error = run.bad(4);
    assert!(error.contains("NotFound"), "{error}");
}
