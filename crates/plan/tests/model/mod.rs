//! A model of AgentCore's control plane, small enough to be read, with a switch for each question that is open.

#![allow(dead_code, missing_docs)]

pub mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use agentcore_api::reasons;
use agentcore_plan::aws::{
    Endpoint, EndpointAccepted, ListedRuntime, Runtime, RuntimeAccepted, RuntimeConfig,
    ServiceStatus, Tags,
};
use agentcore_plan::fault::{Class, Fault};
use jiff::{SignedDuration, Timestamp};

/// The open questions.
#[derive(Clone, Copy, Debug, Default)]
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
    pub work: SignedDuration,
    pub default_lag: SignedDuration,
    next: u32,
    pub lagged: Vec<ListedRuntime>,
}

pub const ACCOUNT: &str = "111122223333";

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
                let broken = image(&rt.config).contains("broken") && !healed;
                match rt.status {
                    ServiceStatus::Creating | ServiceStatus::Updating if broken => {
                        let update = rt.status == ServiceStatus::Updating;
                        rt.status = if update {
                            ServiceStatus::UpdateFailed
                        } else {
                            ServiceStatus::CreateFailed
                        };
                        rt.reason = Some(
                            "The specified image identifier does not exist in the repository"
                                .into(),
                        );
                        rt.updated = rt.until;
                        if let (true, false, Some((version, config))) =
                            (update, makes, rt.good.clone())
                        {
                            rt.version = version;
                            rt.config = config;
                        }
                    }
                    ServiceStatus::Creating | ServiceStatus::Updating => {
                        rt.status = ServiceStatus::Ready;
                        rt.reason = None;
                        rt.updated = rt.until;
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

    pub fn get(&mut self, id: &str) -> Answer<Runtime> {
        none(self.call("GetAgentRuntime", |aws| {
            aws.rt(id).map(|rt| Runtime {
                arn: rt.arn.clone(),
                id: rt.id.clone(),
                name: rt.name.clone(),
                version: rt.version.to_string(),
                status: rt.status,
                failure_reason: rt.reason.clone(),
                created_at: rt.created,
                last_updated_at: rt.updated,
                workload_identity_arn: Some(
                    "arn:aws:bedrock-agentcore:us-east-1:111122223333:workload-identity/x".into(),
                ),
                config: rt.config.clone(),
            })
        }))
    }

    pub fn tags(&mut self, arn: &str) -> Answer<Tags> {
        none(self.call("ListTagsForResource", |aws| aws.tagged(arn).cloned()))
    }

    pub fn policy(&mut self, arn: &str) -> Answer<String> {
        let found = self.call("GetResourcePolicy", |aws| {
            aws.runtimes
                .iter()
                .find(|rt| rt.arn == arn)
                .map(|rt| rt.policy.clone())
                .ok_or(fault(Class::Gone, ""))
        });
        none(found).map(Option::flatten)
    }

    pub fn endpoints(&mut self, id: &str) -> Answer<Vec<Endpoint>> {
        none(self.call("ListAgentRuntimeEndpoints", |aws| {
            let rt = aws.rt(id)?;
            let mut all = vec![default(rt)];
            all.extend(rt.endpoints.iter().map(|ep| shown(rt, ep)));
            Ok(all)
        }))
    }

    pub fn endpoint(&mut self, id: &str, name: &str) -> Answer<Endpoint> {
        none(self.call("GetAgentRuntimeEndpoint", |aws| {
            let denied = aws.switches.deleted_is_denied;
            let rt = aws.rt(id)?;
            if name == "DEFAULT" {
                return Ok(default(rt));
            }
            let missing = if denied {
                fault(Class::Denied, "endpoint was not found")
            } else {
                fault(Class::Gone, "endpoint was not found")
            };
            rt.endpoints
                .iter()
                .find(|ep| ep.name == name)
                .map(|ep| shown(rt, ep))
                .ok_or(missing)
        }))
    }

    pub fn create(
        &mut self,
        name: &str,
        config: &RuntimeConfig,
        tags: &Tags,
        token: &str,
    ) -> Done<RuntimeAccepted> {
        self.call("CreateAgentRuntime", |aws| {
            assert!(token.len() >= 33, "client token too short");
            if let Some(Ok(answer)) = aws.tokens.get(token).cloned() {
                let lives = aws.runtimes.iter().any(|rt| rt.id == answer.id);
                if lives || aws.switches.replay_after_delete {
                    return Ok(answer);
                }
            }
            if aws.runtimes.iter().any(|rt| rt.name == name) {
                return Err(fault(
                    Class::Conflict,
                    "agent with the specified name already exists",
                ));
            }
            aws.image_check(config)?;
            aws.next += 1;
            let id = format!("{name}-{:010}", aws.next);
            let arn = format!("arn:aws:bedrock-agentcore:us-east-1:{ACCOUNT}:runtime/{id}");
            let mut config = config.clone();
            config.require_mmdsv2 = false;
            config.platform_version.get_or_insert_with(|| "V2".into());
            aws.runtimes.push(Rt {
                id: id.clone(),
                arn: arn.clone(),
                name: name.into(),
                version: 1,
                status: ServiceStatus::Creating,
                reason: None,
                created: aws.now,
                updated: aws.now,
                until: aws.now + aws.work,
                config,
                good: None,
                tags: tags.clone(),
                policy: None,
                default_live: 0,
                default_since: aws.now,
                endpoints: Vec::new(),
            });
            let answer = RuntimeAccepted {
                arn,
                id,
                version: "1".into(),
                status: ServiceStatus::Creating,
                workload_identity_arn: None,
            };
            aws.tokens.insert(token.into(), Ok(answer.clone()));
            Ok(answer)
        })
    }

    fn image_check(&self, config: &RuntimeConfig) -> Done<()> {
        if self.switches.sync_images && !self.healed && image(config).contains("broken") {
            return Err(fault(
                Class::NotYet,
                "The specified image identifier does not exist in the repository",
            ));
        }
        if image(config).contains("invalid") {
            return Err(fault(Class::Invalid, "this can never be"));
        }
        Ok(())
    }

    pub fn update(
        &mut self,
        id: &str,
        config: &RuntimeConfig,
        token: &str,
    ) -> Done<RuntimeAccepted> {
        self.call("UpdateAgentRuntime", |aws| {
            assert!(token.len() >= 33, "client token too short");
            if let Some(Ok(answer)) = aws.tokens.get(token).cloned() {
                return Ok(answer);
            }
            let (now, until, switches) = (aws.now, aws.now + aws.work, aws.switches);
            let failed = aws.rt(id)?.status;
            if failed.in_transition()
                || (failed == ServiceStatus::CreateFailed && switches.no_update_from_create_failed)
            {
                return Err(fault(Class::Conflict, "it is in a state that forbids this"));
            }
            aws.image_check(config)?;
            let rt = aws.rt(id)?;
            let mut next = config.clone();
            if switches.keep_omitted {
                next.description = next.description.or_else(|| rt.config.description.clone());
                next.authorizer = next.authorizer.or_else(|| rt.config.authorizer.clone());
            }
            rt.config = next;
            rt.version += 1;
            rt.status = ServiceStatus::Updating;
            rt.updated = now;
            rt.until = until;
            let answer = RuntimeAccepted {
                arn: rt.arn.clone(),
                id: rt.id.clone(),
                version: rt.version.to_string(),
                status: ServiceStatus::Updating,
                workload_identity_arn: None,
            };
            aws.tokens.insert(token.into(), Ok(answer.clone()));
            Ok(answer)
        })
    }

    pub fn delete(&mut self, id: &str, token: &str) -> Done<()> {
        self.call("DeleteAgentRuntime", |aws| {
            if aws.spent.contains(token) && aws.runtimes.iter().any(|rt| rt.id == id) {
                return Ok(());
            }
            let (now, until) = (aws.now, aws.now + aws.work);
            let rt = aws.rt(id)?;
            if rt.status.in_transition() || !rt.endpoints.is_empty() {
                return Err(fault(Class::Conflict, "it is busy"));
            }
            rt.status = ServiceStatus::Deleting;
            rt.updated = now;
            rt.until = until;
            aws.spent.insert(token.into());
            Ok(())
        })
    }

    pub fn put_tags(&mut self, arn: &str, tags: &Tags) -> Done<()> {
        self.call("TagResource", |aws| {
            aws.tagged(arn).map(|there| there.extend(tags.clone()))
        })
    }

    pub fn remove_tags(&mut self, arn: &str, keys: &[String]) -> Done<()> {
        self.call("UntagResource", |aws| {
            aws.tagged(arn)
                .map(|there| there.retain(|key, _| !keys.contains(key)))
        })
    }

    pub fn put_policy(&mut self, arn: &str, policy: Option<String>) -> Done<()> {
        self.call("PutResourcePolicy", |aws| {
            let rt = aws
                .runtimes
                .iter_mut()
                .find(|rt| rt.arn == arn)
                .ok_or(fault(Class::Gone, ""))?;
            rt.policy = policy;
            Ok(())
        })
    }

    pub fn create_endpoint(&mut self, id: &str, mut ep: Ep, token: &str) -> Done<EndpointAccepted> {
        self.call("CreateAgentRuntimeEndpoint", |aws| {
            let (now, until) = (aws.now, aws.now + aws.work);
            if let Some(Err(answer)) = aws.tokens.get(token).cloned()
                && aws.tagged(&answer.arn).is_ok()
            {
                return Ok(answer);
            }
            let rt = aws.rt(id)?;
            if rt.endpoints.iter().any(|there| there.name == ep.name) {
                return Err(fault(Class::Conflict, "endpoint exists"));
            }
            if ep.target.parse::<u32>().unwrap() > rt.version {
                return Err(fault(Class::Gone, "version was not found"));
            }
            ep.arn = format!(
                "{}/runtime-endpoint/{}-{}",
                rt.arn,
                ep.name,
                now.as_second()
            );
            (ep.created, ep.updated, ep.until, ep.status) =
                (now, now, until, ServiceStatus::Creating);
            let answer = EndpointAccepted {
                arn: ep.arn.clone(),
                runtime_arn: rt.arn.clone(),
                live_version: None,
                target_version: Some(ep.target.clone()),
                status: ServiceStatus::Creating,
            };
            rt.endpoints.push(ep);
            aws.tokens.insert(token.into(), Err(answer.clone()));
            Ok(answer)
        })
    }

    pub fn update_endpoint(
        &mut self,
        id: &str,
        name: &str,
        version: &str,
        description: Option<String>,
        token: &str,
    ) -> Done<EndpointAccepted> {
        self.call("UpdateAgentRuntimeEndpoint", |aws| {
            if let Some(Err(answer)) = aws.tokens.get(token).cloned() {
                return Ok(answer);
            }
            let (now, until, keep) = (aws.now, aws.now + aws.work, aws.switches.keep_omitted);
            let rt = aws.rt(id)?;
            if version.parse::<u32>().unwrap() > rt.version {
                return Err(fault(Class::Gone, "version was not found"));
            }
            let arn = rt.arn.clone();
            let ep = rt
                .endpoints
                .iter_mut()
                .find(|ep| ep.name == name)
                .ok_or(fault(Class::Gone, "endpoint was not found"))?;
            if ep.status.in_transition() {
                return Err(fault(Class::Conflict, "it is busy"));
            }
            ep.target = version.into();
            ep.description = if keep {
                description.or_else(|| ep.description.clone())
            } else {
                description
            };
            (ep.status, ep.updated, ep.until) = (ServiceStatus::Updating, now, until);
            let answer = EndpointAccepted {
                arn: ep.arn.clone(),
                runtime_arn: arn,
                live_version: ep.live.clone(),
                target_version: Some(ep.target.clone()),
                status: ServiceStatus::Updating,
            };
            aws.tokens.insert(token.into(), Err(answer.clone()));
            Ok(answer)
        })
    }

    pub fn delete_endpoint(&mut self, id: &str, name: &str) -> Done<()> {
        self.call("DeleteAgentRuntimeEndpoint", |aws| {
            let (now, until) = (aws.now, aws.now + aws.work);
            let rt = aws.rt(id)?;
            let ep = rt
                .endpoints
                .iter_mut()
                .find(|ep| ep.name == name)
                .ok_or(fault(Class::Gone, "endpoint was not found"))?;
            if ep.status != ServiceStatus::Deleting {
                (ep.status, ep.updated, ep.until) = (ServiceStatus::Deleting, now, until);
            }
            Ok(())
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
    }
}
