//! AgentEndpoint: what is seen of one, and what is done about it.

mod claim;
mod create;
mod delete;
mod failed;
mod live;
mod outcome;
mod pass;
mod plan;
mod view;
mod wish;

pub use plan::plan;
pub use view::*;
pub use wish::Wish;
