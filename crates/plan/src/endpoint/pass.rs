//! One look at one AgentEndpoint: the view, the status at work, and the steps that every state shares.

use agentcore_api::AgentEndpointStatus;
use agentcore_api::endpoint::ObservedEndpoint;
use agentcore_api::names::FINALIZER;
use agentcore_api::values::Arn;
use jiff::Timestamp;

use super::claim;
use super::wish::{Wish, owner, runtime_owner};
use super::{Action, Decision, Read, View, delete};
use crate::aws::{Endpoint, Tags};
use crate::desk::{Desk, SOON};
use crate::guard::{Clearance, Effect, Mutation, clear};
use crate::hash::{Call, WishHash, json};
use crate::managed::managed;
use crate::step::{Answer, Rest};
use crate::tags::{Owner, Ownership};
use crate::unknown;
use crate::urls;

pub(super) const CREATE: &str = "CreateAgentRuntimeEndpoint";
pub(super) const UPDATE: &str = "UpdateAgentRuntimeEndpoint";
pub(super) const DELETE: &str = "DeleteAgentRuntimeEndpoint";
/// The endpoint that AgentCore makes and moves by itself.
pub(super) const DEFAULT: &str = "DEFAULT";

managed!(AgentEndpointStatus, "endpoint", name);

#[derive(Clone)]
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

    /// The tags of this ARN, once they were read in this pass.
    pub fn tags_of(&self, arn: &str) -> Option<&'a Answer<Tags>> {
        self.view.facts.tags.get(arn)
    }

    /// What the endpoint's own tags say to this object.
    pub fn judge(&self, tags: &Tags) -> Ownership {
        self.owner().judge(tags, self.view.policy)
    }

    /// What the runtime's tags say to the AgentRuntime that this object refers to.
    pub fn judge_runtime(&self, tags: &Tags) -> Ownership {
        let View {
            object,
            runtime,
            policy,
            ..
        } = self.view;
        runtime_owner(object, *runtime, policy).judge(tags, policy)
    }

    /// ARN of the runtime of this id, as the objects' statuses have it.
    pub fn runtime_arn(&self, id: &str) -> Option<String> {
        let runtime = self.view.runtime.and_then(|one| one.status.as_ref());
        let known = [
            self.desk.status.runtime_arn.as_ref(),
            runtime.and_then(|status| status.arn.as_ref()),
        ];
        let mut known = known.into_iter().flatten();
        known.find(|arn| Arn(arn).runtime_id() == Some(id)).cloned()
    }

    pub fn is_deleting(&self) -> bool {
        self.view.object.metadata.deletion_timestamp.is_some()
    }

    /// Ends in this action, once the tags that were read in this pass allow it.
    pub fn act(self, action: Action) -> Decision {
        let runtime = match action.effect() {
            Effect::OfRuntime(id) => self.runtime_arn(id),
            Effect::InKubernetes | Effect::Makes | Effect::OfArn(_) => None,
        };
        let clearance = if matches!(action.effect(), Effect::OfRuntime(_)) {
            let own = self.own_tags().map(|tags| self.judge(tags));
            let deletes = matches!(action, Action::Delete { .. });
            clear(action, runtime.as_deref(), &self.view.facts.tags, |tags| {
                match self.judge_runtime(tags) {
                    Ownership::Ours | Ownership::Former => true,
                    // The runtime was retained when its object went; what carries our own tags may still go.
                    Ownership::Nobody => deletes && own.is_some_and(Ownership::is_ours),
                    Ownership::Others => false,
                }
            })
        } else {
            clear(action, None, &self.view.facts.tags, |tags| {
                self.judge(tags).is_ours()
            })
        };
        // Nothing is sent: what was written ahead of it is not written down.
        let mut before = Self::new(self.view, self.desk.now);
        match clearance {
            Clearance::Given(action) => self.desk.act(action),
            Clearance::Unread(arn) => self.desk.read(Read::Tags { arn }),
            Clearance::Unreadable(fault) if before.is_deleting() => {
                delete::unreadable(before, &fault)
            }
            Clearance::Unreadable(fault) => before.desk.fault(&fault, true),
            Clearance::Gone if before.is_deleting() => delete::not_found(before),
            Clearance::Gone => {
                before.desk.missing();
                let wait = before.desk.missing_wait().unwrap_or(SOON);
                before.desk.rest(Rest::After(wait))
            }
            Clearance::Refused if before.is_deleting() => delete::not_ours(before),
            Clearance::Refused => claim::left_alone(before),
        }
    }

    /// The endpoint's own tags, as far as they were read in this pass.
    pub fn own_tags(&self) -> Option<&'a Tags> {
        match self.tags_of(self.desk.status.arn.as_deref()?) {
            Some(Ok(Some(tags))) => Some(tags),
            _ => None,
        }
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
        self.act(Action::Create {
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
        self.act(Action::Update {
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
        self.act(Action::Delete {
            runtime_id: runtime_id.to_owned(),
            name: name.to_owned(),
            client_token,
        })
    }

    /// Takes the addresses that an answer gave.
    pub fn take_arns(&mut self, arn: &str, runtime_arn: &str) {
        let status = &mut self.desk.status;
        let runtime = Arn(runtime_arn);
        let region = runtime.region().unwrap_or_default().to_owned();
        let partition = runtime.partition().unwrap_or("aws");
        let name = status.name.as_deref().unwrap_or_default();
        status.invocation_url = Some(urls::invocation(partition, &region, runtime_arn, name));
        status.web_socket_url = Some(urls::web_socket(partition, &region, runtime_arn, name));
        status.account = runtime.account().map(str::to_owned);
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
        unknown::say(&mut self.desk, "endpoint", &there.unknown);
    }

    /// The endpoint is gone: what was said of it holds no more.
    pub fn forget_identity(&mut self) {
        let mut old = std::mem::take(&mut self.desk.status);
        unknown::forget(&mut old.conditions);
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
        self.act(Action::Tag {
            arn: arn.to_owned(),
            tags,
        })
    }
}
