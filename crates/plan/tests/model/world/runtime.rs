//! Passes over the AgentRuntime.

use std::collections::BTreeSet;
use std::time::Duration;

use agentcore_api::AgentRuntime;
use agentcore_api::names::FINALIZER;
use agentcore_plan::config::ConfigInput;
use agentcore_plan::fault::Fault;
use agentcore_plan::guard::Mutation;
use agentcore_plan::runtime as rt;
use agentcore_plan::step::{Due, Rest, Step};

use super::{Crash, Disturb, World, conflict, look_up, schedule};
use crate::model::owners::Actor;

impl World {
    /// One pass over the runtime. `None` when there is no object any more.
    pub fn runtime_pass(&mut self, due: Due, disturb: Disturb) -> Option<Rest> {
        let stored = self.runtime.clone()?;
        let mut object = stored.seen(disturb.stale);
        let mut facts = self.listed(&object, stored.mutated);
        let mut outcome = None;
        let (config, used) = (self.config(), self.used_versions());
        let mut acted = false;
        for _ in 0..40 {
            let (referrers, owned) = match &self.endpoint {
                Some(endpoint) if endpoint.now.spec.runtime_ref.name == "support" => {
                    (vec!["live".to_owned()], vec!["live".to_owned()])
                }
                _ => (vec![], vec![]),
            };
            let view = rt::View {
                object: &object,
                policy: &self.policy,
                granted: &self.granted,
                older_in_namespace: 0,
                referrers: &referrers,
                owned_endpoint_names: &owned,
                config: &config,
                used_versions: &used,
                faults: stored.faults,
                due,
                facts: facts.clone(),
                outcome: outcome.clone(),
            };
            let decision = rt::plan(&view, self.aws.now);
            self.trace
                .push(format!("{} rt {:?}", self.aws.now, decision.step));
            match decision.step {
                Step::Read(read) => {
                    assert!(outcome.is_none(), "a read after the action: {read:?}");
                    self.runtime_read(read, &object, &mut facts);
                }
                Step::Act(action) => {
                    assert!(outcome.is_none(), "a second action: {action:?}");
                    let ends = matches!(
                        action,
                        rt::Action::AddFinalizer | rt::Action::RemoveFinalizer
                    );
                    if disturb.ends(Crash::BeforeStatus) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    self.events.extend(decision.events);
                    self.write_runtime(&mut object, &decision.status);
                    self.history(&object, &config, &facts);
                    if disturb.ends(Crash::BeforeCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    let uid = object.metadata.uid.clone().unwrap_or_default();
                    let adopts =
                        object.spec.adopt.is_some() && matches!(action, rt::Action::Tag { .. });
                    let actor = Actor {
                        policy: &self.policy,
                        name: "support",
                        uid: &uid,
                    };
                    self.assert_cleared(action.effect(), &facts.tags, actor, |_| adopts);
                    let result = self.runtime_act(&action, &object, disturb.stale);
                    if let Some(stored) = &mut self.runtime
                        && !ends
                    {
                        stored.mutated = Some(self.aws.now);
                        acted = true;
                    }
                    if disturb.ends(Crash::AfterCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    if matches!(action, rt::Action::AddFinalizer) && result == rt::Outcome::Done {
                        object = self.runtime.as_ref()?.now.clone();
                    } else {
                        outcome = Some(result);
                    }
                }
                Step::Rest(rest) => {
                    self.events.extend(decision.events);
                    self.write_runtime(&mut object, &decision.status);
                    self.history(&object, &config, &facts);
                    self.end_runtime(rest, acted);
                    return Some(rest);
                }
            }
        }
        panic!(
            "the planner does not come to rest:\n{}",
            self.trace.join("\n")
        );
    }

    /// The history that can be written with what this pass knows.
    fn history(&mut self, object: &AgentRuntime, config: &ConfigInput, facts: &rt::Facts) {
        let view = rt::View {
            object,
            policy: &self.policy,
            granted: &self.granted,
            older_in_namespace: 0,
            referrers: &[],
            owned_endpoint_names: &[],
            config,
            used_versions: &BTreeSet::new(),
            faults: 0,
            due: Due::default(),
            facts: facts.clone(),
            outcome: None,
        };
        let revision = rt::revision(&view);
        self.keep_history(revision);
    }

    fn end_runtime(&mut self, rest: Rest, acted: bool) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.runtime {
            schedule(stored, rest, now);
            let _ = acted;
        }
    }

    fn write_runtime(
        &mut self,
        object: &mut AgentRuntime,
        status: &agentcore_api::AgentRuntimeStatus,
    ) {
        let text = serde_json::to_string(status).expect("JSON");
        assert!(
            !text.contains(super::config::SECRET),
            "a value in the status: {text}"
        );
        assert!(status.phase.is_some(), "no phase: {text}");
        if object.status.as_ref() != Some(status)
            && let Some(stored) = &mut self.runtime
            && stored.now.metadata.uid == object.metadata.uid
        {
            stored.write(|now| now.status = Some(status.clone()));
            if let Some(endpoint) = &mut self.endpoint {
                endpoint.dirty = true;
            }
        }
        object.status = Some(status.clone());
    }

    fn runtime_read(&mut self, read: rt::Read, object: &AgentRuntime, facts: &mut rt::Facts) {
        match read {
            rt::Read::List => {
                let as_of = self.aws.now;
                match self.aws.list(false) {
                    Ok(list) => {
                        let found = look_up(object, &self.policy, &list, as_of);
                        facts.listed = found.listed;
                        facts.listed_under_former_names = found.listed_under_former_names;
                    }
                    Err(fault) => facts.list_fault = Some(fault),
                }
            }
            rt::Read::Runtime { id } => facts.runtime = Some(self.aws.get(&id)),
            rt::Read::Tags { arn } => {
                let answer = self.aws.tags(&arn);
                facts.tags.insert(arn, answer);
            }
            rt::Read::Owner { namespace, name } => {
                let lives = self.living.contains(&(namespace, name));
                facts.owner = Some(Ok(lives.then_some(())));
            }
            rt::Read::DefaultEndpoint { id } => {
                facts.default_endpoint = Some(self.aws.endpoint(&id, "DEFAULT"));
            }
            rt::Read::Endpoints { id } => facts.endpoints = Some(self.aws.endpoints(&id)),
            rt::Read::Versions { id } => facts.versions = Some(self.aws.versions(&id)),
            rt::Read::ResourcePolicy { arn } => facts.resource_policy = Some(self.aws.policy(&arn)),
            rt::Read::Source(read) => self.registry.answer(read, self.aws.now, &mut facts.source),
        }
    }

    fn runtime_act(
        &mut self,
        action: &rt::Action,
        object: &AgentRuntime,
        stale: bool,
    ) -> rt::Outcome {
        let done = |result: Result<(), Fault>| {
            result.map_or_else(rt::Outcome::Failed, |()| rt::Outcome::Done)
        };
        let accepted = |result| match result {
            Ok(answer) => rt::Outcome::Accepted(answer),
            Err(fault) => rt::Outcome::Failed(fault),
        };
        match action {
            rt::Action::AddFinalizer => {
                let stored = self.runtime.as_mut().expect("there is an object");
                if stored.now.metadata.deletion_timestamp.is_some()
                    || stored.now.metadata.uid != object.metadata.uid
                {
                    return rt::Outcome::Failed(conflict());
                }
                stored.write(|object| object.metadata.finalizers = Some(vec![FINALIZER.into()]));
                rt::Outcome::Done
            }
            rt::Action::RemoveFinalizer => {
                // Carries the resource version that was planned with.
                if stale
                    && self
                        .runtime
                        .as_ref()
                        .is_some_and(|stored| stored.before.is_some())
                {
                    return rt::Outcome::Failed(conflict());
                }
                self.runtime = None;
                if let Some(endpoint) = &mut self.endpoint {
                    endpoint.dirty = true;
                }
                rt::Outcome::Done
            }
            rt::Action::Create {
                name,
                config,
                tags,
                client_token,
            } => accepted(self.aws.create(name, config, tags, client_token)),
            rt::Action::Update {
                id,
                config,
                client_token,
            } => accepted(self.aws.update(id, config, client_token)),
            rt::Action::Delete { id, client_token } => done(self.aws.delete(id, client_token)),
            rt::Action::DeleteVersion { id, version, .. } => {
                done(self.aws.delete_version(id, version))
            }
            rt::Action::DeleteEndpoint {
                runtime_id, name, ..
            } => done(self.aws.delete_endpoint(runtime_id, name)),
            rt::Action::Tag { arn, tags } => done(self.aws.put_tags(arn, tags)),
            rt::Action::Untag { arn, keys } => done(self.aws.remove_tags(arn, keys)),
            rt::Action::PutResourcePolicy { arn, policy } => {
                done(self.aws.put_policy(arn, Some(policy.clone())))
            }
            rt::Action::DeleteResourcePolicy { arn } => done(self.aws.put_policy(arn, None)),
        }
    }
}
