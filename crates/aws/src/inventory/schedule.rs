//! When to look at AWS next, and how. Pure: everything is passed in.

use std::time::Duration;

/// Between two lists when nothing is in transition.
pub const AT_REST: Duration = Duration::from_mins(1);
/// Shortest time between two looks at something in transition.
const SHORTEST: Duration = Duration::from_secs(2);
/// Longest time between two looks at something in transition.
const LONGEST: Duration = Duration::from_secs(15);
/// Longest wait after lists that failed.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// How often something in transition is looked at: after a twentieth of the time that it has been so, at least `SHORTEST` and at most
/// `LONGEST`. AgentCore takes 6 to 10 s on platform V1, 3 to 9 minutes on V2, and up to 5 for a deletion: what is seen late is late by 5 %.
pub fn pace(age: Duration) -> Duration {
    (age / 20).clamp(SHORTEST, LONGEST)
}

/// How objects in transition are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Each by a Get of its own.
    Gets,
    /// All by the list.
    List,
}

/// What is in transition, and what looking at it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Objects in transition whose runtime id is known.
    pub with_id: usize,
    /// Objects in transition that only the list can show, by name.
    pub without_id: usize,
    /// Pages of the list.
    pub pages: usize,
    /// Whether the last list failed: it may never come.
    pub list_fails: bool,
    /// How long the youngest has been in transition.
    pub youngest: Duration,
    /// Shortest time between Gets that use a quarter of their rate.
    pub get_quarter: Duration,
    /// Shortest time between pages that use a quarter of their rate.
    pub list_quarter: Duration,
}

impl Load {
    /// The way that costs fewer calls; on a tie the list, which shows more. While lists fail, what can be read is read.
    pub fn look(&self) -> Look {
        let cheaper = self.without_id == 0 && self.with_id < self.pages;
        if cheaper || (self.list_fails && self.with_id > 0) {
            Look::Gets
        } else {
            Look::List
        }
    }

    /// Between two looks: the pace of the youngest, slowed to a quarter of the rate of what the looks call.
    pub fn interval(&self) -> Duration {
        let (calls, quarter) = match self.look() {
            Look::Gets => (self.with_id, self.get_quarter),
            Look::List => (self.pages, self.list_quarter),
        };
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        pace(self.youngest).max(quarter.saturating_mul(calls))
    }
}

/// After how long a list is tried again that failed `failures` times in a row: 1 s, 2 s, 4 s up to a minute, of which
/// `jitter` (0 to 1) decides the second half.
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    let ceiling = Duration::from_secs(1)
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST_BACKOFF);
    ceiling.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// [`AT_REST`], up to a tenth more or less: `jitter` is 0 to 1.
pub fn at_rest(jitter: f64) -> Duration {
    AT_REST.mul_f64(0.9 + jitter.clamp(0.0, 1.0) / 5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: Duration = Duration::from_millis(800); // of 5 calls a second

    fn load(with_id: usize, pages: usize) -> Load {
        Load {
            with_id,
            without_id: 0,
            pages,
            list_fails: false,
            youngest: Duration::ZERO,
            get_quarter: QUARTER,
            list_quarter: QUARTER,
        }
    }

    #[test]
    fn the_pace_slows_with_the_age_of_the_transition() {
        let after = |seconds| pace(Duration::from_secs(seconds)).as_secs();
        assert_eq!(
            [0, 10, 40, 180, 300, 90_000].map(after),
            [2, 2, 2, 9, 15, 15]
        );
    }

    #[test]
    fn a_version_of_nine_minutes_is_looked_at_some_eighty_times_and_seen_within_15_s() {
        let (mut at, mut looks) = (Duration::ZERO, 0);
        while at < Duration::from_secs(527) {
            at += pace(at);
            looks += 1;
        }
        assert!(at <= Duration::from_secs(527 + 15), "{at:?}");
        assert!((60..90).contains(&looks), "{looks}");
    }

    #[test]
    fn the_cheaper_look_is_taken_and_the_list_on_a_tie() {
        assert_eq!(load(1, 1).look(), Look::List);
        assert_eq!(load(1, 2).look(), Look::Gets);
        assert_eq!(load(2, 2).look(), Look::List);
        assert_eq!(load(9, 10).look(), Look::Gets);
        assert_eq!(load(1000, 10).look(), Look::List);
        assert_eq!(
            Load {
                without_id: 1,
                ..load(1, 10)
            }
            .look(),
            Look::List
        );
    }

    #[test]
    fn while_lists_fail_each_object_is_read() {
        let failing = |with_id, without_id| Load {
            without_id,
            list_fails: true,
            ..load(with_id, 1)
        };
        assert_eq!(failing(1, 0).look(), Look::Gets);
        assert_eq!(failing(200, 3).look(), Look::Gets);
        assert_eq!(failing(200, 3).interval(), QUARTER * 200);
        assert_eq!(failing(0, 3).look(), Look::List);
    }

    #[test]
    fn looks_never_use_more_than_a_quarter_of_a_rate() {
        assert_eq!(load(1, 1).interval(), Duration::from_secs(2));
        assert_eq!(load(4, 5).interval(), QUARTER * 4);
        assert_eq!(load(50, 10).interval(), QUARTER * 10);
        let old = Load {
            youngest: Duration::from_hours(1),
            ..load(50, 10)
        };
        assert_eq!(old.interval(), Duration::from_secs(15));
    }

    #[test]
    fn failing_lists_slow_down_to_a_minute_and_never_stop() {
        assert_eq!(backoff(1, 1.0), Duration::from_secs(1));
        assert_eq!(backoff(1, 0.0), Duration::from_millis(500));
        assert_eq!(backoff(4, 1.0), Duration::from_secs(8));
        assert_eq!(backoff(u32::MAX, 1.0), Duration::from_mins(1));
        assert_eq!(backoff(u32::MAX, 0.0), Duration::from_secs(30));
    }

    #[test]
    fn the_list_at_rest_comes_within_a_tenth_of_a_minute() {
        assert_eq!(at_rest(0.0), Duration::from_secs(54));
        assert_eq!(at_rest(1.0), Duration::from_secs(66));
    }
}
