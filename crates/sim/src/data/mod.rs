//! The data plane: sessions, invocations, stops.

use std::sync::Arc;

use axum::response::Response;
use serde_json::Value;

use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;

/// The sessions of the simulator.
#[derive(Debug, Default)]
pub struct DataPlane {}

impl DataPlane {
    /// The entries of `sessions[]` in `GET /_sim/state`.
    pub fn state(&self) -> Vec<Value> {
        Vec::new()
    }

    /// Ends every session and waits for their processes.
    pub async fn stop(&self) {}
}

/// Answers an operation of the data plane.
///
/// # Errors
/// What the service refuses.
pub async fn handle(_app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    Err(ApiError::new("UnknownOperationException", format!("{} is not available", call.route.operation)))
}
