//! The one client of AgentCore's data plane: invocations, agent cards, WebSockets and the end of sessions.
//!
//! It knows how to reach a runtime, how to prove who asks (SigV4, or a token of the caller's), what may be sent a second time, and how
//! AWS says no. Whose sessions these are and who may use them is for its users to decide.
//!
//! An answer of the agent is an [`Answer`], whatever its status; an answer of AWS itself is an [`Error::Service`]. Nothing here logs or
//! keeps payloads, queries, tokens or keys.

pub mod agent_message;
mod arn;
mod body;
mod call;
mod client;
mod connect;
mod counted;
mod credentials;
mod data_plane;
mod error;
mod escape;
mod exchange;
#[cfg(test)]
mod fuzz;
mod metered;
pub mod proxy;
mod retry;
mod service_error;
mod session;
mod settings;
mod setup;
mod sign;
mod sigv4_fast;
pub mod sse;
mod websocket;

pub use arn::{ArnError, Partition, RuntimeArn};
pub use body::{BoxError, Payload, Spooled, StreamBody};
pub use call::{Answer, Auth, Invoke, Resend, SESSION_HEADER, Target, Upgrade};
pub use client::Client;
pub use credentials::{Credentials, CredentialsError};
pub use data_plane::{DataPlane, DataPlaneError};
pub use error::{Error, Failed, Phase, PresignError};
pub use metered::{Meter, Metered};
pub use service_error::ServiceError;
pub use session::{SessionId, SessionIdError};
pub use settings::Settings;
pub use setup::SetupError;
pub use websocket::{Opened, WebSocket, say};
