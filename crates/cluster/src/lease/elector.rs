//! Drives one candidate: asks the API server what it says, waits as long as it says, and shows how far it leads.

use std::time::Duration;

use agentcore_plan::lease::{Answer, Candidate, End, Lead, Request, Step};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock;
use super::fence::Fence;
use super::lock::{Error, Lock};
use crate::errors::told;

pub(super) struct Elector {
    candidate: Candidate,
    lock: Lock,
    fence: Fence,
    held: watch::Sender<bool>,
    stop: CancellationToken,
}

impl Elector {
    pub(super) fn new(
        lock: Lock,
        fence: Fence,
        held: watch::Sender<bool>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            candidate: Candidate::new(lock.identity(), super::TERMS),
            lock,
            fence,
            held,
            stop,
        }
    }

    /// Competes, holds, and ends: with a release when it is stopped, else with the lease lost.
    pub(super) async fn run(mut self) {
        loop {
            if self.stop.is_cancelled() {
                self.candidate.stop();
            }
            let step = self.candidate.next(clock::now());
            self.show();
            match step {
                Step::Ask(request, within) => {
                    let answer = self.ask(request, within).await;
                    self.candidate.hear(answer, clock::now());
                    self.show();
                }
                Step::Wait(time) => self.wait(time).await,
                Step::End(end) => return tell(end),
            }
        }
    }

    /// The fence goes before whoever waits to lead, or to lead no more.
    fn show(&self) {
        let lead = self.candidate.lead();
        self.fence.set(lead);
        let holds = matches!(lead, Lead::Until(_));
        self.held
            .send_if_modified(|held| std::mem::replace(held, holds) != holds);
    }

    async fn ask(&self, request: Request, within: Duration) -> Answer {
        match self.lock.ask(request, within).await {
            Ok(answer) => answer,
            Err(error) => {
                self.warn(&error);
                Answer::Silence
            }
        }
    }

    fn warn(&self, error: &Error) {
        let error = told(error);
        match self.candidate.lead() {
            Lead::Alone | Lead::Standby => {
                tracing::warn!(%error, "cannot read or take the lease, retrying");
            }
            Lead::Until(_) => {
                let left = self.fence.left().as_secs();
                tracing::warn!(%error, left, "cannot renew the lease, retrying");
            }
            Lead::Over(_) => tracing::warn!(%error, "cannot release the lease"),
        }
    }

    /// Waits, unless it is to stop. Those who do not hold it do so a little apart.
    async fn wait(&self, time: Duration) {
        let time = if self.candidate.lead() == Lead::Standby {
            time.mul_f64(1.0 + 0.1 * rand::random::<f64>())
        } else {
            time
        };
        let _ = tokio::time::timeout(time, self.stop.cancelled()).await;
    }
}

fn tell(end: End) {
    match end {
        End::Stopped => {}
        End::Released => tracing::info!("lease released"),
        End::NotReleased => tracing::warn!("lease not released, it will expire"),
        End::TooLate => tracing::error!("lost the lease: not renewed in time"),
        End::Lost => tracing::error!("another replica has taken the lease"),
    }
}
