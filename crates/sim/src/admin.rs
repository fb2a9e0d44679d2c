//! The admin API under `/_sim/`: unsigned JSON for tests and demos.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ecr::registry_host;
use crate::state::faults::{Calls, Fault};
use crate::state::image::{Artifact, Content, Program, Push};
use crate::state::world::App;

/// Farthest jump of the clock, in seconds: a hundred years.
const MAX_JUMP: f64 = 3_200_000_000.0;

/// The routes of the admin API.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/_sim/healthz",
            get(async || Json(json!({ "status": "ok" }))),
        )
        .route("/_sim/images", post(push_image).delete(remove_image))
        .route("/_sim/tags", post(move_tag))
        .route("/_sim/objects", post(crate::s3::push_object))
        .route("/_sim/blobs/{digest}", get(blob))
        .route("/_sim/calls", get(calls).delete(reset_calls))
        .route("/_sim/state", get(state))
        .route("/_sim/state/sessions", get(sessions))
        .route("/_sim/tokens", get(tokens))
        .route(
            "/_sim/faults",
            put(set_faults).get(faults).delete(clear_faults),
        )
        .route("/_sim/settings", put(set_settings).get(settings))
        .route("/_sim/clock", post(advance).get(clock))
        .route(
            "/_sim/{*rest}",
            get(unknown).post(unknown).put(unknown).delete(unknown),
        )
}

/// A refusal: 400 and why.
pub(crate) struct Refused(pub String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "message": self.0 }))).into_response()
    }
}

/// Reads a JSON body whatever its content type says.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| Refused(error.to_string()))
}

async fn unknown() -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "message": "the admin API has no such path" })),
    )
        .into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImageRequest {
    repository: String,
    tag: String,
    program: Program,
    #[serde(default = "arm64")]
    architectures: Vec<String>,
    account: Option<String>,
    region: Option<String>,
    #[serde(default)]
    index: bool,
    #[serde(default)]
    index_only: bool,
    size_bytes: Option<u64>,
    pushed_at: Option<jiff::Timestamp>,
    artifact: Option<Artifact>,
}

/// The URI of a repository. A registry of its own, or the place of a code artifact, is taken as it is.
fn repository_uri(
    app: &App,
    repository: &str,
    account: Option<&str>,
    region: Option<&str>,
) -> String {
    if repository.starts_with("public.ecr.aws/") || repository.starts_with("s3://") {
        return repository.to_owned();
    }
    let account = account.unwrap_or(&app.config.account);
    let region = region.unwrap_or(&app.config.region);
    format!("{}/{repository}", registry_host(account, region))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TagRequest {
    repository: String,
    tag: String,
    digest: String,
    account: Option<String>,
    region: Option<String>,
}

async fn move_tag(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let TagRequest {
        repository,
        tag,
        digest,
        account,
        region,
    } = read(&body)?;
    let uri = repository_uri(&app, &repository, account.as_deref(), region.as_deref());
    if app.world.lock().images.tag(&uri, &tag, &digest) {
        Ok(Json(json!({ "digest": digest })))
    } else {
        Err(Refused(format!("{uri} has no image {digest}")))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RemoveRequest {
    repository: String,
    tag: Option<String>,
    account: Option<String>,
    region: Option<String>,
}

async fn remove_image(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let RemoveRequest {
        repository,
        tag,
        account,
        region,
    } = read(&body)?;
    let uri = repository_uri(&app, &repository, account.as_deref(), region.as_deref());
    if app.world.lock().images.remove(&uri, tag.as_deref()) {
        Ok(Json(json!({})))
    } else {
        Err(Refused(format!("{uri} has nothing to remove")))
    }
}

fn arm64() -> Vec<String> {
    vec!["arm64".to_owned()]
}

async fn push_image(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let request: ImageRequest = read(&body)?;
    if request.program.argv.is_empty() {
        return Err(Refused("program.argv must name a program".to_owned()));
    }
    if request.architectures.is_empty() {
        return Err(Refused("architectures must name one at least".to_owned()));
    }
    let repository_uri = repository_uri(
        &app,
        &request.repository,
        request.account.as_deref(),
        request.region.as_deref(),
    );
    let program = request.program.clone();
    let content = tokio::task::spawn_blocking(move || Content::read(&program))
        .await
        .map_err(|error| Refused(error.to_string()))?;
    let image_uri = format!("{repository_uri}:{}", request.tag);
    let push = Push {
        repository_uri: repository_uri.clone(),
        tag: request.tag,
        program: request.program,
        architectures: request.architectures,
        index: request.index,
        index_only: request.index_only,
        size: request.size_bytes,
        pushed_at: request.pushed_at,
        artifact: request.artifact,
    };
    let now = app.now();
    let digest = app.world.lock().images.push(push, &content, now);
    Ok(Json(
        json!({ "digest": digest, "imageUri": image_uri, "repositoryUri": repository_uri }),
    ))
}

async fn blob(State(app): State<Arc<App>>, Path(digest): Path<String>) -> Response {
    match app.world.lock().images.blob(&digest) {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn calls(State(app): State<Arc<App>>) -> Json<Calls> {
    Json(app.calls.lock().clone())
}

async fn reset_calls(State(app): State<Arc<App>>) -> Json<Calls> {
    let mut calls = app.calls.lock();
    *calls = Calls::default();
    Json(calls.clone())
}

async fn state(State(app): State<Arc<App>>) -> Json<Value> {
    let now = app.now();
    let (runtimes, endpoints) = app.world.lock().state(now);
    Json(json!({ "runtimes": runtimes, "endpoints": endpoints, "sessions": app.data.state() }))
}

async fn sessions(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "sessions": app.data.state() }))
}

async fn tokens(State(app): State<Arc<App>>) -> Json<Vec<Value>> {
    Json(app.world.lock().tokens())
}

async fn set_faults(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Vec<Fault>>, Refused> {
    let faults: Vec<Fault> = read(&body)?;
    app.faults.set(faults).map_err(Refused)?;
    Ok(Json(app.faults.list()))
}

async fn faults(State(app): State<Arc<App>>) -> Json<Vec<Fault>> {
    Json(app.faults.list())
}

async fn clear_faults(State(app): State<Arc<App>>) -> Result<Json<Vec<Fault>>, Refused> {
    app.faults.set(Vec::new()).map_err(Refused)?;
    Ok(Json(Vec::new()))
}

async fn set_settings(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let patch: Value = read(&body)?;
    let whole = {
        let mut world = app.world.lock();
        let merged = world.settings.merged(&patch).map_err(Refused)?;
        let rates = |s: &crate::Settings| {
            (
                s.rate_per_second,
                s.invoke_rate_per_second,
                s.stop_rate_per_second,
                s.new_sessions_per_minute,
                s.burst,
            )
        };
        if rates(&merged) != rates(&world.settings) {
            app.throttle.reset();
        }
        world.settings = merged;
        serde_json::to_value(&world.settings)
    };
    whole.map(Json).map_err(|error| Refused(error.to_string()))
}

async fn settings(State(app): State<Arc<App>>) -> Result<Json<Value>, Refused> {
    serde_json::to_value(app.settings())
        .map(Json)
        .map_err(|error| Refused(error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Jump {
    advance_seconds: f64,
}

async fn advance(
    State(app): State<Arc<App>>,
    body: axum::body::Bytes,
) -> Result<Json<Value>, Refused> {
    let jump: Jump = read(&body)?;
    if !(0.0..=MAX_JUMP).contains(&jump.advance_seconds) {
        return Err(Refused(format!(
            "advanceSeconds must be between 0 and {MAX_JUMP}"
        )));
    }
    let by = SignedDuration::try_from_secs_f64(jump.advance_seconds)
        .map_err(|error| Refused(error.to_string()))?;
    Ok(Json(json!({ "now": app.clock.advance(by).to_string() })))
}

async fn clock(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({ "now": app.now().to_string() }))
}
