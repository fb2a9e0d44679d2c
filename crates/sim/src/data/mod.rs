//! The data plane: sessions as processes, invocations through them, stops.
//!
//! A session belongs to a runtime, an endpoint and an id. It is born with the first invocation of that id, on the
//! version that the endpoint is then live on, and stays on it. `sessions` knows which there are, `keeper` is with
//! each from birth to end, `process` starts and ends programs, `invoke`, `ws`, `card`, `command` and `stop` answer callers.
//!
//! An operation takes a session by `agent::enter` and speaks to the address that it gets; the guard it holds meanwhile
//! counts as activity.

mod access;
mod agent;
mod card;
mod command;
pub(crate) mod headers;
mod health;
mod invoke;
mod keeper;
mod mcp;
mod process;
pub(crate) mod session;
mod sessions;
pub(crate) mod snapshot;
mod stop;
pub mod watchdog;
mod ws;

use std::sync::Arc;

use axum::response::Response;

use crate::operation::Operation;
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;

pub use headers::RESTRICTED as RESTRICTED_HEADERS;
pub use sessions::DataPlane;

/// Answers an operation of the data plane.
///
/// # Errors
/// What the service refuses, and what becomes of an agent's failures.
pub async fn handle(app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    match call.route.operation {
        Operation::InvokeAgentRuntime => invoke::handle(app, call).await,
        Operation::InvokeAgentRuntimeWithWebSocketStream => ws::handle(app, call).await,
        Operation::InvokeAgentRuntimeCommand => command::handle(app, call).await,
        Operation::GetAgentCard => card::handle(app, call).await,
        Operation::StopRuntimeSession => stop::handle(app, &call).await,
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("{other} is not an operation of the data plane"),
        )),
    }
}
