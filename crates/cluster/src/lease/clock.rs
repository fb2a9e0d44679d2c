//! The clock that leases are judged by: it counts from the machine's start, goes on while the machine sleeps, and nobody can set it.

use agentcore_plan::lease::Moment;
use nix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
/// Elsewhere the closest there is; the operator is released for Linux alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// Now.
///
/// # Panics
/// Where the system has no such clock: every Linux since 2.6.39 has it.
pub fn now() -> Moment {
    let now = clock_gettime(CLOCK).expect("Linux has CLOCK_BOOTTIME");
    Moment::at(now.into())
}
