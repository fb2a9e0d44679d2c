//! Streams of events: when the first is there, and that none waits for the next.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http_body_util::BodyExt as _;

use super::agent::{Order, made, now};
use super::load::{Connection, Target, alone};
use super::speed::percentile;
use super::stage::{Stage, small};
use crate::support::table::{Table, milliseconds};

/// Events of a stream, and the time between two.
const EVENTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// Streams at once.
const AT_ONCE: usize = 4;
const ROUNDS: usize = 12;

/// What a target's streams were like.
#[derive(Default)]
struct Seen {
    /// From a request to its first event.
    first: Vec<Duration>,
    /// From when an event was made to when it was there, in nanoseconds.
    way: Vec<u64>,
}

/// Streams of all targets in turn.
pub async fn events(stage: &Stage, table: &mut Table) {
    let gateway = stage.gateway().await;
    let targets = [stage.direct(), stage.passed(), stage.through(&gateway)];
    let mut seen: [Seen; 3] = Default::default();
    for number in 0..=ROUNDS {
        for (which, target) in targets.iter().enumerate() {
            let target = target.clone();
            let streams = alone(async move || {
                join_all((0..AT_ONCE).map(|caller| stream(&target, caller))).await
            });
            // The first round warms up.
            for one in streams.await.into_iter().filter(|_| number > 0) {
                seen[which].first.extend(one.first);
                seen[which].way.extend(one.way);
            }
        }
    }
    for one in &mut seen {
        one.first.sort();
    }
    let pause = u64::try_from(PAUSE.as_nanos()).unwrap_or(u64::MAX);
    let [_, _, through] = &seen;
    let late = through.way.iter().filter(|way| **way >= pause).count();
    table.row(
        "events that waited until the next was made",
        "0",
        format!("{late} of {}", through.way.len()),
        late == 0,
    );
    let p50 = seen.each_ref().map(|seen| percentile(&seen.first, 50));
    let p99 = seen.each_ref().map(|seen| percentile(&seen.first, 99));
    let added =
        |times: [Duration; 3], to: usize| (times[2].as_secs_f64() - times[to].as_secs_f64()) * 1e3;
    table.told(
        "  first event, added to the pass-through: p50, p99",
        format!("{:+.2} ms, {:+.2} ms", added(p50, 1), added(p99, 1)),
    );
    table.told(
        "  first event, added to the agent: p50, p99",
        format!("{:+.2} ms, {:+.2} ms", added(p50, 0), added(p99, 0)),
    );
    let longest = through.way.iter().max().copied().unwrap_or_default();
    table.told(
        "  an event's longest way through the gateway",
        milliseconds(Duration::from_nanos(longest)),
    );
}

async fn stream(target: &Target, caller: usize) -> Seen {
    let order = Order::Events {
        count: EVENTS,
        pause_ms: u64::try_from(PAUSE.as_millis()).expect("short"),
    };
    let mut connection = Connection::open(target.address).await;
    let request = target.request(caller, small(order.body()));
    let begun = Instant::now();
    let mut body = connection.send(request).await.into_body();
    let mut seen = Seen::default();
    while let Some(frame) = body.frame().await {
        let bytes = frame.expect("a whole stream").into_data();
        let bytes = bytes.unwrap_or_default();
        // Several in one piece: all but the last waited, as their times show.
        for event in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(made) = made(event) {
                seen.way.push(now().saturating_sub(made));
            }
        }
        if seen.first.is_empty() {
            seen.first.push(begun.elapsed());
        }
    }
    assert_eq!(seen.way.len(), EVENTS as usize, "an event is missing");
    seen
}
