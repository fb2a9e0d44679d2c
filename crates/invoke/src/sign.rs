//! SigV4: headers for requests, query parameters for presigned URLs. By aws-sigv4, except for requests of the usual form (`usual`).

use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningInstructions, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::call::SESSION_HEADER;
use crate::credentials::Loaded;
use crate::error::flat;
use crate::sigv4_fast;

/// The service's name in signatures.
pub const SERVICE: &str = "bedrock-agentcore";

/// SHA-256 of nothing, in hexadecimal.
pub const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Which of a request's headers a signature covers, besides the host and those of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// The content type and the session's id.
    Session,
    /// Nothing else: a WebSocket's session is not signed.
    Nothing,
}

/// A request as the signer sees it.
pub struct Signable<'a> {
    pub method: &'a str,
    pub uri: &'a Uri,
    pub region: &'a str,
    pub sha256: &'a str,
    pub cover: Cover,
}

/// Adds the signature to the headers.
pub fn sign_headers(
    request: &Signable<'_>,
    loaded: &Loaded,
    headers: &mut HeaderMap,
) -> Result<(), String> {
    let now = SystemTime::now();
    if sigv4_fast::sign(request, &loaded.credentials, &loaded.keys, now, headers) {
        return Ok(());
    }
    sign_generally(request, &loaded.identity, now, headers)
}

/// The same for requests of every form.
pub fn sign_generally(
    request: &Signable<'_>,
    identity: &Identity,
    now: SystemTime,
    headers: &mut HeaderMap,
) -> Result<(), String> {
    let mut covered = Vec::with_capacity(4);
    for (name, value) in &*headers {
        let session = *name == SESSION_HEADER || *name == header::CONTENT_TYPE;
        if name.as_str().starts_with("x-amz-") || (session && request.cover == Cover::Session) {
            let value = value
                .to_str()
                .map_err(|_| format!("header {name} is not ASCII"))?;
            covered.push((name.as_str(), value));
        }
    }
    let instructions = instructions(request, identity, now, SigningSettings::default(), covered)?;
    let (signed, _) = instructions.into_parts();
    for one in signed {
        let mut value = HeaderValue::from_str(one.value()).map_err(|error| flat(&error))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(one.name()), value);
    }
    Ok(())
}

/// The parameters that make a URL one that is good by itself. The host is signed without its port, as AWS's own signers of URLs do.
pub fn presign(
    request: &Signable<'_>,
    identity: &Identity,
    expires: Duration,
) -> Result<Vec<(&'static str, String)>, String> {
    let host = request.uri.host().ok_or("the address has no host")?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(expires);
    let instructions = instructions(
        request,
        identity,
        SystemTime::now(),
        settings,
        vec![("host", host)],
    )?;
    let (_, parameters) = instructions.into_parts();
    Ok(parameters
        .into_iter()
        .map(|(name, value)| (name, value.into_owned()))
        .collect())
}

fn instructions(
    request: &Signable<'_>,
    identity: &Identity,
    now: SystemTime,
    settings: SigningSettings,
    covered: Vec<(&str, &str)>,
) -> Result<SigningInstructions, String> {
    let parameters = v4::SigningParams::builder()
        .identity(identity)
        .region(request.region)
        .name(SERVICE)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| flat(&error))?
        .into();
    let body = SignableBody::Precomputed(request.sha256.to_owned());
    let signable = SignableRequest::new(
        request.method,
        request.uri.to_string(),
        covered.into_iter(),
        body,
    )
    .map_err(|error| flat(&error))?;
    let output = sign(signable, &parameters).map_err(|error| flat(&error))?;
    Ok(output.into_parts().0)
}
