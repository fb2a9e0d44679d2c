//! A model of AgentCore's control plane, small enough to be read, with a switch for each question that is open.

#![allow(dead_code, missing_docs)] // every test binary uses another part

mod calls;
pub mod happening;
pub mod owners;
pub mod replicas;
pub mod steps;
pub mod wished;
pub mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agentcore_api::reasons;
use agentcore_plan::aws::{
    Endpoint, EndpointAccepted, ListedRuntime, RuntimeAccepted, RuntimeConfig, ServiceStatus, Tags,
};
use agentcore_plan::fault::{Class, Fault};
use jiff::{SignedDuration, Timestamp};

/// The open questions.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // that is what switches are
pub struct Switches {
    /// A create's token answers the old runtime although it was deleted.
    pub replay_after_delete: bool,
    /// An Update leaves omitted fields as they were.
    pub keep_omitted: bool,
    /// Update of a CREATE_FAILED runtime is a conflict.
    pub no_update_from_create_failed: bool,
    /// A failed update leaves a version behind.
    pub failed_makes_version: bool,
    /// What was deleted answers AccessDenied instead of 404.
    pub deleted_is_denied: bool,
    /// Images are checked before the create or update is accepted.
    pub sync_images: bool,
}

#[derive(Clone, Debug)]
pub struct Rt {
    pub id: String,
    pub arn: String,
    pub name: String,
    pub version: u32,
    pub status: ServiceStatus,
    pub reason: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub until: Timestamp,
    pub config: RuntimeConfig,
    pub good: Option<(u32, RuntimeConfig)>,
    pub tags: Tags,
    pub policy: Option<String>,
    pub default_live: u32,
    pub default_since: Timestamp,
    pub endpoints: Vec<Ep>,
    pub versions: BTreeMap<u32, ServiceStatus>,
}

#[derive(Clone, Debug)]
pub struct Ep {
    pub name: String,
    pub arn: String,
    pub live: Option<String>,
    pub target: String,
    pub status: ServiceStatus,
    pub description: Option<String>,
    pub tags: Tags,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub until: Timestamp,
    /// Names of its settings that the operator does not know; an update takes them away.
    pub unknown: Vec<String>,
}

/// A fault that the next call gets.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub class: Class,
    pub after: bool,
}

#[derive(Clone, Debug)]
pub struct Aws {
    pub now: Timestamp,
    pub switches: Switches,
    pub runtimes: Vec<Rt>,
    pub dead: BTreeSet<String>,
    pub tokens: BTreeMap<String, Result<RuntimeAccepted, EndpointAccepted>>,
    pub spent: BTreeSet<String>,
    pub calls: BTreeMap<&'static str, u32>,
    pub faults: VecDeque<Planned>,
    pub healed: bool,
    /// What AgentCore says of broken images.
    pub failure: &'static str,
    /// What updates name besides the runtime is not there.
    pub update_gone: bool,
    /// Versions may not be deleted.
    pub delete_refused: bool,
    /// Names of settings of all runtimes that the operator does not know; an update takes them away.
    pub unknown: Vec<String>,
    pub work: SignedDuration,
    pub default_lag: SignedDuration,
    next: u32,
    pub lagged: Vec<ListedRuntime>,
}

pub const ACCOUNT: &str = "111122223333";
/// The digest that fails until it is healed.
pub const BROKEN: u8 = 5;

pub fn fault(class: Class, message: &str) -> Fault {
    let (reason, code) = match class {
        Class::Throttled => (reasons::THROTTLED, "ThrottlingException"),
        Class::Transient => (reasons::SERVICE_UNAVAILABLE, "Timeout"),
        Class::NotYet => (reasons::IMAGE_NOT_FOUND, "ValidationException"),
        Class::Conflict => (reasons::CONFLICT, "ConflictException"),
        Class::Gone => (reasons::UNKNOWN_ERROR, "ResourceNotFoundException"),
        Class::Denied => (reasons::ACCESS_DENIED, "AccessDeniedException"),
        Class::Invalid => (reasons::INVALID, "ValidationException"),
        Class::Quota => (reasons::QUOTA_EXCEEDED, "ServiceQuotaExceededException"),
        Class::Unknown => (reasons::UNKNOWN_ERROR, "Parse"),
    };
    Fault {
        class,
        reason,
        code: code.into(),
        message: message.into(),
        request_id: None,
    }
}

type Done<T> = Result<T, Fault>;
type Answer<T> = Result<Option<T>, Fault>;

impl Aws {
    pub fn new(switches: Switches) -> Self {
        Self {
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
            switches,
            runtimes: Vec::new(),
            dead: BTreeSet::new(),
            tokens: BTreeMap::new(),
            spent: BTreeSet::new(),
            calls: BTreeMap::new(),
            faults: VecDeque::new(),
            healed: true,
            failure: "The specified image identifier does not exist in the repository",
            update_gone: false,
            delete_refused: false,
            unknown: Vec::new(),
            work: SignedDuration::from_secs(8),
            default_lag: SignedDuration::from_secs(0),
            next: 0,
            lagged: Vec::new(),
        }
    }

    pub fn total(&self) -> u32 {
        self.calls.values().sum()
    }

    pub fn mutations(&self) -> u32 {
        self.calls
            .iter()
            .filter(|(name, _)| !name.starts_with("Get") && !name.starts_with("List"))
            .map(|(_, n)| n)
            .sum()
    }

    pub fn advance(&mut self, seconds: i64) {
        self.lagged = self.listed();
        self.now += SignedDuration::from_secs(seconds);
        self.settle();
    }

    fn settle(&mut self) {
        let (now, healed, makes) = (self.now, self.healed, self.switches.failed_makes_version);
        for rt in &mut self.runtimes {
            if now >= rt.until {
                let broken = is_broken(image(&rt.config)) && !healed;
                match rt.status {
                    ServiceStatus::Creating | ServiceStatus::Updating if broken => {
                        let update = rt.status == ServiceStatus::Updating;
                        rt.status = if update {
                            ServiceStatus::UpdateFailed
                        } else {
                            ServiceStatus::CreateFailed
                        };
                        rt.reason = Some(self.failure.into());
                        rt.updated = rt.until;
                        if let (true, false, Some((version, config))) =
                            (update, makes, rt.good.clone())
                        {
                            rt.versions.remove(&rt.version);
                            rt.version = version;
                            rt.config = config;
                        } else {
                            rt.versions.insert(rt.version, rt.status);
                        }
                    }
                    ServiceStatus::Creating | ServiceStatus::Updating => {
                        rt.status = ServiceStatus::Ready;
                        rt.reason = None;
                        rt.updated = rt.until;
                        rt.versions.insert(rt.version, rt.status);
                        rt.good = Some((rt.version, rt.config.clone()));
                        rt.default_since = rt.until;
                    }
                    _ => {}
                }
            }
            if let Some((version, _)) = &rt.good
                && now >= rt.default_since + self.default_lag
            {
                rt.default_live = *version;
            }
            rt.endpoints
                .retain(|ep| ep.status != ServiceStatus::Deleting || now < ep.until);
            for ep in &mut rt.endpoints {
                if now >= ep.until && ep.status.in_transition() {
                    ep.status = ServiceStatus::Ready;
                    ep.live = Some(ep.target.clone());
                    ep.updated = ep.until;
                }
            }
        }
        let gone: Vec<String> = self
            .runtimes
            .iter()
            .filter(|rt| rt.status == ServiceStatus::Deleting && now >= rt.until)
            .map(|rt| rt.id.clone())
            .collect();
        self.runtimes.retain(|rt| !gone.contains(&rt.id));
        self.dead.extend(gone);
    }

    /// Counts a call and applies the next planned fault.
    fn call<T>(
        &mut self,
        name: &'static str,
        effect: impl FnOnce(&mut Self) -> Done<T>,
    ) -> Done<T> {
        *self.calls.entry(name).or_default() += 1;
        match self.faults.pop_front() {
            Some(planned) if planned.after => {
                effect(self)?;
                Err(fault(planned.class, "injected after the effect"))
            }
            Some(planned) => Err(fault(planned.class, "injected before the effect")),
            None => effect(self),
        }
    }

    fn missing(&self, id: &str) -> Fault {
        if self.switches.deleted_is_denied && self.dead.contains(id) {
            fault(Class::Denied, "User is not authorized")
        } else {
            fault(Class::Gone, "agent runtime was not found")
        }
    }

    fn rt(&mut self, id: &str) -> Done<&mut Rt> {
        let missing = self.missing(id);
        self.runtimes
            .iter_mut()
            .find(|rt| rt.id == id)
            .ok_or(missing)
    }

    fn tagged(&mut self, arn: &str) -> Done<&mut Tags> {
        let missing = self.missing(
            arn.rsplit("runtime/")
                .next()
                .unwrap_or_default()
                .split('/')
                .next()
                .unwrap_or_default(),
        );
        for rt in &mut self.runtimes {
            if rt.arn == arn {
                return Ok(&mut rt.tags);
            }
            if let Some(ep) = rt.endpoints.iter_mut().find(|ep| ep.arn == arn) {
                return Ok(&mut ep.tags);
            }
        }
        Err(missing)
    }

    fn listed(&self) -> Vec<ListedRuntime> {
        self.runtimes.iter().map(entry).collect()
    }

    pub fn list(&mut self, lagging: bool) -> Done<Vec<ListedRuntime>> {
        self.call("ListAgentRuntimes", |aws| {
            Ok(if lagging {
                aws.lagged.clone()
            } else {
                aws.listed()
            })
        })
    }

    /// Somebody deletes the runtime in the console, endpoints first.
    pub fn vanish(&mut self, name: &str) {
        for rt in self.runtimes.iter().filter(|rt| rt.name == name) {
            self.dead.insert(rt.id.clone());
        }
        self.runtimes.retain(|rt| rt.name != name);
    }
}

/// Images that fail until they are healed: one is known by its name, one by its digest.
fn is_broken(image: &str) -> bool {
    image.contains("broken") || image.ends_with(&world::registry::digest(BROKEN))
}

fn image(config: &RuntimeConfig) -> &str {
    config
        .artifact
        .container
        .as_ref()
        .map_or("", |container| container.image.as_str())
}

fn none<T>(answer: Done<T>) -> Answer<T> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.class == Class::Gone && !fault.message.starts_with("injected") => {
            Ok(None)
        }
        Err(fault) => Err(fault),
    }
}

pub fn entry(rt: &Rt) -> ListedRuntime {
    ListedRuntime {
        arn: rt.arn.clone(),
        id: rt.id.clone(),
        name: rt.name.clone(),
        version: rt.version.to_string(),
        status: rt.status,
        last_updated_at: rt.updated,
    }
}

fn default(rt: &Rt) -> Endpoint {
    let live = (rt.default_live > 0).then(|| rt.default_live.to_string());
    Endpoint {
        name: "DEFAULT".into(),
        id: "DEFAULT".into(),
        arn: format!("{}/runtime-endpoint/DEFAULT", rt.arn),
        runtime_arn: rt.arn.clone(),
        status: if live.is_some() {
            ServiceStatus::Ready
        } else {
            ServiceStatus::Creating
        },
        target_version: Some(rt.version.to_string()),
        live_version: live,
        description: None,
        failure_reason: None,
        created_at: rt.created,
        last_updated_at: rt.updated,
        unknown: Vec::new(),
    }
}

fn shown(rt: &Rt, ep: &Ep) -> Endpoint {
    Endpoint {
        name: ep.name.clone(),
        id: format!("{}-id", ep.name),
        arn: ep.arn.clone(),
        runtime_arn: rt.arn.clone(),
        live_version: ep.live.clone(),
        target_version: Some(ep.target.clone()),
        status: ep.status,
        description: ep.description.clone(),
        failure_reason: None,
        created_at: ep.created,
        last_updated_at: ep.updated,
        unknown: ep.unknown.clone(),
    }
}
