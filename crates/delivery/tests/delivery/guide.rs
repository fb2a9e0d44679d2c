//! The documentation: what it promises, and what it tells people to run.

mod book;
mod commands;
mod examples;
mod reference;
mod requirements;
