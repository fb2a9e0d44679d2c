//! The life of one candidate: it waits for the lease, holds it, and ends with it.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock::Moment;
use super::fence::Fence;
use super::record::{Error, Hold, Record, Seen};
use super::{RENEW_DEADLINE, RETRY};
use crate::errors::told;

pub(super) struct Elector {
    record: Record,
    fence: Fence,
    held: watch::Sender<bool>,
    stop: CancellationToken,
}

/// What became of a renewal.
enum Renewal {
    /// This replica holds it until [`RENEW_DEADLINE`] after the moment.
    Held(Hold, Moment),
    /// No word of it: it is tried again.
    Unknown(Error),
    /// Somebody else has it.
    Lost,
}

impl Elector {
    pub(super) fn new(
        record: Record,
        fence: Fence,
        held: watch::Sender<bool>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            record,
            fence,
            held,
            stop,
        }
    }

    /// Competes, holds, and ends: with a release when it is stopped, else with the lease lost.
    pub(super) async fn run(self) {
        let Some((hold, began)) = self.acquire().await else {
            return;
        };
        self.fence.extend(began, RENEW_DEADLINE);
        self.held.send_replace(true);
        let left = self.hold(hold).await;
        self.fence.shut();
        self.held.send_replace(false);
        let Some(hold) = left else {
            return;
        };
        match self.record.release(&hold).await {
            Ok(()) => tracing::info!("lease released"),
            Err(error) => {
                tracing::warn!(error = %told(&error), "lease not released; it runs out by itself");
            }
        }
    }

    /// Waits for the lease; `None` when stopped. The moment is before the write that took it.
    async fn acquire(&self) -> Option<(Hold, Moment)> {
        let mut seen = Seen::default();
        loop {
            let pause = match self.try_to_take(&mut seen).await {
                Ok(Some(taken)) => return Some(taken),
                // The others take it up a little apart: whoever comes second finds a holder.
                Ok(None) => {
                    let wait = seen.wait(Moment::now());
                    if wait.is_zero() {
                        RETRY / 4
                    } else {
                        RETRY.min(wait)
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %told(&error), "the lease cannot be read or taken; it is tried again");
                    RETRY
                }
            };
            let pause = pause.mul_f64(1.0 + 0.1 * rand::random::<f64>());
            if self.stopped_within(pause).await {
                return None;
            }
        }
    }

    async fn try_to_take(&self, seen: &mut Seen) -> Result<Option<(Hold, Moment)>, Error> {
        let there = self.record.read().await?;
        let now = Moment::now();
        if let Some(lease) = &there {
            seen.note(lease, now);
        }
        if !seen.wait(now).is_zero() || self.stop.is_cancelled() {
            return Ok(None);
        }
        let began = Moment::now();
        let taken = match &there {
            Some(lease) => self.record.take(lease).await,
            None => self.record.create().await,
        };
        match taken {
            Ok(hold) => Ok(Some((hold, began))),
            Err(Error::Conflict | Error::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renews until it is stopped (what is held then), or until the lease is lost.
    async fn hold(&self, mut hold: Hold) -> Option<Hold> {
        let mut pause = RETRY;
        loop {
            if self.stopped_within(pause.min(self.fence.left())).await {
                return Some(hold);
            }
            if self.fence.left().is_zero() {
                tracing::error!("the lease could not be renewed in time");
                return None;
            }
            match self.renew(&hold).await {
                Renewal::Held(renewed, began) => {
                    hold = renewed;
                    // From its begin: what a slow answer took is not waited for once more.
                    let took = Moment::now().since(began);
                    pause = RETRY.saturating_sub(took).max(RETRY / 8);
                    self.fence.extend(began, RENEW_DEADLINE);
                }
                Renewal::Unknown(error) => {
                    // Soon: a connection that died takes most of the time that there is.
                    pause = RETRY / 8;
                    let left = self.fence.left().as_secs();
                    tracing::warn!(error = %told(&error), left, "the lease was not renewed; it is tried again");
                }
                Renewal::Lost => {
                    tracing::error!("another replica has taken the lease");
                    return None;
                }
            }
        }
    }

    /// One renewal, as long as there is time for it.
    async fn renew(&self, hold: &Hold) -> Renewal {
        let left = self.fence.left();
        match tokio::time::timeout(left, self.try_to_renew(hold)).await {
            Ok(renewal) => renewal,
            Err(_) => Renewal::Unknown(Error::Timeout),
        }
    }

    async fn try_to_renew(&self, hold: &Hold) -> Renewal {
        let began = Moment::now();
        let error = match self.record.renew(hold).await {
            Ok(hold) => return Renewal::Held(hold, began),
            Err(error) => error,
        };
        match error {
            // A renewal whose answer was lost, or somebody else.
            Error::Conflict => match self.record.read().await {
                Ok(Some(seen)) => self.renew_what_stands_there(hold, &seen).await,
                Ok(None) => Renewal::Unknown(Error::Gone),
                Err(error) => Renewal::Unknown(error),
            },
            // Somebody deleted it. Those who saw it wait as long as if it stood there.
            Error::Gone => {
                let began = Moment::now();
                match self.record.create().await {
                    Ok(hold) => Renewal::Held(hold, began),
                    Err(Error::Conflict) => Renewal::Lost,
                    Err(error) => Renewal::Unknown(error),
                }
            }
            error => Renewal::Unknown(error),
        }
    }

    async fn renew_what_stands_there(&self, hold: &Hold, seen: &Lease) -> Renewal {
        let Some(hold) = self.record.still(hold, seen) else {
            return Renewal::Lost;
        };
        let began = Moment::now();
        match self.record.renew(&hold).await {
            Ok(hold) => Renewal::Held(hold, began),
            Err(error) => Renewal::Unknown(error),
        }
    }

    async fn stopped_within(&self, time: Duration) -> bool {
        let stopped = self.stop.cancelled();
        tokio::time::timeout(time, stopped).await.is_ok()
    }
}
