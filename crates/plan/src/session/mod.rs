//! AgentSession: a session that is begun, kept alive and replaced, and what each of its calls means.

mod delete;
mod limit;
mod outcome;
mod pass;
mod plan;
mod suspend;
mod target;
mod view;

pub use plan::plan;
pub use view::*;
