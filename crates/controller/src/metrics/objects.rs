//! Metrics of the objects themselves, made from the caches at each scrape: nothing to keep, nothing to forget.

use std::collections::HashMap;

use agentcore_api::conditions::{READY, SESSIONS_CURRENT, STALLED};
use agentcore_api::limits::{ENDPOINTS_QUOTA, VERSIONS_QUOTA};
use agentcore_api::reasons::OVERDUE;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentRuntimeStatus, AgentSession, Kind};
use agentcore_cluster::room::Held;
use agentcore_cluster::store::Cache;
use agentcore_plan::aws::ServiceStatus;
use agentcore_plan::conditions::{find, is_ready};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

/// How long a new object may be on its way: AgentCore's platform V2 takes 3 to 9 minutes for a version, and minutes more for an endpoint.
const FIRST_VERSION: SignedDuration = SignedDuration::from_mins(15);
/// How soon after its creation an object has its first verdict, where a controller runs.
const FIRST_VERDICT: SignedDuration = SignedDuration::from_mins(1);

/// Metric families of all objects.
pub fn families(
    stores: &[(Cache<AgentRuntime>, Cache<AgentEndpoint>)],
    sessions: &[Cache<AgentSession>],
) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new_custom(Some("agentcore".to_owned()), None)?;
    let gauges = Gauges::new(&registry)?;
    for (runtimes, endpoints) in stores {
        for ((namespace, name), count) in counted(runtimes, endpoints) {
            let used = &gauges.endpoints_used;
            used.with_label_values(&[&namespace, &name]).set(count);
        }
        for object in runtimes.state() {
            gauges.runtime(&object);
        }
        for object in endpoints.state() {
            gauges.endpoint(&object);
        }
        gauges.left_alone(Kind::AgentRuntime, runtimes.held());
        gauges.left_alone(Kind::AgentEndpoint, endpoints.held());
    }
    for cache in sessions {
        for object in cache.state() {
            gauges.session(&object);
        }
        gauges.left_alone(Kind::AgentSession, cache.held());
    }
    Ok(registry.gather())
}

/// Everything that is said of objects.
struct Gauges {
    info: IntGaugeVec,
    versions: IntGaugeVec,
    versions_used: IntGaugeVec,
    endpoints_used: IntGaugeVec,
    rejected: IntGaugeVec,
    available: IntGaugeVec,
    overdue: IntGaugeVec,
    conditions: IntGaugeVec,
    left_alone: IntGaugeVec,
}

impl Gauges {
    /// Registers them, and those that are the same for all objects.
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let versions_quota = gauge(
            "versions_quota",
            "Versions of a runtime that AgentCore takes.",
            &[],
        )?;
        let endpoints_quota = gauge(
            "endpoints_quota",
            "Endpoints of a runtime that AgentCore takes.",
            &[],
        )?;
        for (quota, most) in [
            (versions_quota, VERSIONS_QUOTA),
            (endpoints_quota, ENDPOINTS_QUOTA),
        ] {
            quota.with_label_values::<&str>(&[]).set(most.into());
        }
        Ok(Self {
            info: gauge(
                "runtime_info",
                "1 for each AgentRuntime.",
                &["namespace", "name", "phase", "region", "runtime_id"],
            )?,
            versions: gauge(
                "endpoint_version",
                "Version of an endpoint by role.",
                &["namespace", "runtime", "endpoint", "role"],
            )?,
            versions_used: gauge(
                "versions_used",
                "Versions of a runtime, as last counted; before that the number of the newest.",
                &["namespace", "name"],
            )?,
            endpoints_used: gauge(
                "endpoints_used",
                "Endpoints of a runtime that objects stand for, DEFAULT included.",
                &["namespace", "name"],
            )?,
            rejected: gauge(
                "image_rejected",
                "1 while the image that follow would take was refused or failed, and is not taken.",
                &["namespace", "name", "reason"],
            )?,
            available: gauge(
                "available",
                "1 if a version, or a declared session, serves behind the object, else 0; none for what is deleted, and, before it first served, for what is suspended or, in its first 15 minutes, not Stalled.",
                &["kind", "namespace", "name"],
            )?,
            overdue: gauge(
                "sessions_overdue",
                "1 while stale sessions are still there although their deadline has come, else 0.",
                &["kind", "namespace", "name"],
            )?,
            conditions: gauge(
                "condition",
                "1 for the status that a condition has.",
                &["kind", "namespace", "name", "type", "status"],
            )?,
            left_alone: gauge(
                "unreadable_objects",
                "Objects that are skipped because they cannot be read or exceed their namespace's limit; absent when 0.",
                &["kind", "namespace"],
            )?,
        })
    }

    fn left_alone(&self, kind: Kind, held: &Held) {
        for (namespace, count) in held.outs() {
            self.left_alone
                .with_label_values(&[kind.as_str(), &namespace])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    fn runtime(&self, object: &AgentRuntime) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let Some(status) = &object.status else {
            return;
        };
        let phase = status.phase.map_or("", |phase| phase.as_str());
        let region = status.region.as_deref().unwrap_or_default();
        let id = status.id.as_deref().unwrap_or_default();
        self.info
            .with_label_values(&[namespace.as_str(), &name, phase, region, id])
            .set(1);
        let default = status.default_endpoint.as_ref();
        let live = default.and_then(|endpoint| endpoint.live_version.as_ref());
        let versions = [("live", live), ("target", status.latest_version.as_ref())];
        self.versions([&namespace, &name, "DEFAULT"], versions);
        if let Some(count) = versions_used(status) {
            let used = &self.versions_used;
            used.with_label_values(&[&namespace, &name]).set(count);
        }
        if let Some(reason) = refused(status) {
            self.rejected
                .with_label_values(&[namespace.as_str(), &name, reason])
                .set(1);
        }
        let place = [Kind::AgentRuntime.as_str(), &namespace, &name];
        self.conditions(place, &status.conditions);
        let serving = Serving {
            version: live.map(String::as_str),
            status: status.service_status.as_deref(),
            missing: status.missing_since.is_some(),
        };
        let served = live.is_some() || was_lost(object, status.attempt, 1, &status.conditions);
        let expected = expected(object, object.spec.suspend, &status.conditions, served);
        self.serves(place, serving.good(), expected);
    }

    fn endpoint(&self, object: &AgentEndpoint) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let Some(status) = &object.status else {
            return;
        };
        let runtime = object.spec.runtime_ref.name.as_str();
        let (live, target) = (status.live_version.as_ref(), status.target_version.as_ref());
        self.versions(
            [&namespace, runtime, &name],
            [("live", live), ("target", target)],
        );
        let place = [Kind::AgentEndpoint.as_str(), &namespace, &name];
        self.conditions(place, &status.conditions);
        let serving = Serving {
            version: live.map(String::as_str),
            status: status.service_status.as_deref(),
            missing: status.missing_since.is_some(),
        };
        let served = live.is_some() || was_lost(object, status.attempt, 1, &status.conditions);
        let expected = expected(object, object.spec.suspend, &status.conditions, served);
        self.serves(place, serving.good(), expected);
    }

    fn session(&self, object: &AgentSession) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let Some(status) = &object.status else {
            return;
        };
        let place = [Kind::AgentSession.as_str(), &namespace, &name];
        self.conditions(place, &status.conditions);
        let served = status.session_id.is_some()
            || !status.previous.is_empty()
            || was_lost(object, status.attempt, 2, &status.conditions);
        let expected = expected(object, object.spec.suspend, &status.conditions, served);
        self.serves(place, is_ready(&status.conditions), expected);
    }

    /// Versions of an endpoint (its namespace, runtime and name) by role.
    fn versions(
        &self,
        [namespace, runtime, endpoint]: [&str; 3],
        versions: [(&str, Option<&String>); 2],
    ) {
        for (role, version) in versions {
            if let Some(version) = number(version) {
                self.versions
                    .with_label_values(&[namespace, runtime, endpoint, role])
                    .set(version);
            }
        }
    }

    /// The conditions of an object, by kind, namespace and name.
    fn conditions(&self, [kind, namespace, name]: [&str; 3], conditions: &[Condition]) {
        for condition in conditions {
            self.conditions
                .with_label_values(&[kind, namespace, name, &condition.type_, &condition.status])
                .set(1);
            if condition.type_ == SESSIONS_CURRENT {
                self.overdue
                    .with_label_values(&[kind, namespace, name])
                    .set(i64::from(condition.reason == OVERDUE));
            }
        }
    }

    /// Whether callers are served, or ought to be.
    fn serves(&self, place: [&str; 3], good: bool, expected: Expected) {
        let said = match expected {
            Expected::Going => false,
            Expected::NotYet => good,
            Expected::Yes => true,
        };
        if said {
            self.available
                .with_label_values(&place)
                .set(i64::from(good));
        }
    }
}

/// Whether anybody expects an object to serve.
#[derive(Clone, Copy)]
enum Expected {
    /// It is deleted.
    Going,
    /// It was suspended before it served, or is being made.
    NotYet,
    /// From now on, or since it served.
    Yes,
}

fn expected(
    object: &impl ResourceExt,
    suspend: Option<bool>,
    conditions: &[Condition],
    served: bool,
) -> Expected {
    let meta = object.meta();
    let made = meta.creation_timestamp.as_ref();
    let young = made.is_some_and(|made| Timestamp::now().duration_since(made.0) < FIRST_VERSION);
    let stalled = find(conditions, STALLED).is_some_and(|it| it.status == "True");
    if meta.deletion_timestamp.is_some() {
        Expected::Going
    } else if served {
        Expected::Yes
    } else if suspend == Some(true) || (young && !stalled) {
        Expected::NotYet
    } else {
        Expected::Yes
    }
}

/// Whether an object served, although nothing of that is on record any more: what AgentCore lost is made anew as one more attempt,
/// of this number or more. What never served has not been Ready since its first verdict; what served, since it was lost.
fn was_lost(
    object: &impl ResourceExt,
    attempt: Option<u32>,
    anew: u32,
    conditions: &[Condition],
) -> bool {
    let made = object.meta().creation_timestamp.as_ref();
    let turned = find(conditions, READY).map(|ready| &ready.last_transition_time);
    attempt.is_some_and(|attempt| attempt >= anew)
        && made
            .zip(turned)
            .is_some_and(|(made, turned)| turned.0.duration_since(made.0) > FIRST_VERDICT)
}

/// What AgentCore says of what an object stands for.
struct Serving<'a> {
    version: Option<&'a str>,
    status: Option<&'a str>,
    missing: bool,
}

impl Serving<'_> {
    /// A version is live, and AgentCore neither lost nor deletes it: a failed update leaves the last one where it was.
    fn good(&self) -> bool {
        let gone = [
            ServiceStatus::CreateFailed,
            ServiceStatus::Deleting,
            ServiceStatus::DeleteFailed,
        ];
        self.version.is_some()
            && !self.missing
            && !gone
                .iter()
                .any(|status| self.status == Some(status.as_str()))
    }
}

/// How many endpoints each runtime has that objects stand for: those that AgentCore has, and its DEFAULT.
fn counted(
    runtimes: &Store<AgentRuntime>,
    endpoints: &Store<AgentEndpoint>,
) -> HashMap<(String, String), i64> {
    let mut counts: HashMap<_, _> = runtimes
        .state()
        .iter()
        .filter(|object| {
            let status = object.status.as_ref();
            status.is_some_and(|status| status.id.is_some())
        })
        .map(|object| {
            let namespace = object.namespace().unwrap_or_default();
            ((namespace, object.name_any()), 1)
        })
        .collect();
    for object in endpoints.state() {
        let made = object.status.as_ref().is_some_and(|it| it.arn.is_some());
        let runtime = object.spec.runtime_ref.name.clone();
        let key = (object.namespace().unwrap_or_default(), runtime);
        if let Some(count) = counts.get_mut(&key).filter(|_| made) {
            *count += 1;
        }
    }
    counts
}

/// Why the image that `follow` would take is not taken, if that is for good.
fn refused(status: &AgentRuntimeStatus) -> Option<&str> {
    let image = status.image.as_ref()?;
    let candidate = image.candidate.as_ref()?;
    let rejected = image.rejected.iter();
    let mut found = rejected.filter(|one| one.digest == candidate.digest);
    found.next().map(|one| one.reason.as_str())
}

/// Versions were counted for the newest one, or there cannot be more than its number.
fn versions_used(status: &AgentRuntimeStatus) -> Option<i64> {
    let newest = number(status.latest_version.as_ref())?;
    let counted = status
        .versions
        .as_ref()
        .map(|versions| i64::from(versions.used));
    Some(counted.filter(|count| *count > 0).unwrap_or(newest))
}

fn number(version: Option<&String>) -> Option<i64> {
    version.and_then(|version| version.parse().ok())
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
