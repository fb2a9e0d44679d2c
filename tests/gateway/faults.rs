//! Callers that go away, agents that die in the middle of an answer, credentials that cannot be had, certificates that change.

use std::os::unix::fs::PermissionsExt as _;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::front::{Front, Gateway};
use super::tools::{SESSION, Tape, close_code, good, last_error, refused, web_socket};

const EVENTS: &str = "text/event-stream";

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_cancels_the_agents_turn_and_spoils_no_other() {
    let front = Front::start("gw-gone").await;
    front.echo("echo", json!({})).await;
    let token = front.token("caller").await;
    let session = "s".repeat(40);
    let echo = |body: Value| {
        let request = front.post_to("agentruntimes", "echo", "invocations", &token, &body);
        request.header(SESSION, &session)
    };
    let mut stream = echo(json!({"stream": true}))
        .send()
        .await
        .expect("an answer");
    assert!(stream.chunk().await.expect("a stream").is_some());
    let (_, seen) = good(echo(json!({}))).await;
    assert_eq!(seen["gone"], 0);
    drop(stream);
    front
        .rig
        .until("a turn that was cancelled", async || {
            let (_, seen) = good(echo(json!({}))).await;
            (seen["gone"] == 1)
                .then_some(())
                .ok_or_else(|| seen.to_string())
        })
        .await;
    let gone = front
        .gateway
        .accesses()
        .into_iter()
        .find(|line| line["reason"] == "CallerGone");
    let gone = gone.expect("a line about it");
    assert_eq!(
        (&gone["status"], &gone["name"]),
        (&json!(200), &json!("echo"))
    );
    assert!(gone["chunks"].as_u64() > Some(0), "{gone}");

    // What is left of the answer is not taken for the next turn's.
    let over = |body: Value| {
        front
            .request(Method::POST, "chat", &token)
            .header(SESSION, &session)
            .json(&body)
    };
    let slow =
        json!({"prompt": "a b c d e f", "chunks": 2, "delayMs": 3_600_000, "transport": "ws"});
    let mut stream = over(slow)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("an answer");
    assert!(stream.chunk().await.expect("a stream").is_some());
    drop(stream);
    let (_, next) = good(over(json!({"prompt": "x y z", "transport": "ws"}))).await;
    assert_eq!(next["response"], "x y z");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_in_the_middle_leaves_what_came_and_a_mark() {
    let mut front = Front::start("gw-dies").await;
    front.echo("echo", json!({})).await;
    let token = front.token("caller").await;
    let dying = json!({"prompt": "a b c d e f", "chunks": 4, "crashAfter": 2, "delayMs": 50});
    let answer = front
        .invoke(&token, &dying)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("an orderly end");
    let (before, error) = last_error(&text);
    assert_eq!(error["reason"], "UpstreamBrokeOff");
    let pieces: Vec<Value> = before
        .split_terminator("\n\n")
        .map(|event| {
            serde_json::from_str(event.strip_prefix("data: ").expect("an event")).expect("whole")
        })
        .collect();
    let said: Vec<_> = pieces.iter().map(|piece| &piece["response"]).collect();
    assert_eq!(said, ["a b c ", "d e f"], "{before}");

    let chat = |transport: &str, accept: &str| {
        let mut body = dying.clone();
        body["transport"] = json!(transport);
        front
            .request(Method::POST, "chat", &token)
            .json(&body)
            .header("accept", accept)
    };
    for transport in ["http", "ws"] {
        let (_, partial) = good(chat(transport, "application/json")).await;
        assert_eq!(partial["partial"], true, "{transport}");
        assert_eq!(partial["response"], "a b c d e f");
        assert_eq!(partial["error"]["reason"], "UpstreamBrokeOff", "{partial}");
        assert!(partial["sessionId"].is_string());
        let answer = chat(transport, EVENTS).send().await.expect("an answer");
        let text = answer.text().await.expect("an orderly end");
        let (before, error) = last_error(&text);
        assert_eq!(before.matches("data: ").count(), 2, "{transport}: {before}");
        assert_eq!(
            (&error["partial"], &error["error"]["reason"]),
            (&json!(true), &json!("UpstreamBrokeOff"))
        );
        let log = front.gateway.accesses().pop().expect("a line");
        assert_eq!(log["reason"], "UpstreamBrokeOff");
    }
    let crash = json!({"action": "crash"});
    assert_eq!(
        refused(front.invoke(&token, &crash)).await.said(),
        (424, "AgentFailed")
    );

    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text(dying.to_string()))
        .await
        .expect("sent");
    assert_eq!(close_code(&mut socket).await, 1011);
    drop(socket);
    front
        .rig
        .until("a line about the WebSocket", async || {
            let lines = front.gateway.accesses();
            let found = lines
                .iter()
                .any(|line| line["route"] == "ws" && line["reason"] == "UpstreamBrokeOff");
            found
                .then_some(())
                .ok_or_else(|| format!("{:?}", lines.last()))
        })
        .await;
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text("x".repeat(40_000)))
        .await
        .expect("sent");
    assert_eq!(close_code(&mut socket).await, 1009, "AgentCore's limit");
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    let _ = socket.send(Message::text("x".repeat(2_000_000))).await;
    assert_eq!(close_code(&mut socket).await, 1009, "the gateway's limit");

    // A body of known length, and one of unknown length, that end early.
    let cut = front.post_to(
        "agentruntimes",
        "echo",
        "invocations",
        &token,
        &json!({"cut": true}),
    );
    let answer = cut.send().await.expect("a head");
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.is_err());
    let tape = Tape::start().await;
    front.gateway = Gateway::start_in(&front.rig, &[], &[("AWS_ENDPOINT_URL", &tape.url)]).await;
    for head in [
        "Content-Length: 1000\r\n\r\n{\"response\": \"ha",
        "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n",
    ] {
        tape.answer(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n{head}"
            )
            .as_bytes(),
        );
        let mut answer = front
            .invoke(&token, &json!({"prompt": "a"}))
            .send()
            .await
            .expect("a head");
        let first = answer
            .chunk()
            .await
            .expect("what came")
            .expect("is passed on");
        assert!(first.starts_with(b"{\""));
        assert!(answer.chunk().await.is_err(), "taken for whole: {head}");
        assert_eq!(
            refused(
                front
                    .request(Method::POST, "chat", &token)
                    .json(&json!({"prompt": "a"}))
            )
            .await
            .said(),
            (502, "UpstreamBrokeOff")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_cannot_be_had_are_said_so_without_a_storm_and_renewed_when_they_can() {
    let mut front = Front::start("gw-credentials").await;
    let token = front.token("caller").await;
    let dir = front.rig.dir.path().join("credentials");
    std::fs::create_dir(&dir).expect("folder");
    let (script, output, runs) = (dir.join("get"), dir.join("output"), dir.join("runs"));
    std::fs::write(
        &script,
        format!(
            "#!/bin/sh\necho run >> {}\nexec cat {}\n",
            runs.display(),
            output.display()
        ),
    )
    .expect("written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("executable");
    std::fs::write(
        dir.join("config"),
        format!("[default]\ncredential_process = {}\n", script.display()),
    )
    .expect("written");
    let config = dir.join("config").to_string_lossy().into_owned();
    let good_for = |seconds: i64| {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let json = json!({"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test", "Expiration": end.to_string()});
        // At once, so that no half of it is read.
        std::fs::write(dir.join("next"), json.to_string()).expect("written");
        std::fs::rename(dir.join("next"), &output).expect("renamed");
    };
    let ran = || {
        std::fs::read_to_string(&runs)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let environment = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONFIG_FILE", &*config),
    ];
    front.gateway = Gateway::start_in(&front.rig, &[], &environment).await;
    let prompt = json!({"prompt": "hello"});
    let all_refused = async || {
        let requests = (0..20).map(|_| refused(front.invoke(&token, &prompt)));
        for said in futures::future::join_all(requests).await {
            assert_eq!(said.said(), (503, "CredentialsUnavailable"));
            assert!(said.retry_after().is_some());
            assert!(
                !said.body.to_string().contains("credential_process"),
                "{said:?}"
            );
        }
    };
    for _ in 0..5 {
        all_refused().await;
    }
    assert!((1..=5).contains(&ran()), "{} runs for 100 requests", ran());
    assert!(front.gateway.text().contains("cannot load credentials"));
    let served = async || {
        front
            .rig
            .until("served", async || {
                let answer = front
                    .invoke(&token, &prompt)
                    .send()
                    .await
                    .expect("an answer");
                let status = answer.status();
                (status == 200)
                    .then_some(())
                    .ok_or_else(|| status.to_string())
            })
            .await;
    };
    good_for(6);
    served().await;
    // They are renewed ahead of their end, while others serve.
    let before = ran();
    good_for(12);
    front
        .rig
        .until("renewed", async || {
            good(front.invoke(&token, &prompt)).await;
            (ran() > before)
                .then_some(())
                .ok_or_else(|| ran().to_string())
        })
        .await;
    std::fs::remove_file(&output).expect("removed");
    front
        .rig
        .until("at their end", async || {
            let answer = front
                .invoke(&token, &prompt)
                .send()
                .await
                .expect("an answer");
            (answer.status() == 503)
                .then_some(())
                .ok_or_else(|| answer.status().to_string())
        })
        .await;
    let before = ran();
    all_refused().await;
    assert!(ran() <= before + 2, "{before} runs became {}", ran());
    good_for(3600);
    served().await;
    // AWS calls them expired: new ones are fetched, and the request is sent again.
    let before = ran();
    front.rig.faults(json!([{"operation": "InvokeAgentRuntime", "error": "ExpiredTokenException", "times": 1}])).await;
    good(front.invoke(&token, &prompt)).await;
    assert_eq!(ran(), before + 1);
    front
        .rig
        .faults(json!([{"operation": "InvokeAgentRuntime", "error": "ExpiredTokenException"}]))
        .await;
    let before = ran();
    for _ in 0..3 {
        all_refused().await;
    }
    assert!(ran() <= before + 5, "{before} runs became {}", ran());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_changes_is_used_without_a_restart() {
    let mut front = Front::start("gw-tls").await;
    let token = front.token("caller").await;
    let (cert, key) = (
        front.rig.dir.path().join("tls.crt"),
        front.rig.dir.path().join("tls.key"),
    );
    let issue = || {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("made");
        let pem = made.cert.pem();
        std::fs::write(&cert, &pem).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let trusted = reqwest::Certificate::from_pem(pem.as_bytes()).expect("PEM");
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([trusted])
            .build()
            .expect("client")
    };
    let first = issue();
    let flags = [
        "--tls-cert",
        &cert.to_string_lossy(),
        "--tls-key",
        &key.to_string_lossy(),
    ];
    front.gateway = Gateway::start(&front.rig, &flags).await;
    let ping = |http: &reqwest::Client| http.get(front.path("ping")).bearer_auth(&token).send();
    assert_eq!(ping(&first).await.expect("an answer").status(), 200);
    let plain = front.path("ping").replace("https://", "http://");
    assert!(front.http.get(plain).send().await.is_err());
    let second = issue();
    front
        .rig
        .until("the new certificate", async || {
            ping(&second)
                .await
                .map(drop)
                .map_err(|error| format!("{error:?}"))
        })
        .await;
    // One that is broken changes nothing.
    std::fs::write(&cert, "broken").expect("written");
    front
        .rig
        .until("a complaint", async || {
            let text = front.gateway.text();
            text.contains("the last good one stays")
                .then_some(())
                .ok_or(text)
        })
        .await;
    assert_eq!(ping(&second).await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_turns_end_and_cuts_what_takes_longer_than_the_grace() {
    let mut front = Front::start("gw-drain").await;
    let token = front.token("caller").await;
    let slow = json!({"prompt": "a b c d e f", "chunks": 4, "delayMs": 700});
    let mut stream = front
        .invoke(&token, &slow)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("a head");
    let mut text = stream
        .chunk()
        .await
        .expect("a stream")
        .expect("a piece")
        .to_vec();
    let begun = front.rig.calls("InvokeAgentRuntime").await;
    let json_turn = tokio::spawn(front.invoke(&token, &slow).send());
    front
        .rig
        .until("both turns under way", async || {
            let calls = front.rig.calls("InvokeAgentRuntime").await;
            (calls > begun)
                .then_some(())
                .ok_or_else(|| calls.to_string())
        })
        .await;
    front.gateway.terminate();
    front
        .rig
        .until(
            "no new connections",
            async || match tokio::net::TcpStream::connect(
                front.gateway.url.trim_start_matches("http://"),
            )
            .await
            {
                Err(_) => Ok(()),
                Ok(_) => Err("it still listens".to_owned()),
            },
        )
        .await;
    while let Some(piece) = stream.chunk().await.expect("a whole stream") {
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.matches("data: ").count(), 4, "{text}");
    assert!(!text.contains("event: error"), "{text}");
    let answer = json_turn.await.expect("no panic").expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["response"], "a b c d e fa b c d e f");
    assert!(front.gateway.ended().await.success());

    front.gateway = Gateway::start(&front.rig, &["--drain-grace", "1s"]).await;
    let endless = json!({"prompt": "a b c d e f", "chunks": 1000, "delayMs": 500});
    let stream = front
        .invoke(&token, &endless)
        .header("accept", EVENTS)
        .send()
        .await
        .expect("a head");
    let mut socket = web_socket(&front, &front.path("ws"), &token).await;
    socket
        .send(Message::text(
            json!({"prompt": "a", "delayMs": 3_600_000}).to_string(),
        ))
        .await
        .expect("sent");
    assert!(socket.next().await.expect("open").is_ok());
    front.gateway.terminate();
    assert_eq!(close_code(&mut socket).await, 1001);
    let text = stream.text().await.expect("an orderly end with a mark");
    let (before, error) = last_error(&text);
    assert!(before.contains("data: "));
    assert_eq!(error["reason"], "GatewayStopping", "{error}");
    assert!(front.gateway.ended().await.success());
}
