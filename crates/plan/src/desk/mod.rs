//! The working copy of a status during one pass, and the verdicts that both kinds share.

mod faults;

use std::collections::BTreeMap;
use std::time::Duration;

use agentcore_api::common::Pending;
use agentcore_api::conditions::RECONCILING;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::Phase;
use jiff::{SignedDuration, Timestamp};

use crate::aws::ServiceStatus;
use crate::conditions::{Verdict, find, is_ready, ready_reason};
use crate::fault::Fault;
use crate::fields::Shared;
use crate::guard::Cleared;
use crate::hash::WishHash;
use crate::policy::Policy;
use crate::step::{Decision, Event, Rest, Step};

/// How long a deletion may take before it is called stuck.
pub(crate) const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// Least time between two 404 answers that make a loss.
const MISSING_TWICE: SignedDuration = SignedDuration::from_secs(30);
/// Least age at which a 404 is believed.
pub(crate) const SETTLING: SignedDuration = SignedDuration::from_secs(60);

/// Pause where something outside has to change first.
pub(crate) const SLOW: Duration = Duration::from_mins(5);
/// Pause before the world is looked at again after a step that AWS answered at once.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// A status at work.
#[derive(Clone, Debug)]
pub(crate) struct Desk<S> {
    /// The status as it will be written.
    pub status: S,
    events: Vec<Event>,
    /// Now.
    pub now: Timestamp,
    generation: i64,
    faults: u32,
    request: Option<String>,
    let_go: bool,
}

impl<S: Shared> Desk<S> {
    pub fn new(
        status: Option<&S>,
        generation: Option<i64>,
        notes: Option<&BTreeMap<String, String>>,
        faults: u32,
        now: Timestamp,
    ) -> Self {
        let note = |key: &str| notes.and_then(|notes| notes.get(key)).cloned();
        Self {
            status: status.cloned().unwrap_or_default(),
            events: Vec::new(),
            now,
            generation: generation.unwrap_or_default(),
            faults,
            request: note(annotations::REQUESTED_AT),
            let_go: note(annotations::LET_GO).as_deref() == Some("true"),
        }
    }

    /// Whether a person asked for one more attempt, and nothing has answered it yet.
    pub fn requested(&self) -> bool {
        self.request.is_some() && self.request.as_deref() != self.status.last_handled_request()
    }

    /// Whether a person said to give a stuck deletion up.
    pub fn let_go(&self) -> bool {
        self.let_go
    }

    /// Echoes the request for one more attempt.
    pub fn handled(&mut self) {
        if self.request.is_some() {
            *self.status.fields().last_handled_request = self.request.clone();
        }
    }

    pub fn is_ready(&self) -> bool {
        is_ready(self.status.conditions())
    }

    pub fn reason_is(&self, reason: &str) -> bool {
        ready_reason(self.status.conditions()) == Some(reason)
    }

    /// What was last submitted or compared.
    pub fn observed(&self) -> WishHash {
        self.status
            .observed_hash()
            .map_or_else(WishHash::unseen, WishHash::parse)
    }

    /// Updates what is on record as submitted or compared.
    pub fn record(&mut self, change: impl FnOnce(&mut WishHash)) {
        let mut hash = self.observed();
        change(&mut hash);
        if let Some(there) = self.status.observed_hash_mut() {
            *there = hash.to_string();
        }
    }

    /// Everything is as wished, or as far as AgentCore takes it.
    pub fn converged(&mut self, verdict: Verdict) {
        if !self.reason_is(verdict.reason) {
            let good = verdict.reason == reasons::READY;
            self.event(!good, verdict.reason, verdict.message.clone());
        }
        *self.status.fields().retry = None;
        self.handled();
        self.verdict(verdict);
    }

    pub fn verdict(&mut self, verdict: Verdict) {
        let (generation, now) = (self.generation, whole_second(self.now));
        verdict.write(self.status.fields().conditions, generation, now);
    }

    pub fn event(&mut self, warning: bool, reason: &'static str, note: impl Into<String>) {
        self.events.push(Event {
            warning,
            reason,
            note: note.into(),
        });
    }

    /// An event of a verdict, unless the last one said the same.
    pub fn event_once(&mut self, warning: bool, reason: &'static str, note: &str) {
        if !self.reason_is(reason) {
            self.event(warning, reason, note);
        }
    }

    pub fn read<R, A>(self, read: R) -> Decision<S, R, A> {
        self.end(Step::Read(read))
    }

    /// Ends in an action; what has no clearance is none.
    pub fn act<R, A>(self, action: Cleared<A>) -> Decision<S, R, A> {
        self.end(Step::Act(action.into_action()))
    }

    pub fn rest<R, A>(self, rest: Rest) -> Decision<S, R, A> {
        self.end(Step::Rest(rest))
    }

    fn end<R, A>(mut self, step: Step<R, A>) -> Decision<S, R, A> {
        let generation = self.generation;
        let fields = self.status.fields();
        *fields.observed_generation = Some(generation);
        for condition in fields.conditions.iter_mut() {
            condition.observed_generation = Some(generation);
        }
        Decision {
            status: self.status,
            step,
            events: self.events,
        }
    }

    /// Writes down, before it is sent, that a call is on its way. `raise`: it follows an observed failure, so it must not be
    /// taken for a repetition, unless this very call is already on its way.
    pub fn write_ahead(&mut self, operation: &str, hash: &WishHash, raise: bool) {
        let hash = hash.to_string();
        let same = self
            .status
            .pending()
            .is_some_and(|before| before.operation == operation && before.wish_hash == hash);
        if same {
            return;
        }
        let (attempt, at) = (self.status.attempt(), whole_second(self.now).to_string());
        self.handled();
        let fields = self.status.fields();
        if raise {
            *fields.attempt = Some(attempt.saturating_add(1));
        }
        *fields.pending = Some(Pending {
            operation: operation.to_owned(),
            at,
            wish_hash: hash,
        });
    }

    /// Whether this operation was sent and not heard of.
    pub fn pending_is(&self, operation: &str) -> bool {
        self.status
            .pending()
            .is_some_and(|pending| pending.operation == operation)
    }

    /// When the call that was not heard of was about to be sent.
    pub fn pending_at(&self) -> Option<Timestamp> {
        parsed(&self.status.pending()?.at)
    }

    /// When the current work began, as far as anybody knows.
    pub fn since(&self) -> Timestamp {
        find(self.status.conditions(), RECONCILING)
            .map_or(self.now, |condition| condition.last_transition_time.0)
    }

    /// Notes AgentCore's own status and what phase it means.
    pub fn service(&mut self, status: ServiceStatus, failure: Option<&str>) {
        let fields = self.status.fields();
        *fields.service_status = Some(status.as_str().to_owned());
        *fields.failure_reason = failure.filter(|text| !text.is_empty()).map(str::to_owned);
        match status {
            ServiceStatus::Creating => *fields.phase = Some(Phase::Creating),
            ServiceStatus::Updating => *fields.phase = Some(Phase::Updating),
            ServiceStatus::Deleting => *fields.phase = Some(Phase::Deleting),
            ServiceStatus::Ready => *fields.phase = Some(Phase::Active),
            ServiceStatus::CreateFailed
            | ServiceStatus::UpdateFailed
            | ServiceStatus::DeleteFailed => {
                *fields.phase = Some(Phase::Failed);
            }
            ServiceStatus::Unknown => {}
        }
    }

    /// AgentCore is at work. `serving`: this wish was live before, and AgentCore keeps the last good version up.
    pub fn moving(&mut self, status: ServiceStatus, serving: bool) {
        self.service(status, None);
        if serving && self.is_ready() && status != ServiceStatus::Deleting {
            let text = "a new version is being made; the last good one serves";
            self.verdict(Verdict::ready(reasons::ROLLOUT_ACTIVE, text));
            return;
        }
        let (reason, text) = match status {
            ServiceStatus::Creating => (reasons::CREATING, "AgentCore is creating it"),
            ServiceStatus::Deleting => (reasons::DELETING, "AgentCore is deleting it"),
            _ => (reasons::UPDATING, "AgentCore is updating it"),
        };
        self.verdict(Verdict::working(reason, text));
    }

    /// When a 404 that was seen first at `missing_since` is to be believed: 30 s later where it has been Ready for a minute,
    /// else 60 s later, so that at least a minute has passed since its create.
    fn believed_at(&self) -> Option<Timestamp> {
        let first = parsed(self.status.missing_since()?)?;
        let old = find(self.status.conditions(), agentcore_api::conditions::READY)
            .filter(|ready| ready.status == "True")
            .is_some_and(|ready| self.now.duration_since(ready.last_transition_time.0) >= SETTLING);
        Some(first + if old { MISSING_TWICE } else { SETTLING })
    }

    /// How long it is too early to ask again after a first 404.
    pub fn missing_wait(&self) -> Option<Duration> {
        let at = self.believed_at()?;
        (self.now < at).then(|| until(self.now, at))
    }

    /// Notes a 404; true when it is to be believed.
    pub fn missing(&mut self) -> bool {
        if self.status.missing_since().is_none() {
            // Rounded up: never too early.
            *self.status.fields().missing_since =
                Some((whole_second(self.now) + SignedDuration::from_secs(1)).to_string());
        }
        self.missing_wait().is_none()
    }

    pub fn missing_since(&self) -> Option<Timestamp> {
        self.status.missing_since().and_then(parsed)
    }

    pub fn deletion_accepted_at(&self) -> Option<Timestamp> {
        self.status.deletion_accepted_at().and_then(parsed)
    }
}

/// Why nothing can be said of a resource: it is in another account than the operator's credentials, where a 404 means nothing.
pub(crate) fn elsewhere(account: Option<&str>, policy: &Policy) -> Option<Verdict> {
    let theirs =
        account.filter(|account| !policy.account.is_empty() && *account != policy.account)?;
    let text = format!(
        "it is in account {theirs}, and the operator's credentials are of account {}; give the operator credentials of {theirs}",
        policy.account
    );
    Some(Verdict::waiting(reasons::ACCESS_DENIED, text))
}

/// A fault for people.
pub(crate) fn said(fault: &Fault) -> String {
    if fault.message.is_empty() {
        format!("AWS answered {}", fault.code)
    } else {
        format!("AWS answered {}: {}", fault.code, fault.message)
    }
}

pub(crate) fn parsed(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Kubernetes keeps whole seconds in conditions: what is written has to read back the same.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now))
        .unwrap_or_default()
        .max(SOON)
}
