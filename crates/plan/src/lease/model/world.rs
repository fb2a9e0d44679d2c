//! Replicas, an API server, a network that is late and loses, and clocks.
//!
//! Each replica does its next step whenever it likes, and time passes whenever it likes: it may be slow or frozen at any moment, for any time.
//! Moments are kept relative to now, so that the states are finitely many and time has no end.

use std::time::Duration;

use jiff::Timestamp;

use super::super::candidate::Phase;
use super::super::seen::Seen;
use super::super::{Answer, Candidate, Hold, Lead, Moment, Record, Request, Step, Terms};

/// It always is this late, and what was before is moved back.
pub const NOW: Moment = Moment::at(Duration::from_secs(1000));
/// Longer ago than any of the terms.
pub const LONG_AGO: Moment = Moment::at(Duration::from_mins(15));
/// A tick of the world's time.
pub const TICK: Duration = Duration::from_secs(1);

/// What the world does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Time passes.
    Tick,
    /// Time passes, and this replica's clock stands still.
    Sleep(usize),
    /// A replica does its next step.
    Go(usize),
    /// The API server does what a replica asked.
    Serve(usize),
    /// The replica hears the answer.
    Hear(usize),
    /// The replica hears nothing of its request, which is lost or, if late, on its way for any time.
    Silence { replica: usize, late: bool },
    /// The late write arrives.
    Arrive,
    /// The process is killed, and another one started in its place; what it had asked may be on its way.
    Kill { replica: usize, late: bool },
    /// The process is to stop.
    Stop(usize),
    /// A change of AWS begins.
    Begin(usize),
    /// It ends by itself.
    Finish(usize),
    /// Somebody deletes the Lease.
    Delete,
    /// From now on nothing goes wrong any more, but that this replica stands still for ever.
    Calm(Option<usize>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Is about to do its next step.
    Ready,
    /// Sleeps for at most this long.
    Asleep(Duration),
    /// Has asked.
    Asked(Request),
    /// The API server has answered.
    Served(Answer),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    pub candidate: Candidate,
    pub doing: Doing,
    /// How long a change of AWS has been under way.
    pub call: Option<Duration>,
    /// A change was cut off by the end of the lease before it had the time that it needs.
    pub was_cut: bool,
    /// Whether another process is started where this one ended.
    pub restarts: bool,
}

impl Replica {
    pub fn new(number: usize, terms: Terms) -> Self {
        Self::begin(&number.to_string(), terms, true)
    }

    /// A new process in its place.
    pub fn anew(&self) -> Self {
        let before = &self.candidate;
        Self::begin(&before.identity, before.terms, self.restarts)
    }

    fn begin(identity: &str, terms: Terms, restarts: bool) -> Self {
        Self {
            candidate: Candidate::new(identity, terms),
            doing: Doing::Ready,
            call: None,
            was_cut: false,
            restarts,
        }
    }

    /// The step, as the driver does it.
    pub fn go(&mut self) {
        self.doing = match self.candidate.next(NOW) {
            Step::Ask(request, _) => Doing::Asked(request),
            Step::Wait(time) => Doing::Asleep(time),
            Step::End(_) if self.restarts => {
                *self = self.anew();
                return;
            }
            Step::End(_) => Doing::Ready,
        };
        self.drop_call();
    }

    /// A call is dropped where the replica leads no more.
    pub fn drop_call(&mut self) {
        if matches!(self.candidate.lead, Lead::Over(_)) {
            self.call = None;
        }
    }

    fn moments(&mut self) -> Vec<&mut Moment> {
        let Candidate {
            seen, lead, began, ..
        } = &mut self.candidate;
        let mut all = vec![began];
        all.extend(seen.last.as_mut().map(|last| &mut last.since));
        if let Lead::Until(moment) | Lead::Over(moment) = lead {
            all.push(moment);
        }
        all
    }

    /// Its clock goes on by a tick.
    pub fn tick(&mut self) {
        for moment in self.moments() {
            *moment = Moment::at(moment.since(Moment::at(TICK)));
        }
    }

    /// Forgets what no decision will be made upon. `version`: of the Lease, where there is one and will be.
    fn forget(&mut self, version: Option<&String>) {
        let is_old = |other: &String| version.is_some_and(|version| version != other);
        // No version comes again: such a write will not be done.
        if let Doing::Asked(request) = &self.doing
            && request.version().is_some_and(is_old)
        {
            self.doing = Doing::Served(Answer::Conflict);
        }
        let counts = match &self.doing {
            Doing::Asked(request) => *request != Request::Read,
            Doing::Served(answer) => matches!(answer, Answer::Written(_)),
            Doing::Ready | Doing::Asleep(_) => false,
        };
        let candidate = &mut self.candidate;
        if !counts {
            candidate.began = Moment::at(Duration::ZERO);
        }
        if let Phase::Take(Some(record)) = &mut candidate.phase {
            (record.holder, record.acquired) = (None, None);
        }
        if let Doing::Asked(Request::Take(record)) = &mut self.doing {
            (record.holder, record.acquired) = (None, None);
        }
        if candidate.lead != Lead::Standby {
            candidate.seen = Seen::default();
        }
        // The next look finds another one.
        if let Some(last) = &mut candidate.seen.last
            && last.version.as_ref().is_some_and(is_old)
        {
            last.since = NOW;
        }
        let terms = candidate.terms;
        let before = |time| Moment::at(NOW.since(Moment::at(time)));
        if let Some(last) = &mut candidate.seen.last {
            last.since = last.since.max(before(terms.duration));
        }
        candidate.began = candidate.began.max(before(terms.renew_deadline));
        match &mut candidate.lead {
            Lead::Over(end) => *end = before(terms.duration),
            Lead::Until(end) => {
                *end = (*end).max(before(terms.duration.saturating_sub(terms.renew_deadline)));
            }
            Lead::Alone | Lead::Standby => {}
        }
    }
}

impl Request {
    /// Which version the write is about.
    fn version(&self) -> Option<&String> {
        match self {
            Self::Read | Self::Create => None,
            Self::Take(record) => Some(&record.version),
            Self::Renew(hold) | Self::Release(hold) => Some(&hold.version),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Calm {
    /// It does nothing.
    pub dead: Option<usize>,
    /// How long nobody has led.
    pub leaderless: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub lease: Option<Record>,
    pub replicas: Vec<Replica>,
    /// A write that nobody waits for any more, by whom.
    pub late: Option<(usize, Request)>,
    /// Versions that are not there any more count: somebody may still delete the Lease, or writes name none.
    pub old_counts: bool,
    /// When the Lease was written last, where that counts.
    pub written: Moment,
    pub calm: Option<Calm>,
}

/// A version or time that stands nowhere yet.
const FRESH: usize = 99;

impl World {
    pub fn new(replicas: usize, terms: Terms) -> Self {
        Self {
            lease: None,
            replicas: (0..replicas)
                .map(|number| Replica::new(number, terms))
                .collect(),
            late: None,
            old_counts: false,
            written: Moment::at(Duration::ZERO),
            calm: None,
        }
    }

    /// The API server does it; `blindly`: whatever version the write names.
    pub fn serve(&mut self, by: usize, request: &Request, blindly: bool) -> Answer {
        let version = match request {
            Request::Read => return Answer::Read(self.lease.clone()),
            Request::Create if self.lease.is_some() => return Answer::Conflict,
            Request::Create => None,
            Request::Take(record) => Some(&record.version),
            Request::Renew(hold) | Request::Release(hold) => Some(&hold.version),
        };
        let fresh = second(FRESH);
        let (holder, acquired) = match (&self.lease, version) {
            (None, Some(_)) => return Answer::Gone,
            (Some(there), Some(version)) if there.version != *version && !blindly => {
                return Answer::Conflict;
            }
            (there, _) => match request {
                Request::Renew(_) => there
                    .as_ref()
                    .map(|one| (one.holder.clone(), one.acquired))
                    .unwrap_or_default(),
                Request::Release(_) => (None, None),
                _ => (Some(by.to_string()), Some(fresh)),
            },
        };
        let version = FRESH.to_string();
        let acquired_by = match request {
            Request::Renew(hold) | Request::Release(hold) => hold.acquired,
            _ => fresh,
        };
        self.lease = Some(Record {
            version: version.clone(),
            holder,
            acquired,
            transitions: 0,
        });
        Answer::Written(Hold {
            version,
            acquired: acquired_by,
        })
    }

    /// The one of all states that differ from it in names, or in what nothing depends on, only.
    pub fn normal(mut self) -> Self {
        let lease = self.lease.clone().filter(|_| !self.old_counts);
        let version = lease.as_ref().map(|lease| &lease.version);
        self.late = self.late.filter(|(_, request)| match request.version() {
            Some(named) => version.is_none_or(|version| version == named),
            None => version.is_none(),
        });
        for replica in &mut self.replicas {
            replica.forget(version);
            let phase = &replica.candidate.phase;
            let looks = replica.doing == Doing::Ready && *phase == Phase::Look;
            if self.calm.is_none() && (looks || matches!(replica.doing, Doing::Asleep(_))) {
                replica.doing = Doing::Asleep(replica.candidate.terms.retry);
            }
        }
        self.written = self.written.max(LONG_AGO);
        self.rename();
        self
    }

    /// Each replica, and the network, compares what it knows with the Lease and within itself only: so much of the names is kept.
    fn rename(&mut self) {
        let mut lease = Names::default();
        lease.of_record(self.lease.as_mut());
        let (mut versions, mut times) = lease.rename(&[], &[]);
        if versions.is_empty() {
            versions.push(String::new());
        }
        if times.is_empty() {
            times.push(Timestamp::MIN);
        }
        if let Some((_, request)) = &mut self.late {
            let mut names = Names::default();
            names.of_request(request);
            names.rename(&versions, &times);
        }
        for replica in &mut self.replicas {
            let mut names = Names::default();
            names.of_replica(replica);
            names.rename(&versions, &times);
        }
    }
}

fn second(number: usize) -> Timestamp {
    let seconds = i64::try_from(number).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or_default()
}

/// Its place among those that are known.
fn number<T: Clone + PartialEq>(known: &mut Vec<T>, one: &T) -> usize {
    let place = known.iter().position(|other| other == one);
    place.unwrap_or_else(|| {
        known.push(one.clone());
        known.len() - 1
    })
}

/// All versions and acquire times that stand anywhere.
#[derive(Default)]
struct Names<'a> {
    versions: Vec<&'a mut String>,
    times: Vec<&'a mut Timestamp>,
}

impl<'a> Names<'a> {
    /// Numbers them: first those that are known. What they were called is answered.
    fn rename(self, versions: &[String], times: &[Timestamp]) -> (Vec<String>, Vec<Timestamp>) {
        let (mut versions, mut times) = (versions.to_vec(), times.to_vec());
        for version in self.versions {
            *version = number(&mut versions, version).to_string();
        }
        for time in self.times {
            *time = second(number(&mut times, time));
        }
        (versions, times)
    }

    fn of_replica(&mut self, replica: &'a mut Replica) {
        let Candidate { seen, phase, .. } = &mut replica.candidate;
        self.versions
            .extend(seen.last.as_mut().and_then(|last| last.version.as_mut()));
        match phase {
            Phase::Take(record) => self.of_record(record.as_mut()),
            Phase::Apart(_) | Phase::Look | Phase::Ended(_) => {}
            Phase::Hold(hold, _)
            | Phase::Renew(hold)
            | Phase::Compare(hold)
            | Phase::Again(hold)
            | Phase::Remake(hold)
            | Phase::Release(hold)
            | Phase::CompareToRelease(hold)
            | Phase::ReleaseAgain(hold) => self.of_hold(hold),
        }
        match &mut replica.doing {
            Doing::Asked(request) => self.of_request(request),
            Doing::Served(Answer::Read(record)) => self.of_record(record.as_mut()),
            Doing::Served(Answer::Written(hold)) => self.of_hold(hold),
            Doing::Served(_) | Doing::Ready | Doing::Asleep(_) => {}
        }
    }

    fn of_request(&mut self, request: &'a mut Request) {
        match request {
            Request::Read | Request::Create => {}
            Request::Take(record) => self.of_record(Some(record)),
            Request::Renew(hold) | Request::Release(hold) => self.of_hold(hold),
        }
    }

    fn of_record(&mut self, record: Option<&'a mut Record>) {
        if let Some(record) = record {
            self.versions.push(&mut record.version);
            self.times.extend(record.acquired.as_mut());
        }
    }

    fn of_hold(&mut self, hold: &'a mut Hold) {
        self.versions.push(&mut hold.version);
        self.times.push(&mut hold.acquired);
    }
}
