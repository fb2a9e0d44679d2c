//! What may happen to replicas and their Lease, what comes of it, and what must not.

use std::time::Duration;

use super::super::candidate::Phase;
use super::super::{Answer, Lead, Moment, Request, Terms};
use super::explore::Model;
use super::world::{Action, Calm, Doing, LONG_AGO, NOW, Replica, TICK, World};

/// How the replicas are made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    /// Clocks stand still while a machine sleeps.
    SleepingClocks,
    /// The lease is counted from the answer to the write, not from its begin.
    CountsFromTheAnswer,
    /// Whether the holder lives is judged by the time that it wrote, and one's own clock is so far ahead.
    WallClock(Duration),
    /// Writes name no version.
    BlindWrites,
    /// The end is looked at before a call, and not while it goes on.
    LooksOnce,
}

/// What is checked, and what may happen.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)] // each says what may happen
pub struct Leases {
    pub replicas: usize,
    pub terms: Terms,
    pub planted: Planted,
    /// Calls to AWS are looked at; they need this long.
    pub calls: Option<Duration>,
    /// Processes are stopped.
    pub stops: bool,
    /// Processes are killed.
    pub kills: bool,
    /// Somebody deletes the Lease, once, when all have seen it.
    pub deletes: bool,
    /// The old leader's last request has all the time between the terms to arrive.
    pub gap: bool,
    /// The faults end, and somebody must lead within this time.
    pub calm: Option<Duration>,
}

impl Leases {
    /// Whether it might send something to AWS at this moment.
    fn may_change(&self, replica: &Replica) -> bool {
        let candidate = &replica.candidate;
        let goes_on = self.planted == Planted::LooksOnce || candidate.lead.may_go_on(NOW);
        candidate.lead.may_begin(NOW, &self.terms) || replica.call.is_some() && goes_on
    }

    fn while_faults_last(&self, world: &World) -> Vec<Action> {
        let mut all = vec![Action::Tick];
        for (number, replica) in world.replicas.iter().enumerate() {
            let lead = replica.candidate.lead;
            let writes =
                matches!(&replica.doing, Doing::Asked(request) if *request != Request::Read);
            let fates = if writes { &[false, true][..] } else { &[false] };
            match &replica.doing {
                Doing::Ready | Doing::Asleep(_) => all.push(Action::Go(number)),
                Doing::Asked(_) => all.push(Action::Serve(number)),
                Doing::Served(_) => all.push(Action::Hear(number)),
            }
            for late in fates.iter().copied() {
                if matches!(replica.doing, Doing::Asked(_) | Doing::Served(_)) {
                    all.push(Action::Silence {
                        replica: number,
                        late,
                    });
                }
                if self.kills {
                    all.push(Action::Kill {
                        replica: number,
                        late,
                    });
                }
            }
            if self.stops && matches!(lead, Lead::Until(_)) && !replica.candidate.stopped {
                all.push(Action::Stop(number));
            }
            if self.calls.is_some() {
                if replica.call.is_some() {
                    all.push(Action::Finish(number));
                } else if lead.may_begin(NOW, &self.terms) {
                    all.push(Action::Begin(number));
                }
            }
            if self.planted == Planted::SleepingClocks {
                all.push(Action::Sleep(number));
            }
            if self.calm.is_some() {
                all.push(Action::Calm(Some(number)));
            }
        }
        if world.late.is_some() {
            all.push(Action::Arrive);
        }
        let knows = |replica: &Replica| match replica.candidate.lead {
            Lead::Standby => replica.candidate.seen.last.is_some(),
            lead => lead.may_go_on(NOW),
        };
        if self.deletes
            && world.old_counts
            && world.lease.is_some()
            && world.replicas.iter().all(knows)
        {
            all.push(Action::Delete);
        }
        if self.calm.is_some() {
            all.push(Action::Calm(None));
        }
        all
    }

    /// Time passes, where it does not stand still for this replica.
    fn tick(&self, world: &mut World, but: Option<usize>) {
        world.written = Moment::at(world.written.since(Moment::at(TICK)));
        for (number, replica) in world.replicas.iter_mut().enumerate() {
            if but != Some(number) {
                replica.tick();
            }
            let Some(needed) = self.calls else { continue };
            let Some(age) = &mut replica.call else {
                continue;
            };
            *age = needed.min(*age + TICK);
            if !replica.candidate.lead.may_go_on(NOW) && self.planted != Planted::LooksOnce {
                replica.was_cut = *age < needed;
                replica.call = None;
            }
        }
    }

    fn calm_tick(&self, world: &mut World, calm: &mut Calm) {
        let leads = |(number, replica): (usize, &Replica)| {
            Some(number) != calm.dead && replica.candidate.lead.may_go_on(NOW)
        };
        if !world.replicas.iter().enumerate().any(leads) {
            calm.leaderless += TICK;
        }
        self.tick(world, None);
        for replica in &mut world.replicas {
            if let Doing::Asleep(time) = &mut replica.doing {
                *time = time.saturating_sub(TICK);
            }
        }
    }

    fn hear(&self, world: &mut World, number: usize) {
        let written = world.written;
        let replica = &mut world.replicas[number];
        let Doing::Served(answer) = replica.doing.clone() else {
            return;
        };
        let is_read = matches!(answer, Answer::Read(Some(_)));
        if self.planted == Planted::CountsFromTheAnswer {
            replica.candidate.began = NOW;
        }
        let waited = replica.candidate.lead == Lead::Standby;
        replica.candidate.hear(answer, NOW);
        if let Lead::Until(end) = &mut replica.candidate.lead
            && waited
            && *end <= NOW
        {
            // It never led.
            *end = LONG_AGO;
        }
        if let Planted::WallClock(ahead) = self.planted
            && is_read
            && let Some(last) = &mut replica.candidate.seen.last
        {
            last.since = Moment::at(written.since(Moment::at(ahead)));
        }
        Self::heard(replica);
    }

    /// It does its next step at once, unless it may be held up in between.
    fn heard(replica: &mut Replica) {
        replica.drop_call();
        replica.doing = Doing::Ready;
        if !matches!(replica.candidate.phase, Phase::Take(_)) {
            replica.go();
        }
    }

    /// What it had asked arrives later, or never.
    fn silence(world: &mut World, number: usize, late: bool) {
        if late && let Doing::Asked(request) = &world.replicas[number].doing {
            world.late = Some((number, request.clone()));
        }
    }

    fn serve(&self, world: &mut World, number: usize, request: &Request) -> Answer {
        let answer = world.serve(number, request, self.planted == Planted::BlindWrites);
        if matches!(answer, Answer::Written(_)) && matches!(self.planted, Planted::WallClock(_)) {
            world.written = NOW;
        }
        answer
    }

    fn calm_down(world: &mut World, dead: Option<usize>) {
        world.late = None;
        for (number, replica) in world.replicas.iter_mut().enumerate() {
            replica.call = None;
            if dead == Some(number) {
                // Nothing of it counts any more, but until when it led.
                let lead = replica.candidate.lead;
                *replica = replica.anew();
                replica.candidate.lead = lead;
            }
        }
        world.calm = Some(Calm {
            dead,
            leaderless: Duration::ZERO,
        });
    }
}

impl Model for Leases {
    type State = World;
    type Action = Action;

    fn start(&self) -> World {
        let mut world = World::new(self.replicas, self.terms);
        world.old_counts = self.deletes || self.planted == Planted::BlindWrites;
        world.normal()
    }

    fn actions(&self, world: &World) -> Vec<Action> {
        let Some(calm) = &world.calm else {
            return self.while_faults_last(world);
        };
        let mut all = Vec::new();
        for (number, replica) in world.replicas.iter().enumerate() {
            if calm.dead == Some(number) {
                continue;
            }
            match &replica.doing {
                Doing::Asleep(time) if !time.is_zero() => {}
                Doing::Ready | Doing::Asleep(_) => all.push(Action::Go(number)),
                Doing::Asked(_) => all.push(Action::Serve(number)),
                Doing::Served(_) => all.push(Action::Hear(number)),
            }
        }
        // Nobody waits for anybody: time passes.
        if all.is_empty() {
            all.push(Action::Tick);
        }
        all
    }

    fn after(&self, world: &World, action: Action) -> World {
        let mut world = world.clone();
        match action {
            Action::Tick => match world.calm.take() {
                None => self.tick(&mut world, None),
                Some(mut calm) => {
                    self.calm_tick(&mut world, &mut calm);
                    world.calm = Some(calm);
                }
            },
            Action::Sleep(number) => self.tick(&mut world, Some(number)),
            Action::Go(number) => world.replicas[number].go(),
            Action::Serve(number) => {
                if let Doing::Asked(request) = world.replicas[number].doing.clone() {
                    let answer = self.serve(&mut world, number, &request);
                    world.replicas[number].doing = Doing::Served(answer);
                }
            }
            Action::Hear(number) => self.hear(&mut world, number),
            Action::Silence {
                replica: number,
                late,
            } => {
                Self::silence(&mut world, number, late);
                let replica = &mut world.replicas[number];
                replica.candidate.hear(Answer::Silence, NOW);
                Self::heard(replica);
            }
            Action::Kill {
                replica: number,
                late,
            } => {
                Self::silence(&mut world, number, late);
                world.replicas[number] = world.replicas[number].anew();
            }
            Action::Arrive => {
                if let Some((number, request)) = world.late.take() {
                    self.serve(&mut world, number, &request);
                }
            }
            Action::Stop(number) => world.replicas[number].candidate.stop(),
            Action::Begin(number) => world.replicas[number].call = Some(Duration::ZERO),
            Action::Finish(number) => world.replicas[number].call = None,
            Action::Delete => {
                world.lease = None;
                world.old_counts = false;
                // One that starts now has nothing to judge by: docs/adr/0017-models.md.
                for replica in &mut world.replicas {
                    replica.restarts = false;
                }
            }
            Action::Calm(dead) => Self::calm_down(&mut world, dead),
        }
        world.normal()
    }

    fn fault(&self, world: &World) -> Option<&'static str> {
        let acting = world.replicas.iter().filter(|one| self.may_change(one));
        if acting.count() > 1 {
            return Some("two may change AWS");
        }
        if world.replicas.iter().any(|replica| replica.was_cut) {
            return Some("a call was cut off that began in time");
        }
        let gap = self
            .terms
            .duration
            .saturating_sub(self.terms.renew_deadline);
        let just_ended = |replica: &Replica| match replica.candidate.lead {
            Lead::Until(end) => end <= NOW && NOW.since(end) < gap,
            _ => false,
        };
        let leads = |replica: &Replica| replica.candidate.lead.may_go_on(NOW);
        if self.gap && world.replicas.iter().any(leads) && world.replicas.iter().any(just_ended) {
            return Some("one leads too soon after the other");
        }
        let bound = self.calm?;
        let too_long = world
            .calm
            .as_ref()
            .is_some_and(|calm| calm.leaderless > bound);
        too_long.then_some("nobody leads")
    }
}
