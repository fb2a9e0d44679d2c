//! S3, as far as the head of an object is asked for.
//!
//! An object stands for a code artifact: its content is what sessions run, kept beside the images under `s3://bucket/key`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::admin::{Refused, read};
use crate::operation::{Operation, Route};
use crate::request::Call;
use crate::state::ids;
use crate::state::image::{Content, Program, Push};
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// Tag under which the newest version of an object is kept.
const LATEST: &str = "latest";
/// Characters of a version's id.
const VERSION_LENGTH: usize = 32;
/// Characters of an ETag.
const ETAG_LENGTH: usize = 32;

/// Objects by `s3://bucket/key`.
#[derive(Debug, Default)]
pub struct Objects(BTreeMap<String, Object>);

/// The newest version of an object.
#[derive(Debug, Clone)]
struct Object {
    version_id: Option<String>,
    etag: String,
    size: u64,
    modified: Timestamp,
}

/// The route of a HEAD: bucket in the host or first in the path, then the key.
pub fn route(host: &str, path: &str) -> Option<Route> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let whole = percent_encoding::percent_decode_str(path.strip_prefix('/')?)
        .decode_utf8_lossy()
        .into_owned();
    let in_host = match name.split_once(".s3.") {
        Some((bucket, _)) => Some(bucket),
        None => name.strip_suffix(".localhost"),
    };
    let (bucket, key) = match in_host {
        Some(bucket) if name.parse::<IpAddr>().is_err() => (bucket.to_owned(), whole),
        _ => {
            let (bucket, key) = whole.split_once('/')?;
            (bucket.to_owned(), key.to_owned())
        }
    };
    (!bucket.is_empty() && !key.is_empty()).then_some(Route {
        operation: Operation::HeadObject,
        params: vec![bucket, key],
    })
}

/// Answers an operation of S3.
///
/// # Errors
/// `NoSuchKey`, for buckets too: nobody makes any here.
pub fn handle(app: &App, call: &Call) -> Result<Response, ApiError> {
    let uri = format!("s3://{}/{}", call.route.param(0), call.route.param(1));
    let object = app.world.lock().objects.0.get(&uri).cloned();
    let Some(object) = object else {
        return Err(ApiError::new(
            "NoSuchKey",
            "The specified key does not exist.",
        ));
    };
    let Object {
        version_id,
        etag,
        size,
        modified,
    } = object;
    let mut response = Response::new(Body::empty());
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    };
    set("etag", format!("\"{etag}\""));
    set("content-length", size.to_string());
    let date = modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    set("last-modified", date);
    if let Some(version) = version_id {
        set("x-amz-version-id", version);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ObjectRequest {
    bucket: String,
    key: String,
    program: Program,
    #[serde(default = "yes")]
    versioned: bool,
}

fn yes() -> bool {
    true
}

/// `POST /_sim/objects`: writes an object.
pub(crate) async fn push_object(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let ObjectRequest {
        bucket,
        key,
        program,
        versioned,
    } = read(&body)?;
    if program.argv.is_empty() {
        return Err(Refused("program.argv must name a program".to_owned()));
    }
    let files = program.clone();
    let content = tokio::task::spawn_blocking(move || Content::read(&files))
        .await
        .map_err(|error| Refused(error.to_string()))?;
    let (uri, now) = (format!("s3://{bucket}/{key}"), app.now());
    let mut world = app.world.lock();
    let version_id = versioned.then(|| ids::alphanumeric(&mut world.rng, VERSION_LENGTH));
    let push = |tag: &str| Push {
        repository_uri: uri.clone(),
        tag: tag.to_owned(),
        program: program.clone(),
        architectures: vec!["arm64".to_owned()],
        index: false,
        index_only: false,
        size: None,
        pushed_at: None,
        artifact: None,
    };
    let digest = world.images.push(push(LATEST), &content, now);
    if let Some(version) = &version_id {
        world.images.push(push(version), &content, now);
    }
    let etag: String = digest
        .trim_start_matches("sha256:")
        .chars()
        .take(ETAG_LENGTH)
        .collect();
    let object = Object {
        version_id: version_id.clone(),
        etag: etag.clone(),
        size: content.size,
        modified: now,
    };
    world.objects.0.insert(uri, object);
    Ok(Json(json!({ "versionId": version_id, "etag": etag })))
}
