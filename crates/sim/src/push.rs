//! `agentcore-sim push`: gives a running simulator a program as an image.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::args::Push;

/// Pushes and prints the image's URI and digest.
///
/// # Errors
/// When the program does not exist, or the simulator cannot be reached or refuses.
pub async fn run(args: &Push) -> anyhow::Result<()> {
    let program = std::fs::canonicalize(&args.program)
        .with_context(|| format!("cannot find the program {}", args.program.display()))?;
    let program = program
        .to_str()
        .context("the path of the program is not valid UTF-8")?;
    let command: Vec<&str> = std::iter::once(program)
        .chain(args.args.iter().map(String::as_str))
        .collect();
    let (repository, tag) = &args.image;
    let body = json!({
        "repository": repository,
        "tag": tag,
        "program": { "argv": command, "env": args.environment() },
        "architectures": args.arch,
    });
    let url = format!("{}/_sim/images", args.endpoint.trim_end_matches('/'));
    // A proxy of the environment cannot reach a loopback address of ours.
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .context("cannot make an HTTP client")?;
    let response = client
        .post(&url)
        .json(&body)
        .send()
        .await
        .with_context(|| format!("cannot reach the simulator at {}", args.endpoint))?;
    let status = response.status();
    let answer: Value = response
        .json()
        .await
        .context("the simulator's answer is not JSON")?;
    if !status.is_success() {
        bail!(
            "the simulator refused the image: {}",
            answer["message"].as_str().unwrap_or("no reason given")
        );
    }
    let part = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    println!("{}\n{}", part("imageUri"), part("digest"));
    Ok(())
}
