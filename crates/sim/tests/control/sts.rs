//! STS, and the keys that it issues.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::client::{Answer, Bench, ROLE, Signer};

async fn sts(bench: &Bench, signer: &Signer, form: &str) -> Answer {
    let signer = Signer {
        service: "sts".to_owned(),
        ..signer.clone()
    };
    let form_type = (
        "content-type".parse().unwrap(),
        "application/x-www-form-urlencoded".parse().unwrap(),
    );
    let headers = HeaderMap::from_iter([form_type]);
    bench
        .send(&signer, "POST", "/", &headers, form.to_owned())
        .await
        .unwrap()
}

fn element<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let (_, rest) = answer
        .text
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{name}: {}", answer.text));
    rest.split_once("</").unwrap().0
}

async fn assume(bench: &Bench, role: &str) -> Answer {
    let role = role.replace(':', "%3A").replace('/', "%2F");
    let form = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=me&DurationSeconds=900"
    );
    sts(bench, &Signer::default(), &form).await
}

fn session(answer: &Answer) -> Signer {
    Signer {
        id: element(answer, "AccessKeyId").to_owned(),
        secret: element(answer, "SecretAccessKey").to_owned(),
        token: Some(element(answer, "SessionToken").to_owned()),
        ..Signer::default()
    }
}

#[tokio::test]
async fn an_assumed_role_may_call_until_its_session_ends() {
    let bench = Bench::start().await;
    let answer = assume(&bench, ROLE).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let signer = session(&answer);
    let who = sts(
        &bench,
        &signer,
        "Action=GetCallerIdentity&Version=2011-06-15",
    )
    .await;
    assert_eq!(
        element(&who, "Arn"),
        "arn:aws:sts::111122223333:assumed-role/support/me"
    );
    assert_eq!(element(&who, "Account"), "111122223333");
    let list = async |signer: &Signer| {
        bench
            .send(
                signer,
                "POST",
                "/runtimes/",
                &HeaderMap::new(),
                String::new(),
            )
            .await
            .unwrap()
    };
    list(&signer).await.expect(200);
    let without = Signer {
        token: None,
        ..signer.clone()
    };
    list(&without)
        .await
        .expect_error(403, "UnrecognizedClientException");
    bench.advance(901.0).await;
    list(&signer)
        .await
        .expect_error(403, "ExpiredTokenException");
    let who = sts(
        &bench,
        &signer,
        "Action=GetCallerIdentity&Version=2011-06-15",
    )
    .await;
    assert_eq!((who.status, element(&who, "Code")), (403, "ExpiredToken"));
}

#[tokio::test]
async fn a_role_of_another_account_sees_that_accounts_runtimes() {
    let bench = Bench::start().await;
    bench.create("mine").await;
    let signer = session(&assume(&bench, "arn:aws:iam::444455556666:role/deployer").await);
    let answer = bench
        .send(
            &signer,
            "POST",
            "/runtimes/",
            &HeaderMap::new(),
            String::new(),
        )
        .await
        .unwrap();
    assert_eq!(answer.expect(200)["agentRuntimes"], json!([]));
}

#[tokio::test]
async fn sts_words_its_refusals_in_xml() {
    let bench = Bench::with(json!({ "badRoles": [ROLE] })).await;
    let denied = assume(&bench, ROLE).await;
    assert_eq!(
        (denied.status, element(&denied, "Code")),
        (403, "AccessDenied")
    );
    let invalid = assume(&bench, "arn:aws:iam::1:user/somebody-else").await;
    assert_eq!(
        (invalid.status, element(&invalid, "Code")),
        (400, "ValidationError")
    );
    let stranger = Signer {
        id: "stranger".to_owned(),
        ..Signer::default()
    };
    let answer = sts(&bench, &stranger, "Action=GetCallerIdentity").await;
    assert_eq!(
        (answer.status, element(&answer, "Code")),
        (403, "InvalidClientTokenId")
    );
    let forger = Signer {
        secret: "guess".to_owned(),
        ..Signer::default()
    };
    let answer = sts(&bench, &forger, "Action=GetCallerIdentity").await;
    assert_eq!(
        (answer.status, element(&answer, "Code")),
        (403, "SignatureDoesNotMatch")
    );
    let answer = sts(&bench, &Signer::default(), "Action=Nothing").await;
    assert_eq!(
        (answer.status, element(&answer, "Code")),
        (400, "InvalidAction")
    );
}

/// A token of a ServiceAccount as Kubernetes makes it, with a signature that nobody looks at.
fn token(audience: &str, ends_in: i64) -> String {
    let claims = json!({
        "iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:team-a:operator", "aud": [audience],
        "exp": jiff::Timestamp::now().as_second() + ends_in,
    });
    let part = |value: &str| URL_SAFE_NO_PAD.encode(value);
    format!(
        "{}.{}.{}",
        part("{}"),
        part(&claims.to_string()),
        part("signature")
    )
}

async fn with_token(bench: &Bench, token: &str) -> Answer {
    let role = ROLE.replace(':', "%3A").replace('/', "%2F");
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=pod&WebIdentityToken={token}"
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http
        .post(bench.sim.url())
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(form).send().await.unwrap();
    let status = answer.status().as_u16();
    Answer {
        status,
        error: None,
        text: answer.text().await.unwrap(),
        body: Value::Null,
    }
}

#[tokio::test]
async fn a_pods_token_gives_keys_of_its_role_without_a_signature() {
    let bench = Bench::start().await;
    let answer = with_token(&bench, &token("sts.amazonaws.com", 600)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        element(&answer, "SubjectFromWebIdentityToken"),
        "system:serviceaccount:team-a:operator"
    );
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let who = sts(&bench, &session(&answer), who).await;
    assert!(element(&who, "Arn").ends_with("/pod"), "{}", who.text);

    for (token, name) in [
        (token("another", 600), "InvalidIdentityToken"),
        (token("sts.amazonaws.com", -1), "ExpiredTokenException"),
        ("no.token.atall".to_owned(), "InvalidIdentityToken"),
    ] {
        let answer = with_token(&bench, &token).await;
        assert_eq!((answer.status, element(&answer, "Code")), (400, name));
    }
}

#[tokio::test]
async fn the_agent_of_pod_identity_gives_keys_to_associated_service_accounts_only() {
    let bench = Bench::start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |token: String| {
        let url = format!("{}/v1/credentials", bench.sim.url());
        let request = http.get(url).header("authorization", token);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let good = || token("pods.eks.amazonaws.com", 600);
    assert_eq!(ask(good()).await.0, 404);
    bench
        .settings(json!({ "podIdentityAssociations": { "team-a/operator": ROLE } }))
        .await;
    assert_eq!(ask(token("sts.amazonaws.com", 600)).await.0, 400);
    let (status, keys) = ask(good()).await;
    assert_eq!(status, 200, "{keys}");
    let text = |name: &str| keys[name].as_str().unwrap().to_owned();
    let signer = Signer {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        token: Some(text("Token")),
        ..Signer::default()
    };
    let who = "Action=GetCallerIdentity&Version=2011-06-15";
    let who = sts(&bench, &signer, who).await;
    assert!(
        element(&who, "Arn").contains(":assumed-role/"),
        "{}",
        who.text
    );
}
