//! The canonical request, the string to sign and the signature.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// Name of the algorithm in headers and query.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// In place of a payload's hash.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// How the path becomes canonical. Every service but S3 does both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
    /// Encode the path once more, as it came over the wire.
    pub encode: bool,
    /// Remove empty and dot segments.
    pub normalize: bool,
}

impl PathRules {
    /// What S3 does.
    pub const AS_IT_IS: Self = Self {
        encode: false,
        normalize: false,
    };
    /// What AgentCore, ECR and STS do.
    pub const STANDARD: Self = Self {
        encode: true,
        normalize: true,
    };
}

/// The path as it is signed, from the path as it is on the wire.
pub fn path(wire: &str, rules: PathRules) -> String {
    let path = if rules.normalize {
        normalize(wire)
    } else {
        wire.to_owned()
    };
    let path = if path.is_empty() {
        "/".to_owned()
    } else {
        path
    };
    if rules.encode {
        encode(path.as_bytes(), true)
    } else {
        path
    }
}

fn normalize(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let mut out = format!("/{}", kept.join("/"));
    if directory && out.len() > 1 {
        out.push('/');
    }
    out
}

/// The query as it is signed: encoded anew and sorted. `skip` names parameters that are not part of it.
pub fn query(wire: &str, skip: &[&str]) -> String {
    let again = |part: &str| encode(&percent_decode_str(part).collect::<Vec<u8>>(), false);
    let mut pairs: Vec<(String, String)> = wire
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(key), again(value))
        })
        .filter(|(key, _)| !skip.contains(&key.as_str()))
        .collect();
    pairs.sort();
    let joined: Vec<String> = pairs
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    joined.join("&")
}

/// Percent-encodes all but unreserved characters, with upper-case digits.
fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            b'/' if keep_slash => out.push('/'),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// A header's values as they are signed: each trimmed, runs of spaces as one, joined by commas.
fn header(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            text.split(' ')
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    values.join(",")
}

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path as it is on the wire.
    pub path: &'a str,
    /// Query as it is on the wire, without the question mark.
    pub query: &'a str,
    /// Headers of the request.
    pub headers: &'a HeaderMap,
    /// The host as it was signed; it stands in for the header.
    pub host: &'a str,
    /// Names of signed headers, lower-case, in order.
    pub signed_headers: &'a [&'a str],
    /// Hex SHA-256 of the body, or [`UNSIGNED_PAYLOAD`].
    pub payload_hash: &'a str,
}

/// The canonical request. `skip` names query parameters that are left out.
pub fn request(parts: Parts<'_>, rules: PathRules, skip: &[&str]) -> String {
    let mut out = format!(
        "{}\n{}\n{}\n",
        parts.method,
        path(parts.path, rules),
        query(parts.query, skip)
    );
    for name in parts.signed_headers {
        let value = if *name == "host" {
            parts.host.to_owned()
        } else {
            header(parts.headers, name)
        };
        out.push_str(name);
        out.push(':');
        out.push_str(&value);
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&parts.signed_headers.join(";"));
    out.push('\n');
    out.push_str(parts.payload_hash);
    out
}

/// The string to sign. `timestamp` as `20150830T123600Z`, `scope` as `20150830/us-east-1/service/aws4_request`.
pub fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &str) -> String {
    format!(
        "{ALGORITHM}\n{timestamp}\n{scope}\n{}",
        sha256_hex(canonical_request.as_bytes())
    )
}

/// The signature of a string, in hex. `scope` as in [`string_to_sign`].
pub fn signature(secret: &str, scope: &str, string_to_sign: &str) -> String {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part.as_bytes());
    }
    hex::encode(mac(&key, string_to_sign.as_bytes()))
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Hex SHA-256.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
