//! The pure planner: from what is wished and what was seen to the next step.
//!
//! No I/O, no clock, no randomness: the caller reads what [`Step::Read`](step::Step::Read) asks for, does what
//! [`Step::Act`](step::Step::Act) says, and asks again with what it learned. Each pass holds at most one AWS mutation; after it
//! the world is observed again, so a crash at any point is a plain restart.

pub mod aws;
mod complete;
pub mod conditions;
pub mod config;
mod desk;
pub mod endpoint;
pub mod failure;
pub mod fault;
mod fields;
pub mod glob;
pub mod grant;
pub mod guard;
pub mod hash;
pub mod image;
pub mod lease;
mod left_out;
mod managed;
pub mod normal;
pub mod policy;
pub mod runtime;
pub mod session;
pub mod stale_sessions;
pub mod step;
pub mod tags;
mod unknown;
pub mod urls;
