//! What each program of the operator has: its admin port, the signals that end it, logs and spans, and flags that several of them share.

pub mod admin;
pub mod args;
pub mod listen;
pub mod signals;
pub mod telemetry;
