//! A manifest through the operator's own planner, without a cluster: what it refuses, and what it would ask AWS for.

use std::collections::BTreeMap;
use std::sync::Arc;

use agentcore_api::AgentRuntime;
use agentcore_plan::config::{ConfigInput, EnvValue, Found, HashKey, Source, SourceKind, sources};
use agentcore_plan::grant::Granted;
use agentcore_plan::policy::Policy;
use agentcore_plan::runtime::{Facts, Refusal, View, Wish, render};
use agentcore_plan::step::Due;

/// Placeholder for what only the cluster knows.
pub const UNKNOWN_CLUSTER: &str = "CLUSTER-ID";
/// Placeholder for the UID of its kube-system namespace.
const UNKNOWN_UID: &str = "CLUSTER-UID";

/// What the operator knows of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Region of manifests that name none; empty: nobody says one.
    pub region: &'a str,
    /// Id of the cluster.
    pub cluster_id: Option<&'a str>,
    /// UID of the cluster's kube-system namespace.
    pub cluster_uid: Option<&'a str>,
}

/// What the planner makes of a manifest. What the operator's flags decide (roles, tags, limits) is taken to be allowed.
pub fn wish(runtime: &AgentRuntime, surroundings: &Surroundings<'_>) -> Result<Wish, Refusal> {
    let policy = Policy {
        cluster_id: surroundings
            .cluster_id
            .unwrap_or(UNKNOWN_CLUSTER)
            .to_owned(),
        cluster_uid: surroundings.cluster_uid.unwrap_or(UNKNOWN_UID).to_owned(),
        region: surroundings.region.to_owned(),
        execution_role_patterns: vec!["*".to_owned()],
        ..Policy::default()
    };
    let config = placeholders(runtime);
    render(&View {
        object: runtime,
        policy: &policy,
        granted: &Granted::everything(),
        older_in_namespace: 0,
        referrers: &[],
        owned_endpoint_names: &[],
        config: &config,
        used_versions: &std::collections::BTreeSet::new(),
        faults: 0,
        due: Due::default(),
        facts: Facts::default(),
        outcome: None,
    })
}

/// A stand-in for each value that a Secret or ConfigMap holds.
fn placeholders(runtime: &AgentRuntime) -> ConfigInput {
    let all = sources(&runtime.spec);
    let Some(key) = HashKey::new(vec![0; HashKey::LEAST]).filter(|_| !all.is_empty()) else {
        return ConfigInput::NotNeeded;
    };
    let mut found: BTreeMap<Source, BTreeMap<String, Option<EnvValue>>> = all
        .into_iter()
        .map(|source| (source, BTreeMap::new()))
        .collect();
    for variable in runtime.spec.env.iter().flatten() {
        let Some(from) = &variable.value_from else {
            continue;
        };
        for (kind, key) in [
            (SourceKind::Secret, &from.secret_key_ref),
            (SourceKind::ConfigMap, &from.config_map_key_ref),
        ] {
            let Some(key) = key else { continue };
            let source = Source {
                kind,
                name: key.name.clone(),
            };
            let text = format!("<{source}, key {}>", key.key);
            found
                .entry(source)
                .or_default()
                .insert(key.key.clone(), Some(EnvValue::hidden(text)));
        }
    }
    let found = found
        .into_iter()
        .map(|(source, data)| (source, Found::Data(Arc::new(data))));
    ConfigInput::Given {
        key,
        found: found.collect(),
    }
}

/// Secrets and ConfigMaps that are taken whole: their keys are known only in the cluster.
pub fn whole_sources(runtime: &AgentRuntime) -> Vec<String> {
    let whole = runtime.spec.env_from.iter().flatten().filter_map(|from| {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let of = |kind: SourceKind, name: &str| format!("{prefix}* from {} {name}", kind.as_str());
        let secret = from
            .secret_ref
            .as_ref()
            .map(|one| of(SourceKind::Secret, &one.name));
        secret.or_else(|| {
            from.config_map_ref
                .as_ref()
                .map(|one| of(SourceKind::ConfigMap, &one.name))
        })
    });
    whole.collect()
}
