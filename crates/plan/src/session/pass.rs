//! One look at one AgentSession: the view, the status at work, and what every state shares.

use std::time::Duration;

use agentcore_api::names::{FINALIZER, annotations, drain_request};
use agentcore_api::payload::{Payload, PayloadError};
use agentcore_api::session::{
    DEFAULT_EVERY_SECONDS, NextSession, PREVIOUS_MAX, PreviousSession, SessionPhase,
};
use agentcore_api::values::{Arn, namespace_prefix, seconds_or};
use agentcore_api::{AgentSessionStatus, reasons};
use jiff::{SignedDuration, Timestamp};

use super::target::{Target, can_own, is_told};
use super::{Action, Address, Decision, View};
use crate::conditions::{Verdict, is_ready, ready_reason};
use crate::desk::{SLOW, SOON, parsed, whole_second};
use crate::hash::Call;
use crate::step::{Event, Rest, Step};

/// Longest wait for an agent's answer to a keepalive.
const ANSWER_MAX: SignedDuration = SignedDuration::from_mins(2);
/// First and longest pause after a failure of the agent; it doubles with each.
const PAUSE: (i64, i64) = (5, 300);
/// What agents are invoked with where the spec says nothing.
const DEFAULT_PAYLOAD: &str = r#"{"action":"keepalive"}"#;

pub(super) struct Pass<'a> {
    pub view: &'a View<'a>,
    pub status: AgentSessionStatus,
    pub now: Timestamp,
    events: Vec<Event>,
}

impl<'a> Pass<'a> {
    pub fn new(view: &'a View<'a>, now: Timestamp) -> Self {
        Self {
            view,
            status: view.object.status.clone().unwrap_or_default(),
            now,
            events: Vec::new(),
        }
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.view.object.metadata.finalizers.as_deref();
        finalizers
            .unwrap_or_default()
            .iter()
            .any(|one| one == FINALIZER)
    }

    fn annotation(&self, key: &str) -> Option<&String> {
        self.view.object.metadata.annotations.as_ref()?.get(key)
    }

    /// Whether a person said to give a stuck deletion up.
    pub fn let_go(&self) -> bool {
        self.annotation(annotations::LET_GO)
            .is_some_and(|text| text == "true")
    }

    /// A person asked for one more attempt, and nothing has answered it yet: what waits for its time waits no more.
    pub fn handle_request(&mut self) {
        let request = self.annotation(annotations::REQUESTED_AT).cloned();
        if request.is_none() || request == self.status.last_handled_request {
            return;
        }
        self.status.last_handled_request = request;
        self.status.retry_at = None;
        if let Some(next) = &mut self.status.next {
            next.retry_at = None;
        }
        for previous in &mut self.status.previous {
            previous.retry_at = None;
        }
    }

    /// A person asked for a drain, and nothing has taken it up yet: the session that serves is to be replaced.
    pub fn handle_drain(&mut self) {
        let handled = self.status.last_handled_drain.as_deref();
        let request = drain_request(self.view.object, handled).map(str::to_owned);
        if request == self.status.last_handled_drain {
            return;
        }
        self.status.last_handled_drain = request;
        self.status.drain_wanted = self.status.session_id.is_some().then_some(true);
    }

    /// Time from an answer to the next keepalive.
    pub fn every(&self) -> SignedDuration {
        let keep_alive = self.view.object.spec.keep_alive.as_ref();
        let text = keep_alive.and_then(|one| one.every.as_deref());
        SignedDuration::from_secs(seconds_or(text, DEFAULT_EVERY_SECONDS).into())
    }

    /// What the agent is invoked with, or why the spec's cannot be sent.
    pub fn payload(&self) -> Result<&'a str, PayloadError> {
        let keep_alive = self.view.object.spec.keep_alive.as_ref();
        let given = keep_alive.and_then(|one| one.payload.as_ref());
        given.map_or(Ok(DEFAULT_PAYLOAD), Payload::text)
    }

    pub fn is_ready(&self) -> bool {
        is_ready(&self.status.conditions)
    }

    pub fn reason_is(&self, reason: &str) -> bool {
        ready_reason(&self.status.conditions) == Some(reason)
    }

    pub fn verdict(&mut self, phase: SessionPhase, verdict: Verdict) {
        let generation = self.view.object.metadata.generation.unwrap_or_default();
        self.status.phase = Some(phase);
        verdict.write(
            &mut self.status.conditions,
            generation,
            whole_second(self.now),
        );
    }

    pub fn event(&mut self, warning: bool, reason: &'static str, note: impl Into<String>) {
        let note = note.into();
        self.events.push(Event {
            warning,
            reason,
            note,
        });
    }

    /// An event of a verdict that is about to be given, unless the last one said the same.
    pub fn warn_once(&mut self, verdict: &Verdict) {
        if !self.reason_is(verdict.reason) {
            self.event(true, verdict.reason, verdict.message.clone());
        }
    }

    pub fn act(self, action: Action) -> Decision {
        self.end(Step::Act(action))
    }

    pub fn rest(self, rest: Rest) -> Decision {
        self.end(Step::Rest(rest))
    }

    /// Rests until a time, or for as long as something outside may take to change.
    pub fn rest_until(self, at: Option<Timestamp>) -> Decision {
        let now = self.now;
        let wait = at.map_or(SLOW, |at| {
            Duration::try_from(at.duration_since(now))
                .unwrap_or_default()
                .max(SOON)
        });
        self.rest(Rest::After(wait))
    }

    fn end(mut self, step: Step<super::Read, Action>) -> Decision {
        let generation = self.view.object.metadata.generation.unwrap_or_default();
        self.status.observed_generation = Some(generation);
        for condition in &mut self.status.conditions {
            condition.observed_generation = Some(generation);
        }
        Decision {
            status: self.status,
            step,
            events: self.events,
        }
    }

    // ---- the session that serves

    /// Where it is.
    pub fn serving(&self) -> Option<Address> {
        let status = &self.status;
        Some(Address {
            runtime_arn: status.runtime_arn.clone()?,
            qualifier: status.qualifier.clone()?,
            session_id: status.session_id.clone()?,
        })
    }

    /// When AgentCore has let it rest too long, if nobody else has used it.
    pub fn rests_until(&self, idle: SignedDuration) -> Option<Timestamp> {
        Some(parsed(self.status.last_answer_time.as_deref()?)? + idle)
    }

    /// It serves no more and is to be stopped.
    pub fn retire_serving(&mut self) {
        let status = std::mem::take(&mut self.status);
        self.status = AgentSessionStatus {
            observed_generation: status.observed_generation,
            phase: status.phase,
            attempt: status.attempt,
            next: status.next,
            previous: status.previous,
            last_handled_request: status.last_handled_request,
            last_handled_drain: status.last_handled_drain,
            conditions: status.conditions,
            ..AgentSessionStatus::default()
        };
        if let (Some(session_id), Some(qualifier), Some(runtime_arn)) =
            (status.session_id, status.qualifier, status.runtime_arn)
        {
            self.retire(PreviousSession {
                session_id,
                version: status.version.unwrap_or_default(),
                qualifier,
                runtime_arn,
                expires_at: status.expires_at.unwrap_or_default(),
                failures: 0,
                retry_at: None,
            });
        }
    }

    /// The session that was begun is given up: it may run all the same.
    pub fn retire_next(&mut self) {
        let Some(next) = self.status.next.take() else {
            return;
        };
        self.retire(PreviousSession {
            session_id: next.session_id,
            version: next.version,
            qualifier: next.qualifier,
            runtime_arn: next.runtime_arn,
            expires_at: next.expires_at,
            failures: 0,
            retry_at: None,
        });
    }

    fn retire(&mut self, session: PreviousSession) {
        if self.status.previous.len() >= PREVIOUS_MAX {
            let oldest = self.status.previous.remove(0);
            let text = format!(
                "a session on version {} could not be stopped; AgentCore ends it by its own time-outs",
                oldest.version
            );
            self.event(true, reasons::RETAINED, text);
        }
        self.status.previous.push(session);
    }

    // ---- the next one

    /// A session that was never used: its id is in status before it is.
    pub fn begin(&mut self, target: &Target, given_up: u32) {
        let attempt = self.status.attempt.unwrap_or(0).saturating_add(1);
        let meta = &self.view.object.metadata;
        let session_id = Call {
            uid: meta.uid.as_deref().unwrap_or_default(),
            operation: "AgentSession",
            id: "",
            from: &meta.generation.unwrap_or_default().to_string(),
            attempt,
            request: "",
        }
        .token();
        let now = whole_second(self.now);
        self.status.attempt = Some(attempt);
        self.status.next = Some(NextSession {
            session_id,
            version: target.version.clone(),
            qualifier: target.qualifier.clone(),
            runtime_arn: target.runtime_arn.clone(),
            started_at: now.to_string(),
            expires_at: (now + target.lifetime).to_string(),
            failures: 0,
            given_up,
            retry_at: None,
        });
    }

    /// InvokeAgentRuntime. It takes half of the idle time-out at most, so that another session's keepalive comes in time.
    pub fn invoke(self, at: Address, target: &Target) -> Decision {
        let within = ANSWER_MAX.min(target.idle / 2);
        // Nothing gets here with a payload that cannot be sent.
        let payload = self.payload().unwrap_or(DEFAULT_PAYLOAD).to_owned();
        self.act(Action::Invoke {
            at,
            payload,
            within: within.try_into().unwrap_or(SOON),
        })
    }

    // ---- stops

    /// Whether sessions at this ARN are the operator's to end. Without the AgentRuntime only derived names tell.
    fn may_stop(&self, arn: &str) -> bool {
        let View {
            object,
            runtime,
            policy,
            ..
        } = self.view;
        if let Some(runtime) = runtime {
            return can_own(runtime, arn, policy);
        }
        let Some((name, _)) = Arn(arn).runtime_id().and_then(|id| id.rsplit_once('-')) else {
            return false;
        };
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let own = object
            .spec
            .runtime_ref
            .as_ref()
            .map(|one| one.name.as_str());
        name.starts_with(&namespace_prefix(&policy.cluster_uid, namespace))
            || own.is_some_and(|own| {
                policy
                    .names()
                    .all(namespace, own)
                    .iter()
                    .any(|one| one == name)
            })
    }

    /// Forgets sessions of runtimes that cannot be this namespace's: a status that somebody else wrote ends nobody's session.
    fn forget_strangers(&mut self) {
        let previous = std::mem::take(&mut self.status.previous);
        let (kept, strange): (Vec<_>, Vec<_>) = previous
            .into_iter()
            .partition(|one| self.may_stop(&one.runtime_arn));
        self.status.previous = kept;
        for one in strange {
            let text = format!(
                "a session on version {} is left to AgentCore's time-outs: its runtime is not known to be this namespace's",
                one.version
            );
            self.event(true, reasons::RETAINED, text);
        }
    }

    /// Whether the runtime is said to be another's by now: nothing is sent to it.
    pub fn is_told(&self) -> bool {
        self.view.runtime.is_some_and(is_told)
    }

    /// The next session to be stopped now. Those that AgentCore has ended for their age are struck off.
    pub fn stop_due(&mut self) -> Option<Address> {
        self.forget_strangers();
        let now = self.now;
        self.status
            .previous
            .retain(|one| parsed(&one.expires_at).is_none_or(|end| now < end));
        if self.is_told() {
            return None;
        }
        let due = |one: &&PreviousSession| is_due(one.retry_at.as_deref(), now);
        self.status.previous.iter().find(due).map(|one| Address {
            runtime_arn: one.runtime_arn.clone(),
            qualifier: one.qualifier.clone(),
            session_id: one.session_id.clone(),
        })
    }

    /// When the next stop is due.
    pub fn stop_at(&self) -> Option<Timestamp> {
        if self.is_told() {
            return None;
        }
        let times = self.status.previous.iter().map(|one| {
            let at = one.retry_at.as_deref().and_then(parsed);
            at.unwrap_or(self.now)
        });
        times.min()
    }
}

/// Whether a time has come, or there is none to wait for.
pub(super) fn is_due(at: Option<&str>, now: Timestamp) -> bool {
    at.and_then(parsed).is_none_or(|at| at <= now)
}

/// When to ask again after so many failures in a row: 5 s later, then twice that with each, at most 5 minutes.
pub(super) fn after_failures(failures: u32, now: Timestamp) -> String {
    let (first, most) = PAUSE;
    let doublings = failures.saturating_sub(1).min(16);
    let pause = first.saturating_mul(1 << doublings).min(most);
    (whole_second(now) + SignedDuration::from_secs(pause)).to_string()
}
