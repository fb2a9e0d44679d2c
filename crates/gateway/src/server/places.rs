//! Who holds the places of connections. Whoever has shown no token that the API server accepts is a stranger: strangers have a quarter of
//! all places, and the oldest of them makes room for the next, so that a new connection never waits. A caller has a quarter of all places
//! too; beyond it the caller's own idle connections make room, or else its next connection stays among the strangers.
//!
//! An address has no share: behind a proxy all callers have the same one.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Idle};
use crate::shares::Reading;

/// More sockets than any process has.
const MOST: usize = 1 << 24;

/// The places of all connections.
#[derive(Debug)]
pub struct Places {
    limit: usize,
    seats: Mutex<Seats>,
    /// How often a caller was over its share, or all were, so that a connection of known callers stayed among the strangers.
    over: [AtomicU64; 2],
    /// How many strangers had to make room.
    evicted: AtomicU64,
}

#[derive(Debug, Default)]
struct Seats {
    /// How many there have been.
    begun: u64,
    /// By age.
    strangers: BTreeMap<u64, Arc<Place>>,
    /// By caller, then by age.
    callers: HashMap<Arc<str>, BTreeMap<u64, Arc<Place>>>,
    /// Connections of all callers.
    known: usize,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    /// Its first caller.
    caller: OnceLock<Arc<str>>,
    /// What it has to do.
    pub(super) activity: Arc<Activity>,
    /// It is to end as soon as nothing is under way.
    pub(super) leave: CancellationToken,
    /// It is to end now.
    pub(super) cut: CancellationToken,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    places: Arc<Places>,
    pub(super) place: Arc<Place>,
}

/// The connection that a request came by, an extension of it.
#[derive(Clone, Debug)]
pub struct Connection {
    places: Arc<Places>,
    place: Arc<Place>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.clamp(2, MOST),
            seats: Mutex::default(),
            over: Default::default(),
            evicted: AtomicU64::new(0),
        })
    }

    /// How many connections there may be.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Of strangers; of one caller, too.
    fn quarter(&self) -> usize {
        (self.limit / 4).max(1)
    }

    /// A place for a new connection, which lives until `stop` or `cut`. Who makes room for it has been told to end.
    pub(super) fn sit(self: &Arc<Self>, stop: &CancellationToken, cut: &CancellationToken) -> Seat {
        let mut seats = self.seats.lock();
        seats.begun += 1;
        let place = Arc::new(Place {
            number: seats.begun,
            caller: OnceLock::new(),
            activity: Arc::default(),
            // Of its own: a token that all connections look at is a lock that they wait at.
            leave: stop.child_token(),
            cut: cut.child_token(),
        });
        seats.strangers.insert(place.number, place.clone());
        self.evict(&mut seats);
        drop(seats);
        Seat {
            places: self.clone(),
            place,
        }
    }

    /// Ends the oldest strangers while there are too many. They hold no place any more; their sockets close as soon as their tasks run.
    fn evict(&self, seats: &mut Seats) {
        while seats.strangers.len() > self.quarter() {
            let Some((_, oldest)) = seats.strangers.pop_first() else {
                return;
            };
            oldest.cut.cancel();
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn known(&self, place: &Arc<Place>, user: &str) {
        // Who comes after it on the same connection changes nothing: a proxy mixes callers.
        if place.caller.get().is_some() || place.leave.is_cancelled() {
            return;
        }
        let mut seats = self.seats.lock();
        if !seats.strangers.contains_key(&place.number) {
            return;
        }
        let held = seats.callers.get(user).map_or(0, BTreeMap::len);
        let room = if held >= self.quarter() {
            self.leave_one(&mut seats, Some(user), 0)
        } else if seats.known >= self.limit - self.quarter() {
            self.leave_one(&mut seats, None, 1)
        } else {
            true
        };
        if !room {
            return;
        }
        seats.strangers.remove(&place.number);
        let user: Arc<str> = user.into();
        // Nobody else sets it: the lock is held.
        let _ = place.caller.set(user.clone());
        let of = seats.callers.entry(user).or_default();
        of.insert(place.number, place.clone());
        seats.known += 1;
        self.evict(&mut seats);
    }

    /// Sends the oldest idle connection of a caller, or else of the one that has most, back to the strangers, to end when it likes; false if
    /// all are busy.
    fn leave_one(&self, seats: &mut Seats, user: Option<&str>, over: usize) -> bool {
        let idle = |places: &BTreeMap<u64, Arc<Place>>| {
            let mut all = places.values();
            all.find(|place| matches!(place.activity.idle(), Idle::For(_)))
                .cloned()
        };
        let found = if let Some(user) = user {
            seats.callers.get(user).and_then(idle)
        } else {
            let mut callers: Vec<_> = seats.callers.values().collect();
            callers.sort_by_key(|places| std::cmp::Reverse(places.len()));
            callers.into_iter().find_map(idle)
        };
        let Some(place) = found else {
            self.over[over].fetch_add(1, Ordering::Relaxed);
            return false;
        };
        seats.take_from_caller(&place);
        place.leave.cancel();
        seats.strangers.insert(place.number, place);
        true
    }

    /// What metrics say of all connections.
    pub fn reading(&self) -> Reading {
        let seats = self.seats.lock();
        let [caller, all] = self
            .over
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        Reading {
            used: (seats.strangers.len() + seats.known) as u64,
            limit: self.limit as u64,
            refused: [caller, 0, all],
        }
    }

    /// What metrics say of strangers.
    pub fn strangers(&self) -> Reading {
        Reading {
            used: self.seats.lock().strangers.len() as u64,
            limit: self.quarter() as u64,
            refused: [0, 0, self.evicted.load(Ordering::Relaxed)],
        }
    }
}

impl Seats {
    fn take_from_caller(&mut self, place: &Place) {
        let Some(user) = place.caller.get() else {
            return;
        };
        let Some(of) = self.callers.get_mut(user) else {
            return;
        };
        if of.remove(&place.number).is_some() {
            self.known -= 1;
        }
        if of.is_empty() {
            self.callers.remove(user);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.places.seats.lock();
        seats.strangers.remove(&self.place.number);
        seats.take_from_caller(&self.place);
    }
}

impl Seat {
    /// What requests of this connection carry.
    pub(super) fn connection(&self) -> Connection {
        Connection {
            places: self.places.clone(),
            place: self.place.clone(),
        }
    }
}

impl Connection {
    /// The API server knows who asks: the connection is no stranger's any more, but this caller's.
    pub fn known(&self, user: &str) {
        self.places.known(&self.place, user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Table {
        places: Arc<Places>,
        stop: CancellationToken,
        cut: CancellationToken,
    }

    impl Table {
        fn of(limit: usize) -> Self {
            Self {
                places: Places::new(limit),
                stop: CancellationToken::new(),
                cut: CancellationToken::new(),
            }
        }

        fn stranger(&self) -> Seat {
            self.places.sit(&self.stop, &self.cut)
        }

        /// A connection after its first request, which is over.
        fn idle(&self, user: &str) -> Seat {
            let seat = self.stranger();
            let request = seat.place.activity.begin(hyper::Version::HTTP_11);
            seat.connection().known(user);
            drop(request);
            seat
        }
    }

    fn ends(seat: &Seat) -> bool {
        seat.place.cut.is_cancelled()
    }

    fn leaves(seat: &Seat) -> bool {
        seat.place.leave.is_cancelled()
    }

    #[test]
    fn the_oldest_stranger_makes_room_and_no_caller_does() {
        let table = Table::of(16);
        let caller = table.idle("a");
        let strangers: Vec<_> = (0..100).map(|_| table.stranger()).collect();
        let (gone, left) = strangers.split_at(96);
        assert!(gone.iter().all(ends) && !left.iter().any(ends));
        assert!(!ends(&caller) && !leaves(&caller));
        let reading = table.places.strangers();
        assert_eq!((reading.used, reading.limit), (4, 4));
        assert_eq!(reading.refused, [0, 0, 96]);
        drop((strangers, caller));
        assert_eq!(table.places.reading().used, 0);
        assert!(table.places.seats.lock().callers.is_empty());
    }

    #[test]
    fn a_caller_over_its_share_loses_its_own_oldest_idle_connection() {
        let table = Table::of(16);
        let other = table.idle("b");
        let mut mine: Vec<_> = (0..4).map(|_| table.idle("a")).collect();
        let _busy = mine[0].place.activity.begin(hyper::Version::HTTP_11);
        mine.push(table.idle("a"));
        let leaving: Vec<_> = mine.iter().map(leaves).collect();
        assert_eq!(leaving, [false, true, false, false, false]);
        assert!(!leaves(&other));
        let held = table.places.seats.lock().callers["a"].len();
        assert_eq!(held, 4);
    }

    #[test]
    fn a_web_socket_is_never_idle() {
        let table = Table::of(16);
        let seats: Vec<_> = (0..4).map(|_| table.idle("a")).collect();
        for seat in &seats[..3] {
            seat.place.activity.upgraded();
        }
        let _fifth = table.idle("a");
        let leaving: Vec<_> = seats.iter().map(leaves).collect();
        assert_eq!(leaving, [false, false, false, true]);
    }

    #[test]
    fn a_caller_whose_connections_are_all_busy_stays_a_stranger_with_the_next() {
        let table = Table::of(16);
        let busy: Vec<_> = (0..5)
            .map(|_| {
                let seat = table.stranger();
                let request = seat.place.activity.begin(hyper::Version::HTTP_11);
                seat.connection().known("a");
                (seat, request)
            })
            .collect();
        let reading = table.places.reading();
        assert_eq!((reading.used, reading.refused), (5, [1, 0, 0]));
        let _strangers: Vec<_> = (0..4).map(|_| table.stranger()).collect();
        let cut: Vec<_> = busy.iter().map(|(seat, _)| ends(seat)).collect();
        assert_eq!(cut, [false, false, false, false, true]);
    }

    #[test]
    fn when_callers_have_all_there_is_the_one_with_most_makes_room() {
        let table = Table::of(16);
        let many: Vec<_> = (0..4).map(|_| table.idle("a")).collect();
        let others: Vec<_> = (0..8)
            .map(|number| table.idle(&format!("b{number}")))
            .collect();
        assert_eq!(table.places.seats.lock().known, 12);
        let newcomer = table.idle("c");
        assert!(leaves(&many[0]) && !others.iter().any(leaves));
        assert!(newcomer.place.caller.get().is_some());
        assert_eq!(table.places.seats.lock().known, 12);
    }
}
