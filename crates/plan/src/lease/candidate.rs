//! The life of one candidate: it waits for the lease, holds it, and ends with it.

use std::mem::replace;
use std::time::Duration;

use super::seen::Seen;
use super::{Hold, Lead, Moment, Record, Terms};

/// What to ask the API server about the Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Read it.
    Read,
    /// Make it, held by this replica.
    Create,
    /// Take it, if it is still what was read.
    Take(Record),
    /// Say that this replica still holds it, if it is still what was written.
    Renew(Hold),
    /// Give it to whoever waits for it, if it is still what was written.
    Release(Hold),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// This stands there, or nothing does.
    Read(Option<Record>),
    /// The write was done, and this is held; after a release, no more.
    Written(Hold),
    /// The write was not done: somebody else wrote in between.
    Conflict,
    /// The write was not done: there is no Lease.
    Gone,
    /// No answer in time, or none that says whether it was done.
    Silence,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Stopped before it led.
    Stopped,
    /// Stopped, and the lease is free.
    Released,
    /// Stopped, and the lease runs out by itself.
    NotReleased,
    /// It could not be renewed in time.
    TooLate,
    /// Another replica has it.
    Lost,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Ask this, and tell what was answered ([`Candidate::hear`]): [`Answer::Silence`] after this time without an answer.
    Ask(Request, Duration),
    /// Wait this long, or until it is to stop ([`Candidate::stop`]). Replicas that wait for the lease do so a little apart: whoever comes
    /// second finds a holder.
    Wait(Duration),
    /// Nothing, for ever.
    End(End),
}

/// One replica that competes for a lease. Whoever drives it asks for the [`next`](Self::next) step, does it, and asks again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    pub(super) identity: String,
    pub(super) terms: Terms,
    pub(super) seen: Seen,
    pub(super) lead: Lead,
    pub(super) phase: Phase,
    /// When the request that is under way began: before it was sent.
    pub(super) began: Moment,
    pub(super) stopped: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Waits for the lease, and looks after this time.
    Apart(Duration),
    Look,
    /// Takes what it read, or nothing that is there, if that is free.
    Take(Option<Record>),
    /// Holds it, and renews after this time.
    Hold(Hold, Duration),
    Renew(Hold),
    /// The renewal met a conflict: its answer was lost before, or somebody else wrote.
    Compare(Hold),
    /// It still is what it held.
    Again(Hold),
    /// Somebody deleted the Lease.
    Remake(Hold),
    Release(Hold),
    CompareToRelease(Hold),
    ReleaseAgain(Hold),
    Ended(End),
}

impl Candidate {
    /// One that has not looked yet. Two that live at once have two identities.
    #[must_use]
    pub fn new(identity: &str, terms: Terms) -> Self {
        Self {
            identity: identity.to_owned(),
            terms,
            seen: Seen::default(),
            lead: Lead::Standby,
            phase: Phase::Look,
            began: Moment::at(Duration::ZERO),
            stopped: false,
        }
    }

    /// How far it leads. This changes with [`next`](Self::next) and [`hear`](Self::hear), and holds before what they say is done.
    #[must_use]
    pub const fn lead(&self) -> Lead {
        self.lead
    }

    /// It is to end soon, and to release what it holds.
    pub const fn stop(&mut self) {
        self.stopped = true;
    }

    /// What to do now: to be asked at the beginning, after an answer, and after a wait.
    pub fn next(&mut self, now: Moment) -> Step {
        loop {
            if let Some(step) = self.go_on(now) {
                return step;
            }
        }
    }

    /// The step of this phase, or none where it has turned into another one.
    fn go_on(&mut self, now: Moment) -> Option<Step> {
        let Terms { request, retry, .. } = self.terms;
        let in_time = request.min(self.lead.left(now));
        let step = match &self.phase {
            Phase::Ended(end) => return Some(Step::End(*end)),
            Phase::Release(hold) | Phase::ReleaseAgain(hold) => {
                Step::Ask(Request::Release(hold.clone()), request)
            }
            Phase::Apart(_) | Phase::Look | Phase::Take(_) if self.stopped => {
                self.phase = Phase::Ended(End::Stopped);
                return None;
            }
            Phase::Apart(pause) => {
                let pause = *pause;
                self.phase = Phase::Look;
                return Some(Step::Wait(pause));
            }
            Phase::Look | Phase::CompareToRelease(_) => Step::Ask(Request::Read, request),
            Phase::Take(record) => {
                let wait = self.seen.wait(now, &self.terms);
                if !wait.is_zero() {
                    self.phase = Phase::Apart(retry.min(wait));
                    return None;
                }
                let taken = record.clone().map_or(Request::Create, Request::Take);
                Step::Ask(taken, request)
            }
            Phase::Hold(hold, _) | Phase::Renew(hold) if self.stopped => {
                self.lead = self.lead.ended(now);
                self.phase = Phase::Release(hold.clone());
                return None;
            }
            Phase::Hold(hold, pause) => {
                let pause = (*pause).min(self.lead.left(now));
                self.phase = Phase::Renew(hold.clone());
                return Some(Step::Wait(pause));
            }
            Phase::Renew(_) | Phase::Compare(_) | Phase::Again(_) | Phase::Remake(_)
                if in_time.is_zero() =>
            {
                self.end(End::TooLate, now);
                return None;
            }
            Phase::Renew(hold) | Phase::Again(hold) => {
                Step::Ask(Request::Renew(hold.clone()), in_time)
            }
            Phase::Compare(_) => Step::Ask(Request::Read, in_time),
            Phase::Remake(_) => Step::Ask(Request::Create, in_time),
        };
        self.began = now;
        Some(step)
    }

    /// What became of the request that was to be made; `now` is after the answer came.
    pub fn hear(&mut self, answer: Answer, now: Moment) {
        let Terms { retry, .. } = self.terms;
        let phase = replace(&mut self.phase, Phase::Look);
        self.phase = match (phase, answer) {
            (Phase::Look, Answer::Read(record)) => {
                self.seen.note(record.as_ref(), now);
                Phase::Take(record)
            }
            (Phase::Take(_), Answer::Conflict | Answer::Gone) => {
                let wait = self.seen.wait(now, &self.terms);
                let soon = if wait.is_zero() { retry / 4 } else { wait };
                Phase::Apart(retry.min(soon))
            }
            (Phase::Take(_), Answer::Written(hold)) => {
                self.lead = self.lead.renewed(self.began, now, &self.terms);
                Phase::Hold(hold, retry)
            }
            (Phase::Look | Phase::Take(_), _) => Phase::Apart(retry),
            (Phase::Renew(_) | Phase::Again(_) | Phase::Remake(_), Answer::Written(hold)) => {
                self.lead = self.lead.renewed(self.began, now, &self.terms);
                // From its begin: what a slow answer took is not waited for once more.
                let pause = retry.saturating_sub(now.since(self.began));
                Phase::Hold(hold, pause.max(retry / 8))
            }
            (Phase::Renew(hold), Answer::Conflict) => Phase::Compare(hold),
            (Phase::Renew(hold), Answer::Gone) => Phase::Remake(hold),
            (Phase::Compare(hold), Answer::Read(Some(record))) => {
                match hold.still(&self.identity, &record) {
                    Some(hold) => Phase::Again(hold),
                    None => return self.end(End::Lost, now),
                }
            }
            (Phase::Remake(_), Answer::Conflict) => return self.end(End::Lost, now),
            // Soon: a connection that died takes most of the time that there is.
            (
                Phase::Renew(hold)
                | Phase::Compare(hold)
                | Phase::Again(hold)
                | Phase::Remake(hold),
                _,
            ) => Phase::Hold(hold, retry / 8),
            (Phase::Release(_) | Phase::ReleaseAgain(_), Answer::Written(_)) => {
                Phase::Ended(End::Released)
            }
            (Phase::Release(hold), Answer::Conflict) => Phase::CompareToRelease(hold),
            (Phase::CompareToRelease(hold), Answer::Read(Some(record))) => hold
                .still(&self.identity, &record)
                .map_or(Phase::Ended(End::NotReleased), Phase::ReleaseAgain),
            (Phase::Release(_) | Phase::CompareToRelease(_) | Phase::ReleaseAgain(_), _) => {
                Phase::Ended(End::NotReleased)
            }
            // No request was under way.
            (phase @ (Phase::Apart(_) | Phase::Hold(..) | Phase::Ended(_)), _) => phase,
        };
    }

    fn end(&mut self, end: End, now: Moment) {
        self.lead = self.lead.ended(now);
        self.phase = Phase::Ended(end);
    }
}
