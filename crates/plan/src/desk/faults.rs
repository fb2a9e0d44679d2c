//! Faults and failures: how long to wait, what to say, and when to try again.

use std::time::Duration;

use agentcore_api::common::Retry;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use jiff::{SignedDuration, Timestamp};

use super::{Desk, SOON, parsed, said, until, whole_second};
use crate::conditions::{State, Verdict};
use crate::failure::{Failure, Heals};
use crate::fault::{Class, Fault};
use crate::fields::Shared;
use crate::hash::WishHash;
use crate::step::{Decision, Rest};

/// Longest pause after a fault.
const MAX_BACKOFF: Duration = Duration::from_mins(5);
/// Pause before a request that AWS called invalid is sent again.
const INVALID_PAUSE: SignedDuration = SignedDuration::from_mins(30);

impl<S: Shared> Desk<S> {
    /// Pause that grows with the faults in a row.
    pub fn backoff(&self) -> Rest {
        let pause =
            Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(self.faults.min(16)));
        Rest::Backoff(pause.min(MAX_BACKOFF))
    }

    /// A call failed. While `serving`, what is live stays Ready.
    pub fn fault<R, A>(mut self, fault: &Fault, serving: bool) -> Decision<S, R, A> {
        if !(serving && self.is_ready()) {
            let state = match fault.class {
                Class::Invalid | Class::Quota => State::Stalled,
                Class::Denied | Class::Unknown => State::Waiting,
                Class::Throttled
                | Class::Transient
                | Class::NotYet
                | Class::Conflict
                | Class::Gone => State::Working,
            };
            let text = format!("{}; it is tried again by itself", said(fault));
            if state != State::Working {
                self.event_once(true, fault.reason, &text);
            }
            self.verdict(Verdict::new(state, fault.reason, text));
        }
        let rest = self.backoff();
        self.rest(rest)
    }

    /// AWS called a request invalid: it is not sent again soon, whatever restarts in between.
    pub fn invalid<R, A>(mut self, fault: &Fault, hash: &WishHash) -> Decision<S, R, A> {
        self.handled();
        let at = whole_second(self.now) + INVALID_PAUSE;
        let text = format!(
            "{}; change the spec, or it is tried again at {at}",
            said(fault)
        );
        self.note_failure(hash, fault.reason, &fault.message, Some(at));
        self.event(true, fault.reason, text.clone());
        self.verdict(Verdict::stalled(fault.reason, text));
        *self.status.fields().phase = Some(Phase::Failed);
        self.rest_until(Some(at))
    }

    /// AgentCore ended in a failed state that was not seen before: recorded, announced, and tried again later where that can help.
    pub fn failed<R, A>(
        mut self,
        failure: Failure,
        why: &str,
        by_tag: bool,
        hash: &WishHash,
    ) -> Decision<S, R, A> {
        let failures = self.failures_of(hash) + 1;
        let heals = match failure.heals {
            Heals::Outside => true,
            Heals::ByPush => by_tag,
            Heals::Never => false,
        };
        let at = heals.then(|| whole_second(self.now) + ladder(failures));
        let text = tried_again(why, at);
        self.note_failure(hash, failure.reason, why, at);
        *self.status.fields().phase = Some(Phase::Failed);
        self.event(true, failure.reason, text.clone());
        self.verdict(Verdict::stalled(failure.reason, text));
        if self.requested() {
            return self.rest(Rest::After(SOON));
        }
        self.rest_until(at)
    }

    fn failures_of(&self, hash: &WishHash) -> u32 {
        self.status
            .retry()
            .filter(|retry| retry.wish_hash == hash.to_string())
            .map_or(0, |retry| retry.failures)
    }

    fn note_failure(
        &mut self,
        hash: &WishHash,
        reason: &str,
        message: &str,
        at: Option<Timestamp>,
    ) {
        let failures = self.failures_of(hash).saturating_add(1);
        let fields = self.status.fields();
        *fields.pending = None;
        *fields.retry = Some(Retry {
            failures,
            at: at.map(|at| at.to_string()),
            wish_hash: hash.to_string(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
    }

    /// Whether a failure of this very wish is on record.
    pub fn failure_recorded(&self, hash: &WishHash) -> bool {
        self.status
            .retry()
            .is_some_and(|retry| retry.wish_hash == hash.to_string())
    }

    /// A try was accepted: the record of earlier failures stays for the length of the next pause, and holds nothing back.
    pub fn retry_under_way(&mut self) {
        let now = whole_second(self.now).to_string();
        if let Some(retry) = self.status.fields().retry {
            retry.at = Some(now);
        }
    }

    /// Whether this wish failed and its time has not come again.
    pub fn held(&self, hash: &WishHash) -> bool {
        if self.requested() || self.status.pending().is_some() || !self.failure_recorded(hash) {
            return false;
        }
        self.retry_at().is_none_or(|at| self.now < at)
    }

    fn retry_at(&self) -> Option<Timestamp> {
        let at = self.status.retry()?.at.as_deref();
        at.and_then(parsed)
    }

    /// Rests until the recorded failure's time comes. What was said meanwhile (a pause, a fault of a read) is over: the failure is
    /// named again.
    pub fn rest_held<R, A>(mut self) -> Decision<S, R, A> {
        let at = self.retry_at();
        let known = |reason: &str| reasons::ALL.iter().find(|known| **known == reason);
        let failure = self
            .status
            .retry()
            .and_then(|retry| known(&retry.reason).map(|reason| (*reason, retry.message.clone())));
        if let Some((reason, why)) = failure
            && !self.reason_is(reason)
        {
            self.verdict(Verdict::stalled(reason, tried_again(&why, at)));
        }
        self.rest_until(at)
    }

    fn rest_until<R, A>(self, at: Option<Timestamp>) -> Decision<S, R, A> {
        let rest = at.map_or(Rest::Settled, |at| Rest::After(until(self.now, at)));
        self.rest(rest)
    }
}

/// A failure for people, and what ends it.
fn tried_again(why: &str, at: Option<Timestamp>) -> String {
    match at {
        Some(at) => format!("{why}; it is tried again at {at}, or at once after an edit"),
        None => format!(
            "{why}; it is tried again after an edit of the spec, or when the annotation {} changes",
            annotations::REQUESTED_AT
        ),
    }
}

fn ladder(failures: u32) -> SignedDuration {
    SignedDuration::from_mins(match failures {
        0 | 1 => 5,
        2 => 15,
        _ => 30,
    })
}
