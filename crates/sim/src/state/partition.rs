//! What one account has in one region, and the transitions that are still to come there.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use serde_json::{Map, Value};

use super::image::Images;
use super::journal::Journal;
use super::runtime::Runtime;
use super::settings::Settings;
use super::transitions::Event;
use crate::operation::Operation;
use crate::wire::errors::ApiError;
use crate::wire::reply::Reply;

/// A remembered client token: the request that came with it and its answer.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The request without its token.
    pub request: Map<String, Value>,
    /// The answer.
    pub reply: Reply,
    /// When it came.
    pub at: Timestamp,
}

/// Runtimes of one account in one region.
#[derive(Debug)]
pub struct Partition {
    /// Twelve digits.
    pub account: String,
    /// Region name.
    pub region: String,
    /// Runtimes by id.
    pub runtimes: BTreeMap<String, Runtime>,
    /// Ids that existed once.
    pub gone: HashSet<String>,
    /// Client tokens by operation.
    pub tokens: HashMap<(Operation, String), Remembered>,
    /// Transitions to come, by time.
    pub events: BTreeMap<(Timestamp, u64), Event>,
    /// Past states of runtimes by their order of creation.
    pub runtime_journal: Journal<u64>,
    /// Past states of endpoints by runtime id and order of creation.
    pub endpoint_journal: Journal<(String, u64)>,
    seq: u64,
}

impl Partition {
    /// An empty one.
    pub fn new(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            runtimes: BTreeMap::new(),
            gone: HashSet::new(),
            tokens: HashMap::new(),
            events: BTreeMap::new(),
            runtime_journal: Journal::default(),
            endpoint_journal: Journal::default(),
            seq: 0,
        }
    }

    /// The next number of the partition's count: orders what is created and what happens at the same time.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Lets an event happen `delay_ms` after `from`.
    pub fn schedule(&mut self, from: Timestamp, delay_ms: u64, event: Event) {
        let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
        let due = from.saturating_add(delay).unwrap_or(Timestamp::MAX);
        let seq = self.next_seq();
        self.events.insert((due, seq), event);
    }

    /// The runtime of this id.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, or `AccessDeniedException` for one that existed once, if the settings say so.
    pub fn runtime(&self, id: &str, settings: &Settings) -> Result<&Runtime, ApiError> {
        self.runtimes
            .get(id)
            .ok_or_else(|| self.missing(id, settings))
    }

    /// As [`Partition::runtime`], to change it.
    ///
    /// # Errors
    /// As [`Partition::runtime`].
    pub fn runtime_mut(&mut self, id: &str, settings: &Settings) -> Result<&mut Runtime, ApiError> {
        if !self.runtimes.contains_key(id) {
            return Err(self.missing(id, settings));
        }
        self.runtimes
            .get_mut(id)
            .ok_or_else(|| ApiError::not_found(id))
    }

    fn missing(&self, id: &str, settings: &Settings) -> ApiError {
        if settings.deleted_answers_access_denied && self.gone.contains(id) {
            return ApiError::new(
                "AccessDeniedException",
                format!("access to agent runtime {id} is denied"),
            );
        }
        ApiError::not_found(format!("agent runtime {id} was not found"))
    }

    /// Notes for lagging lists and gets how a runtime and its endpoints look now.
    pub fn record(&mut self, id: &str, at: Timestamp, settings: &Settings) {
        let Some(runtime) = self.runtimes.get(id) else {
            return;
        };
        let wire = Value::Object(runtime.wire(runtime.newest(), settings));
        self.runtime_journal.record(runtime.seq, at, Some(wire));
        for endpoint in runtime.endpoints.values() {
            let key = (runtime.id.clone(), endpoint.seq);
            self.endpoint_journal
                .record(key, at, Some(Value::Object(endpoint.wire(settings))));
        }
    }
}

/// What a control plane operation works on: one partition at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The simulator's time.
    pub now: Timestamp,
    /// Settings in force.
    pub settings: &'a Settings,
    /// Images of all registries.
    pub images: &'a Images,
    /// Source of ids.
    pub rng: &'a mut StdRng,
    /// The caller's account and region.
    pub part: &'a mut Partition,
}
