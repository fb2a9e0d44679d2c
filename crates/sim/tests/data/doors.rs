//! WebSockets: who may open one, and what the agent learns of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::{Bench, ROLE, Signer, escape, sign};
use crate::socket::{headers, open, open_signed, presign};
use crate::stage::{SESSION, Stage, id};

const BARE: &str = "base64UrlBearerAuthorization";
const CUSTOM: &str = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tenant";

fn path(stage: &Stage) -> String {
    format!("/runtimes/{}/ws", escape(&stage.arn))
}

#[tokio::test]
async fn signed_headers_open_a_socket_of_the_session_with_its_id_signed_or_not() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let mut unsigned = open_signed(&stage, 1).await.unwrap();
    assert_eq!(unsigned.head[SESSION], id(1));
    let told = unsigned.told().await;
    assert_eq!((&told["pid"], &told["path"]), (&json!(pid), &json!("/ws")));
    assert_eq!(told["headers"][SESSION], id(1));
    assert_eq!(told["headers"].get("x-amz-date"), None);

    let target = format!("{}?qualifier=DEFAULT", path(&stage));
    let session = headers(&[(SESSION, &id(1))]);
    let host = stage.bench.sim.addr().to_string();
    let signed = sign(&Signer::default(), "GET", &target, &host, &session, "");
    let mut signed = open(&stage, &target, signed).await.unwrap();
    assert_eq!(signed.told().await["pid"], pid);

    let plain = sign(
        &Signer::default(),
        "GET",
        &target,
        &host,
        &HeaderMap::new(),
        "",
    );
    let made = open(&stage, &target, plain).await.unwrap();
    assert!(made.head[SESSION].len() >= 33);
    let calls = stage.bench.admin("GET", "/_sim/calls", Value::Null).await;
    let counted = &calls.expect(200)["byOperation"]["InvokeAgentRuntimeWithWebSocketStream"];
    assert_eq!(*counted, 3);
}

#[tokio::test]
async fn a_presigned_url_opens_a_socket_and_carries_session_and_custom_headers() {
    let stage = Stage::start(json!({})).await;
    let pid = stage.pid(1).await;
    let addr = stage.bench.sim.addr();
    let query = [
        ("qualifier", "DEFAULT"),
        (CUSTOM, "blue"),
        ("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id", &id(1)),
    ];
    for host in [addr.to_string(), addr.ip().to_string()] {
        let target = presign(&Signer::default(), &path(&stage), &query, &host, 300);
        let mut socket = open(&stage, &target, HeaderMap::new()).await.unwrap();
        let told = socket.told().await;
        assert_eq!((&told["pid"], &told["path"]), (&json!(pid), &json!("/ws")));
        assert_eq!(told["headers"][CUSTOM.to_lowercase()], "blue");
        assert_eq!(told["headers"].get("x-amz-signature"), None);
    }
    let target = presign(
        &Signer::default(),
        &path(&stage),
        &query,
        &addr.to_string(),
        300,
    );
    let over = headers(&[("x-amzn-bedrock-agentcore-runtime-custom-tenant", "red")]);
    let mut socket = open(&stage, &target, over).await.unwrap();
    let seen = &socket.told().await["headers"];
    assert_eq!(
        seen[CUSTOM.to_lowercase()],
        "red",
        "a header wins over the query"
    );
}

#[tokio::test]
async fn a_presigned_url_is_good_for_its_time_of_300_seconds_at_most_and_for_nothing_else() {
    let stage = Stage::start(json!({})).await;
    let host = stage.bench.sim.addr().to_string();
    let try_it = async |signer: &Signer, expires: u32, spoil: fn(String) -> String| {
        let target = presign(signer, &path(&stage), &[], &host, expires);
        open(&stage, &spoil(target), HeaderMap::new()).await
    };
    let keep = |target| target;
    let now = Signer::default();
    let refused = try_it(&now, 301, keep).await.unwrap_err();
    refused.expect(403, "IncompleteSignatureException");
    let refused = try_it(&now, 0, keep).await.unwrap_err();
    refused.expect(403, "IncompleteSignatureException");
    let old = |seconds| Signer {
        at: Some(Timestamp::now() - SignedDuration::from_secs(seconds)),
        ..Signer::default()
    };
    assert!(try_it(&old(60), 300, keep).await.is_ok());
    let refused = try_it(&old(60), 30, keep).await.unwrap_err();
    refused.expect(403, "InvalidSignatureException");
    let refused = try_it(&now, 300, |target| target + "0").await.unwrap_err();
    refused.expect(403, "InvalidSignatureException");
    let refused = try_it(&now, 300, |target| target + "&more=1").await;
    refused
        .unwrap_err()
        .expect(403, "InvalidSignatureException");
    assert_eq!(stage.sessions().await.len(), 1);
}

#[tokio::test]
async fn a_bearer_token_comes_in_a_header_or_among_the_subprotocols_and_is_never_echoed() {
    let authorizer = json!({ "customJWTAuthorizer": {
        "discoveryUrl": "https://issuer.example/.well-known/openid-configuration", "allowedAudience": ["agents"],
    } });
    let allowlist = json!({ "requestHeaderAllowlist": ["Authorization"] });
    let members =
        json!({ "authorizerConfiguration": authorizer, "requestHeaderConfiguration": allowlist });
    let stage = Stage::with(json!({}), members).await;
    let bearer = headers(&[
        ("authorization", "Bearer header.payload.sign"),
        (SESSION, &id(1)),
    ]);
    let mut by_header = open(&stage, &path(&stage), bearer).await.unwrap();
    let told = by_header.told().await;
    assert_eq!(
        told["headers"]["authorization"],
        "Bearer header.payload.sign"
    );

    let target = format!(
        "{}?qualifier=DEFAULT&X-Amzn-Bedrock-AgentCore-Runtime-Session-Id={}",
        path(&stage),
        id(1)
    );
    let token = URL_SAFE_NO_PAD.encode("header.payload.sign");
    let offer = |list: &str| headers(&[("sec-websocket-protocol", list)]);
    let both = offer(&format!("{BARE}.{token}, {BARE}"));
    let mut by_browser = open(&stage, &target, both).await.unwrap();
    assert_eq!(by_browser.head["sec-websocket-protocol"], BARE);
    let again = by_browser.told().await;
    assert_eq!(again["pid"], told["pid"]);
    assert_eq!(
        again["headers"]["authorization"],
        "Bearer header.payload.sign"
    );
    assert_eq!(again["headers"].get("sec-websocket-protocol"), None);

    for list in [format!("{BARE}.{token}"), format!("{BARE}.!, {BARE}")] {
        let refused = open(&stage, &target, offer(&list)).await.unwrap_err();
        refused.expect(401, "UnauthorizedException");
    }
    let refused = open_signed(&stage, 1).await.unwrap_err();
    refused.expect(403, "AccessDeniedException");
    let refused = open(&stage, &target, HeaderMap::new()).await.unwrap_err();
    refused.expect(403, "MissingAuthenticationTokenException");
}

/// Temporary keys.
async fn assume(bench: &Bench) -> Signer {
    let target = format!(
        "/?Action=AssumeRole&Version=2011-06-15&RoleArn={}&RoleSessionName=me",
        escape(ROLE)
    );
    let signer = Signer {
        service: "sts".to_owned(),
        ..Signer::default()
    };
    let answer = bench
        .send(&signer, "POST", &target, &HeaderMap::new(), String::new())
        .await
        .unwrap();
    let element = |name: &str| {
        let (_, rest) = answer.text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once("</").unwrap().0.to_owned()
    };
    Signer {
        id: element("AccessKeyId"),
        secret: element("SecretAccessKey"),
        token: Some(element("SessionToken")),
        ..Signer::default()
    }
}

#[tokio::test]
async fn temporary_keys_sign_urls_with_their_token() {
    let stage = Stage::start(json!({})).await;
    let host = stage.bench.sim.addr().to_string();
    let signer = assume(&stage.bench).await;
    let target = presign(&signer, &path(&stage), &[], &host, 300);
    assert!(open(&stage, &target, HeaderMap::new()).await.is_ok());
    let bare = Signer {
        token: None,
        ..signer
    };
    let target = presign(&bare, &path(&stage), &[], &host, 300);
    let refused = open(&stage, &target, HeaderMap::new()).await.unwrap_err();
    refused.expect(403, "UnrecognizedClientException");
}

#[tokio::test]
async fn what_is_no_handshake_or_leads_nowhere_is_answered_as_elsewhere() {
    let stage = Stage::start(json!({})).await;
    let call = async |target: &str| stage.bench.call("GET", target, Value::Null).await;
    call(&path(&stage))
        .await
        .expect_error(400, "ValidationException");
    let nowhere = format!("{}?qualifier=nothing", path(&stage));
    let host = stage.bench.sim.addr().to_string();
    let signed = sign(
        &Signer::default(),
        "GET",
        &nowhere,
        &host,
        &HeaderMap::new(),
        "",
    );
    let refused = open(&stage, &nowhere, signed.clone()).await.unwrap_err();
    refused.expect(404, "ResourceNotFoundException");
    assert!(refused.body["message"].is_string());
    let mut short = signed;
    short.insert(SESSION, "s".repeat(32).parse().unwrap());
    let refused = open(&stage, &nowhere, short).await.unwrap_err();
    refused.expect(400, "ValidationException");
}

#[tokio::test]
async fn an_agent_that_refuses_is_answered_as_the_switches_say() {
    let members = |status: &str| json!({ "environmentVariables": { "WS_STATUS": status } });
    let stage = Stage::with(json!({}), members("403")).await;
    let handshake = headers(&[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        (SESSION, &id(1)),
    ]);
    let (signer, target) = (Signer::default(), path(&stage));
    let answer = stage
        .bench
        .send(&signer, "GET", &target, &handshake, String::new());
    let answer = answer.await.unwrap();
    assert_eq!(
        (answer.status, &answer.error, &answer.body),
        (403, &None, &json!({ "error": "no sockets" }))
    );
    stage.bench.settings(json!({ "container4xx": "424" })).await;
    let refused = open_signed(&stage, 1).await.unwrap_err();
    refused.expect(424, "RuntimeClientError");
    for (session, status) in [(2, "503"), (3, "200")] {
        stage.update(members(status)).await;
        let refused = open_signed(&stage, session).await.unwrap_err();
        refused.expect(424, "RuntimeClientError");
    }
}

#[tokio::test]
async fn faults_strike_under_the_name_of_the_permission() {
    let stage = Stage::start(json!({})).await;
    let fault = |when: &str, error: &str| json!([{ "operation": "InvokeAgentRuntimeWithWebSocketStream", "when": when, "error": error, "times": 1 }]);
    stage
        .bench
        .faults(fault("before", "ThrottlingException"))
        .await;
    let refused = open_signed(&stage, 1).await.unwrap_err();
    refused.expect(429, "ThrottlingException");
    assert_eq!(stage.sessions().await.len(), 0);
    stage
        .bench
        .faults(fault("after", "InternalServerException"))
        .await;
    let refused = open_signed(&stage, 1).await.unwrap_err();
    refused.expect(500, "InternalServerException");
    let pid = stage.sessions().await[0]["pid"].as_u64().unwrap();
    crate::stage::until("the agent's side to end", async || {
        let log = stage.log(pid).await;
        let idle = stage.entry(pid).await["inFlight"] == 0;
        (idle && log.contains("the socket broke off")).then_some(())
    })
    .await;
    stage.bench.faults(fault("before", "drop")).await;
    let refused = open_signed(&stage, 1).await.unwrap_err();
    assert_eq!(refused.status, 0, "an answer instead of an end");
    assert!(open_signed(&stage, 1).await.is_ok());
}
