//! AgentRuntime: what is seen of one, and what is done about it.

mod adopt;
mod behind;
mod cause;
mod claim;
mod create;
mod delete;
mod delete_wait;
mod diff;
mod failed;
mod gate;
mod history;
mod live;
mod outcome;
mod pass;
mod plan;
mod prune;
mod ready;
mod rendered;
mod source;
mod suspend;
mod view;
mod wish;

pub use behind::left_behind;
pub use diff::differing;
pub use history::{Revision, name as revision_name, revision, surplus};
pub use plan::plan;
pub use prune::wanted as prune_wanted;
pub use view::*;
pub use wish::{Refusal, Wish, names, region, render};
pub(crate) use wish::{over_limit, wished_tags};
