//! ARNs and session ids: what passes, what each refusal says, and that nothing panics.

use agentcore_invoke::{ArnError, Partition, RuntimeArn, SessionId, SessionIdError};
use proptest::prelude::*;

const GOOD: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support_1-AbCdEfGhI0";

#[test]
fn an_arn_is_taken_apart() {
    let arn: RuntimeArn = GOOD.parse().unwrap();
    assert_eq!(arn.partition(), Partition::Aws);
    assert_eq!(arn.region(), "us-east-1");
    assert_eq!(arn.account(), "111122223333");
    assert_eq!(arn.id(), "support_1-AbCdEfGhI0");
    assert_eq!(arn.as_str(), GOOD);
    assert_eq!(arn.to_string(), GOOD);
}

#[test]
fn regions_of_all_partitions_pass() {
    for (partition, region, known) in [
        ("aws", "ap-southeast-2", Partition::Aws),
        ("aws-cn", "cn-north-1", Partition::AwsCn),
        ("aws-us-gov", "us-gov-west-1", Partition::AwsUsGov),
    ] {
        let text =
            format!("arn:{partition}:bedrock-agentcore:{region}:111122223333:runtime/a-0123456789");
        let arn: RuntimeArn = text.parse().unwrap();
        assert_eq!((arn.partition(), arn.region()), (known, region));
    }
}

/// An ARN with a gap, what must not be in the gap, and the error that it is.
type BadPart = (
    &'static str,
    &'static [&'static str],
    fn(String) -> ArnError,
);

const BAD_PARTS: &[BadPart] = &[
    (
        "arn:{}:bedrock-agentcore:us-east-1:111122223333:runtime/support-AbCdEfGhIj",
        &["", "aws-iso", "AWS"],
        ArnError::Partition,
    ),
    (
        "arn:aws:{}:us-east-1:111122223333:runtime/support-AbCdEfGhIj",
        &["", "bedrock", "bedrock-agentcore-control"],
        ArnError::Service,
    ),
    (
        "arn:aws:bedrock-agentcore:{}:111122223333:runtime/support-AbCdEfGhIj",
        &[
            "",
            "useast1",
            "us--1",
            "us-1",
            "US-EAST-1",
            "us-east-1.evil.example/",
            "us-east-x",
            "u-east-1",
        ],
        ArnError::Region,
    ),
    (
        "arn:aws:bedrock-agentcore:us-east-1:{}:runtime/support-AbCdEfGhIj",
        &["", "11112222333", "1111222233334", "11112222333x"],
        ArnError::Account,
    ),
    (
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:{}",
        &["", "support-AbCdEfGhIj", "memory/m-0123456789", "runtime"],
        ArnError::Resource,
    ),
    (
        "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/{}",
        &[
            "",
            "support",
            "1support-AbCdEfGhIj",
            "-AbCdEfGhIj",
            "sup.port-AbCdEfGhIj",
            "support-AbCdEfGhI",
            "support-AbCdEfGhI_",
            "support-AbCdEfGhIj:1",
            "support-AbCdEfGhIj/runtime-endpoint/prod",
        ],
        ArnError::Id,
    ),
];

#[test]
fn each_malformed_part_has_an_error_of_its_own() {
    for (arn, parts, error) in BAD_PARTS {
        for part in *parts {
            let text = arn.replace("{}", part);
            let expected = Err(error((*part).to_owned()));
            assert_eq!(text.parse::<RuntimeArn>(), expected, "{text}");
        }
    }
    for text in [
        "",
        "arn",
        "arn:aws:bedrock-agentcore:us-east-1:111122223333",
        "urn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/a-0123456789",
    ] {
        assert_eq!(text.parse::<RuntimeArn>(), Err(ArnError::Shape), "{text}");
    }
}

#[test]
fn errors_name_the_part_and_what_is_expected() {
    let error = "arn:aws:bedrock-agentcore:us-east-1:1:runtime/a"
        .parse::<RuntimeArn>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"account "1" of the ARN: expected 12 digits"#
    );
    let error = "x".parse::<RuntimeArn>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "not a runtime ARN: expected arn:PARTITION:bedrock-agentcore:REGION:ACCOUNT:runtime/ID"
    );
}

#[test]
fn a_long_part_is_not_repeated_whole() {
    let text = format!("arn:{}:bedrock-agentcore:::", "é".repeat(10_000));
    let error = text.parse::<RuntimeArn>().unwrap_err();
    assert!(error.to_string().len() < 256, "{error}");
}

#[test]
fn session_ids_have_33_to_256_characters_of_the_alphabet() {
    let of = |length: usize| {
        "a".repeat(length)
            .parse::<SessionId>()
            .map(|id| id.as_str().len())
    };
    assert_eq!(of(32), Err(SessionIdError::Length(32)));
    assert_eq!(of(33), Ok(33));
    assert_eq!(of(256), Ok(256));
    assert_eq!(of(257), Err(SessionIdError::Length(257)));
    for bad in ["-", "_", "é", "a b", "a\r\nb", "a/b", "a.b"] {
        let text = format!("{bad}{}", "a".repeat(40));
        assert_eq!(
            text.parse::<SessionId>(),
            Err(SessionIdError::Alphabet),
            "{text}"
        );
    }
    assert!(
        format!("0-_{}", "Z".repeat(40))
            .parse::<SessionId>()
            .is_ok()
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parsers_panic(text in any::<String>()) {
        let _ = text.parse::<RuntimeArn>();
        let _ = text.parse::<SessionId>();
    }

    #[test]
    fn texts_close_to_an_arn_parse_to_themselves_or_not_at_all(
        at in 0..GOOD.len(),
        with in any::<char>(),
    ) {
        let mut text = GOOD.to_owned();
        text.replace_range(at..=at, &with.to_string());
        if let Ok(arn) = text.parse::<RuntimeArn>() {
            prop_assert_eq!(arn.as_str(), &text);
            prop_assert!(arn.region().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
            let again = format!("arn:{}:{}:{}", text.split(':').nth(1).unwrap(), "bedrock-agentcore", arn.region());
            prop_assert!(text.starts_with(&again));
            let end = format!("{}:runtime/{}", arn.account(), arn.id());
            prop_assert!(text.ends_with(&end));
        }
    }
}
