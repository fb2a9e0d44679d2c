//! AgentRuntime: what is seen of one, and what is done about it.

mod adopt;
mod claim;
mod create;
mod delete;
mod delete_wait;
mod diff;
mod failed;
mod live;
mod outcome;
mod pass;
mod plan;
mod ready;
mod source;
mod suspend;
mod view;
mod wish;

pub use diff::differing;
pub use plan::plan;
pub use view::*;
pub(crate) use wish::wished_tags;
pub use wish::{Refusal, Wish, region, render};
