//! Finds out who signed a request, and whether the signature holds.

use http::HeaderMap;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::canonical::{self, ALGORITHM, Parts, PathRules, UNSIGNED_PAYLOAD};
use crate::request::parse_pairs;
use crate::state::credentials::{Caller, Credentials, KeyProblem};
use crate::wire::errors::{ApiError, Protocol};

/// How far a signature's time may be from the service's.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Longest validity of a presigned URL, in seconds.
const MAX_EXPIRES: i64 = 604_800;

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It carries no signature.
    Missing,
    /// The signature lacks a part or cannot be read.
    Incomplete(String),
    /// Nobody has this key, or the session token is another's.
    UnknownKey,
    /// The key's session has ended.
    ExpiredToken,
    /// The signature is wrong, too old, or for something else.
    Invalid(String),
}

impl Refusal {
    /// The error that the service answers with.
    pub fn into_error(self, protocol: Protocol) -> ApiError {
        let sts = protocol == Protocol::Query;
        let pick = |json: &'static str, query: &'static str| if sts { query } else { json };
        match self {
            Self::Missing => ApiError::new(
                pick(
                    "MissingAuthenticationTokenException",
                    "MissingAuthenticationToken",
                ),
                "Missing Authentication Token",
            ),
            Self::Incomplete(text) => ApiError::new(
                pick("IncompleteSignatureException", "IncompleteSignature"),
                text,
            ),
            Self::UnknownKey => ApiError::new(
                pick("UnrecognizedClientException", "InvalidClientTokenId"),
                "The security token included in the request is invalid.",
            ),
            Self::ExpiredToken => ApiError::new(
                pick("ExpiredTokenException", "ExpiredToken"),
                "The security token included in the request is expired",
            ),
            Self::Invalid(text) => ApiError::new(
                pick("InvalidSignatureException", "SignatureDoesNotMatch"),
                text,
            ),
        }
    }
}

/// What a request says about its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    key_id: String,
    scope: String,
    /// Region of the credential scope.
    pub region: String,
    /// Service of the credential scope.
    pub service: String,
    signed_headers: String,
    signature: String,
    timestamp: String,
    token: Option<String>,
    /// Validity in seconds, for a presigned URL.
    pub expires: Option<i64>,
}

/// The request whose signature is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path as it is on the wire.
    pub path: &'a str,
    /// Query as it is on the wire.
    pub query: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// `Host`, with port.
    pub host: &'a str,
    /// Hex SHA-256 of the body.
    pub body_hash: &'a str,
    /// Whether the operation may leave its payload unsigned.
    pub unsigned_payload: bool,
    /// How the path becomes canonical.
    pub rules: PathRules,
}

impl Claim {
    /// Reads the `Authorization` header, or the query of a presigned URL.
    ///
    /// # Errors
    /// [`Refusal::Missing`] and [`Refusal::Incomplete`].
    pub fn read(headers: &HeaderMap, query: &str) -> Result<Self, Refusal> {
        let text = |name: &str| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        if let Some(authorization) = text("authorization") {
            let given = authorization.strip_prefix(ALGORITHM).ok_or_else(|| {
                Refusal::Incomplete(format!("Authorization header requires {ALGORITHM}"))
            })?;
            let part = |name: &str| {
                given
                    .split(',')
                    .find_map(|piece| piece.trim().strip_prefix(name)?.strip_prefix('='))
                    .map(str::to_owned)
                    .ok_or_else(|| {
                        Refusal::Incomplete(format!(
                            "Authorization header requires '{name}' parameter"
                        ))
                    })
            };
            let timestamp = text("x-amz-date").ok_or_else(|| {
                Refusal::Incomplete(
                    "Authorization header requires existence of an 'X-Amz-Date' header".to_owned(),
                )
            })?;
            let (credential, signed, signature) = (
                part("Credential")?,
                part("SignedHeaders")?,
                part("Signature")?,
            );
            return Self::new(
                &credential,
                signed,
                signature,
                timestamp,
                text("x-amz-security-token"),
                None,
            );
        }
        let pairs = parse_pairs(query, false);
        let get = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        if get("X-Amz-Algorithm").as_deref() != Some(ALGORITHM) {
            return Err(Refusal::Missing);
        }
        let part = |name: &str| {
            get(name).ok_or_else(|| {
                Refusal::Incomplete(format!("AWS query-string parameters must include '{name}'"))
            })
        };
        let expires = part("X-Amz-Expires")?
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_EXPIRES).contains(seconds))
            .ok_or_else(|| {
                Refusal::Incomplete(format!("X-Amz-Expires must be between 1 and {MAX_EXPIRES}"))
            })?;
        Self::new(
            &part("X-Amz-Credential")?,
            part("X-Amz-SignedHeaders")?,
            part("X-Amz-Signature")?,
            part("X-Amz-Date")?,
            get("X-Amz-Security-Token"),
            Some(expires),
        )
    }

    fn new(
        credential: &str,
        signed_headers: String,
        signature: String,
        timestamp: String,
        token: Option<String>,
        expires: Option<i64>,
    ) -> Result<Self, Refusal> {
        let incomplete = || {
            Refusal::Incomplete(
                "Credential must have exactly 5 slash-delimited elements".to_owned(),
            )
        };
        let (key_id, scope) = credential.split_once('/').ok_or_else(incomplete)?;
        let [_, region, service, "aws4_request"] = scope.split('/').collect::<Vec<_>>()[..] else {
            return Err(incomplete());
        };
        Ok(Self {
            key_id: key_id.to_owned(),
            scope: scope.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers,
            signature,
            timestamp,
            token,
            expires,
        })
    }

    /// Checks the signature and returns who made it.
    ///
    /// `signing_name` is the service's name in a scope; `clock` the time that the signature's age is measured by,
    /// `now` the time by which sessions end.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn verify(
        &self,
        request: Signed<'_>,
        signing_name: &str,
        credentials: &Credentials,
        clock: Timestamp,
        now: Timestamp,
    ) -> Result<Caller, Refusal> {
        if self.service != signing_name {
            return Err(Refusal::Invalid(format!(
                "Credential should be scoped to correct service: '{signing_name}'."
            )));
        }
        let key = credentials
            .find(&self.key_id, self.token.as_deref(), now)
            .map_err(|problem| match problem {
                KeyProblem::Unknown => Refusal::UnknownKey,
                KeyProblem::Expired => Refusal::ExpiredToken,
            })?;
        self.check_time(clock)?;
        let names: Vec<&str> = self.signed_headers.split(';').collect();
        if !names.contains(&"host") {
            return Err(Refusal::Invalid(
                "'Host' must be a 'SignedHeader' in the AWS Authorization.".to_owned(),
            ));
        }
        let payload_hash = payload_hash(request)?;
        if self.fits(&key.secret, request, &names, payload_hash) {
            Ok(key.caller)
        } else {
            Err(Refusal::Invalid(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details."
                    .to_owned(),
            ))
        }
    }

    fn check_time(&self, clock: Timestamp) -> Result<(), Refusal> {
        let signed_at = DateTime::strptime("%Y%m%dT%H%M%SZ", &self.timestamp)
            .and_then(|at| at.to_zoned(TimeZone::UTC))
            .map_err(|_| {
                Refusal::Incomplete(format!(
                    "Date must be in ISO-8601 'basic format'. Got '{}'.",
                    self.timestamp
                ))
            })?
            .timestamp();
        if !self
            .scope
            .starts_with(self.timestamp.get(..8).unwrap_or("-"))
        {
            return Err(Refusal::Invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date"
                    .to_owned(),
            ));
        }
        let valid_for = self.expires.map_or(SKEW, SignedDuration::from_secs);
        let age = clock.duration_since(signed_at);
        if age > valid_for {
            return Err(Refusal::Invalid(format!(
                "Signature expired: {} is too old ({} - {valid_for:#}.)",
                self.timestamp,
                basic(clock)
            )));
        }
        if age < -SKEW {
            return Err(Refusal::Invalid(format!(
                "Signature not yet current: {} is still later than {} (+ 5 min.)",
                self.timestamp,
                basic(clock)
            )));
        }
        Ok(())
    }

    fn fits(&self, secret: &str, request: Signed<'_>, names: &[&str], payload_hash: &str) -> bool {
        // Some signers put the port into the host, others leave it out.
        let bare = request
            .host
            .rsplit_once(':')
            .map_or(request.host, |(name, _)| name);
        // Some services' signers add the session token after signing.
        let skips: [&[&str]; 2] = [
            &["X-Amz-Signature"],
            &["X-Amz-Signature", "X-Amz-Security-Token"],
        ];
        [request.host, bare].into_iter().any(|host| {
            skips.iter().any(|skip| {
                let parts = Parts {
                    method: request.method,
                    path: request.path,
                    query: request.query,
                    headers: request.headers,
                    host,
                    signed_headers: names,
                    payload_hash,
                };
                let canonical = canonical::request(parts, request.rules, skip);
                let to_sign = canonical::string_to_sign(&self.timestamp, &self.scope, &canonical);
                canonical::signature(secret, &self.scope, &to_sign) == self.signature
            })
        })
    }
}

/// The payload hash that the signature must cover.
fn payload_hash(request: Signed<'_>) -> Result<&str, Refusal> {
    let Some(given) = request.headers.get("x-amz-content-sha256") else {
        return Ok(request.body_hash);
    };
    match given.to_str() {
        Ok(UNSIGNED_PAYLOAD) if request.unsigned_payload => Ok(UNSIGNED_PAYLOAD),
        Ok(given) if given.eq_ignore_ascii_case(request.body_hash) => Ok(given),
        _ => Err(Refusal::Invalid(
            "The value of the 'x-amz-content-sha256' header does not match the payload.".to_owned(),
        )),
    }
}

fn basic(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
