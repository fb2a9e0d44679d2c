//! AWS's published signature vectors.

use agentcore_sim::sigv4::canonical::{self, Parts, PathRules};
use agentcore_sim::sigv4::verify::{Claim, Refusal, Signed};
use agentcore_sim::state::credentials::{Caller, Credentials, Key};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SCOPE: &str = "20150830/us-east-1/service/aws4_request";
const AT: &str = "20150830T123600Z";

#[derive(Deserialize)]
struct Vector {
    name: String,
    normalize: bool,
    token: Option<String>,
    header: Case,
    query: Case,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    request: String,
    canonical: String,
    string_to_sign: String,
    signature: String,
}

/// A request in the text form of the vectors.
struct Request {
    method: String,
    path: String,
    query: String,
    host: String,
    headers: HeaderMap,
    body: String,
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/sigv4.json")).unwrap();
    assert!(vectors.len() > 30);
    vectors
}

fn parse(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
    let (method, target) = first.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(
            name,
            HeaderValue::from_bytes(value.trim().as_bytes()).unwrap(),
        );
    }
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        host: headers["host"].to_str().unwrap().to_owned(),
        headers,
        body: body.to_owned(),
    }
}

/// Names of signed headers, as the canonical request lists them in its last line but one.
fn signed_headers(canonical: &str) -> Vec<&str> {
    canonical.lines().rev().nth(1).unwrap().split(';').collect()
}

#[test]
fn every_vector_gives_the_published_canonical_request_and_signature() {
    for vector in vectors() {
        for (case, skip) in [
            (&vector.header, None),
            (&vector.query, Some("X-Amz-Signature")),
        ] {
            let request = parse(&case.request);
            let names = signed_headers(&case.canonical);
            let hash = case.canonical.lines().last().unwrap();
            assert_eq!(
                canonical::sha256_hex(request.body.as_bytes()),
                hash,
                "{}",
                vector.name
            );
            let mut skipped: Vec<&str> = skip.into_iter().collect();
            // Signed first, the token put in afterwards.
            if !case.canonical.contains("X-Amz-Security-Token") {
                skipped.push("X-Amz-Security-Token");
            }
            let parts = Parts {
                method: &request.method,
                path: &request.path,
                query: &request.query,
                headers: &request.headers,
                host: &request.host,
                signed_headers: &names,
                payload_hash: hash,
            };
            let rules = PathRules {
                encode: !request.path.contains('%'),
                normalize: vector.normalize,
            };
            let canonical = canonical::request(parts, rules, &skipped);
            assert_eq!(canonical, case.canonical, "{}", vector.name);
            let to_sign = canonical::string_to_sign(AT, SCOPE, &canonical);
            assert_eq!(to_sign, case.string_to_sign, "{}", vector.name);
            assert_eq!(
                canonical::signature(SECRET, SCOPE, &to_sign),
                case.signature,
                "{}",
                vector.name
            );
        }
    }
}

#[test]
fn an_encoded_path_is_encoded_once_more() {
    let path = canonical::path("/runtimes/arn%3Aaws%2Fx/invocations", PathRules::STANDARD);
    assert_eq!(path, "/runtimes/arn%253Aaws%252Fx/invocations");
    assert_eq!(
        canonical::path("/test/@connections/JBDvjfGEIAMCERw%3D", PathRules::STANDARD),
        "/test/%40connections/JBDvjfGEIAMCERw%253D"
    );
}

fn key(token: Option<&str>) -> Credentials {
    let mut credentials = Credentials::default();
    let caller = Caller {
        account: "1".to_owned(),
        arn: "arn".to_owned(),
        user_id: "u".to_owned(),
    };
    let session = token.map(|token| (token.to_owned(), Timestamp::MAX));
    credentials.add_session(
        "AKIDEXAMPLE".to_owned(),
        Key {
            secret: SECRET.to_owned(),
            session,
            caller,
        },
    );
    credentials
}

fn verify(text: &str, token: Option<&str>, at: Timestamp) -> Result<Caller, Refusal> {
    let request = parse(text);
    let claim = Claim::read(&request.headers, &request.query)?;
    let signed = Signed {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        host: &request.host,
        body_hash: &canonical::sha256_hex(request.body.as_bytes()),
        unsigned_payload: false,
        rules: PathRules::STANDARD,
    };
    claim.verify(signed, "service", &key(token), at, at)
}

fn signing_time() -> Timestamp {
    "2015-08-30T12:36:00Z".parse().unwrap()
}

#[test]
fn every_vector_with_standard_paths_passes_the_verifier_and_fails_when_touched() {
    let mut checked = 0;
    for vector in vectors().into_iter().filter(|v| v.normalize) {
        for case in [&vector.header, &vector.query] {
            if parse(&case.request).path.contains('%') {
                continue; // Signed without the second encoding.
            }
            let outcome = verify(&case.request, vector.token.as_deref(), signing_time());
            assert!(outcome.is_ok(), "{}: {outcome:?}", vector.name);
            let (_, rest) = case.request.split_once(' ').unwrap();
            let touched = format!("PUT {rest}");
            let outcome = verify(&touched, vector.token.as_deref(), signing_time());
            assert!(
                matches!(outcome, Err(Refusal::Invalid(_))),
                "{}: {outcome:?}",
                vector.name
            );
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} checked");
}

#[test]
fn a_signature_holds_for_five_minutes_and_a_presigned_url_for_its_own_time() {
    let vector = vectors()
        .into_iter()
        .find(|v| v.name == "get-vanilla")
        .unwrap();
    let after = |seconds: i64| signing_time() + SignedDuration::from_secs(seconds);
    let check = |case: &Case, seconds| verify(&case.request, None, after(seconds)).is_ok();
    assert!(check(&vector.header, 299) && check(&vector.header, -299));
    assert!(!check(&vector.header, 301) && !check(&vector.header, -301));
    assert!(check(&vector.query, 3600) && !check(&vector.query, 3601));
}
