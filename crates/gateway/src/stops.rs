//! The pace of stops. AWS takes so many a second of an account and region: callers' DELETEs and the drain's own stops share that. No caller
//! and no namespace gets more than its part, and callers together leave the drain a part.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::RuntimeArn;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::shares::{Full, Holder};

/// How long a DELETE waits for its turn at most: for its caller's, for its namespace's, and for AWS's.
const PATIENCE: Duration = Duration::from_secs(3);
/// Part of AWS's pace that callers may use, so that the drain never starves.
const CALLERS: f64 = 0.8;
/// From so many names on, those whose turn has long passed are forgotten.
const FORGET_FROM: usize = 256;

/// Stops a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of one caller.
    pub caller: f64,
    /// Of all callers of one namespace's agents.
    pub namespace: f64,
    /// Of all, the drain's included, in one account and region.
    pub all: f64,
}

impl Rates {
    /// What a caller and a namespace have where AWS takes `all`.
    pub const fn of(all: f64) -> Self {
        Self {
            caller: 1.0,
            namespace: 2.0,
            all,
        }
    }
}

/// An account and a region.
pub type Place = (String, String);

/// Where AWS counts the stops of a runtime.
pub fn place(arn: &RuntimeArn) -> Place {
    (arn.account().to_owned(), arn.region().to_owned())
}

/// The stops of all accounts and regions.
pub struct Stops {
    callers: Slots<Arc<str>>,
    namespaces: Slots<Arc<str>>,
    /// What callers have of each place.
    shared: Slots<Place>,
    all: Slots<Place>,
    /// Who is after the next turn of a place.
    rivals: Mutex<HashMap<Place, Rivals>>,
}

/// Callers that wait for a place's next turn, and whether the drain had the last one.
#[derive(Default)]
struct Rivals {
    callers: usize,
    drained: bool,
}

/// A caller that waits, until this is dropped.
struct Waits<'a> {
    stops: &'a Stops,
    place: &'a Place,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(rivals) = self.stops.rivals.lock().get_mut(self.place) {
            rivals.callers -= 1;
        }
    }
}

/// Too many stops wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Whose.
    pub full: Full,
    /// When there is a turn again.
    pub retry_after: Duration,
}

impl Stops {
    /// With these rates.
    pub fn new(rates: Rates) -> Self {
        Self {
            callers: Slots::new(rates.caller),
            namespaces: Slots::new(rates.namespace),
            shared: Slots::new(rates.all * CALLERS),
            all: Slots::new(rates.all),
            rivals: Mutex::default(),
        }
    }

    /// Waits for the turn of a caller's stop: behind its own first, then behind those of its namespace, then behind all.
    ///
    /// # Errors
    /// [`TooMany`] where that takes longer than a caller should wait.
    pub async fn turn(&self, holder: &Holder, place: &Place) -> Result<(), TooMany> {
        let pool = "stops";
        let too_many = |full| move |retry_after| TooMany { full, retry_after };
        let at = self.callers.reserve(&holder.caller, Instant::now());
        sleep_until(at.map_err(too_many(Full::Caller { pool }))?).await;
        let at = self.namespaces.reserve(&holder.namespace, Instant::now());
        sleep_until(at.map_err(too_many(Full::Namespace { pool }))?).await;
        let at = self.shared.reserve(place, Instant::now());
        sleep_until(at.map_err(too_many(Full::All { pool }))?).await;
        let patience = Instant::now() + PATIENCE;
        let waits = self.waits(place);
        // Never reserved for later, or callers would be ahead of the drain for seconds.
        while let Err(at) = waits.try_take(Instant::now()) {
            if at > patience {
                let retry_after = at.saturating_duration_since(Instant::now());
                return Err(too_many(Full::All { pool })(retry_after));
            }
            sleep_until(at).await;
        }
        Ok(())
    }

    fn waits<'a>(&'a self, place: &'a Place) -> Waits<'a> {
        let mut rivals = self.rivals.lock();
        rivals.entry(place.clone()).or_default().callers += 1;
        Waits { stops: self, place }
    }

    /// Takes a turn of a place for the drain, which has every other one while callers wait.
    ///
    /// # Errors
    /// When the next one comes.
    pub fn try_take(&self, place: &Place, now: Instant) -> Result<(), Instant> {
        let mut rivals = self.rivals.lock();
        let rivals = rivals.entry(place.clone()).or_default();
        if rivals.drained && rivals.callers > 0 {
            return Err(now + self.all.interval);
        }
        self.all.take(place, now, Duration::ZERO)?;
        rivals.drained = true;
        Ok(())
    }

    /// A turn that was taken for nothing.
    pub fn give_back(&self, place: &Place) {
        self.all.give_back(place);
    }
}

impl Waits<'_> {
    fn try_take(&self, now: Instant) -> Result<(), Instant> {
        let mut rivals = self.stops.rivals.lock();
        self.stops.all.take(self.place, now, Duration::ZERO)?;
        rivals.entry(self.place.clone()).or_default().drained = false;
        Ok(())
    }
}

/// When each has its next turn.
struct Slots<K> {
    interval: Duration,
    next: Mutex<HashMap<K, Instant>>,
}

impl<K: std::hash::Hash + Eq + Clone> Slots<K> {
    fn new(per_second: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / per_second.clamp(0.01, 10_000.0)),
            next: Mutex::default(),
        }
    }

    /// The time of a turn that is not too far away.
    fn reserve(&self, key: &K, now: Instant) -> Result<Instant, Duration> {
        self.take(key, now, PATIENCE)
            .map_err(|at| at.saturating_duration_since(now))
    }

    fn take(&self, key: &K, now: Instant, patience: Duration) -> Result<Instant, Instant> {
        let mut all = self.next.lock();
        if all.len() >= FORGET_FROM && all.len() == all.capacity() {
            all.retain(|_, next| *next + self.interval > now);
        }
        let next = all.get(key).copied().unwrap_or(now);
        if next > now + patience {
            return Err(next);
        }
        // One that is taken a little late does not put the next off, so that the rate is reached.
        let since = now.checked_sub(self.interval).unwrap_or(now);
        all.insert(key.clone(), next.max(since) + self.interval);
        Ok(next.max(now))
    }

    fn give_back(&self, key: &K) {
        if let Some(next) = self.next.lock().get_mut(key) {
            *next = next.checked_sub(self.interval).unwrap_or(*next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    fn here() -> Place {
        ("111122223333".to_owned(), "us-east-1".to_owned())
    }

    #[test]
    fn a_flood_gets_its_pace_and_is_told_when_its_turn_comes() {
        let slots = Slots::new(1.0);
        let (begin, mut now) = (Instant::now(), Instant::now());
        let mut turns = Vec::new();
        while now < begin + Duration::from_secs(20) {
            for _ in 0..10 {
                match slots.reserve(&"greedy", now) {
                    Ok(at) => turns.push(at),
                    Err(wait) => assert!(wait > PATIENCE),
                }
            }
            assert!(turns.last().is_none_or(|at| *at <= now + PATIENCE));
            now += STEP;
        }
        assert!((20..=25).contains(&turns.len()), "{}", turns.len());
        let other = slots.reserve(&"other", now);
        assert_eq!(other, Ok(now), "another has its own");
    }

    #[test]
    fn callers_and_the_drain_have_every_other_turn_while_both_wait() {
        let stops = Stops::new(Rates::of(5.0));
        let place = here();
        let waits = stops.waits(&place);
        let (begin, mut now) = (Instant::now(), Instant::now());
        let (mut of_callers, mut of_drain) = (0, 0);
        while now < begin + Duration::from_secs(20) {
            // The drain is always first to ask.
            of_drain += u32::from(stops.try_take(&place, now).is_ok());
            of_callers += u32::from(waits.try_take(now).is_ok());
            now += STEP;
        }
        assert!((99..=102).contains(&(of_callers + of_drain)));
        assert!(
            of_callers >= 45 && of_drain >= 45,
            "{of_callers} {of_drain}"
        );
        drop(waits);
        let alone = (0..1_000).filter(|_| {
            now += STEP;
            stops.try_take(&place, now).is_ok()
        });
        assert!((49..=52).contains(&alone.count()), "alone it has all");
    }

    #[test]
    fn callers_together_leave_the_drain_a_part() {
        let stops = Stops::new(Rates::of(5.0));
        let (begin, mut now) = (Instant::now(), Instant::now());
        let mut through = 0;
        while now < begin + Duration::from_secs(20) {
            through += u32::from(stops.shared.reserve(&here(), now).is_ok());
            now += STEP;
        }
        // Those that wait at the end are in it.
        assert!((80..=95).contains(&through), "{through}");
    }

    #[tokio::test]
    async fn a_first_stop_does_not_wait_and_the_rest_of_a_flood_is_refused() {
        let stops = Stops::new(Rates::of(5.0));
        let holder = |caller: &str| Holder {
            caller: caller.into(),
            namespace: "shop".into(),
        };
        let greedy = holder("greedy");
        assert_eq!(stops.turn(&greedy, &here()).await, Ok(()));
        let refused = loop {
            // Dropped at once: its turn was taken all the same.
            let turn = futures::FutureExt::now_or_never(stops.turn(&greedy, &here()));
            if let Some(Err(refused)) = turn {
                break refused;
            }
        };
        assert_eq!(refused.full, Full::Caller { pool: "stops" });
        assert!(refused.retry_after > PATIENCE);
        assert_eq!(stops.turn(&holder("other"), &here()).await, Ok(()));
    }
}
