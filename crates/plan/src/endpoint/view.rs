//! The planner's input and output for an AgentEndpoint.

use agentcore_api::{AgentEndpoint, AgentEndpointStatus, AgentRuntime};

use crate::aws::{Endpoint, EndpointAccepted, Tags};
use crate::fault::Fault;
use crate::grant::Granted;
use crate::guard::{Effect, Mutation};
use crate::policy::Policy;
use crate::step::{Answer, Due};
use crate::tags::TagsRead;

/// Everything that is known in this pass.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The object, with the last status that the controller wrote.
    pub object: &'a AgentEndpoint,
    /// The operator's settings.
    pub policy: &'a Policy,
    /// What the namespace may use.
    pub granted: &'a Granted,
    /// How many AgentEndpoints of the namespace are older than this one and not being deleted.
    pub older_in_namespace: usize,
    /// The AgentRuntime that it refers to, with the last status that the controller wrote.
    pub runtime: Option<&'a AgentRuntime>,
    /// Name of an older AgentEndpoint that has the same name in AgentCore on the same runtime.
    pub name_taken_by: Option<&'a str>,
    /// Faults in a row of this object.
    pub faults: u32,
    /// Why now.
    pub due: Due,
    /// What was read in this pass.
    pub facts: Facts,
    /// Outcome of this pass's action, once it was done.
    pub outcome: Option<Outcome>,
}

/// What was read in this pass; `None` is "not asked yet".
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Get of the endpoint.
    pub endpoint: Option<Answer<Endpoint>>,
    /// Tags of the endpoint and of its runtime, by ARN.
    pub tags: TagsRead,
    /// All endpoints of the runtime: the complete list that decides where Get was denied.
    pub endpoints: Option<Answer<Vec<Endpoint>>>,
    /// Whether the runtime itself is there: the answer that decides where both were denied.
    pub runtime: Option<Answer<()>>,
}

/// A read that the planner needs. Each answer goes into the field of [`Facts`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// GetAgentRuntimeEndpoint.
    Endpoint {
        /// Id of the runtime.
        runtime_id: String,
        /// Name of the endpoint.
        name: String,
    },
    /// ListTagsForResource.
    Tags {
        /// ARN of the endpoint, or of its runtime.
        arn: String,
    },
    /// ListAgentRuntimeEndpoints, all pages.
    Endpoints {
        /// Id of the runtime.
        runtime_id: String,
    },
    /// GetAgentRuntime.
    Runtime {
        /// Id of the runtime.
        runtime_id: String,
    },
}

/// A mutation, of AWS or of the object's finalizers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Adds the finalizer.
    AddFinalizer,
    /// Removes the finalizer.
    RemoveFinalizer,
    /// CreateAgentRuntimeEndpoint.
    Create {
        /// Id of the runtime.
        runtime_id: String,
        /// Name of the endpoint.
        name: String,
        /// Version that it serves.
        version: String,
        /// Description.
        description: Option<String>,
        /// Tags, ownership included.
        tags: Tags,
        /// Client token.
        client_token: String,
    },
    /// UpdateAgentRuntimeEndpoint, with everything.
    Update {
        /// Id of the runtime.
        runtime_id: String,
        /// Name of the endpoint.
        name: String,
        /// Version that it moves to.
        version: String,
        /// Description.
        description: Option<String>,
        /// Client token.
        client_token: String,
    },
    /// DeleteAgentRuntimeEndpoint.
    Delete {
        /// Id of the runtime.
        runtime_id: String,
        /// Name of the endpoint.
        name: String,
        /// Client token.
        client_token: String,
    },
    /// TagResource.
    Tag {
        /// ARN.
        arn: String,
        /// Tags to set.
        tags: Tags,
    },
    /// UntagResource.
    Untag {
        /// ARN.
        arn: String,
        /// Keys to remove.
        keys: Vec<String>,
    },
}

impl Mutation for Action {
    fn effect(&self) -> Effect<'_> {
        match self {
            Self::AddFinalizer | Self::RemoveFinalizer => Effect::InKubernetes,
            Self::Create { runtime_id, .. }
            | Self::Update { runtime_id, .. }
            | Self::Delete { runtime_id, .. } => Effect::OfRuntime(runtime_id),
            Self::Tag { arn, .. } | Self::Untag { arn, .. } => Effect::OfArn(arn),
        }
    }
}

/// What became of the action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A create or an update was accepted.
    Accepted(EndpointAccepted),
    /// Any other action was done (a delete: accepted).
    Done,
    /// It failed; with a transient fault it may have had its effect.
    Failed(Fault),
}

/// What the planner says of an AgentEndpoint.
pub type Decision = crate::step::Decision<AgentEndpointStatus, Read, Action>;
