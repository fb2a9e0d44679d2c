//! The program `agentcore-sim`: no session outlives it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Signer, escape, runtime, sign};
use crate::stage::{agent, alive, post, until};

/// Kills its process, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn agents_die_with_a_simulator_that_is_killed() {
    let mut sim = Running(
        Command::new(env!("CARGO_BIN_EXE_agentcore-sim"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(sim.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().rsplit(' ').next().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let image = json!({ "repository": "support", "tag": "prod", "program": agent(json!({ "STUBBORN": "1" })) });
    let pushed = http
        .post(format!("{url}/_sim/images"))
        .body(image.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(pushed.status(), 200);

    let body = runtime("support").to_string();
    let host = url.strip_prefix("http://").unwrap();
    let headers = sign(
        &Signer::default(),
        "PUT",
        "/runtimes/",
        host,
        &HeaderMap::new(),
        &body,
    );
    let made = http
        .put(format!("{url}/runtimes/"))
        .headers(headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let made: Value = made.json().await.unwrap();
    let path = format!(
        "/runtimes/{}/invocations",
        escape(made["agentRuntimeArn"].as_str().unwrap())
    );
    let mut pids = Vec::new();
    let mut folders = Vec::new();
    for body in ["{}", "{}", r#"{"do":"spawn"}"#] {
        let told: Value = until("the runtime", async || {
            let answer = post(url, &path, &HeaderMap::new(), body.to_owned())
                .await
                .unwrap();
            if answer.status() == 200 {
                Some(answer.json().await.unwrap())
            } else {
                None
            }
        })
        .await;
        pids.extend(
            [&told["pid"], &told["child"]]
                .into_iter()
                .filter_map(Value::as_u64),
        );
        folders.extend(told["cwd"].as_str().map(PathBuf::from));
    }
    assert_eq!((pids.len(), folders.len()), (3, 2));
    assert!(pids.iter().all(|pid| alive(*pid)) && folders.iter().all(|folder| folder.is_dir()));
    // SIGKILL: nothing of the simulator's own can run any more.
    sim.0.kill().unwrap();
    sim.0.wait().unwrap();
    until("the end of agents and folders", async || {
        let left =
            pids.iter().any(|pid| alive(*pid)) || folders.iter().any(|folder| folder.exists());
        (!left).then_some(())
    })
    .await;
}
