//! AgentRuntime: one AgentCore runtime, its versions and its DEFAULT endpoint.

mod artifact;
mod authorizer;
mod env;
mod filesystem;
mod follow;
mod image_status;
mod network;
mod resources;
mod spec;
mod status;
mod versions;

pub use artifact::*;
pub use authorizer::*;
pub use env::*;
pub use filesystem::*;
pub use follow::*;
pub use image_status::*;
pub use network::*;
pub use resources::*;
pub use spec::*;
pub use status::*;
pub use versions::*;
