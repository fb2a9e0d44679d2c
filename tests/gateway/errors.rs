//! What a caller is told when a call fails, and how often the agent saw it.

use reqwest::Method;
use serde_json::{Value, json};

use super::front::{Front, Gateway};
use super::tools::{SESSION, good, refused};

/// An error of AWS, its status and reason at the gateway, whether Retry-After comes with it, and how often AWS saw the call.
const ERRORS: [(&str, u16, &str, bool, u64); 15] = [
    ("ValidationException", 400, "InvalidRequest", false, 1),
    ("UnauthorizedException", 401, "Unauthorized", false, 1),
    ("AccessDeniedException", 403, "AccessDenied", false, 1),
    ("ResourceNotFoundException", 404, "AgentNotFound", false, 1),
    ("ConflictException", 409, "Conflict", false, 1),
    ("RetryableConflictException", 409, "Conflict", true, 4),
    (
        "RequestEntityTooLargeException",
        413,
        "PayloadTooLarge",
        false,
        1,
    ),
    ("RuntimeClientError", 424, "AgentFailed", false, 1),
    ("ThrottlingException", 429, "Throttled", true, 4),
    ("InternalServerException", 502, "UpstreamFailed", false, 1),
    ("BadGatewayException", 502, "UpstreamFailed", false, 1),
    (
        "ServiceQuotaExceededException",
        503,
        "QuotaExceeded",
        true,
        1,
    ),
    (
        "ServiceUnavailableException",
        503,
        "UpstreamUnavailable",
        true,
        1,
    ),
    (
        "InvalidSignatureException",
        503,
        "CredentialsUnavailable",
        true,
        1,
    ),
    ("GatewayTimeoutException", 504, "UpstreamTimeout", false, 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_error_of_aws_becomes_its_problem_its_log_line_and_its_metric() {
    let front = Front::start("gw-errors").await;
    let token = front.token("caller").await;
    for (name, status, reason, again, times) in ERRORS {
        let fault =
            json!([{"operation": "InvokeAgentRuntime", "error": name, "message": "because"}]);
        front.rig.faults(fault).await;
        let before = front.rig.calls("InvokeAgentRuntime").await;
        let logged = front.gateway.accesses().len();
        let said = refused(front.invoke(&token, &json!({"prompt": "s3cret"}))).await;
        assert_eq!(said.said(), (status, reason), "{name}");
        assert_eq!(said.body["awsError"], name);
        assert!(
            said.body["detail"]
                .as_str()
                .expect("text")
                .contains("because")
        );
        let id = said.body["awsRequestId"]
            .as_str()
            .expect("AWS's request id");
        assert_eq!(said.headers["x-amzn-requestid"], id);
        assert_eq!(said.retry_after().is_some(), again, "{name}");
        assert_eq!(said.headers.contains_key("www-authenticate"), status == 401);
        // Whoever tries again does so in the same session.
        assert!(said.headers.contains_key(SESSION));
        let calls = front.rig.calls("InvokeAgentRuntime").await - before;
        assert_eq!(calls, times, "{name}");

        let log = front.gateway.access_after(logged).await;
        assert_eq!(log["status"], status, "{log}");
        assert_eq!(log["reason"], reason);
        assert_eq!(log["aws_request_id"], id);
        assert_eq!(log["route"], "invocations");
        let metrics = front.metrics().await;
        let counted = metrics.lines().any(|line| {
            line.starts_with("agentcore_gateway_errors_total{")
                && line.contains(&format!("reason=\"{reason}\""))
                && line.contains("name=\"support\"")
        });
        assert!(counted, "{reason} in {metrics}");
    }
    assert!(
        front
            .metrics()
            .await
            .contains("agentcore_gateway_upstream_retries_total 6")
    );
    assert!(!front.gateway.text().contains("s3cret"));
    assert!(!front.gateway.text().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines)] // a table
async fn what_the_gateway_refuses_itself_says_why_and_never_reaches_aws() {
    let front = Front::start("gw-refusals").await;
    let token = front.token("caller").await;
    let prompt = json!({"prompt": "hello"});
    let none = front.http.post(front.path("invocations")).json(&prompt);
    let wrong = front.token_for("caller", "another-audience").await;
    front.account("nobody").await;
    let nobody = front.token("nobody").await;
    front.allow("reader", &["get"]).await;
    let reader = front.token("reader").await;
    let basic = front
        .http
        .post(front.path("invocations"))
        .basic_auth("a", Some("b"));
    for (request, status, reason) in [
        (none, 401, "NoToken"),
        (front.invoke("garbage", &prompt), 401, "InvalidToken"),
        (front.invoke(&wrong, &prompt), 401, "InvalidToken"),
        (basic, 401, "InvalidToken"),
        (front.invoke(&nobody, &prompt), 403, "Forbidden"),
        (front.invoke(&reader, &prompt), 403, "Forbidden"),
        (
            front.request(
                Method::DELETE,
                "sessions/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                &reader,
            ),
            403,
            "Forbidden",
        ),
        // Who may not call it does not learn whether it is there.
        (
            front.post_to("agentruntimes", "missing", "invocations", &nobody, &prompt),
            403,
            "Forbidden",
        ),
        (
            front.post_to("agentruntimes", "missing", "invocations", &token, &prompt),
            404,
            "NotFound",
        ),
        (
            front.post_to("agentendpoints", "support", "invocations", &token, &prompt),
            404,
            "NotFound",
        ),
        (
            front.post_to("agentsessions", "support", "invocations", &token, &prompt),
            404,
            "NotFound",
        ),
        (
            front.request(Method::POST, "commands", &token),
            404,
            "NotFound",
        ),
        (
            front.request(Method::POST, "mcp", &token),
            404,
            "WrongProtocol",
        ),
        (
            front.request(Method::GET, "agent-card", &token),
            404,
            "WrongProtocol",
        ),
        (
            front.request(Method::DELETE, "sessions/a%00b", &token),
            400,
            "InvalidSessionId",
        ),
        (
            front.request(Method::POST, "chat", &token).body("{"),
            400,
            "InvalidBody",
        ),
        (
            front.request(Method::POST, "chat", &token).body("[1]"),
            400,
            "InvalidBody",
        ),
        (
            front
                .request(Method::POST, "chat", &token)
                .json(&json!({"prompt": 1})),
            400,
            "InvalidBody",
        ),
        (
            front
                .request(Method::POST, "chat", &token)
                .json(&json!({"prompt": "a", "transport": "pigeon"})),
            400,
            "InvalidBody",
        ),
        (
            front
                .request(Method::POST, "chat", &token)
                .body(vec![b' '; 10_000_001]),
            413,
            "PayloadTooLarge",
        ),
        (
            front.request(Method::GET, "ws", &token),
            426,
            "UpgradeRequired",
        ),
        (
            front.request(Method::GET, "invocations", &token),
            405,
            "MethodNotAllowed",
        ),
        (
            front.request(Method::POST, "ws", &token),
            405,
            "MethodNotAllowed",
        ),
        (
            front.request(Method::PUT, "sessions", &token),
            405,
            "MethodNotAllowed",
        ),
    ] {
        let logged = front.gateway.accesses().len();
        let said = refused(request).await;
        assert_eq!(said.said(), (status, reason), "{said:?}");
        assert_eq!(said.headers.contains_key("www-authenticate"), status == 401);
        assert_eq!(said.headers.contains_key("allow"), status == 405);
        let log = front.gateway.access_after(logged).await;
        assert_eq!(
            (&log["status"], &log["reason"]),
            (&json!(status), &json!(reason))
        );
    }
    let allowed = refused(front.request(Method::GET, "chat", &token)).await;
    assert_eq!(allowed.headers["allow"], "POST");
    assert_eq!(front.rig.calls("InvokeAgentRuntime").await, 0);
    let text = front.gateway.text();
    assert!(
        ![&token, &wrong, &nobody]
            .iter()
            .any(|token| text.contains(*token))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_own_errors_time_outs_and_absences_are_told_apart() {
    let front = Front::start("gw-absent").await;
    let token = front.token("caller").await;
    front
        .rig
        .settings(json!({"container5xx": "passthrough"}))
        .await;
    let fail = json!({"action": "fail", "message": "b\u{f6}om"});
    let answer = front.invoke(&token, &fail).send().await.expect("an answer");
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(answer.headers().contains_key(SESSION));
    assert_eq!(
        answer.text().await.expect("text"),
        "{\"error\":\"b\u{f6}om\"}"
    );
    let log = front.gateway.access_after(0).await;
    assert_eq!(
        (&log["status"], &log["reason"]),
        (&json!(500), &json!("AgentError"))
    );
    let answer = front
        .request(Method::POST, "invocations", &token)
        .body("{")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 400);
    let own: Value = answer.json().await.expect("JSON");
    assert_eq!(own["error"], "Invalid JSON");
    // In a stream they come after its head; chat knows before anything was said.
    let failing = json!({"prompt": "a", "failAfter": 0});
    let said = refused(front.request(Method::POST, "chat", &token).json(&failing)).await;
    assert_eq!(said.said(), (424, "AgentFailed"));

    front.rig.settings(json!({"container5xx": "424"})).await;
    let said = refused(front.invoke(&token, &fail)).await;
    assert_eq!(said.said(), (424, "AgentFailed"));
    assert_eq!(said.body["awsError"], "RuntimeClientError");

    // Its first version was never live.
    let mut spec = front.rig.spec();
    spec["artifact"]["container"]["image"] =
        json!("111122223333.dkr.ecr.us-east-1.amazonaws.com/support:missing");
    front.rig.apply_runtime("later", spec).await;
    let prompt = json!({"prompt": "hello"});
    front
        .rig
        .until("a refusal", async || {
            let request = front.post_to("agentruntimes", "later", "invocations", &token, &prompt);
            let said = refused(request).await;
            if said.status == 404 {
                return Err(format!("{said:?}"));
            }
            assert_eq!(said.said(), (503, "AgentNotReady"));
            assert!(said.retry_after().is_some());
            Ok(())
        })
        .await;

    let impatient = Gateway::start(&front.rig, &["--upstream-timeout", "1s"]).await;
    let path = front
        .path("invocations")
        .replace(&front.gateway.url, &impatient.url);
    let slow = front
        .http
        .post(path)
        .bearer_auth(&token)
        .json(&json!({"prompt": "a", "delayMs": 3_600_000}));
    let said = refused(slow).await;
    assert_eq!(said.said(), (504, "UpstreamTimeout"));

    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("address");
    let lost = Gateway::start_in(
        &front.rig,
        &[],
        &[("AWS_ENDPOINT_URL", &format!("http://{nowhere}"))],
    )
    .await;
    let path = front
        .path("invocations")
        .replace(&front.gateway.url, &lost.url);
    let said = refused(front.http.post(path).bearer_auth(&token).json(&prompt)).await;
    assert_eq!(said.said(), (503, "UpstreamUnavailable"));
    assert!(said.retry_after().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_never_sent_twice_unless_it_cannot_have_been_seen_or_the_caller_allows_it() {
    let front = Front::start("gw-once").await;
    let token = front.token("caller").await;
    let prompt = json!({"prompt": "hello"});
    let (headers, first) = good(front.invoke(&token, &prompt)).await;
    assert_eq!(first["turn"], 1);
    let again = || {
        front
            .invoke(&token, &prompt)
            .header(SESSION, &headers[SESSION])
    };

    // The agent has done it, and nobody learns of that.
    let fault =
        json!([{"operation": "InvokeAgentRuntime", "when": "after", "error": "drop", "times": 1}]);
    front.rig.faults(fault.clone()).await;
    let said = refused(again()).await;
    assert_eq!(said.said(), (502, "UpstreamBrokeOff"));
    let (_, next) = good(again()).await;
    assert_eq!(next["turn"], 3, "the agent saw the dropped turn once");

    let throttled =
        json!([{"operation": "InvokeAgentRuntime", "error": "ThrottlingException", "times": 1}]);
    front.rig.faults(throttled).await;
    let (_, next) = good(again()).await;
    assert_eq!(next["turn"], 4);

    let broken = json!([{"operation": "InvokeAgentRuntime", "when": "after", "error": "InternalServerException", "times": 1}]);
    front.rig.faults(broken).await;
    assert_eq!(refused(again()).await.status, 502);
    let (_, next) = good(again()).await;
    assert_eq!(next["turn"], 6);

    front.rig.faults(fault.clone()).await;
    let (_, next) = good(again().header("idempotency-key", "k")).await;
    assert_eq!(next["turn"], 8, "the caller allowed a second time");

    front.rig.faults(fault).await;
    let chat = front
        .request(Method::POST, "chat", &token)
        .header(SESSION, &headers[SESSION]);
    assert_eq!(refused(chat.json(&prompt)).await.status, 502);
    let (_, next) = good(again()).await;
    assert_eq!(next["turn"], 10);
}
