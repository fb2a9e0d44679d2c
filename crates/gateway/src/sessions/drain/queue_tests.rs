//! Order and pace of stops, by a clock that stands still until it is moved.

use proptest::prelude::*;

use super::*;
use crate::agents::Kind;
use crate::sessions::ledger::Birth;
use crate::stops::Rates;

fn queue_of(per_second: f64) -> Queue {
    Queue::new(Arc::new(Stops::new(Rates::of(per_second))))
}

fn owner(name: &str) -> Owner {
    Owner {
        subject: "caller".into(),
        kind: Kind::AgentRuntime,
        namespace: "shop".into(),
        name: name.into(),
    }
}

fn candidate(name: &str, number: usize) -> Candidate {
    let owner = owner(name);
    let arn = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-abcdefghij";
    let now = jiff::Timestamp::UNIX_EPOCH;
    Candidate {
        live: Group::of(&owner, Some(&"2".into())),
        owner,
        record: Record {
            conversation: format!("conversation-{number:040}").parse().unwrap(),
            generation: 0,
            birth: Birth {
                qualifier: None,
                version: Some("1".into()),
                idle_timeout: Duration::from_mins(15),
                max_lifetime: Duration::from_hours(8),
            },
            started_at: now,
            last_used_at: now,
            in_flight: 0,
            busy: false,
        },
        reason: Reason::Idle,
        target: Target {
            arn: arn.parse().unwrap(),
            qualifier: None,
        },
    }
}

fn wanted(name: &str, per_minute: u32, sessions: usize) -> (Group, u32, Vec<Candidate>) {
    let candidates = (0..sessions)
        .map(|number| candidate(name, number))
        .collect();
    (Group::of(&owner(name), None), per_minute, candidates)
}

/// Lets time pass until there is nothing more; says what was stopped when, each stop ending at once as `end` says.
fn drained(
    queue: &mut Queue,
    begin: Instant,
    mut end: impl FnMut(&Candidate, usize) -> Ending,
) -> Vec<(Duration, String)> {
    let mut now = begin;
    let mut stops = Vec::new();
    loop {
        match queue.next(now) {
            Next::Stop(candidate) => {
                stops.push((now - begin, candidate.owner.name.to_string()));
                let ending = end(&candidate, stops.len());
                queue.done(&candidate, ending, 1.0, now);
            }
            Next::At(at) => {
                assert!(at > now, "time goes on");
                now = at;
            }
            Next::Nothing => return stops,
        }
        assert!(stops.len() < 10_000, "no end");
    }
}

#[test]
fn a_thousand_sessions_are_stopped_at_the_rate_of_aws_when_nothing_else_limits_them() {
    let (mut queue, begin) = (queue_of(5.0), Instant::now());
    queue.set(vec![wanted("a", 60_000, 1_000)], begin);
    let stops = drained(&mut queue, begin, |_, _| Ending::Done);
    assert_eq!(stops.len(), 1_000);
    let took = stops.last().unwrap().0;
    assert!(
        took >= Duration::from_millis(199_700) && took <= Duration::from_secs(200),
        "{took:?}"
    );
}

#[test]
fn a_slot_that_is_taken_late_does_not_slow_the_rate() {
    let (mut queue, begin) = (queue_of(5.0), Instant::now());
    queue.set(vec![wanted("a", 60_000, 100)], begin);
    let (mut now, mut stops) = (begin, 0);
    while stops < 100 {
        match queue.next(now) {
            Next::Stop(candidate) => {
                queue.done(&candidate, Ending::Done, 1.0, now);
                stops += 1;
            }
            // Whoever waits is woken a little late.
            Next::At(at) => now = at + Duration::from_millis(40),
            Next::Nothing => unreachable!("not all were stopped"),
        }
    }
    let took = now - begin;
    assert!(took < Duration::from_millis(19_900), "{took:?}");
}

#[test]
fn an_object_is_not_stopped_faster_than_its_policy_says_and_does_not_hold_up_others() {
    let (mut queue, begin) = (queue_of(100.0), Instant::now());
    queue.set(vec![wanted("slow", 6, 3), wanted("quick", 600, 10)], begin);
    let stops = drained(&mut queue, begin, |_, _| Ending::Done);
    let of = |name: &str| -> Vec<u64> {
        let mine = stops.iter().filter(|(_, other)| other == name);
        mine.map(|(at, _)| u64::try_from(at.as_millis()).unwrap())
            .collect()
    };
    assert!(
        of("slow").windows(2).all(|two| two[1] - two[0] >= 9_900),
        "{stops:?}"
    );
    assert!(*of("quick").last().unwrap() < 1_200, "{stops:?}");
}

#[test]
fn a_new_list_does_not_quicken_the_pace() {
    let (mut queue, mut now) = (queue_of(100.0), Instant::now());
    let begin = now;
    let mut stops = 0;
    while now - begin < Duration::from_mins(1) {
        queue.set(vec![wanted("a", 60, 1_000)], now);
        if let Next::Stop(candidate) = queue.next(now) {
            queue.done(&candidate, Ending::Done, 1.0, now);
            stops += 1;
        }
        queue.set(Vec::new(), now);
        now += Duration::from_millis(50);
    }
    assert!((59..=61).contains(&stops), "{stops}");
}

#[test]
fn what_was_refused_waits_and_the_others_go_on() {
    let (mut queue, begin) = (queue_of(10.0), Instant::now());
    queue.set(vec![wanted("a", 60_000, 5)], begin);
    let place = Group::of(&owner("a"), None);
    let mut seen = Vec::new();
    let stops = drained(&mut queue, begin, |candidate, count| {
        seen.push(candidate.record.conversation.clone());
        if count == 1 {
            Ending::Refused
        } else {
            Ending::Done
        }
    });
    assert_eq!(
        stops.len(),
        5,
        "the refused one is not in the list any more: {stops:?}"
    );
    assert_eq!(queue.refused(&place), 1);
    // It is in the next list, and its time comes.
    queue.set(vec![wanted("a", 60_000, 1)], begin);
    let again = drained(&mut queue, begin, |_, _| Ending::Done);
    assert_eq!(again.len(), 1);
    assert!(again[0].0 >= Duration::from_secs(20), "{again:?}");
    assert_eq!(queue.refused(&place), 0);
}

#[test]
fn a_throttled_stop_is_tried_sooner_than_a_refused_one_and_each_time_later() {
    let (mut queue, mut now) = (queue_of(10.0), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..10 {
        queue.set(vec![wanted("a", 60_000, 1)], now);
        let begin = now;
        loop {
            match queue.next(now) {
                Next::Stop(candidate) => {
                    pauses.push((now - begin).as_secs());
                    queue.done(&candidate, Ending::Again, 1.0, now);
                    break;
                }
                Next::At(at) => now = at,
                Next::Nothing => unreachable!("one waits"),
            }
        }
    }
    assert_eq!(pauses, [0, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    assert_eq!(queue.refused(&Group::of(&owner("a"), None)), 0);
}

#[test]
fn a_session_under_way_is_not_offered_again() {
    let (mut queue, now) = (queue_of(10.0), Instant::now());
    queue.set(vec![wanted("a", 60_000, 1)], now);
    let Next::Stop(candidate) = queue.next(now) else {
        unreachable!("one waits")
    };
    queue.set(vec![wanted("a", 60_000, 1)], now);
    let later = now + Duration::from_secs(1);
    assert!(matches!(queue.next(later), Next::Nothing));
    queue.done(&candidate, Ending::Skipped, 1.0, later);
    queue.set(vec![wanted("a", 60_000, 1)], later);
    assert!(matches!(queue.next(later), Next::Stop(_)), "at once");
}

#[test]
fn a_session_that_is_named_twice_is_stopped_once() {
    let (mut queue, now) = (queue_of(10.0), Instant::now());
    let (place, per_minute, mut candidates) = wanted("a", 60_000, 2);
    candidates.extend(candidates.clone());
    queue.set(vec![(place, per_minute, candidates)], now);
    assert_eq!(drained(&mut queue, now, |_, _| Ending::Done).len(), 2);
}

proptest! {
    /// Whatever the objects and their paces: everything is stopped once, and no rate is broken.
    #[test]
    fn everything_is_stopped_once_and_no_rate_is_broken(
        sessions in prop::collection::vec((1_usize..30, 30_u32..6_000), 1..6),
        rate in 1_u32..50,
    ) {
        let (mut queue, begin) = (queue_of(f64::from(rate)), Instant::now());
        let names: Vec<String> = (0..sessions.len()).map(|n| format!("agent-{n}")).collect();
        let lists = names.iter().zip(&sessions);
        queue.set(lists.map(|(name, (count, pace))| wanted(name, *pace, *count)).collect(), begin);
        let mut seen = HashSet::new();
        let stops = drained(&mut queue, begin, |candidate, _| {
            assert!(seen.insert(candidate.key()), "twice");
            Ending::Done
        });
        prop_assert_eq!(stops.len(), sessions.iter().map(|(count, _)| count).sum::<usize>());
        let within = |times: &[Duration], span: Duration| {
            times.iter().map(|from| times.iter().filter(|at| **at >= *from && **at < *from + span).count()).max().unwrap_or(0)
        };
        let all: Vec<Duration> = stops.iter().map(|(at, _)| *at).collect();
        prop_assert!(within(&all, Duration::from_secs(1)) <= rate as usize + 1);
        for (name, (_, pace)) in names.iter().zip(&sessions) {
            let mine: Vec<Duration> = stops.iter().filter(|(_, other)| other == name).map(|(at, _)| *at).collect();
            prop_assert!(within(&mine, Duration::from_mins(1)) <= *pace as usize + 1);
        }
    }
}
