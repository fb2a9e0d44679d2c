//! What may be sent again, and after how long.

use std::time::Duration;

use http::StatusCode;

use crate::call::Resend;
use crate::error::{Error, Phase};
use crate::settings::Settings;

/// Whether a call that failed like this may be sent again. Renewing credentials is a matter of its own.
pub fn may_resend(error: &Error, resend: Resend, crashed_before: bool) -> bool {
    let idempotent = resend == Resend::Idempotent;
    match error {
        Error::Connect(_) | Error::Timeout(Phase::Connect) => true,
        Error::BrokenOff(_) => idempotent,
        Error::Service(error) => match (error.status, error.name.as_str()) {
            (StatusCode::TOO_MANY_REQUESTS, _) | (_, "RetryableConflictException") => true,
            // The agent crashed on it, or could not start: a second look is worth it, a third is not.
            (StatusCode::FAILED_DEPENDENCY, _) => idempotent && !crashed_before,
            (status, _) => idempotent && status.is_server_error(),
        },
        _ => false,
    }
}

/// How long to wait before the n-th resend, counted from 1.
pub fn wait(settings: &Settings, n: u32, error: &Error) -> Duration {
    let doublings = n.saturating_sub(1).min(16);
    let most = (settings.backoff_base * 2_u32.pow(doublings)).min(settings.backoff_cap);
    let drawn = most.mul_f64(rand::random());
    let asked = match error {
        Error::Service(error) => error.retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    drawn.max(asked.min(settings.backoff_cap))
}

/// Half of a time to all of it.
pub fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
