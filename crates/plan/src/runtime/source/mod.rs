//! What exactly runs: the artifact of a spec, with its tag or object resolved to what cannot change behind its name.

mod code;
mod container;
mod follow;

use std::ops::ControlFlow;
use std::time::Duration;

use agentcore_api::conditions::IMAGE_RESOLVED;
use agentcore_api::names::annotations;
use agentcore_api::reasons;
use agentcore_api::runtime::{Artifact, Code, Container};
use agentcore_api::{AgentRuntime, AgentRuntimeStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::live::{Listing, in_transition, listing};
use super::pass::Pass;
use super::wish::{Refusal, Wish};
use super::{Decision, Listed, Read};
use crate::aws::Runtime;
use crate::conditions::{State, Verdict, since};
use crate::desk::whole_second;
use crate::fault::{Class, Fault};
use crate::image::{self, Trouble};
use crate::step::{Rest, Step};

pub(super) use follow::take_back;

/// When the source is to be looked at again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Again(Option<Duration>);

impl Again {
    fn at(now: Timestamp, at: Timestamp) -> Self {
        let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        Self(Some(wait.max(Duration::from_secs(1))))
    }

    /// A rest is no longer than until then.
    pub fn bound(self, mut decision: Decision) -> Decision {
        if let (Some(most), Step::Rest(rest)) = (self.0, &mut decision.step) {
            *rest = match *rest {
                Rest::Settled => Rest::After(most),
                Rest::After(time) => Rest::After(time.min(most)),
                Rest::Backoff(time) => Rest::Backoff(time.min(most)),
                other @ (Rest::Transition { .. } | Rest::Forget) => other,
            };
        }
        decision
    }
}

/// The pass goes on with what runs, or it ends.
type Flow<'a> = ControlFlow<Decision, (Pass<'a>, Wish, Again)>;

/// Finds out what exactly runs, puts it into wish and status, and says so.
pub(super) fn settle(pass: Pass<'_>, wish: Wish) -> Flow<'_> {
    let Artifact { container, code } = &pass.view.object.spec.artifact;
    match (container, code) {
        (Some(container), _) => container::settle(pass, wish, container),
        (None, Some(code)) => code::settle(pass, wish, code),
        (None, None) => ControlFlow::Continue((pass, wish, Again::default())),
    }
}

/// The artifact that the status says is used, as written where it says none; and the ETag that stands for code without a version.
pub(super) fn recorded(object: &AgentRuntime) -> (Artifact, Option<String>) {
    let Artifact { container, code } = &object.spec.artifact;
    let container = container
        .as_ref()
        .map(|given| plain(&container::recorded(object, given)));
    let plain_code = |code: &Code| Code {
        follow: None,
        ..code.clone()
    };
    let (code, etag) = match code {
        None => (None, None),
        Some(code) => {
            let (code, etag) = code::recorded(object, plain_code(code));
            (Some(code), etag)
        }
    };
    (Artifact { container, code }, etag)
}

fn plain(image: &str) -> Container {
    Container {
        image: image.to_owned(),
        follow: None,
    }
}

/// The annotation that asks for a fresh look.
fn request(object: &AgentRuntime) -> Option<&String> {
    let notes = object.metadata.annotations.as_ref()?;
    notes.get(annotations::RESOLVE_REQUESTED_AT)
}

/// Whether there is something in AWS, or may be: the answer to Get where it was asked.
enum There<'a> {
    /// Ask Get first.
    Ask(String),
    /// No.
    Nothing,
    /// Nobody can say.
    Fault(&'a Fault),
    /// This.
    Found(&'a Runtime),
}

/// What AWS has for this object.
fn there<'a>(pass: &Pass<'a>) -> There<'a> {
    let view = pass.view;
    let listed = match &view.facts.listed {
        Listed::Present { entry, .. } => Some(entry.id.clone()),
        Listed::Absent { .. } | Listed::Unknown => None,
    };
    let adopted = view.object.spec.adopt.as_ref();
    let id = pass
        .desk
        .status
        .id
        .clone()
        .or(listed)
        .or_else(|| adopted.map(|adopt| adopt.runtime_id.clone()));
    match (id, &view.facts.runtime) {
        (None, _) | (Some(_), Some(Ok(None))) => There::Nothing,
        (Some(id), None) => There::Ask(id),
        // AWS may say AccessDenied of what is gone: a complete list that lacks it decides.
        (Some(_), Some(Err(fault)))
            if fault.class == Class::Denied && matches!(listing(pass), Listing::Gone) =>
        {
            There::Nothing
        }
        (Some(_), Some(Err(fault))) => There::Fault(fault),
        (Some(_), Some(Ok(Some(there)))) => There::Found(there),
    }
}

fn get(pass: Pass<'_>, id: String) -> Flow<'_> {
    ControlFlow::Break(pass.desk.read(Read::Runtime { id }))
}

fn ask(pass: Pass<'_>, read: image::Read) -> Flow<'_> {
    ControlFlow::Break(pass.desk.read(Read::Source(read)))
}

fn refused(pass: Pass<'_>, message: String) -> Flow<'_> {
    let refusal = Refusal::new(reasons::INVALID_SPEC, message);
    ControlFlow::Break(super::plan::refused(pass, refusal))
}

/// Nothing is known that could run: nothing is made or changed, and what runs, runs on.
fn stand_by(mut pass: Pass<'_>, trouble: &Trouble) -> Decision {
    say(&mut pass, false, trouble.reason, &trouble.message);
    let id = pass.desk.status.id.as_deref();
    match &pass.view.facts.runtime {
        // Only what is ours already: of what was found by its name, or is to be adopted, others judge whose it is.
        Some(Ok(Some(there))) if id == Some(there.id.as_str()) => pass.note(there),
        None if in_transition(pass.desk.status.phase) => {
            if let Some(id) = pass.desk.status.id.clone() {
                return pass.desk.read(Read::Runtime { id });
            }
        }
        _ => {}
    }
    let passing = [
        reasons::REGISTRY_UNREACHABLE,
        reasons::CODE_UNREACHABLE,
        reasons::IMAGE_INCOMPLETE,
    ];
    let state = if passing.contains(&trouble.reason) {
        State::Working
    } else {
        State::Stalled
    };
    let text = format!("{}; it is tried again by itself", trouble.message);
    pass.desk
        .event_once(state == State::Stalled, trouble.reason, &text);
    pass.desk.verdict(Verdict::new(state, trouble.reason, text));
    pass.desk.handled();
    let now = pass.desk.now;
    let rest = pass.desk.backoff();
    let again = trouble
        .again
        .map_or(Again::default(), |at| Again::at(now, at));
    again.bound(pass.desk.rest(rest))
}

/// The condition ImageResolved.
fn say(pass: &mut Pass<'_>, good: bool, reason: &str, message: &str) {
    set(pass, if good { "True" } else { "False" }, reason, message);
}

fn set(pass: &mut Pass<'_>, status: &str, reason: &str, message: &str) {
    let now = whole_second(pass.desk.now);
    let generation = pass.view.object.metadata.generation;
    let AgentRuntimeStatus { conditions, .. } = &mut pass.desk.status;
    let condition = Condition {
        last_transition_time: since(conditions, IMAGE_RESOLVED, status, now),
        message: message.to_owned(),
        observed_generation: generation,
        reason: reason.to_owned(),
        status: status.to_owned(),
        type_: IMAGE_RESOLVED.to_owned(),
    };
    match conditions
        .iter_mut()
        .find(|one| one.type_ == IMAGE_RESOLVED)
    {
        Some(before) => *before = condition,
        None => conditions.push(condition),
    }
}

/// When to look again after a look at `at`: up to a tenth later than the interval, so that not all look at once. The same each
/// time that it is asked.
fn next_look(pass: &Pass<'_>, at: Timestamp, interval: Duration) -> Timestamp {
    let seed = format!("{}{}", pass.uid(), at.as_second());
    let spread = seed.bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 1000;
    let pause = interval + interval.mul_f64(f64::from(spread) / 10_000.0);
    SignedDuration::try_from(pause).map_or(at, |pause| at + pause)
}
