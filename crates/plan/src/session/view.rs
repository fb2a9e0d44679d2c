//! The planner's input and output for an AgentSession.

use std::time::Duration;

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, AgentSessionStatus};

use crate::fault::Fault;
use crate::grant::Granted;
use crate::policy::Policy;

/// Everything that is known in this pass.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The object, with the last status that the controller wrote.
    pub object: &'a AgentSession,
    /// The operator's settings.
    pub policy: &'a Policy,
    /// What the namespace may use.
    pub granted: &'a Granted,
    /// How many AgentSessions of the namespace are older than this one and not being deleted.
    pub older_in_namespace: usize,
    /// The AgentEndpoint that it refers to, if it refers to one.
    pub endpoint: Option<&'a AgentEndpoint>,
    /// The AgentRuntime that it refers to, or that its AgentEndpoint refers to.
    pub runtime: Option<&'a AgentRuntime>,
    /// Outcome of this pass's action, once it was done.
    pub outcome: Option<Outcome>,
}

/// There is nothing to read: AgentCore tells nobody of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {}

/// Where a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// ARN of the runtime.
    pub runtime_arn: String,
    /// Name of the endpoint that it was born with.
    pub qualifier: String,
    /// AgentCore's id of it.
    pub session_id: String,
}

/// A call, or a change of the object's finalizers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Adds the finalizer.
    AddFinalizer,
    /// Removes the finalizer.
    RemoveFinalizer,
    /// InvokeAgentRuntime.
    Invoke {
        /// The session.
        at: Address,
        /// JSON text.
        payload: String,
        /// Until the whole answer.
        within: Duration,
    },
    /// StopRuntimeSession.
    Stop {
        /// The session.
        at: Address,
    },
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// AgentCore's id of the session that it was about.
    pub session_id: String,
    /// What came of it.
    pub result: CallResult,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// The agent answered, with this HTTP status. What it said is its own business.
    Answered(u16),
    /// The agent did not answer in time, broke off or crashed; why, without a word of what it said.
    AgentFailed(String),
    /// AgentCore stopped the session.
    Stopped,
    /// AWS did not do it.
    Failed(Fault),
}

/// What the planner says of an AgentSession.
pub type Decision = crate::step::Decision<AgentSessionStatus, Read, Action>;
