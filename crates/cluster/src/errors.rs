//! What is told of an error, in logs, Events and status: what went wrong, and never the bytes that it went wrong with.
//!
//! The texts of serde and of the Kubernetes client quote values, or whole bodies: of a Secret that could not be decoded, the Secret.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use kube::core::Status;
use kube::runtime::watcher;
use serde_json::error::Category;

/// Longest text of the API server that is passed on, in characters.
const LONGEST: usize = 500;

/// Reasons whose text the API server or an authorizer wrote about names and rights. Those of other refusals (`Invalid`, `BadRequest`)
/// quote values, and a body that is no `Status` becomes the text of one.
const PASSED_ON: [&str; 11] = [
    "Forbidden",
    "Unauthorized",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Expired",
    "Timeout",
    "ServerTimeout",
    "TooManyRequests",
    "ServiceUnavailable",
];

/// An error and its causes in one line, without what they quote.
pub fn told(error: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        if let Some(end) = end_of_chain(error) {
            text.push_str(&end);
            break;
        }
        let _ = write!(text, "{error}");
        next = error.source();
    }
    text
}

/// What an error of serde says, but for the value that it quotes.
pub fn unparsed(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Io => "could not be read",
        Category::Syntax => "is not JSON",
        Category::Data => "has a value of another type or form than expected",
        Category::Eof => "ends too early",
    };
    format!(
        "the text {what} (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// Of the errors whose own text holds too much: one that says enough, its causes included.
fn end_of_chain(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<kube::Error>() {
        return Some(of_kube(error));
    }
    if let Some(error) = error.downcast_ref::<Box<kube::Error>>() {
        return Some(of_kube(error));
    }
    if let Some(error) = error.downcast_ref::<watcher::Error>() {
        return Some(of_watch(error));
    }
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return Some(unparsed(error));
    }
    // An I/O error shows the text of what it was made of, and is not the cause's parent.
    if let Some(cause) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        return Some(told(cause));
    }
    if let Some(status) = error.downcast_ref::<Status>() {
        return Some(of_status(status));
    }
    None
}

fn of_kube(error: &kube::Error) -> String {
    use kube::Error as E;
    match error {
        E::Api(status) => of_status(status),
        E::SerdeError(error) => {
            let why = unparsed(error);
            format!("the API server's answer cannot be read: {why}")
        }
        E::FromUtf8(_) => "the API server's answer is not UTF-8".to_owned(),
        // Of a credential plugin it quotes the output.
        E::Auth(_) => "no credentials for the API server".to_owned(),
        E::HyperError(error) => format!("no answer of the API server: {}", told(error)),
        E::Service(error) => format!("no answer of the API server: {}", told(error.as_ref())),
        E::ReadEvents(error) => format!("the watch broke off: {}", told(error)),
        other => other.to_string(),
    }
}

fn of_watch(error: &watcher::Error) -> String {
    use watcher::Error as E;
    match error {
        E::InitialListFailed(error) => format!("the list failed: {}", of_kube(error)),
        E::WatchStartFailed(error) => format!("the watch did not begin: {}", of_kube(error)),
        E::WatchError(status) => format!("the API server ended the watch: {}", of_status(status)),
        E::WatchFailed(error) => format!("the watch failed: {}", of_kube(error)),
        E::NoResourceVersion => "the list has no resourceVersion".to_owned(),
    }
}

fn of_status(status: &Status) -> String {
    let code = status.code;
    let reason = status.reason.as_str();
    if PASSED_ON.contains(&reason) {
        let text: String = status.message.chars().take(LONGEST).collect();
        return format!("{reason} ({code}): {text}");
    }
    // A reason is a word of the API's; whatever else stands there came from elsewhere.
    let word = !reason.is_empty()
        && reason.len() <= 64
        && reason.chars().all(|letter| letter.is_ascii_alphanumeric());
    let mut text = if word {
        format!("{reason} ({code})")
    } else {
        format!("refused with status {code}")
    };
    // Which fields were refused, and why: by their names alone.
    let details = status.details.iter();
    for cause in details.flat_map(|details| &details.causes).take(8) {
        let _ = write!(text, "; {} {}", cause.field, cause.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use k8s_openapi::api::core::v1::Secret;
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    const MARK: &str = "s3cret-value";

    /// What serde says of a Secret whose value has another type.
    fn quoting() -> serde_json::Error {
        let text = format!(r#"{{"apiVersion":"v1","kind":"Secret","data":"{MARK}"}}"#);
        let error = serde_json::from_str::<Secret>(&text).expect_err("data is no text");
        assert!(error.to_string().contains(MARK), "serde quotes: {error}");
        error
    }

    fn api(reason: &str, message: &str) -> Status {
        Status {
            code: 422,
            reason: reason.to_owned(),
            message: message.to_owned(),
            ..Status::default()
        }
    }

    #[test]
    fn no_error_of_the_kubernetes_client_tells_a_value() {
        let quoted = format!("spec.x: Invalid value: {MARK:?}");
        let errors = [
            kube::Error::SerdeError(quoting()),
            kube::Error::Api(Box::new(api("Invalid", &quoted))),
            kube::Error::Api(Box::new(api("BadRequest", MARK))),
            kube::Error::Api(Box::new(api("Failed to parse error data", MARK))),
            kube::Error::Api(Box::new(api(MARK, MARK))),
            kube::Error::FromUtf8(
                String::from_utf8([MARK.as_bytes(), &[0xff]].concat()).expect_err("no UTF-8"),
            ),
            kube::Error::Service(Box::new(quoting())),
            kube::Error::ReadEvents(std::io::Error::other(quoting())),
        ];
        for error in errors {
            let text = told(&error);
            assert!(!text.contains(MARK) && !text.is_empty(), "{text}");
            let watch = watcher::Error::WatchFailed(error);
            let text = told(&watch);
            assert!(!text.contains(MARK), "{text}");
        }
    }

    #[test]
    fn causes_are_told_and_their_values_are_not() {
        let error = Err::<(), _>(Box::new(kube::Error::SerdeError(quoting())))
            .context("cannot read the Secret team-a/keys")
            .expect_err("an error");
        let text = told(error.as_ref());
        let expected = "cannot read the Secret team-a/keys: the API server's answer cannot be read: \
             the text has a value of another type or form than expected (line 1, column ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn refusals_are_told_by_name() {
        let mut status = api("Forbidden", "User \"x\" cannot list resource \"leases\"");
        status.code = 403;
        let text = told(&kube::Error::Api(Box::new(status)));
        assert_eq!(
            text,
            "Forbidden (403): User \"x\" cannot list resource \"leases\""
        );
        let mut status = api("Invalid", MARK);
        status.details = Some(StatusDetails {
            causes: vec![StatusCause {
                reason: "FieldValueInvalid".to_owned(),
                message: MARK.to_owned(),
                field: "status.arn".to_owned(),
            }],
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            retry_after_seconds: 0,
        });
        let text = told(&kube::Error::Api(Box::new(status)));
        assert_eq!(text, "Invalid (422); status.arn FieldValueInvalid");
    }
}
