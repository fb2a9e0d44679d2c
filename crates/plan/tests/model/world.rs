//! Objects, their history, and a driver that does what the planner says: the same loop as the controllers, with crashes.

use std::time::Duration;

use agentcore_api::endpoint::AgentEndpointSpec;
use agentcore_api::names::FINALIZER;
use agentcore_api::runtime::{
    AgentRuntimeSpec, Artifact, Container, ExecutionRole, Network, NetworkMode,
};
use agentcore_api::{AgentEndpoint, AgentRuntime, LocalReference};
use agentcore_plan::aws::{ListedRuntime, ServiceStatus};
use agentcore_plan::endpoint as ep;
use agentcore_plan::fault::Fault;
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime as rt;
use agentcore_plan::step::{Due, Event, Rest, Step, Sweep};
use jiff::{SignedDuration, Timestamp};

use super::{ACCOUNT, Aws, Ep, Switches};

/// Where a pass ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before the status that goes ahead of an action.
    BeforeStatus,
    /// After that status, before the call.
    BeforeCall,
    /// After the call, before its answer is written down.
    AfterCall,
}

/// How a pass is disturbed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disturb {
    pub crash: Option<Crash>,
    pub stale: bool,
}

/// One object and the copies that a lagging cache may still show.
#[derive(Clone, Debug)]
pub struct Stored<K> {
    pub now: K,
    pub before: Option<K>,
    pub faults: u32,
    pub next: Option<Timestamp>,
    pub polling: bool,
    pub dirty: bool,
    /// Beginning of the earliest list that may be shown: the last mutation's answer.
    pub mutated: Option<Timestamp>,
}

impl<K: Clone> Stored<K> {
    pub fn new(object: K) -> Self {
        Self {
            now: object,
            before: None,
            faults: 0,
            next: None,
            polling: false,
            dirty: true,
            mutated: None,
        }
    }

    fn write(&mut self, change: impl FnOnce(&mut K)) {
        self.before = Some(self.now.clone());
        change(&mut self.now);
    }

    fn seen(&self, stale: bool) -> K {
        if stale {
            self.before.clone().unwrap_or_else(|| self.now.clone())
        } else {
            self.now.clone()
        }
    }
}

#[derive(Clone, Debug)]
pub struct World {
    pub aws: Aws,
    pub policy: Policy,
    pub runtime: Option<Stored<AgentRuntime>>,
    pub endpoint: Option<Stored<AgentEndpoint>>,
    pub inventory: Option<(Timestamp, Vec<ListedRuntime>)>,
    pub events: Vec<Event>,
    pub lagging: bool,
    pub uid: u32,
    pub trace: Vec<String>,
}

pub fn runtime_object(uid: u32) -> AgentRuntime {
    let spec = AgentRuntimeSpec {
        runtime_name: Some("support".into()),
        description: Some("one".into()),
        artifact: Artifact {
            container: Some(Container {
                image: "public.ecr.aws/a/support:1".into(),
            }),
            code: None,
        },
        execution_role: ExecutionRole {
            arn: format!("arn:aws:iam::{ACCOUNT}:role/agentcore/team-a/support"),
        },
        network: Some(Network {
            mode: NetworkMode::Public,
            vpc: None,
        }),
        protocol: None,
        lifecycle: None,
        env: None,
        authorizer: None,
        request_headers: None,
        resource_policy: None,
        filesystems: None,
        metadata_service: None,
        platform_version: None,
        allowed_ports: None,
        capacity_provider: None,
        tags: None,
        region: None,
        deletion_policy: None,
        adopt: None,
        suspend: None,
    };
    let mut object = AgentRuntime::new("support", spec);
    object.metadata.namespace = Some("team-a".into());
    object.metadata.uid = Some(format!("uid-{uid}"));
    object.metadata.generation = Some(1);
    object
}

pub fn endpoint_object(uid: u32) -> AgentEndpoint {
    let spec = AgentEndpointSpec {
        runtime_ref: LocalReference {
            name: "support".into(),
        },
        endpoint_name: Some("live".into()),
        version: "Latest".into(),
        description: Some("one".into()),
        tags: None,
        deletion_policy: None,
        suspend: None,
    };
    let mut object = AgentEndpoint::new("live", spec);
    object.metadata.namespace = Some("team-a".into());
    object.metadata.uid = Some(format!("euid-{uid}"));
    object.metadata.generation = Some(1);
    object
}

impl World {
    pub fn new(switches: Switches) -> Self {
        Self {
            aws: Aws::new(switches),
            policy: Policy {
                cluster_id: "c1".into(),
                account: ACCOUNT.into(),
                partition: "aws".into(),
                region: "us-east-1".into(),
                ..Policy::default()
            },
            runtime: None,
            endpoint: None,
            inventory: None,
            events: Vec::new(),
            lagging: false,
            uid: 0,
            trace: Vec::new(),
        }
    }

    pub fn with_runtime(change: impl FnOnce(&mut AgentRuntime)) -> Self {
        let mut world = Self::new(Switches::default());
        let mut object = runtime_object(0);
        change(&mut object);
        world.runtime = Some(Stored::new(object));
        world
    }

    pub fn status(&self) -> agentcore_api::AgentRuntimeStatus {
        self.runtime
            .as_ref()
            .and_then(|stored| stored.now.status.clone())
            .unwrap_or_default()
    }

    pub fn endpoint_status(&self) -> agentcore_api::AgentEndpointStatus {
        self.endpoint
            .as_ref()
            .and_then(|stored| stored.now.status.clone())
            .unwrap_or_default()
    }

    /// Edits the runtime's spec, as a person does.
    pub fn edit(&mut self, change: impl FnOnce(&mut AgentRuntimeSpec)) {
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            stored.write(|object| {
                change(&mut object.spec);
                object.metadata.generation = object.metadata.generation.map(|it| it + 1);
            });
        }
    }

    pub fn edit_endpoint(&mut self, change: impl FnOnce(&mut AgentEndpointSpec)) {
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            stored.write(|object| {
                change(&mut object.spec);
                object.metadata.generation = object.metadata.generation.map(|it| it + 1);
            });
        }
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            stored.write(|object| {
                object
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(key.into(), value.into());
            });
        }
    }

    pub fn annotate_endpoint(&mut self, key: &str, value: &str) {
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            stored.write(|object| {
                object
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(key.into(), value.into());
            });
        }
    }

    pub fn delete_runtime(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.runtime {
            stored.dirty = true;
            if stored
                .now
                .metadata
                .finalizers
                .as_deref()
                .unwrap_or_default()
                .is_empty()
            {
                self.runtime = None;
            } else if stored.now.metadata.deletion_timestamp.is_none() {
                stored.write(|object| object.metadata.deletion_timestamp = Some(k8s(now)));
            }
        }
    }

    pub fn delete_endpoint(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.endpoint {
            stored.dirty = true;
            if stored
                .now
                .metadata
                .finalizers
                .as_deref()
                .unwrap_or_default()
                .is_empty()
            {
                self.endpoint = None;
            } else if stored.now.metadata.deletion_timestamp.is_none() {
                stored.write(|object| object.metadata.deletion_timestamp = Some(k8s(now)));
            }
        }
    }

    /// The inventory's poller lists once.
    pub fn poll_list(&mut self) {
        let (as_of, lagging) = (self.aws.now, self.lagging);
        if let Ok(list) = self.aws.list(lagging) {
            if self
                .inventory
                .as_ref()
                .is_none_or(|(_, before)| *before != list)
                && let Some(stored) = &mut self.runtime
            {
                stored.dirty = true;
            }
            self.inventory = Some((as_of, list));
        }
    }

    fn listed(&self, object: &AgentRuntime, mutated: Option<Timestamp>) -> rt::Listed {
        let Some((as_of, list)) = self.inventory.clone() else {
            return rt::Listed::Unknown;
        };
        if mutated.is_some_and(|at| as_of <= at) {
            return rt::Listed::Unknown;
        }
        self.look_up(object, &list, as_of)
    }

    fn look_up(
        &self,
        object: &AgentRuntime,
        list: &[ListedRuntime],
        as_of: Timestamp,
    ) -> rt::Listed {
        let id = object.status.as_ref().and_then(|status| status.id.clone());
        let found = match id {
            Some(id) => list.iter().find(|entry| entry.id == id),
            None => list
                .iter()
                .find(|entry| Some(&entry.name) == object.spec.runtime_name.as_ref()),
        };
        match found {
            Some(entry) => rt::Listed::Present {
                entry: entry.clone(),
                as_of,
            },
            None => rt::Listed::Absent { as_of },
        }
    }

    /// One pass over the runtime. `None` when there is no object any more.
    pub fn runtime_pass(&mut self, due: Due, disturb: Disturb) -> Option<Rest> {
        let stored = self.runtime.clone()?;
        let mut object = stored.seen(disturb.stale);
        let listed = self.listed(&object, stored.mutated);
        let mut facts = rt::Facts {
            listed,
            ..rt::Facts::default()
        };
        let mut outcome = None;
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
                older_in_namespace: 0,
                referrers: &referrers,
                owned_endpoint_names: &owned,
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
                    if disturb.crash == Some(Crash::BeforeStatus) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    self.events.extend(decision.events);
                    self.write_runtime(&mut object, &decision.status);
                    if disturb.crash == Some(Crash::BeforeCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    let result = self.runtime_act(&action, &object, disturb.stale);
                    if let Some(stored) = &mut self.runtime
                        && !ends
                    {
                        stored.mutated = Some(self.aws.now);
                        acted = true;
                    }
                    if disturb.crash == Some(Crash::AfterCall) && !ends {
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
                    Ok(list) => facts.listed = self.look_up(object, &list, as_of),
                    Err(fault) => facts.list_fault = Some(fault),
                }
            }
            rt::Read::Runtime { id } => facts.runtime = Some(self.aws.get(&id)),
            rt::Read::Tags { arn } => facts.tags = Some(self.aws.tags(&arn)),
            rt::Read::DefaultEndpoint { id } => {
                facts.default_endpoint = Some(self.aws.endpoint(&id, "DEFAULT"))
            }
            rt::Read::Endpoints { id } => facts.endpoints = Some(self.aws.endpoints(&id)),
            rt::Read::ResourcePolicy { arn } => facts.resource_policy = Some(self.aws.policy(&arn)),
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
                    if disturb.crash == Some(Crash::BeforeStatus) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    self.events.extend(decision.events);
                    self.write_endpoint(&mut object, &decision.status);
                    if disturb.crash == Some(Crash::BeforeCall) && !ends {
                        return Some(Rest::After(Duration::from_secs(1)));
                    }
                    let result = self.endpoint_act(&action, &object, disturb.stale);
                    if disturb.crash == Some(Crash::AfterCall) && !ends {
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
                facts.endpoint = Some(self.aws.endpoint(&runtime_id, &name))
            }
            ep::Read::Tags { arn } => facts.tags = Some(self.aws.tags(&arn)),
            ep::Read::Endpoints { runtime_id } => {
                facts.endpoints = Some(self.aws.endpoints(&runtime_id))
            }
            ep::Read::Runtime { runtime_id } => {
                facts.runtime = Some(self.aws.get(&runtime_id).map(|found| found.map(|_| ())))
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

    /// Lets time pass, with an inventory and timers as the operator has them, until nothing is due within `hours`.
    pub fn run(&mut self, hours: i64) {
        let end = self.aws.now + SignedDuration::from_hours(hours);
        let mut next_list = self.aws.now;
        let mut steps = 0;
        while self.aws.now < end {
            if steps > 3000 {
                // Something is stuck in transition: the checks will tell what.
                break;
            }
            steps += 1;
            assert!(
                steps < 20_000,
                "too many steps:\n{}",
                self.trace[self.trace.len().saturating_sub(80)..].join("\n")
            );
            let now = self.aws.now;
            let transition = self.runtime.as_ref().is_some_and(|stored| stored.polling);
            if transition {
                next_list = next_list.min(now + SignedDuration::from_secs(3));
            }
            if now >= next_list {
                self.poll_list();
                next_list = now + SignedDuration::from_secs(if transition { 3 } else { 60 });
            }
            self.due_passes();
            let at = [
                self.runtime.as_ref().and_then(|stored| due_at(stored, now)),
                self.endpoint
                    .as_ref()
                    .and_then(|stored| due_at(stored, now)),
                Some(
                    next_list.min(now + SignedDuration::from_secs(if transition { 3 } else { 60 })),
                ),
            ];
            let at = at.into_iter().flatten().min().expect("one at least");
            let wait = at.duration_since(now).as_secs().max(1);
            self.aws.advance(wait);
            if self.resting() && self.far() {
                break;
            }
        }
    }

    /// Nothing is dirty, and no timer but a far one runs.
    fn resting(&self) -> bool {
        let quiet = |dirty: bool, polling: bool| !dirty && !polling;
        self.runtime
            .as_ref()
            .is_none_or(|stored| quiet(stored.dirty, stored.polling))
            && self
                .endpoint
                .as_ref()
                .is_none_or(|stored| quiet(stored.dirty, stored.polling))
    }

    fn far(&self) -> bool {
        let none = |next: Option<Timestamp>| next.is_none();
        self.runtime.as_ref().is_none_or(|stored| none(stored.next))
            && self
                .endpoint
                .as_ref()
                .is_none_or(|stored| none(stored.next))
    }

    fn due_passes(&mut self) {
        let now = self.aws.now;
        if let Some(stored) = &mut self.runtime {
            let timer = stored.next.is_some_and(|at| now >= at);
            if stored.dirty || timer {
                stored.dirty = false;
                stored.next = stored.next.filter(|_| !timer);
                self.runtime_pass(Due::default(), Disturb::default());
            }
        }
        if let Some(stored) = &mut self.endpoint {
            let timer = stored.next.is_some_and(|at| now >= at);
            if stored.dirty || timer {
                let poll = timer && stored.polling;
                stored.dirty = false;
                stored.next = stored.next.filter(|_| !timer);
                self.endpoint_pass(Due { poll, sweep: None }, Disturb::default());
            }
        }
    }

    /// One round of the slow sweep.
    pub fn sweep(&mut self) {
        for sweep in [Sweep::Tags, Sweep::ResourcePolicy, Sweep::Endpoint] {
            let due = Due {
                poll: false,
                sweep: Some(sweep),
            };
            self.runtime_pass(due, Disturb::default());
            self.endpoint_pass(due, Disturb::default());
        }
    }
}

fn due_at<K>(stored: &Stored<K>, now: Timestamp) -> Option<Timestamp> {
    if stored.dirty {
        Some(now + SignedDuration::from_secs(1))
    } else {
        stored.next
    }
}

fn schedule<K>(stored: &mut Stored<K>, rest: Rest, now: Timestamp) {
    stored.polling = matches!(rest, Rest::Transition { .. });
    stored.faults = if matches!(rest, Rest::Backoff(_)) {
        stored.faults + 1
    } else {
        0
    };
    stored.next = match rest {
        Rest::Settled | Rest::Forget => None,
        Rest::Transition { .. } => Some(now + SignedDuration::from_secs(3)),
        Rest::After(wait) | Rest::Backoff(wait) => {
            Some(now + SignedDuration::try_from(wait).expect("short"))
        }
    };
}

fn conflict() -> Fault {
    super::fault(
        agentcore_plan::fault::Class::Conflict,
        "the object has changed",
    )
}

fn k8s(at: Timestamp) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::Time {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at)
}
