//! The agent of EKS Pod Identity: `GET /v1/credentials` with a pod's token gives keys of the role that its ServiceAccount is associated with.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::operation::Operation;
use crate::state::world::App;
use crate::sts::{self, Issued};
use crate::wire::reply::iso8601;

/// Audience of the tokens that EKS mounts for it.
const AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Seconds that its keys are good for.
const SECONDS: i64 = 6 * 3600;

/// Its route.
pub fn router() -> Router<Arc<App>> {
    Router::new().route("/v1/credentials", get(credentials))
}

async fn credentials(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let refused = |status: StatusCode, code: &str, message: &str| {
        (status, Json(json!({ "code": code, "message": message }))).into_response()
    };
    let claims = match sts::claims(token, AUDIENCE) {
        Ok(claims) => claims,
        Err(error) => {
            return refused(
                StatusCode::BAD_REQUEST,
                "InvalidTokenException",
                error.message(),
            );
        }
    };
    let account = claims
        .sub
        .strip_prefix("system:serviceaccount:")
        .unwrap_or_default()
        .replacen(':', "/", 1);
    let associations = app.settings().pod_identity_associations;
    let Some(role) = associations.get(&account) else {
        let text = format!("there is no association for the service account {account}");
        return refused(StatusCode::NOT_FOUND, "ResourceNotFoundException", &text);
    };
    let session = format!("eks-{}", uuid::Uuid::new_v4().simple());
    match Issued::new(&app, Operation::AssumeRole, role, &session, SECONDS) {
        Err(error) => refused(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            error.message(),
        ),
        Ok(issued) => Json(json!({
            "AccessKeyId": issued.id,
            "SecretAccessKey": issued.secret,
            "Token": issued.token,
            "AccountId": issued.caller.account,
            "Expiration": iso8601(issued.expires),
        }))
        .into_response(),
    }
}
