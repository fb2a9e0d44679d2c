//! How long a caller may take to send a body. Only the time in which the gateway waits for the caller counts: a disk or an agent that is slow
//! is not the caller's doing.

use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

use crate::problem::Problem;

/// How long a caller may be silent in the middle of a body, and how long it may take for the whole of one, besides what its length is worth.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes that are worth another second.
const A_SECOND: u64 = 64 << 10;

/// The time that a body has taken so far.
#[derive(Debug, Default)]
pub(super) struct Pace {
    received: u64,
    waited: Duration,
    /// Since when the gateway waits for the next bytes.
    waiting: Option<Instant>,
}

impl Pace {
    /// Nothing is there yet: when the caller's time is over.
    pub(super) fn deadline(&mut self, now: Instant) -> Instant {
        let since = *self.waiting.get_or_insert(now);
        let whole = SILENCE + Duration::from_secs(self.received / A_SECOND);
        since + whole.saturating_sub(self.waited).min(SILENCE)
    }

    /// So many bytes came.
    pub(super) fn came(&mut self, bytes: u64, now: Instant) {
        self.received += bytes;
        if let Some(since) = self.waiting.take() {
            self.waited += now.saturating_duration_since(since);
        }
    }
}

/// 408, after which the connection is closed.
pub(super) fn too_slow() -> Problem {
    let detail = format!(
        "the body took too long: it may take {} s and one more for each {} KiB, and be silent for {} s",
        SILENCE.as_secs(),
        A_SECOND >> 10,
        SILENCE.as_secs()
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "BodyTimeout", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long a caller is waited for that sends so many bytes each second.
    fn lasts(bytes: u64) -> Duration {
        let begun = Instant::now();
        let (mut now, mut pace) = (begun, Pace::default());
        loop {
            let deadline = pace.deadline(now);
            now += SECOND;
            if deadline <= now {
                return deadline - begun;
            }
            pace.came(bytes, now);
        }
    }

    #[test]
    fn bytes_that_trickle_buy_no_time() {
        assert_eq!(lasts(1), SILENCE);
        let half = lasts(A_SECOND / 2);
        assert!(half > SILENCE && half <= 2 * SILENCE + SECOND, "{half:?}");
    }

    #[test]
    fn a_body_that_keeps_the_pace_goes_on_and_none_may_be_silent() {
        let (mut now, mut pace) = (Instant::now(), Pace::default());
        for _ in 0..1_000 {
            assert!(pace.deadline(now) > now + SECOND);
            now += SECOND;
            pace.came(A_SECOND, now);
        }
        assert_eq!(pace.deadline(now), now + SILENCE);
        // What came at once long ago does not make up for it.
        pace.came(100 * A_SECOND, now);
        assert_eq!(pace.deadline(now), now + SILENCE);
    }

    #[test]
    fn time_in_which_nobody_waits_for_the_caller_is_not_its_own() {
        let (mut now, mut pace) = (Instant::now(), Pace::default());
        pace.came(1, now);
        now += 10 * SILENCE;
        assert_eq!(pace.deadline(now), now + SILENCE);
    }
}
