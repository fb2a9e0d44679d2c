//! The planner's input and output for an AgentRuntime.

use std::collections::BTreeSet;

use agentcore_api::{AgentRuntime, AgentRuntimeStatus};
use jiff::Timestamp;

use crate::aws::{
    Endpoint, ListedRuntime, ListedVersion, Runtime, RuntimeAccepted, RuntimeConfig, Tags,
};
use crate::config::ConfigInput;
use crate::fault::Fault;
use crate::grant::Granted;
use crate::guard::{Effect, Mutation};
use crate::image;
use crate::policy::Policy;
use crate::step::{Answer, Due};
use crate::tags::TagsRead;

/// Everything that is known in this pass.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The object, with the last status that the controller wrote.
    pub object: &'a AgentRuntime,
    /// The operator's settings.
    pub policy: &'a Policy,
    /// What the namespace may use.
    pub granted: &'a Granted,
    /// How many AgentRuntimes of the namespace are older than this one and not being deleted, and how many runtimes of the namespace live
    /// on after a deletion with Retain.
    pub older_in_namespace: usize,
    /// Names of AgentEndpoints that refer to this runtime, those being deleted included.
    pub referrers: &'a [String],
    /// Names in AgentCore of the endpoints that those AgentEndpoints own.
    pub owned_endpoint_names: &'a [String],
    /// What is known of the Secrets and ConfigMaps that the spec refers to.
    pub config: &'a ConfigInput,
    /// Versions that have known sessions, or that an AgentEndpoint of this runtime names: they are never deleted.
    pub used_versions: &'a BTreeSet<String>,
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
    /// The entry in the inventory: by id once one is known, else by name.
    pub listed: Listed,
    /// Get of the runtime.
    pub runtime: Option<Answer<Runtime>>,
    /// Tags, by ARN.
    pub tags: TagsRead,
    /// Entries of the inventory under the other names that this object's runtime may have, from the list that `listed` is from.
    pub listed_under_former_names: Vec<ListedRuntime>,
    /// Whether the AgentRuntime lives that the tags of a runtime name.
    pub owner: Option<Answer<()>>,
    /// Get of the DEFAULT endpoint.
    pub default_endpoint: Option<Answer<Endpoint>>,
    /// All endpoints of the runtime.
    pub endpoints: Option<Answer<Vec<Endpoint>>>,
    /// Resource policy of the runtime.
    pub resource_policy: Option<Answer<String>>,
    /// All versions of the runtime.
    pub versions: Option<Answer<Vec<ListedVersion>>>,
    /// Where images and code come from.
    pub source: image::Facts,
    /// Fault of a fresh list that was asked for.
    pub list_fault: Option<Fault>,
}

/// What the inventory says. It never costs a call of its own. The caller gives only lists that were begun after the object's
/// last mutation was answered; before there is one, `Unknown`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Listed {
    /// No complete list since the last mutation.
    #[default]
    Unknown,
    /// A complete list begun at `as_of` lacks it.
    Absent {
        /// Beginning of the list.
        as_of: Timestamp,
    },
    /// A list begun at `as_of` has it.
    Present {
        /// The entry.
        entry: ListedRuntime,
        /// Beginning of the list.
        as_of: Timestamp,
    },
}

/// A read that the planner needs. Each answer goes into the field of [`Facts`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A complete list begun now, into `listed` (or `list_fault`).
    List,
    /// GetAgentRuntime without a version.
    Runtime {
        /// Id.
        id: String,
    },
    /// ListTagsForResource.
    Tags {
        /// ARN.
        arn: String,
    },
    /// Whether an AgentRuntime lives, in any namespace of the cluster, into `owner`.
    Owner {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// GetAgentRuntimeEndpoint of DEFAULT.
    DefaultEndpoint {
        /// Id of the runtime.
        id: String,
    },
    /// ListAgentRuntimeEndpoints, all pages.
    Endpoints {
        /// Id of the runtime.
        id: String,
    },
    /// GetResourcePolicy.
    ResourcePolicy {
        /// ARN of the runtime.
        arn: String,
    },
    /// ListAgentRuntimeVersions, all pages.
    Versions {
        /// Id of the runtime.
        id: String,
    },
    /// Where images and code come from, into `source`.
    Source(image::Read),
}

/// A mutation, of AWS or of the object's finalizers.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Adds the finalizer.
    AddFinalizer,
    /// Removes the finalizer.
    RemoveFinalizer,
    /// CreateAgentRuntime.
    Create {
        /// Name in AgentCore.
        name: String,
        /// Configuration.
        config: Box<RuntimeConfig>,
        /// Tags, ownership included.
        tags: Tags,
        /// Client token.
        client_token: String,
    },
    /// UpdateAgentRuntime, with everything.
    Update {
        /// Id.
        id: String,
        /// Configuration: kept values are filled in from what AWS has.
        config: Box<RuntimeConfig>,
        /// Client token.
        client_token: String,
    },
    /// DeleteAgentRuntime.
    Delete {
        /// Id.
        id: String,
        /// Client token.
        client_token: String,
    },
    /// DeleteAgentRuntime of one old version.
    DeleteVersion {
        /// Id.
        id: String,
        /// Version.
        version: String,
        /// Client token.
        client_token: String,
    },
    /// DeleteAgentRuntimeEndpoint, of an endpoint that nobody owns.
    DeleteEndpoint {
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
    /// PutResourcePolicy.
    PutResourcePolicy {
        /// ARN of the runtime.
        arn: String,
        /// Policy document.
        policy: String,
    },
    /// DeleteResourcePolicy.
    DeleteResourcePolicy {
        /// ARN of the runtime.
        arn: String,
    },
}

impl Mutation for Action {
    fn effect(&self) -> Effect<'_> {
        match self {
            Self::AddFinalizer | Self::RemoveFinalizer => Effect::InKubernetes,
            Self::Create { .. } => Effect::Makes,
            Self::Update { id, .. } | Self::Delete { id, .. } | Self::DeleteVersion { id, .. } => {
                Effect::OfRuntime(id)
            }
            Self::DeleteEndpoint { runtime_id, .. } => Effect::OfRuntime(runtime_id),
            Self::Tag { arn, .. }
            | Self::Untag { arn, .. }
            | Self::PutResourcePolicy { arn, .. }
            | Self::DeleteResourcePolicy { arn } => Effect::OfArn(arn),
        }
    }
}

/// What became of the action.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A create or an update was accepted.
    Accepted(RuntimeAccepted),
    /// Any other action was done (a delete: accepted).
    Done,
    /// It failed; with a transient fault it may have had its effect.
    Failed(Fault),
}

/// What the planner says of an AgentRuntime.
pub type Decision = crate::step::Decision<AgentRuntimeStatus, Read, Action>;
