//! How many requests a second, and how long one takes: the gateway against the pass-through and against nothing in between. Rounds take
//! turns, so that whatever else the machine does hits all alike; what counts is the median of the rounds' ratios and differences.

use std::time::Duration;

use super::agent::Order;
use super::load::{Conversations, Target, Until, alone, closed, open};
use super::stage::Stage;
use crate::support::process::processor_time;
use crate::support::table::{Table, milliseconds};

/// Least throughput, as a part of the pass-through's.
const RATIO: f64 = 0.6;
/// Most time added to the pass-through's 99th percentile.
const ADDED: Duration = Duration::from_millis(3);
/// Requests a second where latency is measured.
const RATE: u32 = 200;

/// Requests a second with every caller busy.
pub async fn throughput(stage: &Stage, table: &mut Table) {
    const ROUNDS: usize = 7;
    const ROUND: Duration = Duration::from_secs(3);
    let gateway = stage.gateway().await;
    let targets = [stage.direct(), stage.passed(), stage.through(&gateway)];
    let processes = [stage.agent.pid(), stage.proxy.pid(), gateway.pid()];
    let mut rounds = Vec::new();
    let mut used = [Duration::ZERO; 3];
    // The first round warms up.
    for number in 0..=ROUNDS {
        let mut rates = [0.0; 3];
        for (which, target) in targets.iter().enumerate() {
            let before = processor_time(processes[which]);
            rates[which] = saturate(target, ROUND).await;
            if number > 0 {
                used[which] += processor_time(processes[which]).saturating_sub(before);
            }
        }
        if number > 0 {
            rounds.push(rates);
        }
    }
    let of = |which: usize| rounds.iter().map(move |rates| rates[which]);
    let ratio = median(rounds.iter().map(|rates| rates[2] / rates[1]));
    table.row(
        "throughput, as a part of the pass-through's",
        format!(">= {RATIO}"),
        format!("{ratio:.2}"),
        ratio >= RATIO,
    );
    let rates: Vec<String> = (0..3)
        .map(|which| format!("{:.0}", median(of(which))))
        .collect();
    table.told(
        "  requests/s: direct, pass-through, gateway",
        rates.join(", "),
    );
    let each = |which: usize| {
        let answered = of(which).sum::<f64>() * ROUND.as_secs_f64();
        used[which].as_secs_f64() / answered * 1e6
    };
    table.told(
        "  processor time a request: pass-through, gateway",
        format!("{:.0} us, {:.0} us", each(1), each(2)),
    );
}

async fn saturate(target: &Target, time: Duration) -> f64 {
    let target = target.clone();
    alone(async move || {
        let body = Order::Text.body();
        closed(&target, &body, Until::Elapsed(time), Conversations::Kept).await
    })
    .await
}

/// The time of a request while there are few.
pub async fn latency(stage: &Stage, table: &mut Table) {
    const ROUNDS: usize = 7;
    const ROUND: Duration = Duration::from_secs(5);
    let gateway = stage.gateway().await;
    let targets = [stage.direct(), stage.passed(), stage.through(&gateway)];
    let mut rounds = Vec::new();
    for number in 0..=ROUNDS {
        let mut times = Vec::new();
        for target in targets.clone() {
            let load = async move || open(&target, &Order::Text.body(), RATE, ROUND).await;
            let mut all = alone(load).await;
            all.sort();
            times.push((percentile(&all, 50), percentile(&all, 99)));
        }
        // The first round warms up.
        if number > 0 {
            rounds.push(times);
        }
    }
    let p50 = |which: usize| rounds.iter().map(move |times| times[which].0.as_secs_f64());
    let p99 = |which: usize| rounds.iter().map(move |times| times[which].1.as_secs_f64());
    let added = |which: usize| {
        [
            median(p50(2).zip(p50(which)).map(|(one, other)| one - other)),
            median(p99(2).zip(p99(which)).map(|(one, other)| one - other)),
        ]
    };
    let [median_added, tail_added] = added(1);
    table.row(
        "at 200/s, added to the pass-through: p99",
        format!("<= {} ms", ADDED.as_millis()),
        shown(tail_added),
        tail_added <= ADDED.as_secs_f64(),
    );
    table.told("  added to the pass-through: p50", shown(median_added));
    let [median_added, tail_added] = added(0);
    table.told(
        "  added to the agent itself: p50, p99",
        format!("{}, {}", shown(median_added), shown(tail_added)),
    );
    for (which, name) in ["direct", "pass-through", "gateway"].iter().enumerate() {
        let [middle, tail] = [median(p50(which)), median(p99(which))].map(Duration::from_secs_f64);
        table.told(
            &format!("  {name}: p50, p99"),
            format!("{}, {}", milliseconds(middle), milliseconds(tail)),
        );
    }
}

/// A difference of seconds in milliseconds, with its sign.
fn shown(seconds: f64) -> String {
    format!("{:+.2} ms", seconds * 1e3)
}

/// Of sorted times.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
