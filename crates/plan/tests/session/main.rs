//! Declared sessions: what is done in each state, and that whatever happens one session serves in the end.

#![allow(clippy::unwrap_used, missing_docs)] // a test may fail where it stands

mod convergence;
mod states;
mod world;
