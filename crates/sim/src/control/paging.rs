//! Pages of lists, with opaque tokens that stay good while things come and go.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::request::Call;
use crate::wire::errors::ApiError;
use crate::wire::shape::check_text;
use crate::wire::shapes;

/// Entries on a page where nothing is said, and at most.
const PAGE: usize = 100;

/// The answer with one page of `items`, which are sorted by their key.
///
/// # Errors
/// `ValidationException` for a bad `maxResults` or a token that this list did not give out.
pub fn page(
    call: &Call,
    member: &str,
    items: impl Iterator<Item = (u64, Value)>,
) -> Result<Value, ApiError> {
    let size = match call.query("maxResults") {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| (1..=PAGE).contains(size))
            .ok_or_else(|| {
                ApiError::field(
                    "maxResults",
                    format!("Member must have value between 1 and {PAGE}"),
                )
            })?,
    };
    let list = format!("{}/{}", call.route.operation, call.route.param(0));
    let start = match call.query("nextToken") {
        None => None,
        Some(token) => {
            check_text("nextToken", &shapes::NEXT_TOKEN, token)?;
            let key = decode(token, &list).ok_or_else(|| {
                ApiError::field("nextToken", "Member is not a token of this list")
            })?;
            Some(key)
        }
    };
    let mut left = items
        .filter(|(key, _)| start.is_none_or(|last| *key > last))
        .peekable();
    let mut entries = Vec::new();
    let mut end = 0;
    for (key, entry) in left.by_ref().take(size) {
        end = key;
        entries.push(entry);
    }
    let mut body = Map::from_iter([(member.to_owned(), Value::Array(entries))]);
    if left.peek().is_some() {
        body.insert(
            "nextToken".to_owned(),
            json!(URL_SAFE_NO_PAD.encode(format!("{list}#{end}"))),
        );
    }
    Ok(Value::Object(body))
}

fn decode(token: &str, list: &str) -> Option<u64> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (of, key) = text.rsplit_once('#')?;
    (of == list).then(|| key.parse().ok())?
}
