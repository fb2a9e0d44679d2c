//! One look at one AgentRuntime: the view, the status at work, and the steps that every state shares.

use agentcore_api::AgentRuntimeStatus;
use agentcore_api::names::FINALIZER;
use agentcore_api::reasons;
use agentcore_api::runtime::{Effective, InboundAuth, Observed};
use agentcore_api::values::Arn;
use jiff::Timestamp;

use super::adopt::Licence;
use super::wish::{Wish, owner};
use super::{Action, Decision, Read, View, claim, delete, delete_wait};
use crate::aws::{ListedRuntime, Runtime, RuntimeConfig, ServiceStatus, Tags};
use crate::desk::{Desk, SOON};
use crate::guard::{Clearance, clear};
use crate::hash::{Call, WishHash, json};
use crate::managed::managed;
use crate::step::{Answer, Rest};
use crate::tags::{Owner, Ownership};
use crate::unknown;
use crate::urls;

pub(super) const CREATE: &str = "CreateAgentRuntime";
pub(super) const UPDATE: &str = "UpdateAgentRuntime";
pub(super) const DELETE: &str = "DeleteAgentRuntime";
pub(super) const DELETE_ENDPOINT: &str = "DeleteAgentRuntimeEndpoint";
pub(super) const DELETE_VERSION: &str = "DeleteAgentRuntime/version";
pub(super) const TAG: &str = "TagResource";
/// The endpoint that AgentCore makes and moves by itself.
pub(super) const DEFAULT: &str = "DEFAULT";

managed!(AgentRuntimeStatus, "runtime", id);

#[derive(Clone)]
pub(super) struct Pass<'a> {
    pub view: &'a View<'a>,
    pub desk: Desk<AgentRuntimeStatus>,
    /// Ready was True for this very generation: what changes now was not asked for by the manifest.
    pub steady: bool,
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
        let seen = desk.status.observed_generation == meta.generation;
        let steady = seen && desk.is_ready() && !desk.reason_is(reasons::SUSPENDED);
        Self { view, desk, steady }
    }

    pub fn uid(&self) -> &'a str {
        self.view.object.metadata.uid.as_deref().unwrap_or_default()
    }

    pub fn owner(&self) -> Owner {
        owner(self.view.object, self.view.policy)
    }

    /// The tags of this ARN, once they were read in this pass.
    pub fn tags_of(&self, arn: &str) -> Option<&'a Answer<Tags>> {
        self.view.facts.tags.get(arn)
    }

    /// What tags say to this object.
    pub fn judge(&self, tags: &Tags) -> Ownership {
        self.owner().judge(tags, self.view.policy)
    }

    /// Whether tags name this very object, as it is or was.
    pub fn is_named(&self, owner: &Owner) -> bool {
        let own = self.owner();
        (&own.namespace, &own.name) == (&owner.namespace, &owner.name)
    }

    pub fn is_deleting(&self) -> bool {
        self.view.object.metadata.deletion_timestamp.is_some()
    }

    /// Ends in this action, once the tags that were read in this pass allow it.
    pub fn act(self, action: Action) -> Decision {
        let (owner, policy) = (self.owner(), self.view.policy);
        self.end(action, |tags| owner.judge(tags, policy).is_ours())
    }

    /// Takes a runtime whose tags say otherwise, as a grant allows.
    pub fn adopt(self, arn: &str, tags: Tags, licence: Licence) -> Decision {
        let action = Action::Tag {
            arn: arn.to_owned(),
            tags,
        };
        self.end(action, move |tags| licence.is_for(tags))
    }

    fn end(self, action: Action, ours: impl FnOnce(&Tags) -> bool) -> Decision {
        let runtime = self.desk.status.arn.clone();
        let clearance = clear(action, runtime.as_deref(), &self.view.facts.tags, ours);
        // Nothing is sent: what was written ahead of it is not written down.
        let before = Self::new(self.view, self.desk.now);
        match clearance {
            Clearance::Given(action) => self.desk.act(action),
            Clearance::Unread(arn) => self.desk.read(Read::Tags { arn }),
            Clearance::Unreadable(fault) if before.is_deleting() => {
                delete_wait::refused(before, &fault)
            }
            Clearance::Unreadable(fault) => {
                let serving = before.steady;
                before.desk.fault(&fault, serving)
            }
            Clearance::Gone if before.is_deleting() => delete_wait::not_found(before),
            Clearance::Gone => {
                let mut before = before;
                before.desk.missing();
                let wait = before.desk.missing_wait().unwrap_or(SOON);
                before.desk.rest(Rest::After(wait))
            }
            Clearance::Refused if before.is_deleting() => delete::not_ours(before),
            Clearance::Refused => claim::left_alone(before),
        }
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.view.object.metadata.finalizers.as_deref();
        finalizers
            .unwrap_or_default()
            .iter()
            .any(|one| one == FINALIZER)
    }

    pub fn has_annotation(&self, key: &str) -> bool {
        let notes = self.view.object.metadata.annotations.as_ref();
        notes
            .and_then(|notes| notes.get(key))
            .is_some_and(|value| value == "true")
    }

    pub fn token(&self, operation: &str, id: &str, from: &str, request: &str) -> String {
        let attempt = self.desk.status.attempt.unwrap_or(0);
        Call {
            uid: self.uid(),
            operation,
            id,
            from,
            attempt,
            request,
        }
        .token()
    }

    /// CreateAgentRuntime, written down before it is sent.
    pub fn create(mut self, wish: &Wish) -> Decision {
        self.ask(wish, None);
        self.desk.write_ahead(CREATE, &wish.hash, false);
        let status = &mut self.desk.status;
        status.name = Some(wish.name.clone());
        status.region = Some(wish.region.clone());
        // A deletion later on sees that a create was sent, whatever became of it.
        status.attempt.get_or_insert(0);
        let request = json(&(&wish.name, &wish.sealed(&wish.config), &wish.tags));
        let client_token = self.token(CREATE, "", "", &request);
        self.act(Action::Create {
            name: wish.name.clone(),
            config: Box::new(wish.config.clone()),
            tags: wish.tags.clone(),
            client_token,
        })
    }

    /// UpdateAgentRuntime with this configuration, written down before it is sent. `raise`: it follows an observed failure.
    pub fn update(
        mut self,
        wish: &Wish,
        there: &Runtime,
        config: RuntimeConfig,
        raise: bool,
    ) -> Decision {
        self.ask(wish, Some(there));
        self.desk.write_ahead(UPDATE, &wish.hash, raise);
        let request = json(&wish.sealed(&config));
        let client_token = self.token(UPDATE, &there.id, &there.version, &request);
        self.act(Action::Update {
            id: there.id.clone(),
            config: Box::new(config),
            client_token,
        })
    }

    /// DeleteAgentRuntime.
    pub fn delete(self, id: &str) -> Decision {
        let client_token = self.token(DELETE, id, "", "");
        self.act(Action::Delete {
            id: id.to_owned(),
            client_token,
        })
    }

    /// Takes the identity that a list or a Get showed.
    pub fn take_identity(&mut self, id: &str, arn: &str, name: &str) {
        let status = &mut self.desk.status;
        if status.id.as_deref() != Some(id) {
            self.forget_identity();
        }
        let status = &mut self.desk.status;
        status.id = Some(id.to_owned());
        status.name = Some(name.to_owned());
        let parsed = Arn(arn);
        status.region = parsed
            .region()
            .map(str::to_owned)
            .or_else(|| status.region.take());
        status.account = parsed.account().map(str::to_owned);
        let partition = parsed.partition().unwrap_or("aws");
        let region = status.region.as_deref().unwrap_or_default();
        status.invocation_url = Some(urls::invocation(partition, region, arn, DEFAULT));
        status.web_socket_url = Some(urls::web_socket(partition, region, arn, DEFAULT));
        status.arn = Some(arn.to_owned());
        status.missing_since = None;
    }

    /// Takes identity from a list's entry.
    pub fn take_listed(&mut self, entry: &ListedRuntime) {
        self.take_identity(&entry.id, &entry.arn, &entry.name);
    }

    /// The runtime is gone: what was said of it holds no more.
    pub fn forget_identity(&mut self) {
        let mut old = std::mem::take(&mut self.desk.status);
        unknown::forget(&mut old.conditions);
        self.desk.status = AgentRuntimeStatus {
            observed_generation: old.observed_generation,
            phase: old.phase,
            name: old.name,
            region: old.region,
            account: old.account,
            attempt: old.attempt,
            pending: old.pending,
            retry: old.retry,
            // What was asked for may be what is found next.
            next_cause: old.next_cause,
            last_handled_request: old.last_handled_request,
            last_handled_drain: old.last_handled_drain,
            conditions: old.conditions,
            image: old.image,
            code: old.code,
            ..AgentRuntimeStatus::default()
        };
    }

    /// Notes what a Get showed.
    pub fn note(&mut self, there: &Runtime) {
        self.take_identity(&there.id, &there.arn, &there.name);
        self.desk
            .service(there.status, there.failure_reason.as_deref());
        self.seen_version(&there.version);
        let status = &mut self.desk.status;
        status.latest_version = Some(there.version.clone());
        status.workload_identity_arn = there
            .workload_identity_arn
            .clone()
            .or_else(|| status.workload_identity_arn.take());
        unknown::say(&mut self.desk, "runtime", &there.unknown);
        let status = &mut self.desk.status;
        // A version that is being made, or failed, is not in force.
        if there.status != ServiceStatus::Ready && status.effective.is_some() {
            return;
        }
        let config = &there.config;
        let (idle, most) = config.lifecycle.in_force();
        let (server_protocol, port, path) = config.protocol.in_force();
        status.effective = Some(Effective {
            idle_runtime_session_timeout: format!("{idle}s"),
            max_lifetime: format!("{most}s"),
            server_protocol,
            port,
            path: path.to_owned(),
            platform_version: config.platform_version.clone(),
            inbound_auth: match config.authorizer {
                Some(_) => Some(InboundAuth::JWT),
                None => unknown::free_of(&there.unknown, "authorizerConfiguration")
                    .then_some(InboundAuth::IAM),
            },
            request_headers: config.request_headers.clone(),
        });
    }

    /// Notes what was compared or submitted.
    pub fn observe(&mut self, version: &str, at: Option<Timestamp>, hash: &WishHash) {
        self.desk.status.observed = Some(Observed {
            version: version.to_owned(),
            last_updated_at: at.map(|at| at.to_string()),
            wish_hash: hash.to_string(),
        });
    }

    /// Whether this wish was live at the last verdict.
    pub fn unchanged(&self, wish: &Wish) -> bool {
        self.desk.observed() == wish.hash
    }

    /// Whether what serves stays Ready while AWS works: this wish was live, or the manifest did not ask for another.
    pub fn serving(&self, wish: &Wish) -> bool {
        self.steady || self.unchanged(wish)
    }

    /// What was sent and not heard of shows in a Get: the content of the code went with it.
    pub fn heard(&mut self, wish: &Wish, there: &Runtime) {
        let status = &mut self.desk.status;
        let sent = status.pending.as_ref().is_some_and(|call| {
            [CREATE, UPDATE].contains(&call.operation.as_str())
                && call.wish_hash == wish.hash.to_string()
        });
        let seen = status.observed.as_ref().map(|seen| seen.version.as_str());
        if sent && seen != Some(there.version.as_str()) {
            self.code_applied();
        }
    }

    /// AgentCore took the code as it is now.
    pub fn code_applied(&mut self) {
        if let Some(code) = &mut self.desk.status.code {
            code.applied_etag.clone_from(&code.etag);
        }
    }

    /// TagResource.
    pub fn tag(self, arn: &str, tags: Tags) -> Decision {
        self.act(Action::Tag {
            arn: arn.to_owned(),
            tags,
        })
    }
}
