//! Two replicas of the operator before one world. Each is led by the product's own candidate, with a lease, a clock and an API server that it may
//! not reach, and makes passes as long as its process believes that it leads.

use std::time::Duration;

use agentcore_api::{AgentEndpointStatus, AgentRuntimeStatus};
use agentcore_plan::aws::ListedRuntime;
use agentcore_plan::lease::{Answer, Candidate, Hold, Lead, Moment, Record, Request, Step, Terms};
use agentcore_plan::step::Due;
use jiff::Timestamp;
use proptest::prelude::*;

use super::happening::{Happening, crash, happen, happening};
use super::world::{Disturb, Known, World};

/// What happens to the replicas.
#[derive(Clone, Debug)]
pub enum Twist {
    /// To the world; a pass is one of this replica's.
    World(usize, Happening),
    /// Its process stands still, or goes on.
    Freeze(usize, bool),
    /// It hears nothing of the API server about the lease, which does what it asks all the same or not.
    Cut(usize, Option<bool>),
    /// Its process is killed, and another one started.
    Kill(usize),
    /// A status that it wrote arrives once more, late.
    LateStatus(usize),
    /// So many seconds pass.
    Time(u8),
}

pub fn twist() -> impl Strategy<Value = Twist> {
    let which = || 0..2_usize;
    prop_oneof![
        20 => (which(), happening()).prop_map(|(which, what)| Twist::World(which, what)),
        2 => (which(), any::<bool>()).prop_map(|(which, on)| Twist::Freeze(which, on)),
        2 => (which(), any::<Option<bool>>()).prop_map(|(which, how)| Twist::Cut(which, how)),
        1 => which().prop_map(Twist::Kill),
        2 => which().prop_map(Twist::LateStatus),
        6 => (1..30_u8).prop_map(Twist::Time),
    ]
}

/// What a process knows beyond the objects.
#[derive(Debug, Default)]
struct Memory {
    inventory: Option<(Timestamp, Vec<ListedRuntime>)>,
    runtime: Known,
    endpoint: Known,
}

/// The statuses that it wrote last, and of which objects.
#[derive(Clone, Debug, Default)]
struct Written {
    runtime: Option<(Option<String>, AgentRuntimeStatus)>,
    endpoint: Option<(Option<String>, AgentEndpointStatus)>,
}

#[derive(Debug)]
struct Process {
    candidate: Candidate,
    /// Nothing to do until then.
    until: Moment,
    /// It waits for an answer that does not come.
    unheard: bool,
    memory: Memory,
    written: Written,
    frozen: bool,
    cut: Option<bool>,
    /// How many have taken the lease until it did.
    reign: u32,
}

impl Process {
    fn new(number: usize) -> Self {
        Self {
            candidate: Candidate::new(&number.to_string(), Terms::OPERATOR),
            until: Moment::at(Duration::ZERO),
            unheard: false,
            memory: Memory::default(),
            written: Written::default(),
            frozen: false,
            cut: None,
            reign: 0,
        }
    }
}

#[derive(Debug)]
pub struct Replicas {
    pub world: World,
    processes: Vec<Process>,
    lease: Option<Record>,
    writes: u32,
    reigns: u32,
    /// Whose change was the last one.
    changed: u32,
    now: Moment,
    /// Calls are made although the lease has ended.
    pub planted: bool,
}

impl Replicas {
    pub fn new(world: World) -> Self {
        let mut replicas = Self {
            world,
            processes: (0..2).map(Process::new).collect(),
            lease: None,
            writes: 0,
            reigns: 0,
            changed: 0,
            now: Moment::at(Duration::from_secs(100)),
            planted: false,
        };
        replicas.elect();
        replicas
    }

    /// The replica that certainly leads.
    pub fn leader(&self) -> Option<usize> {
        let leads = |one: &Process| one.candidate.lead().may_go_on(self.now);
        let mut leaders =
            (0..self.processes.len()).filter(|number| leads(&self.processes[*number]));
        let leader = leaders.next();
        assert_eq!(leaders.next(), None, "two lead");
        leader
    }

    pub fn happen(&mut self, twist: &Twist) {
        match twist {
            Twist::World(number, what) => self.world_happens(*number, what),
            Twist::Freeze(number, on) => self.processes[*number].frozen = *on,
            Twist::Cut(number, how) => self.processes[*number].cut = *how,
            Twist::Kill(number) => self.kill(*number),
            Twist::LateStatus(number) => self.status_arrives(*number),
            Twist::Time(seconds) => self.wait(u64::from(*seconds)),
        }
    }

    fn kill(&mut self, number: usize) {
        let old = &mut self.processes[number];
        let (cut, written) = (old.cut, old.written.clone());
        *old = Process {
            written,
            cut,
            ..Process::new(number)
        };
    }

    /// Seconds, in which the lease goes its way.
    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            self.world.aws.advance(1);
            self.elect();
        }
        self.leader();
    }

    /// Nothing goes wrong any more. Ends with the replica that leads, and the world as that one knows it.
    pub fn calm(&mut self) {
        for process in &mut self.processes {
            (process.frozen, process.cut) = (false, None);
        }
        for _ in 0..30 {
            self.wait(1);
            if let Some(leader) = self.leader() {
                self.world.trace.push(format!("calm with {leader}"));
                self.remember(leader);
                return;
            }
        }
        panic!("nobody leads: {:#?}", self.processes);
    }

    fn elect(&mut self) {
        for number in 0..self.processes.len() {
            while !self.processes[number].frozen && self.processes[number].until <= self.now {
                self.go(number);
            }
        }
    }

    /// The next step of a candidate.
    fn go(&mut self, number: usize) {
        let now = self.now;
        let process = &mut self.processes[number];
        if std::mem::take(&mut process.unheard) {
            process.candidate.hear(Answer::Silence, now);
        }
        match process.candidate.next(now) {
            Step::Wait(time) => process.until = now.after(time.max(Duration::from_millis(250))),
            Step::End(_) => self.kill(number),
            Step::Ask(request, within) => {
                let cut = process.cut;
                let answer = match cut {
                    Some(false) => None,
                    _ => Some(self.serve(number, &request)),
                };
                let process = &mut self.processes[number];
                if let (Some(answer), None) = (answer, cut) {
                    process.candidate.hear(answer, now);
                } else {
                    process.unheard = true;
                    process.until = now.after(within);
                }
            }
        }
    }

    /// What the API server does.
    fn serve(&mut self, number: usize, request: &Request) -> Answer {
        let there = self.lease.clone();
        let named = match request {
            Request::Read => return Answer::Read(there),
            Request::Create => None,
            Request::Take(record) => Some(&record.version),
            Request::Renew(hold) | Request::Release(hold) => Some(&hold.version),
        };
        if named != there.as_ref().map(|record| &record.version) {
            return Answer::Conflict;
        }
        self.writes += 1;
        let mut record = Record {
            version: self.writes.to_string(),
            holder: Some(number.to_string()),
            acquired: Timestamp::from_second(self.writes.into()).ok(),
            transitions: 0,
        };
        match request {
            Request::Renew(hold) => record.acquired = Some(hold.acquired),
            Request::Release(_) => record.holder = None,
            Request::Read | Request::Create | Request::Take(_) => {
                self.reigns += 1;
                self.processes[number].reign = self.reigns;
            }
        }
        let hold = Hold {
            version: record.version.clone(),
            acquired: record.acquired.unwrap_or_default(),
        };
        self.lease = Some(record);
        Answer::Written(hold)
    }

    fn world_happens(&mut self, number: usize, what: &Happening) {
        let pass = match what {
            Happening::RuntimePass(which, stale, poll) => (true, *which, *stale, *poll),
            Happening::EndpointPass(which, stale, poll) => (false, *which, *stale, *poll),
            Happening::List(_) => return self.as_process(number, |world| happen(world, what)),
            Happening::Time(seconds) => return self.wait(u64::from(*seconds % 60)),
            what => return happen(&mut self.world, what),
        };
        let (of_runtime, which, stale, poll) = pass;
        let process = &self.processes[number];
        // Whoever has not heard yet that it lost the lease goes on.
        if process.frozen || matches!(process.candidate.lead(), Lead::Standby | Lead::Over(_)) {
            return;
        }
        let begins = process
            .candidate
            .lead()
            .may_begin(self.now, &Terms::OPERATOR);
        let reign = process.reign;
        let disturb = Disturb {
            crash: crash(which),
            stale: stale && which > 3,
            fenced: !begins && !self.planted,
        };
        let due = Due { poll, sweep: None };
        let before = self.world.aws.mutations();
        self.as_process(number, |world| {
            if of_runtime {
                world.runtime_pass(due, disturb);
            } else {
                world.endpoint_pass(due, disturb);
            }
        });
        if self.world.aws.mutations() > before {
            assert!(
                reign >= self.changed,
                "a change by {number} after the next one's first"
            );
            self.changed = reign;
        }
        self.note_written(number);
    }

    /// Does it with what this process knows.
    fn as_process(&mut self, number: usize, what: impl FnOnce(&mut World)) {
        let other = self.remember(number);
        what(&mut self.world);
        self.processes[number].memory = self.swap(other);
    }

    fn remember(&mut self, number: usize) -> Memory {
        let memory = std::mem::take(&mut self.processes[number].memory);
        self.swap(memory)
    }

    fn swap(&mut self, memory: Memory) -> Memory {
        let world = &mut self.world;
        let runtime = world
            .runtime
            .as_mut()
            .map(|stored| stored.know(memory.runtime));
        let endpoint = world
            .endpoint
            .as_mut()
            .map(|stored| stored.know(memory.endpoint));
        Memory {
            inventory: std::mem::replace(&mut world.inventory, memory.inventory),
            runtime: runtime.unwrap_or_default(),
            endpoint: endpoint.unwrap_or_default(),
        }
    }

    fn note_written(&mut self, number: usize) {
        let Self {
            world, processes, ..
        } = self;
        let written = &mut processes[number].written;
        let status = |stored: &super::world::Stored<agentcore_api::AgentRuntime>| {
            Some((stored.now.metadata.uid.clone(), stored.now.status.clone()?))
        };
        written.runtime = world.runtime.as_ref().and_then(status);
        let status = |stored: &super::world::Stored<agentcore_api::AgentEndpoint>| {
            Some((stored.now.metadata.uid.clone(), stored.now.status.clone()?))
        };
        written.endpoint = world.endpoint.as_ref().and_then(status);
    }

    fn status_arrives(&mut self, number: usize) {
        let Written { runtime, endpoint } = self.processes[number].written.clone();
        if let (Some(stored), Some((uid, status))) = (&mut self.world.runtime, runtime)
            && stored.now.metadata.uid == uid
        {
            stored.write(|object| object.status = Some(status));
            stored.dirty = true;
        }
        if let (Some(stored), Some((uid, status))) = (&mut self.world.endpoint, endpoint)
            && stored.now.metadata.uid == uid
        {
            stored.write(|object| object.status = Some(status));
            stored.dirty = true;
        }
    }
}
