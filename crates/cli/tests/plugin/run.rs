//! The program and what it said.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The program with these arguments, without any cluster, proxy or colour of the surroundings.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-agentcore"));
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "KUBERNETES_SERVICE_HOST",
        "NO_COLOR",
        "AWS_REGION",
        "COMPLETE",
    ] {
        command.env_remove(name);
    }
    command
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// Runs it to its end.
pub fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // A program that does not read its input closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input is written");
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Runs it without a cluster.
pub fn offline(arguments: &[&str], input: &str) -> Ran {
    run(program(arguments), input)
}

/// Objects as one file, each on every second line from the second on.
pub fn stream(objects: &[Value]) -> String {
    let mut text = String::new();
    for object in objects {
        text.extend(["---\n", &object.to_string(), "\n"]);
    }
    text
}
