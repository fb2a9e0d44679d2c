//! The usual signature against the general one.

use std::time::Duration;

use aws_smithy_runtime_api::client::identity::Identity;
use proptest::prelude::*;

use super::*;
use crate::sign::sign_generally;

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn credentials(token: Option<String>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret/+of=nobody", token, None, "test")
}

struct Case {
    uri: String,
    region: String,
    cover: Cover,
    headers: HeaderMap,
    token: Option<String>,
    at: SystemTime,
}

impl Case {
    fn plain() -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert(SESSION_HEADER, HeaderValue::from_static("abc"));
        Self {
            uri: "https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws%3Ax/invocations?qualifier=prod".to_owned(),
            region: "us-east-1".to_owned(),
            cover: Cover::Session,
            headers,
            token: None,
            at: UNIX_EPOCH + Duration::from_secs(1_795_280_021),
        }
    }

    /// Both signatures; the usual one where the request is of the usual form.
    fn signed(&self, keys: &Keys) -> (Option<HeaderMap>, Option<HeaderMap>) {
        let uri = self.uri.parse().expect("a URI");
        let request = Signable {
            method: "POST",
            uri: &uri,
            region: &self.region,
            sha256: HASH,
            cover: self.cover,
        };
        let credentials = credentials(self.token.clone());
        let (mut usual, mut general) = (self.headers.clone(), self.headers.clone());
        let done = sign(&request, &credentials, keys, self.at, &mut usual);
        assert!(done || usual == self.headers, "headers were touched");
        let identity = Identity::from(credentials);
        let generally = sign_generally(&request, &identity, self.at, &mut general);
        (done.then_some(usual), generally.ok().map(|()| general))
    }
}

#[test]
fn what_the_gateway_sends_is_of_the_usual_form() {
    let mut cases = vec![Case::plain(), Case::plain(), Case::plain()];
    cases[1].uri = "http://127.0.0.1:4321/runtimes/arn%3Aaws%3Ax/invocations".to_owned();
    cases[2].token = Some("IQoJb3JpZ2luX2VjEJr//////////wEaCXVz+=".to_owned());
    cases[2].cover = Cover::Nothing;
    for case in cases {
        let (usual, general) = case.signed(&Keys::default());
        assert!(usual.is_some(), "{}", case.uri);
        assert_eq!(usual, general, "{}", case.uri);
    }
}

#[test]
fn keys_are_of_their_day_and_region() {
    let keys = Keys::default();
    let mut case = Case::plain();
    for (days, region) in [
        (0, "us-east-1"),
        (0, "eu-west-1"),
        (1, "eu-west-1"),
        (0, "us-east-1"),
    ] {
        case.at = UNIX_EPOCH + Duration::from_secs(1_795_280_021 + days * DAY);
        region.clone_into(&mut case.region);
        let (usual, general) = case.signed(&keys);
        assert!(usual.is_some());
        assert_eq!(usual, general, "{days} {region}");
    }
    assert_eq!(keys.0.lock().len(), 1, "keys of other days are forgotten");
}

#[test]
fn a_request_of_another_form_is_left_alone() {
    let mut repeated = Case::plain();
    let twice = HeaderValue::from_static("text/plain");
    repeated.headers.append("content-type", twice);
    let mut own = Case::plain();
    own.headers
        .insert("x-amz-target", HeaderValue::from_static("a"));
    let mut spaces = Case::plain();
    let value = HeaderValue::from_static("text/plain;  charset=utf-8");
    spaces.headers.insert("content-type", value);
    let mut query = Case::plain();
    query.uri.push_str("&a=b");
    let mut dots = Case::plain();
    dots.uri = "http://localhost:1/a/../b".to_owned();
    for case in [repeated, own, spaces, query, dots] {
        let (usual, general) = case.signed(&Keys::default());
        assert!(usual.is_none() && general.is_some(), "{}", case.uri);
    }
}

proptest! {
    #[test]
    fn the_two_signers_agree(
        scheme in "https?",
        host in "[a-z][a-z0-9.-]{0,10}[a-z](:[1-9][0-9]{1,3}|:80|:443)?",
        path in "(/[a-zA-Z0-9._~%:;@!$&'()*+,=-]{0,8}){1,4}/?",
        query in "(\\?[a-z%+&=._~-]{0,12})?",
        content_type in proptest::option::of("[ -~]{0,24}"),
        session in proptest::option::of("[a-z0-9_-]{0,40}"),
        token in proptest::option::of("[a-zA-Z0-9/+=]{1,60}"),
        region in "[a-z]{2}-[a-z]{1,9}-[1-9]",
        session_covered: bool,
        seconds in 0_u64..253_402_300_800,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::CONTENT_TYPE, content_type), (SESSION_HEADER, session)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().expect("a value"));
            }
        }
        let uri = format!("{scheme}://{host}{path}{query}");
        prop_assume!(uri.parse::<Uri>().is_ok());
        let cover = if session_covered { Cover::Session } else { Cover::Nothing };
        let at = UNIX_EPOCH + Duration::from_secs(seconds);
        let case = Case { uri, region, cover, headers, token, at };
        if let (Some(usual), general) = case.signed(&Keys::default()) {
            prop_assert_eq!(Some(usual), general);
        }
    }
}
