//! AgentRuntime: what is seen of one, and what is done about it.

mod view;

pub use view::*;
