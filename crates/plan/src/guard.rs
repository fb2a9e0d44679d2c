//! No action reaches AWS without proof of whose the resource is.
//!
//! Planners end in `Desk::act`, which takes nothing but `Cleared` actions, and only `clear` makes those: from an
//! action, the tags that were read in this very pass, and a judgement of them. A new action has to say what it does ([`Mutation`]) before it
//! compiles. Where the tags were not read yet, the pass reads them first, which costs one call.
//!
//! The reading is not atomic with the change. What happens between the two is left to the conditions of the IAM policy.

use agentcore_api::values::Arn;

use crate::aws::Tags;
use crate::fault::Fault;
use crate::tags::TagsRead;

/// What an action does, as far as ownership goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<'a> {
    /// Nothing in AWS.
    InKubernetes,
    /// Makes a runtime: there are no tags yet. Its token and the list keep it from being made twice.
    Makes,
    /// Changes a runtime of this id, or what belongs to it: the tags of the runtime decide.
    OfRuntime(&'a str),
    /// Changes what has this ARN, whose own tags decide.
    OfArn(&'a str),
}

/// An action that says what it does.
pub trait Mutation {
    /// What it does.
    fn effect(&self) -> Effect<'_>;
}

/// An action that may be done.
#[derive(Debug)]
pub(crate) struct Cleared<A>(A);

impl<A> Cleared<A> {
    pub fn into_action(self) -> A {
        self.0
    }
}

/// What came of asking.
#[derive(Debug)]
pub(crate) enum Clearance<A> {
    /// It may be done.
    Given(Cleared<A>),
    /// The tags of this ARN have to be read first.
    Unread(String),
    /// The tags cannot be read.
    Unreadable(Fault),
    /// What was to be changed is not there.
    Gone,
    /// It is not this object's.
    Refused,
}

/// Clears an action, if the tags that were read in this pass allow it. `runtime`: ARN of the runtime that actions by id are about;
/// `ours`: whether such tags let this object change the resource.
pub(crate) fn clear<A: Mutation>(
    action: A,
    runtime: Option<&str>,
    read: &TagsRead,
    ours: impl FnOnce(&Tags) -> bool,
) -> Clearance<A> {
    let arn = match action.effect() {
        Effect::InKubernetes | Effect::Makes => return Clearance::Given(Cleared(action)),
        Effect::OfArn(arn) => arn.to_owned(),
        // Id and ARN come from status, which somebody may have written: tags of one runtime say nothing of another.
        Effect::OfRuntime(id) => match runtime.filter(|arn| Arn(arn).runtime_id() == Some(id)) {
            Some(arn) => arn.to_owned(),
            None => return Clearance::Refused,
        },
    };
    match read.get(&arn) {
        None => Clearance::Unread(arn),
        Some(Err(fault)) => Clearance::Unreadable(fault.clone()),
        Some(Ok(None)) => Clearance::Gone,
        Some(Ok(Some(tags))) if ours(tags) => Clearance::Given(Cleared(action)),
        Some(Ok(Some(_))) => Clearance::Refused,
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
