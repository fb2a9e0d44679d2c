//! The gateway as callers see it: its own process, a real API server, the local AgentCore and real agent processes.

#[path = "apiserver/proxy.rs"]
#[allow(dead_code)] // the operator's tests use more of it
mod proxy;
#[path = "apiserver/rig.rs"]
#[allow(dead_code)] // the operator's tests use more of it
mod rig;

#[path = "apiserver/by_hand.rs"]
#[allow(dead_code)] // the operator's tests use more of it
mod by_hand;

mod gateway {
    mod calls;
    mod declared;
    mod drain;
    mod ends;
    mod errors;
    mod faults;
    mod frameworks;
    pub mod front;
    mod frozen;
    mod http10;
    mod http2;
    mod identity;
    mod input;
    mod ownership;
    mod pods;
    mod poison;
    mod protocols;
    mod redis_server;
    mod renewals;
    mod sessions;
    mod shares;
    mod shares_of_callers;
    mod tools;
    mod traces;
    mod web_sockets;
}
