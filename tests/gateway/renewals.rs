//! Credentials that cannot be had for a while, and certificates that change.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::front::{Front, Gateway};
use super::tools::{good, refused};

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines)] // one story of one front
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
        let json = json!({"Version": 1, "AccessKeyId": "gateway", "SecretAccessKey": "gateway", "Expiration": end.to_string()});
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
            text.contains("keeping the previous one")
                .then_some(())
                .ok_or(text)
        })
        .await;
    assert_eq!(ping(&second).await.expect("an answer").status(), 200);
}
