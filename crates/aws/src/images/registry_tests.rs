//! What an answer of ECR says of each tag that was asked for.

use aws_sdk_ecr::types::{Image, ImageFailure};

use super::*;

fn repository() -> Repository {
    Repository {
        account: "111122223333".to_owned(),
        region: "us-east-1".to_owned(),
        name: "support".to_owned(),
    }
}

fn image(tag: Option<&str>, digest: &str) -> Image {
    Image::builder()
        .image_id(id(tag, Some(digest)))
        .image_manifest("{}")
        .build()
}

fn failure(tag: &str, code: ImageFailureCode) -> ImageFailure {
    ImageFailure::builder()
        .image_id(id(Some(tag), None))
        .failure_code(code)
        .build()
}

fn said(answer: &BatchGetImageOutput, tag: &str, several: bool) -> Option<Answer> {
    State::default().answered(&repository(), tag, answer, Timestamp::UNIX_EPOCH, several)
}

fn digest(answer: Option<Answer>) -> Option<String> {
    let listing = answer.expect("an answer").expect("a listing");
    listing.tags.first().map(|seen| seen.digest.clone())
}

#[test]
fn tags_of_one_image_that_share_an_entry_are_not_taken_for_gone() {
    let shared = BatchGetImageOutput::builder()
        .images(image(Some("a"), "d1"))
        .build();
    assert_eq!(digest(said(&shared, "a", true)).as_deref(), Some("d1"));
    assert!(said(&shared, "b", true).is_none(), "ask for it by itself");
    let alone = BatchGetImageOutput::builder()
        .images(image(None, "d1"))
        .build();
    assert_eq!(digest(said(&alone, "b", false)).as_deref(), Some("d1"));
}

#[test]
fn only_an_image_that_is_not_found_is_gone() {
    let answer = BatchGetImageOutput::builder()
        .failures(failure("gone", ImageFailureCode::ImageNotFound))
        .failures(failure("locked", ImageFailureCode::KmsError))
        .build();
    assert_eq!(digest(said(&answer, "gone", true)), None);
    let trouble = said(&answer, "locked", true).expect("an answer");
    let trouble = trouble.expect_err("a failure");
    assert_eq!(trouble.reason, reasons::REGISTRY_UNREACHABLE);
    assert!(trouble.message.contains("KmsError"), "{}", trouble.message);
}
