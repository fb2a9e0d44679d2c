//! The gateway as callers see it: its own process, a real API server, the local AgentCore and real agent processes.

#[path = "apiserver/rig.rs"]
#[allow(dead_code)] // the operator's tests use more of it
mod rig;

mod gateway {
    mod calls;
    mod declared;
    mod drain;
    mod ends;
    mod errors;
    mod faults;
    pub mod front;
    mod http2;
    mod identity;
    mod input;
    mod redis_server;
    mod renewals;
    mod sessions;
    mod shares_of_callers;
    mod tools;
    mod traces;
}
