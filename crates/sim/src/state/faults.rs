//! Faults to inject, and the counters of calls.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::operation::Operation;
use crate::wire::errors::{known_names, status_of};

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Instead of the effect.
    Before,
    /// After the effect: the caller does not learn of it.
    After,
}

/// One fault, as `PUT /_sim/faults` takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// An operation's name, or `*` for all.
    pub operation: String,
    /// Before or after the effect.
    #[serde(default = "before")]
    pub when: When,
    /// An exception's name, or `drop`: the connection closes without an answer. Absent or `delay`: only the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Text of the error; a general one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many more calls it strikes; without end where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Chance to strike each call, 0 to 1; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Wait before it strikes, in milliseconds of real time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

fn before() -> When {
    When::Before
}

impl Fault {
    fn check(&self) -> Result<(), String> {
        if self.operation != "*" {
            self.operation.parse::<Operation>()?;
        }
        match self.error.as_deref() {
            Some("drop") => {}
            None | Some("delay") if self.delay_ms.is_some() => {}
            None | Some("delay") => return Err("a fault needs an error or delayMs".to_owned()),
            Some(name) if status_of(name).is_some() => {}
            Some(name) => {
                let known: Vec<_> = known_names().collect();
                return Err(format!(
                    "unknown error {name}; known are drop, {}",
                    known.join(", ")
                ));
            }
        }
        match self.probability {
            Some(p) if !(0.0..=1.0).contains(&p) => {
                Err("probability must be between 0 and 1".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// What a call has to suffer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Strike {
    /// Wait that long first.
    pub delay: Duration,
    /// Then this error's name (or `drop`) and text.
    pub error: Option<(String, String)>,
}

/// The faults in force.
#[derive(Debug)]
pub struct Faults {
    inner: Mutex<(Vec<Fault>, StdRng)>,
}

impl Faults {
    /// No faults; chances are drawn from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            inner: Mutex::new((Vec::new(), StdRng::seed_from_u64(seed))),
        }
    }

    /// Replaces all faults.
    ///
    /// # Errors
    /// Names the fault that makes no sense; nothing is changed then.
    pub fn set(&self, faults: Vec<Fault>) -> Result<(), String> {
        for (n, fault) in faults.iter().enumerate() {
            fault.check().map_err(|e| format!("fault {n}: {e}"))?;
        }
        self.inner.lock().0 = faults;
        Ok(())
    }

    /// The faults that can still strike.
    pub fn list(&self) -> Vec<Fault> {
        self.inner.lock().0.clone()
    }

    /// What strikes this call now. Delays add up; the first error wins and later faults are left for later calls.
    pub fn strike(&self, operation: Operation, when: When) -> Strike {
        let mut guard = self.inner.lock();
        let (faults, rng) = &mut *guard;
        let mut strike = Strike::default();
        for fault in faults.iter_mut() {
            let named = fault.operation == "*" || fault.operation == operation.name();
            if !named || fault.when != when || fault.times == Some(0) {
                continue;
            }
            if fault.probability.is_some_and(|p| !rng.random_bool(p)) {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            strike.delay += Duration::from_millis(fault.delay_ms.unwrap_or(0));
            if let Some(error) = fault.error.as_ref().filter(|error| *error != "delay") {
                let text = fault.message.clone().unwrap_or_else(|| default_text(error));
                strike.error = Some((error.clone(), text));
                break;
            }
        }
        faults.retain(|fault| fault.times != Some(0));
        strike
    }
}

fn default_text(error: &str) -> String {
    match error {
        "ThrottlingException" => "Rate exceeded".to_owned(),
        "AccessDeniedException" | "AccessDenied" => {
            "the caller is not authorized to perform this operation".to_owned()
        }
        other => format!("injected {other}"),
    }
}

/// Counters of calls, as `GET /_sim/calls` shows them.
#[derive(Debug, Default, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// Calls that arrived.
    pub total: u64,
    /// Calls refused because a rate was exceeded (injected errors not included).
    pub throttled: u64,
    /// Calls that an injected fault answered or dropped.
    pub faulted: u64,
    /// Calls that arrived, by operation.
    pub by_operation: BTreeMap<&'static str, u64>,
    /// Calls that were signed well, by the ARN of who signed, then by operation: what a program needs rights for.
    pub by_caller: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// When the first and the last of these arrived.
    pub times_by_caller: BTreeMap<String, BTreeMap<&'static str, Times>>,
}

/// When calls arrived, by the simulator's clock.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Times {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

impl Calls {
    /// Counts an arrival.
    pub fn arrived(&mut self, operation: Operation) {
        self.total += 1;
        *self.by_operation.entry(operation.name()).or_default() += 1;
    }

    /// Counts a call of which it is known who signed it.
    pub fn signed(&mut self, arn: &str, operation: Operation, at: Timestamp) {
        let operations = match self.by_caller.get_mut(arn) {
            Some(operations) => operations,
            None => self.by_caller.entry(arn.to_owned()).or_default(),
        };
        *operations.entry(operation.name()).or_default() += 1;
        let times = match self.times_by_caller.get_mut(arn) {
            Some(times) => times,
            None => self.times_by_caller.entry(arn.to_owned()).or_default(),
        };
        let first = Times {
            first: at,
            last: at,
        };
        times.entry(operation.name()).or_insert(first).last = at;
    }
}
