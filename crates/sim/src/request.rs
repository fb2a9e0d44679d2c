//! A request that has been routed, authenticated and read: what every service's handler gets.

use axum::body::Bytes;
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use percent_encoding::percent_decode_str;

use crate::body::Spooled;
use crate::operation::Route;
use crate::state::credentials::Caller;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Signed by a known key.
    Signed(Caller),
    /// A bearer token, not looked into. Only the data plane takes these.
    Bearer(String),
    /// Nobody: the operation brings its own proof.
    Unsigned,
}

/// A request for an operation.
#[derive(Debug)]
pub struct Call {
    /// The operation and its path parameters.
    pub route: Route,
    /// Who asks.
    pub identity: Identity,
    /// The account whose resources are meant: the signer's, or with a bearer token the ARN's.
    pub account: String,
    /// The region that is meant: the signature's scope, or with a bearer token the ARN's.
    pub region: String,
    /// Query parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Request headers as they came.
    pub headers: HeaderMap,
    /// The whole request body, unless it is `spooled`.
    pub body: Bytes,
    /// A large payload of an invocation.
    pub spooled: Option<Spooled>,
    /// `Host` of the request, with its port.
    pub host: String,
    /// The connection, for a request that asks to speak another protocol on it.
    pub upgrade: Option<OnUpgrade>,
}

impl Call {
    /// The first query parameter of this name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Splits and decodes a query string or form body (`+` is a space in the latter only).
pub fn parse_pairs(text: &str, form: bool) -> Vec<(String, String)> {
    let decode = |part: &str| {
        let part = if form {
            part.replace('+', " ")
        } else {
            part.to_owned()
        };
        percent_decode_str(&part).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}
