//! The clock that leases are judged by: it counts from the machine's start, goes on while the machine sleeps, and nobody can set it.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
/// Elsewhere the closest there is; the operator is released for Linux alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// A moment of this machine's life. Moments of two machines cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    ///
    /// # Panics
    /// Where the system has no such clock: every Linux since 2.6.39 has it.
    pub fn now() -> Self {
        let now = clock_gettime(CLOCK).expect("Linux has CLOCK_BOOTTIME");
        Self(now.into())
    }

    /// This much later.
    #[must_use]
    pub const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long it is from `earlier` to this; nothing if it is before that.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
