//! One look at one AgentEndpoint: the view, the status at work, and the steps that every state shares.

use agentcore_api::AgentEndpointStatus;
use agentcore_api::endpoint::ObservedEndpoint;
use agentcore_api::names::FINALIZER;
use jiff::Timestamp;

use super::wish::{Wish, owner};
use super::{Action, Decision, View};
use crate::aws::{Endpoint, Tags};
use crate::desk::Desk;
use crate::hash::{Call, WishHash, json};
use crate::tags::Owner;
use crate::urls;

pub(super) const CREATE: &str = "CreateAgentRuntimeEndpoint";
pub(super) const UPDATE: &str = "UpdateAgentRuntimeEndpoint";
pub(super) const DELETE: &str = "DeleteAgentRuntimeEndpoint";
/// The endpoint that AgentCore makes and moves by itself.
pub(super) const DEFAULT: &str = "DEFAULT";

pub(super) struct Pass<'a> {
    pub view: &'a View<'a>,
    pub desk: Desk<AgentEndpointStatus>,
}

impl<'a> Pass<'a> {
    pub fn new(view: &'a View<'a>, now: Timestamp) -> Self {
        let meta = &view.object.metadata;
        let desk = Desk::new(
            view.object.status.as_ref(),
            meta.generation,
            meta.annotations.as_ref(),
            view.faults,
            now,
        );
        Self { view, desk }
    }

    pub fn owner(&self) -> Owner {
        owner(self.view.object, self.view.policy)
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.view.object.metadata.finalizers.as_deref();
        finalizers
            .unwrap_or_default()
            .iter()
            .any(|one| one == FINALIZER)
    }

    pub fn token(&self, operation: &str, id: &str, from: &str, request: &str) -> String {
        let uid = self.view.object.metadata.uid.as_deref().unwrap_or_default();
        let attempt = self.desk.status.attempt.unwrap_or(0);
        Call {
            uid,
            operation,
            id,
            from,
            attempt,
            request,
        }
        .token()
    }

    /// CreateAgentRuntimeEndpoint, written down before it is sent. `raise`: it follows a loss.
    pub fn create(mut self, wish: &Wish, raise: bool) -> Decision {
        self.desk.write_ahead(CREATE, &wish.hash, raise);
        let status = &mut self.desk.status;
        status.runtime_id = Some(wish.runtime_id.clone());
        status.name = Some(wish.name.clone());
        let request = json(&(&wish.name, &wish.version, &wish.description, &wish.tags));
        let client_token = self.token(CREATE, &wish.runtime_id, "", &request);
        self.desk.act(Action::Create {
            runtime_id: wish.runtime_id.clone(),
            name: wish.name.clone(),
            version: wish.version.clone(),
            description: wish.description.clone(),
            tags: wish.tags.clone(),
            client_token,
        })
    }

    /// UpdateAgentRuntimeEndpoint, written down before it is sent. `raise`: it follows an observed failure.
    pub fn update(mut self, wish: &Wish, there: &Endpoint, raise: bool) -> Decision {
        self.desk.write_ahead(UPDATE, &wish.hash, raise);
        // An endpoint moves back and forth between versions: only the time of its last change tells two moves apart.
        let from = format!(
            "{}@{}",
            there.live_version.as_deref().unwrap_or_default(),
            there.last_updated_at
        );
        let request = json(&(&wish.name, &wish.version, &wish.description));
        let client_token = self.token(UPDATE, &wish.runtime_id, &from, &request);
        self.desk.act(Action::Update {
            runtime_id: wish.runtime_id.clone(),
            name: wish.name.clone(),
            version: wish.version.clone(),
            description: wish.description.clone(),
            client_token,
        })
    }

    /// DeleteAgentRuntimeEndpoint.
    pub fn delete(self, runtime_id: &str, name: &str) -> Decision {
        let at = self.desk.status.arn.clone().unwrap_or_default();
        let client_token = self.token(DELETE, runtime_id, &at, name);
        self.desk.act(Action::Delete {
            runtime_id: runtime_id.to_owned(),
            name: name.to_owned(),
            client_token,
        })
    }

    /// Takes the addresses that an answer gave.
    pub fn take_arns(&mut self, arn: &str, runtime_arn: &str) {
        let status = &mut self.desk.status;
        let region = urls::arn_part(runtime_arn, 3)
            .unwrap_or_default()
            .to_owned();
        let partition = urls::arn_part(runtime_arn, 1).unwrap_or("aws");
        let name = status.name.as_deref().unwrap_or_default();
        status.invocation_url = Some(urls::invocation(partition, &region, runtime_arn, name));
        status.web_socket_url = Some(urls::web_socket(partition, &region, runtime_arn, name));
        status.account = urls::arn_part(runtime_arn, 4).map(str::to_owned);
        status.region = Some(region);
        status.arn = Some(arn.to_owned());
        status.runtime_arn = Some(runtime_arn.to_owned());
        status.missing_since = None;
    }

    /// Notes what a Get showed.
    pub fn note(&mut self, there: &Endpoint) {
        self.desk.status.name = Some(there.name.clone());
        self.take_arns(&there.arn, &there.runtime_arn);
        self.desk
            .service(there.status, there.failure_reason.as_deref());
        let status = &mut self.desk.status;
        status.id = Some(there.id.clone());
        status.live_version.clone_from(&there.live_version);
        status.target_version = there
            .target_version
            .clone()
            .or_else(|| there.live_version.clone());
    }

    /// The endpoint is gone: what was said of it holds no more.
    pub fn forget_identity(&mut self) {
        let old = std::mem::take(&mut self.desk.status);
        self.desk.status = AgentEndpointStatus {
            observed_generation: old.observed_generation,
            phase: old.phase,
            name: old.name,
            region: old.region,
            account: old.account,
            attempt: old.attempt,
            pending: old.pending,
            retry: old.retry,
            last_handled_request: old.last_handled_request,
            last_handled_drain: old.last_handled_drain,
            conditions: old.conditions,
            ..AgentEndpointStatus::default()
        };
    }

    /// Notes what was compared or submitted.
    pub fn observe(&mut self, at: Option<Timestamp>, hash: &WishHash) {
        self.desk.status.observed = Some(ObservedEndpoint {
            last_updated_at: at.map(|at| at.to_string()),
            wish_hash: hash.to_string(),
        });
    }

    /// Whether what serves may stay Ready while AWS works: the spec asks for nothing new. A runtime's new version does not count.
    pub fn serving(&self, wish: &Wish) -> bool {
        if self.desk.observed() == wish.hash {
            return true;
        }
        let same_spec =
            self.view.object.metadata.generation == self.desk.status.observed_generation;
        wish.follows && same_spec && self.desk.observed().tags == wish.hash.tags
    }

    /// TagResource.
    pub fn tag(self, arn: &str, tags: Tags) -> Decision {
        self.desk.act(Action::Tag {
            arn: arn.to_owned(),
            tags,
        })
    }
}
