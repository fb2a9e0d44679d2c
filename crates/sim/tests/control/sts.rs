//! STS, and the keys that it issues.

use http::HeaderMap;
use serde_json::json;

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
