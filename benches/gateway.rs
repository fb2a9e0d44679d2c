//! The gateway's figures: `make bench`. It is held against a bare pass-through and against the agent itself, on this machine, in one run;
//! each line says what is asked and what was measured.
//!
//! The agent, the pass-through and each gateway are processes of their own, the callers a thread. All share the machine's processors, so
//! rates say less than ratios.

#[path = "../tests/gateway/front.rs"]
#[allow(dead_code)] // the tests use more of it
mod front;
#[path = "../tests/apiserver/rig.rs"]
#[allow(dead_code)]
mod rig;
mod support;

mod gateway {
    pub mod agent;
    pub mod attacks;
    pub mod cold;
    pub mod load;
    pub mod memory;
    pub mod pieces;
    pub mod proxy;
    pub mod role;
    pub mod speed;
    pub mod stage;
    pub mod streams;
}

use gateway::stage::Stage;
use gateway::{attacks, cold, memory, role, speed, streams};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::table::{Table, filter};

fn main() {
    role::play();
    // Sockets by the thousand; processes that are started inherit it.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("the limit that is allowed");
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(measure());
}

async fn measure() {
    let filter = filter();
    let wants = |name: &str| name.contains(&filter);
    let stage = Stage::start().await;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{processors} processors, shared by callers, pass-through or gateway, and agent; medians of rounds that take turns"
    );
    let mut table = Table::begin();
    if wants("throughput") {
        speed::throughput(&stage, &mut table).await;
    }
    if wants("latency") {
        speed::latency(&stage, &mut table).await;
    }
    if wants("events") {
        streams::events(&stage, &mut table).await;
    }
    if wants("bodies") {
        memory::bodies(&stage, &mut table).await;
    }
    if wants("sockets") {
        memory::sockets(&stage, &mut table).await;
    }
    if wants("cold") {
        cold::bounds(&stage, &mut table).await;
    }
    if wants("long") {
        memory::long_run(&stage, &mut table).await;
    }
    if wants("attacks") {
        attacks::attacks(&stage, &mut table).await;
    }
    drop(stage);
    table.end();
}
