//! The signature of the usual request, by the shortest way.
//!
//! The general signer derives the day's key anew for each request and builds maps of headers and parameters; that is more work than all
//! the rest of sending a request. Here the canonical request is written down directly, and the key is kept with the credentials. Whatever
//! is not plain (repeated or odd header values, dots or escapes that might be normalised, a query of several parts) is left to the general
//! signer, and a property test holds the two against each other.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::call::SESSION_HEADER;
use crate::sign::{Cover, SERVICE, Signable};

/// AWS's own headers.
const PREFIX: &str = "x-amz-";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DAY: u64 = 24 * 60 * 60;
/// Most keys that are kept: one for each region in use.
const KEYS: usize = 64;

/// The signing keys of one day, kept with the credentials that they come from.
#[derive(Default)]
pub struct Keys(Mutex<Vec<Key>>);

struct Key {
    day: u64,
    region: Box<str>,
    bytes: Arc<[u8]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

impl Keys {
    /// The key of a day and a region; `credentials` are always the same.
    fn get(&self, credentials: &Credentials, now: SystemTime, day: u64, region: &str) -> Arc<[u8]> {
        let mut keys = self.0.lock();
        if let Some(known) = keys
            .iter()
            .find(|key| key.day == day && *key.region == *region)
        {
            return known.bytes.clone();
        }
        keys.retain(|key| key.day == day);
        if keys.len() == KEYS {
            keys.clear();
        }
        let secret = credentials.secret_access_key();
        let bytes: Arc<[u8]> = generate_signing_key(secret, now, region, SERVICE)
            .as_ref()
            .into();
        keys.push(Key {
            day,
            region: region.into(),
            bytes: bytes.clone(),
        });
        bytes
    }
}

/// Signs a request of the usual form: true if it was one. Otherwise the headers are as before.
pub fn sign(
    request: &Signable<'_>,
    credentials: &Credentials,
    keys: &Keys,
    now: SystemTime,
    headers: &mut HeaderMap,
) -> bool {
    let Some(values) = values(request, credentials, keys, now, headers) else {
        return false;
    };
    for (name, mut value) in values.into_iter().flatten() {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    true
}

type Values = [Option<(HeaderName, HeaderValue)>; 3];

fn values(
    request: &Signable<'_>,
    credentials: &Credentials,
    keys: &Keys,
    now: SystemTime,
    headers: &HeaderMap,
) -> Option<Values> {
    if headers.keys().any(|name| name.as_str().starts_with(PREFIX)) {
        return None;
    }
    let (mut content_type, mut session) = (None, None);
    if request.cover == Cover::Session {
        content_type = one(headers, &header::CONTENT_TYPE).ok()?;
        session = one(headers, &SESSION_HEADER).ok()?;
    }
    let day = now.duration_since(UNIX_EPOCH).ok()?.as_secs() / DAY;
    let date = stamp(now)?;
    let token = credentials.session_token();
    // In the order of the alphabet.
    let covered = [
        (header::CONTENT_TYPE, content_type),
        (header::HOST, Some(host(request.uri)?)),
        (DATE, Some(date.as_str())),
        (TOKEN, token),
        (SESSION_HEADER, session),
    ];
    let mut names = String::with_capacity(128);
    let mut canonical = String::with_capacity(1024 + token.map_or(0, str::len));
    canonical.push_str(request.method);
    canonical.push('\n');
    push_path(&mut canonical, request.uri.path())?;
    canonical.push('\n');
    canonical.push_str(query(request.uri)?);
    canonical.push('\n');
    for (name, value) in &covered {
        let Some(value) = value else { continue };
        if !plain(value) {
            return None;
        }
        for part in [name.as_str(), ":", value, "\n"] {
            canonical.push_str(part);
        }
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name.as_str());
    }
    for part in ["\n", &names, "\n", request.sha256] {
        canonical.push_str(part);
    }
    let hash = HEXLOWER.encode(&Sha256::digest(&canonical));
    let scope = format!("{}/{}/{SERVICE}/aws4_request", &date[..8], request.region);
    let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{hash}");
    let key = keys.get(credentials, now, day, request.region);
    let signature = calculate_signature(&*key, to_sign.as_bytes());
    let id = credentials.access_key_id();
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let pair = |name, text| Some((name, HeaderValue::from_str(text).ok()?));
    Some([
        Some(pair(DATE, &date)?),
        Some(pair(header::AUTHORIZATION, &authorization)?),
        match token {
            Some(token) => Some(pair(TOKEN, token)?),
            None => None,
        },
    ])
}

/// A header that there is twice, or that is not ASCII.
struct Odd;

/// The value of a header that there is at most once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Odd> {
    let mut all = headers.get_all(name).iter();
    let value = all.next().map(|value| value.to_str().map_err(|_| Odd));
    if all.next().is_some() {
        return Err(Odd);
    }
    value.transpose()
}

/// A value that stands in the canonical request as it is.
fn plain(value: &str) -> bool {
    !value.starts_with(' ') && !value.ends_with(' ') && !value.contains("  ")
}

/// The host as it is sent: without the port that goes without saying.
fn host(uri: &Uri) -> Option<&str> {
    match (uri.scheme_str()?, uri.port_u16()) {
        ("http", Some(80)) | ("https", Some(443)) => None,
        _ => Some(uri.authority()?.as_str()),
    }
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A path in which nothing is normalised, escaped once more.
fn push_path(to: &mut String, path: &str) -> Option<()> {
    if path.is_empty() || path.contains("//") || path.contains("/.") {
        return None;
    }
    for character in path.chars() {
        match character {
            '%' => to.push_str("%25"),
            '/' => to.push('/'),
            other if other.is_ascii() && unreserved(other as u8) => to.push(other),
            _ => return None,
        }
    }
    Some(())
}

/// A query of at most one parameter without escapes.
fn query(uri: &Uri) -> Option<&str> {
    let Some(query) = uri.query() else {
        return Some("");
    };
    let (name, value) = query.split_once('=')?;
    let good = |text: &str| !text.is_empty() && text.bytes().all(unreserved);
    (good(name) && good(value)).then_some(query)
}

/// `20261121T165341Z`.
fn stamp(now: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(now).ok()?;
    let at = jiff::tz::TimeZone::UTC.to_datetime(at);
    let mut text = String::with_capacity(16);
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    write!(
        text,
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    )
    .ok()?;
    Some(text)
}

#[cfg(test)]
#[path = "sigv4_fast_tests.rs"]
mod tests;
