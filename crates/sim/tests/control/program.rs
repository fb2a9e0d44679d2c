//! The program itself: starting, pushing, stopping.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_agentcore-sim");

/// Kills its process, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve() -> (Running, String) {
    let mut child = Command::new(PROGRAM)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--account",
            "444455556666",
            "--region",
            "eu-west-1",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{line}");
    (Running(child), url)
}

#[test]
fn it_prints_where_it_listens_takes_pushes_and_ends_cleanly_on_either_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (mut sim, url) = serve();
        let push = Command::new(PROGRAM)
            .args([
                "push",
                "support:prod",
                "--program",
                PROGRAM,
                "--endpoint",
                &url,
                "--arch",
                "arm64,amd64",
                "--",
                "--port",
                "{port}",
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(push.stdout).unwrap();
        assert!(push.status.success(), "{text}");
        assert!(
            text.starts_with("444455556666.dkr.ecr.eu-west-1.amazonaws.com/support:prod\nsha256:"),
            "{text}"
        );
        kill(Pid::from_raw(i32::try_from(sim.0.id()).unwrap()), signal).unwrap();
        assert_eq!(sim.0.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_push_of_a_program_that_does_not_exist_fails_with_its_name() {
    let push = Command::new(PROGRAM)
        .args(["push", "a:b", "--program", "/no/such/program"])
        .output()
        .unwrap();
    assert!(!push.status.success());
    assert!(
        String::from_utf8(push.stderr)
            .unwrap()
            .contains("/no/such/program")
    );
}
