//! Passes over the AgentEndpoint.

use std::time::Duration;

use agentcore_api::AgentEndpoint;
use agentcore_api::names::FINALIZER;
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::endpoint as ep;
use agentcore_plan::fault::Fault;
use agentcore_plan::guard::{Effect, Mutation};
use agentcore_plan::step::{Due, Rest, Step};

use super::{Crash, Disturb, World, conflict, schedule};
use crate::model::Ep;
use crate::model::owners::{Actor, belongs, is_stolen};

impl World {
    /// One pass over the endpoint. `None` when there is no object any more.
    pub fn endpoint_pass(&mut self, due: Due, disturb: Disturb) -> Option<Rest> {
        let stored = self.endpoint.clone()?;
        let mut object = stored.seen(disturb.stale);
        let mut facts = ep::Facts::default();
        let mut outcome = None;
        for _ in 0..40 {
            let runtime = self.runtime.as_ref().map(|stored| stored.now.clone());
            let view = ep::View {
                object: &object,
                policy: &self.policy,
                granted: &self.granted,
                older_in_namespace: 0,
                runtime: runtime.as_ref(),
                name_taken_by: None,
                faults: stored.faults,
                due,
                facts: facts.clone(),
                outcome: outcome.clone(),
            };
            let decision = ep::plan(&view, self.aws.now);
            self.trace
                .push(format!("{} ep {:?}", self.aws.now, decision.step));
            match decision.step {
                Step::Read(read) => {
                    assert!(outcome.is_none(), "a read after the action: {read:?}");
                    self.endpoint_read(read, &mut facts);
                }
                Step::Act(action) => {
                    assert!(outcome.is_none(), "a second action: {action:?}");
                    let ends = matches!(
                        action,
                        ep::Action::AddFinalizer | ep::Action::RemoveFinalizer
                    );
                    if disturb.ends(Crash::BeforeStatus) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    self.events.extend(decision.events);
                    self.write_endpoint(&mut object, &decision.status);
                    if disturb.ends(Crash::BeforeCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    let uid = object.metadata.uid.clone().unwrap_or_default();
                    let own = Actor {
                        policy: &self.policy,
                        name: "live",
                        uid: &uid,
                    };
                    let of_runtime = matches!(action.effect(), Effect::OfRuntime(_));
                    let runtime_uid = runtime.as_ref().and_then(|one| one.metadata.uid.clone());
                    let runtime_uid = runtime_uid.unwrap_or_default();
                    let actor = if of_runtime {
                        Actor {
                            name: "support",
                            uid: &runtime_uid,
                            ..own
                        }
                    } else {
                        own
                    };
                    // Of a runtime that nobody owns any more, only what is our own endpoint goes.
                    let arn = object
                        .status
                        .as_ref()
                        .and_then(|status| status.arn.as_deref());
                    let endpoint = arn.and_then(|arn| self.aws.changed(Effect::OfArn(arn)));
                    let ours = endpoint.is_some_and(|(_, tags)| belongs(tags, own));
                    let deletes = matches!(action, ep::Action::Delete { .. }) && ours;
                    self.assert_cleared(action.effect(), &facts.tags, actor, |tags| {
                        deletes && !is_stolen(tags, actor)
                    });
                    let result = self.endpoint_act(&action, &object, disturb.stale);
                    if disturb.ends(Crash::AfterCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    if matches!(action, ep::Action::AddFinalizer) && result == ep::Outcome::Done {
                        object = self.endpoint.as_ref()?.now.clone();
                    } else {
                        outcome = Some(result);
                    }
                }
                Step::Rest(rest) => {
                    self.events.extend(decision.events);
                    self.write_endpoint(&mut object, &decision.status);
                    let now = self.aws.now;
                    if let Some(stored) = &mut self.endpoint {
                        schedule(stored, rest, now);
                    }
                    return Some(rest);
                }
            }
        }
        panic!(
            "the planner does not come to rest:\n{}",
            self.trace.join("\n")
        );
    }

    fn write_endpoint(
        &mut self,
        object: &mut AgentEndpoint,
        status: &agentcore_api::AgentEndpointStatus,
    ) {
        assert!(status.phase.is_some(), "no phase: {status:?}");
        if object.status.as_ref() != Some(status)
            && let Some(stored) = &mut self.endpoint
            && stored.now.metadata.uid == object.metadata.uid
        {
            stored.write(|now| now.status = Some(status.clone()));
        }
        object.status = Some(status.clone());
    }

    fn endpoint_read(&mut self, read: ep::Read, facts: &mut ep::Facts) {
        match read {
            ep::Read::Endpoint { runtime_id, name } => {
                facts.endpoint = Some(self.aws.endpoint(&runtime_id, &name));
            }
            ep::Read::Tags { arn } => {
                let answer = self.aws.tags(&arn);
                facts.tags.insert(arn, answer);
            }
            ep::Read::Endpoints { runtime_id } => {
                facts.endpoints = Some(self.aws.endpoints(&runtime_id));
            }
            ep::Read::Runtime { runtime_id } => {
                facts.runtime = Some(self.aws.get(&runtime_id).map(|found| found.map(|_| ())));
            }
        }
    }

    fn endpoint_act(
        &mut self,
        action: &ep::Action,
        object: &AgentEndpoint,
        stale: bool,
    ) -> ep::Outcome {
        let done = |result: Result<(), Fault>| {
            result.map_or_else(ep::Outcome::Failed, |()| ep::Outcome::Done)
        };
        let accepted = |result| match result {
            Ok(answer) => ep::Outcome::Accepted(answer),
            Err(fault) => ep::Outcome::Failed(fault),
        };
        match action {
            ep::Action::AddFinalizer => {
                let stored = self.endpoint.as_mut().expect("there is an object");
                if stored.now.metadata.deletion_timestamp.is_some()
                    || stored.now.metadata.uid != object.metadata.uid
                {
                    return ep::Outcome::Failed(conflict());
                }
                stored.write(|object| object.metadata.finalizers = Some(vec![FINALIZER.into()]));
                ep::Outcome::Done
            }
            ep::Action::RemoveFinalizer => {
                if stale
                    && self
                        .endpoint
                        .as_ref()
                        .is_some_and(|stored| stored.before.is_some())
                {
                    return ep::Outcome::Failed(conflict());
                }
                self.endpoint = None;
                if let Some(runtime) = &mut self.runtime {
                    runtime.dirty = true;
                }
                ep::Outcome::Done
            }
            ep::Action::Create {
                runtime_id,
                name,
                version,
                description,
                tags,
                client_token,
            } => {
                let now = self.aws.now;
                let one = Ep {
                    name: name.clone(),
                    arn: String::new(),
                    live: None,
                    target: version.clone(),
                    status: ServiceStatus::Creating,
                    description: description.clone(),
                    tags: tags.clone(),
                    created: now,
                    updated: now,
                    until: now,
                    unknown: Vec::new(),
                };
                accepted(self.aws.create_endpoint(runtime_id, one, client_token))
            }
            ep::Action::Update {
                runtime_id,
                name,
                version,
                description,
                client_token,
            } => accepted(self.aws.update_endpoint(
                runtime_id,
                name,
                version,
                description.clone(),
                client_token,
            )),
            ep::Action::Delete {
                runtime_id, name, ..
            } => done(self.aws.delete_endpoint(runtime_id, name)),
            ep::Action::Tag { arn, tags } => done(self.aws.put_tags(arn, tags)),
            ep::Action::Untag { arn, keys } => done(self.aws.remove_tags(arn, keys)),
        }
    }
}
