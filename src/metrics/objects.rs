//! Metrics of the objects themselves, made from the caches at each scrape: nothing to keep, nothing to forget.

use agentcore_api::limits::VERSIONS_QUOTA;
use agentcore_api::{AgentEndpoint, AgentRuntime, AgentRuntimeStatus, AgentSession};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::reflector::Store;
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

/// Metric families of all objects.
pub fn families(
    stores: &[(Store<AgentRuntime>, Store<AgentEndpoint>)],
    sessions: &[Store<AgentSession>],
) -> prometheus::Result<Vec<MetricFamily>> {
    let registry = Registry::new_custom(Some("agentcore".to_owned()), None)?;
    let gauge = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
        let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    };
    let info = gauge(
        "runtime_info",
        "1 for each AgentRuntime.",
        &["namespace", "name", "phase", "region", "runtime_id"],
    )?;
    let versions = gauge(
        "endpoint_version",
        "Version of an endpoint by role.",
        &["namespace", "runtime", "endpoint", "role"],
    )?;
    let used = gauge(
        "versions_used",
        "Versions of a runtime, as last counted; before that the number of the newest.",
        &["namespace", "name"],
    )?;
    gauge(
        "versions_quota",
        "Versions of a runtime that AgentCore takes.",
        &[],
    )?
    .with_label_values::<&str>(&[])
    .set(VERSIONS_QUOTA.into());
    let conditions = gauge(
        "condition",
        "1 for the status that a condition has.",
        &["kind", "namespace", "name", "type", "status"],
    )?;

    for (runtimes, endpoints) in stores {
        for object in runtimes.state() {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            let Some(status) = &object.status else {
                continue;
            };
            let phase = status.phase.map_or("", |phase| phase.as_str());
            let region = status.region.as_deref().unwrap_or_default();
            info.with_label_values(&[
                &namespace,
                &name,
                phase,
                region,
                status.id.as_deref().unwrap_or_default(),
            ])
            .set(1);
            if let Some(version) = status
                .default_endpoint
                .as_ref()
                .and_then(|endpoint| number(endpoint.live_version.as_ref()))
            {
                versions
                    .with_label_values(&[namespace.as_str(), &name, "DEFAULT", "live"])
                    .set(version);
            }
            if let Some(count) = versions_used(status) {
                used.with_label_values(&[&namespace, &name]).set(count);
            }
            if let Some(version) = number(status.latest_version.as_ref()) {
                versions
                    .with_label_values(&[namespace.as_str(), &name, "DEFAULT", "target"])
                    .set(version);
            }
            export(
                &conditions,
                "AgentRuntime",
                &namespace,
                &name,
                &status.conditions,
            );
        }
        for object in endpoints.state() {
            export_endpoint(&object, &versions, &conditions);
        }
    }
    for object in sessions.iter().flat_map(Store::state) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        if let Some(status) = &object.status {
            export(
                &conditions,
                "AgentSession",
                &namespace,
                &name,
                &status.conditions,
            );
        }
    }
    Ok(registry.gather())
}

fn export_endpoint(object: &AgentEndpoint, versions: &IntGaugeVec, conditions: &IntGaugeVec) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let Some(status) = &object.status else {
        return;
    };
    let runtime = object.spec.runtime_ref.name.as_str();
    for (role, version) in [
        ("live", &status.live_version),
        ("target", &status.target_version),
    ] {
        if let Some(version) = number(version.as_ref()) {
            versions
                .with_label_values(&[namespace.as_str(), runtime, &name, role])
                .set(version);
        }
    }
    export(
        conditions,
        "AgentEndpoint",
        &namespace,
        &name,
        &status.conditions,
    );
}

fn export(gauge: &IntGaugeVec, kind: &str, namespace: &str, name: &str, conditions: &[Condition]) {
    for condition in conditions {
        gauge
            .with_label_values(&[kind, namespace, name, &condition.type_, &condition.status])
            .set(1);
    }
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
