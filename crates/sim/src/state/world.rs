//! The whole memory of the simulator behind one lock, and what is shared beside it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::clock::Clock;
use super::credentials::Credentials;
use super::faults::{Calls, Faults};
use super::image::Images;
use super::partition::{Partition, View};
use super::settings::Settings;
use super::throttle::Throttle;
use crate::Config;
use crate::data::DataPlane;
use crate::logs::store::Logs;

/// What the control plane remembers.
#[derive(Debug)]
pub struct World {
    /// Settings in force.
    pub settings: Settings,
    /// Images of all registries.
    pub images: Images,
    /// Versions of objects in S3.
    pub objects: crate::s3::Objects,
    /// Source of ids.
    pub rng: StdRng,
    partitions: BTreeMap<(String, String), Partition>,
}

impl World {
    /// One partition at one moment, with everything that was due by then applied.
    pub fn view(&mut self, account: &str, region: &str, now: Timestamp) -> View<'_> {
        let part = self
            .partitions
            .entry((account.to_owned(), region.to_owned()))
            .or_insert_with(|| Partition::new(account, region));
        let mut view = View {
            now,
            settings: &self.settings,
            images: &self.images,
            rng: &mut self.rng,
            part,
        };
        view.settle();
        view
    }

    /// Client tokens that had an effect, for `GET /_sim/tokens`.
    pub fn tokens(&self) -> Vec<Value> {
        let kept = self.partitions.values().flat_map(|part| part.tokens.keys());
        kept.map(|(operation, token)| json!({ "operation": operation.name(), "token": token }))
            .collect()
    }

    /// Runtimes and endpoints of every partition, for `GET /_sim/state`.
    pub fn state(&mut self, now: Timestamp) -> (Vec<Value>, Vec<Value>) {
        let (mut runtimes, mut endpoints) = (Vec::new(), Vec::new());
        let keys: Vec<_> = self.partitions.keys().cloned().collect();
        for (account, region) in keys {
            let view = self.view(&account, &region, now);
            let mut sorted: Vec<_> = view.part.runtimes.values().collect();
            sorted.sort_by_key(|runtime| runtime.seq);
            for runtime in sorted {
                let mut wire = runtime.wire(runtime.newest(), view.settings);
                let versions: Vec<_> = runtime.versions.keys().map(ToString::to_string).collect();
                wire.extend(extras(
                    &account,
                    &region,
                    &runtime.tags,
                    runtime.policy.as_deref(),
                ));
                wire.insert("versions".to_owned(), json!(versions));
                runtimes.push(Value::Object(wire));
                for endpoint in runtime.endpoints.values() {
                    let mut wire = endpoint.wire(view.settings);
                    wire.extend(extras(
                        &account,
                        &region,
                        &endpoint.tags,
                        endpoint.policy.as_deref(),
                    ));
                    wire.insert("agentRuntimeId".to_owned(), json!(runtime.id));
                    endpoints.push(Value::Object(wire));
                }
            }
        }
        (runtimes, endpoints)
    }
}

fn extras(
    account: &str,
    region: &str,
    tags: &BTreeMap<String, String>,
    policy: Option<&str>,
) -> Vec<(String, Value)> {
    let mut extras = vec![
        ("account".to_owned(), json!(account)),
        ("region".to_owned(), json!(region)),
        ("tags".to_owned(), json!(tags)),
    ];
    extras.extend(policy.map(|text| ("policy".to_owned(), json!(text))));
    extras
}

/// Everything that handlers share.
#[derive(Debug)]
pub struct App {
    /// How the simulator was started.
    pub config: Config,
    /// The simulator's clock.
    pub clock: Clock,
    /// The control plane's memory. Never held across an await.
    pub world: Mutex<World>,
    /// Keys that may sign.
    pub credentials: Mutex<Credentials>,
    /// Rate limits.
    pub throttle: Throttle,
    /// Faults to inject.
    pub faults: Faults,
    /// Counters.
    pub calls: Mutex<Calls>,
    /// Sessions.
    pub data: DataPlane,
    /// What sessions wrote.
    pub logs: Logs,
}

impl App {
    /// The state at start.
    pub fn new(config: Config) -> Self {
        let seed = config.seed.unwrap_or_else(rand::random);
        let mut credentials = Credentials::default();
        for (id, secret) in &config.credentials {
            credentials.add_static(id, secret, &config.account);
        }
        let world = World {
            settings: config.settings.clone(),
            images: Images::default(),
            objects: crate::s3::Objects::default(),
            rng: StdRng::seed_from_u64(seed),
            partitions: BTreeMap::new(),
        };
        Self {
            clock: Clock::default(),
            world: Mutex::new(world),
            credentials: Mutex::new(credentials),
            throttle: Throttle::default(),
            // Another stream than the ids', so that a fault does not change them.
            faults: Faults::new(seed.wrapping_add(1)),
            calls: Mutex::new(Calls::default()),
            data: DataPlane::new(config.program.clone()),
            logs: Logs::default(),
            config,
        }
    }

    /// The simulator's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A copy of the settings in force.
    pub fn settings(&self) -> Settings {
        self.world.lock().settings.clone()
    }
}
