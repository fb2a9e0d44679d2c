//! A model of AgentCore's data plane and of one AgentSession, small enough to be read.

use std::collections::{BTreeSet, VecDeque};

use agentcore_api::names::FINALIZER;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession, AgentSessionStatus};
use agentcore_plan::conditions::{is_ready, ready_reason};
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::grant::Granted;
use agentcore_plan::policy::Policy;
use agentcore_plan::session::{Action, Address, CallResult, Outcome, View, plan};
use agentcore_plan::step::{Event, Rest, Step};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

const RUNTIME: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/";
const CLUSTER_UID: &str = "cluster-uid-1";

/// A microVM.
#[derive(Clone, Debug)]
pub struct Vm {
    pub id: String,
    pub version: String,
    started: Timestamp,
    used: Timestamp,
}

/// What the agent does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    Answers(u16),
    Fails,
}

/// Where the operator dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    BeforeCall,
    AfterCall,
}

pub struct World {
    pub now: Timestamp,
    pub object: Option<AgentSession>,
    pub endpoint: Option<AgentEndpoint>,
    pub runtime: Option<AgentRuntime>,
    pub vms: Vec<Vm>,
    /// Version that AgentCore serves, which the AgentEndpoint's status may not say yet.
    pub live: u32,
    pub agent: Agent,
    /// Versions whose agent fails whatever `agent` says.
    pub broken: BTreeSet<String>,
    /// Faults of the next calls; `true`: after the effect.
    pub faults: VecDeque<(Class, bool)>,
    pub crash: Option<Crash>,
    /// How often the runtime was made anew.
    anew: u32,
    pub idle: i64,
    pub lifetime: i64,
    pub due: Timestamp,
    pub calls: Vec<(&'static str, String)>,
    pub events: Vec<Event>,
    pub trace: Vec<String>,
    answered: BTreeSet<String>,
    policy: Policy,
}

pub fn fault(class: Class) -> Fault {
    Fault {
        class,
        reason: match class {
            Class::Throttled => agentcore_api::reasons::THROTTLED,
            Class::Denied => agentcore_api::reasons::ACCESS_DENIED,
            Class::Quota => agentcore_api::reasons::QUOTA_EXCEEDED,
            Class::Gone => agentcore_api::reasons::UNKNOWN_ERROR,
            _ => agentcore_api::reasons::SERVICE_UNAVAILABLE,
        },
        code: format!("{class:?}"),
        message: "injected".into(),
        request_id: None,
    }
}

impl World {
    /// An AgentSession that nothing was done for yet, on an endpoint of version 1.
    pub fn new() -> Self {
        let mut world = Self {
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            object: None,
            endpoint: None,
            runtime: None,
            vms: Vec::new(),
            live: 1,
            agent: Agent::Answers(200),
            broken: BTreeSet::new(),
            faults: VecDeque::new(),
            crash: None,
            anew: 0,
            idle: 900,
            lifetime: 28_800,
            due: Timestamp::UNIX_EPOCH,
            calls: Vec::new(),
            events: Vec::new(),
            trace: Vec::new(),
            answered: BTreeSet::new(),
            policy: Policy {
                account: "111122223333".into(),
                cluster_uid: CLUSTER_UID.into(),
                ..Policy::default()
            },
        };
        world.declare(&json!({"endpointRef": {"name": "live"}, "keepAlive": {"every": "5m"}}));
        world.sync();
        world
    }

    /// The manifest.
    pub fn declare(&mut self, spec: &Value) {
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentSession",
            "metadata": {"namespace": "team-a", "name": "bridge", "uid": "u-1", "generation": 1},
            "spec": spec,
        });
        self.object = Some(serde_json::from_value(object).unwrap());
    }

    fn arn(&self) -> String {
        let name = self.policy.names().new_name("team-a", "support");
        format!("{RUNTIME}{name}-{:010}", self.anew)
    }

    /// The runtime was lost and made again: all sessions went with it.
    pub fn make_anew(&mut self) {
        self.anew += 1;
        self.vms.clear();
        self.trace.push("-- made anew".into());
        self.sync();
    }

    /// The statuses of runtime and endpoint say what AgentCore has.
    pub fn sync(&mut self) {
        let (live, arn) = (self.live.to_string(), self.arn());
        let effective = json!({
            "idleRuntimeSessionTimeout": format!("{}s", self.idle), "maxLifetime": format!("{}s", self.lifetime),
            "serverProtocol": "HTTP", "port": 8080, "path": "/invocations",
        });
        let runtime = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime",
            "metadata": {"namespace": "team-a", "name": "support"},
            "spec": {"artifact": {}, "executionRole": {"arn": "arn"}},
            "status": {"arn": arn, "effective": effective, "defaultEndpoint": {"liveVersion": live, "status": "READY"}},
        });
        self.runtime = Some(serde_json::from_value(runtime).unwrap());
        let endpoint = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentEndpoint",
            "metadata": {"namespace": "team-a", "name": "live"},
            "spec": {"runtimeRef": {"name": "support"}, "version": "Latest"},
            "status": {"arn": format!("{arn}/runtime-endpoint/live"), "runtimeArn": arn, "name": "live", "liveVersion": live},
        });
        self.endpoint = Some(serde_json::from_value(endpoint).unwrap());
        self.due = self.now;
    }

    /// The endpoint moves to another version, and the operator knows.
    pub fn roll(&mut self, version: u32) {
        self.live = version;
        self.trace.push(format!("-- version {version} is live"));
        self.sync();
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut AgentSession)) {
        if let Some(object) = &mut self.object {
            change(object);
            object.metadata.generation = object.metadata.generation.map(|n| n + 1);
        }
        self.due = self.now;
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        if let Some(object) = &mut self.object {
            let notes = object.metadata.annotations.get_or_insert_default();
            notes.insert(key.into(), value.into());
        }
        self.due = self.now;
    }

    pub fn delete(&mut self) {
        if let Some(object) = &mut self.object {
            object.metadata.deletion_timestamp = Some(Time(self.now));
            if object.metadata.finalizers.is_none() {
                self.object = None;
            }
        }
        self.trace.push("-- deleted".into());
        self.due = self.now;
    }

    /// The operator's credentials are of another account from now on.
    pub fn other_account(&mut self) {
        self.policy.account = "999988887777".into();
        self.due = self.now;
    }

    pub fn status(&self) -> AgentSessionStatus {
        let object = self.object.as_ref();
        object
            .and_then(|object| object.status.clone())
            .unwrap_or_default()
    }

    pub fn reason(&self) -> String {
        let status = self.status();
        ready_reason(&status.conditions)
            .unwrap_or("none")
            .to_owned()
    }

    pub fn is_ready(&self) -> bool {
        is_ready(&self.status().conditions)
    }

    /// Calls by name.
    pub fn count(&self, operation: &str) -> usize {
        self.calls
            .iter()
            .filter(|(name, _)| *name == operation)
            .count()
    }

    /// Lets this much time pass, with the passes that fall due.
    pub fn run(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        loop {
            if self.due > end || self.object.is_none() {
                break;
            }
            self.now = self.now.max(self.due);
            self.age();
            self.pass();
        }
        self.now = end;
        self.age();
    }

    /// AgentCore ends what rested or lived too long.
    fn age(&mut self) {
        let (now, idle, life) = (self.now, self.idle, self.lifetime);
        let over = |since: Timestamp, most| now.duration_since(since).as_secs() >= most;
        self.vms
            .retain(|vm| !over(vm.used, idle) && !over(vm.started, life));
    }

    /// One pass, or as much of it as the operator lives to do.
    pub fn pass(&mut self) -> Option<Rest> {
        let mut outcome: Option<Outcome> = None;
        for _ in 0..16 {
            let object = self.object.clone()?;
            let view = View {
                object: &object,
                policy: &self.policy,
                granted: &Granted::everything(),
                older_in_namespace: 0,
                endpoint: self.endpoint.as_ref(),
                runtime: self.runtime.as_ref(),
                outcome: outcome.clone(),
            };
            let decision = plan(&view, self.now);
            self.object.as_mut().unwrap().status = Some(decision.status);
            self.trace.push(format!("{} {:?}", self.now, decision.step));
            self.events.extend(decision.events);
            match decision.step {
                Step::Read(never) => match never {},
                Step::Rest(rest) => {
                    let wait = match rest {
                        Rest::After(wait) => wait.try_into().unwrap(),
                        Rest::Settled | Rest::Forget => SignedDuration::from_hours(24 * 365),
                        other => panic!("{other:?} is not for sessions"),
                    };
                    self.due = self.now + wait;
                    return Some(rest);
                }
                Step::Act(action) => {
                    if self.crash.take_if(|at| *at == Crash::BeforeCall).is_some() {
                        self.trace.push("-- killed before".into());
                        self.due = self.now;
                        return None;
                    }
                    outcome = self.perform(action);
                    if self.crash.take_if(|at| *at == Crash::AfterCall).is_some() {
                        self.trace.push("-- killed after".into());
                        self.due = self.now;
                        return None;
                    }
                }
            }
        }
        panic!("no end:\n{}", self.tail());
    }

    fn perform(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::AddFinalizer => {
                let object = self.object.as_mut().unwrap();
                object.metadata.finalizers = Some(vec![FINALIZER.into()]);
                None
            }
            Action::RemoveFinalizer => {
                self.object = None;
                None
            }
            Action::Invoke {
                at,
                payload,
                within,
            } => {
                assert!(within.as_secs() <= 120 && payload.starts_with('{'));
                let result = self.call("Invoke", &at, Self::invoke);
                Some(Outcome {
                    session_id: at.session_id,
                    result,
                })
            }
            Action::Stop { at } => {
                let result = self.call("Stop", &at, Self::stop);
                Some(Outcome {
                    session_id: at.session_id,
                    result,
                })
            }
        }
    }

    fn call(
        &mut self,
        name: &'static str,
        at: &Address,
        effect: impl FnOnce(&mut Self, &str) -> CallResult,
    ) -> CallResult {
        let id = at.session_id.as_str();
        self.calls.push((name, id.to_owned()));
        assert_eq!(at.qualifier, "live");
        if at.runtime_arn != self.arn() {
            return CallResult::Failed(fault(Class::Gone));
        }
        match self.faults.pop_front() {
            Some((class, true)) => {
                effect(self, id);
                CallResult::Failed(fault(class))
            }
            Some((class, false)) => CallResult::Failed(fault(class)),
            None => effect(self, id),
        }
    }

    fn invoke(&mut self, id: &str) -> CallResult {
        let status = self.status();
        let next = status.next.as_ref().map(|next| next.session_id.as_str());
        assert!(
            status.session_id.as_deref() == Some(id) || next == Some(id),
            "an id that is not in status:\n{}",
            self.tail()
        );
        let (now, version) = (self.now, self.live.to_string());
        if !self.vms.iter().any(|vm| vm.id == id) {
            self.vms.push(Vm {
                id: id.to_owned(),
                version,
                started: now,
                used: now,
            });
        }
        let vm = self.vms.iter_mut().find(|vm| vm.id == id).unwrap();
        vm.used = now;
        let broken = self.broken.contains(&vm.version);
        match self.agent {
            Agent::Answers(code) if !broken => {
                if (200..300).contains(&code) {
                    self.answered.insert(id.to_owned());
                }
                CallResult::Answered(code)
            }
            _ => CallResult::AgentFailed("Received error (500) from runtime".into()),
        }
    }

    fn stop(&mut self, id: &str) -> CallResult {
        let status = self.status();
        let deleting = self
            .object
            .as_ref()
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some();
        if !deleting {
            let next = status.next.as_ref().map(|next| next.session_id.as_str());
            assert!(
                status.session_id.as_deref() != Some(id) && next != Some(id),
                "stopped what is wanted:\n{}",
                self.tail()
            );
            if self.answered.contains(id)
                && let Some(serving) = &status.session_id
            {
                assert!(
                    self.answered.contains(serving),
                    "stopped before the new one has answered:\n{}",
                    self.tail()
                );
            }
        }
        let before = self.vms.len();
        self.vms.retain(|vm| vm.id != id);
        if self.vms.len() == before {
            CallResult::Failed(fault(Class::Gone))
        } else {
            CallResult::Stopped
        }
    }

    pub fn tail(&self) -> String {
        let from = self.trace.len().saturating_sub(60);
        format!(
            "{}\n{:#?}\n{:#?}",
            self.trace[from..].join("\n"),
            self.status(),
            self.vms
        )
    }
}
