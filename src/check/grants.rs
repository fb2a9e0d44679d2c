//! `agentcore-operator check --grants`: the AgentGrants with which everything that runs may stay and change as it is.

use std::collections::{BTreeMap, BTreeSet};

use agentcore_api::grant::{Adoption, Limits, Namespaces, ResourcePolicies};
use agentcore_api::{AgentGrant, AgentGrantSpec, AgentRuntime};
use agentcore_plan::grant::{Granted, What, asks};
use agentcore_plan::policy::Policy;
use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::args::GrantsArgs;
use agentcore_cluster::client;

/// Objects of one page.
const PAGE: u32 = 100;

/// Reads the cluster and prints the grants as YAML.
pub async fn print(args: &GrantsArgs) -> anyhow::Result<()> {
    let kube = client::connect().await?;
    let runtimes = all::<AgentRuntime>(&kube).await?;
    let namespaces = all::<Namespace>(&kube).await?;
    // Before an upgrade there is no such kind yet.
    let grants = all::<AgentGrant>(&kube).await.unwrap_or_default();
    let labels: BTreeMap<String, BTreeMap<String, String>> = namespaces
        .into_iter()
        .map(|one| (one.name_any(), one.metadata.labels.unwrap_or_default()))
        .collect();
    let specs: Vec<AgentGrantSpec> = grants.into_iter().map(|grant| grant.spec).collect();
    let policy = policy(args, &runtimes);
    let needed = needed(&runtimes, &labels, &specs, &policy);
    if needed.is_empty() {
        println!("# every AgentRuntime may stay and change as it is");
    }
    for (namespace, spec) in needed {
        let grant = AgentGrant::new(&format!("keep-{namespace}"), spec);
        let text = serde_yaml::to_string(&grant).context("cannot write YAML")?;
        println!("---\n{text}");
    }
    Ok(())
}

async fn all<K>(kube: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<K>::all(kube.clone());
    let (mut objects, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = api
            .list(&page)
            .await
            .with_context(|| format!("cannot list {}", K::plural(&())))?;
        objects.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

fn policy(args: &GrantsArgs, runtimes: &[AgentRuntime]) -> Policy {
    let of = |part: fn(&agentcore_api::AgentRuntimeStatus) -> Option<&String>| {
        let parts = runtimes.iter().filter_map(|one| part(one.status.as_ref()?));
        commonest(parts).unwrap_or_default()
    };
    let account = args.account.clone();
    let region = args.region.clone();
    Policy {
        account: account.unwrap_or_else(|| of(|status| status.account.as_ref())),
        region: region.unwrap_or_else(|| of(|status| status.region.as_ref())),
        no_default_grant: args.default_grant.no_default_grant,
        execution_role_patterns: args.default_grant.allow_execution_roles.clone(),
        ..Policy::default()
    }
}

fn commonest<'a>(texts: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut counts = BTreeMap::<&String, usize>::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(text, _)| text.clone())
}

/// What each namespace has to be granted, by its name; only where something is missing. A grant takes the built-in one away, so it gives
/// what that gave as well.
fn needed(
    runtimes: &[AgentRuntime],
    labels: &BTreeMap<String, BTreeMap<String, String>>,
    grants: &[AgentGrantSpec],
    policy: &Policy,
) -> BTreeMap<String, AgentGrantSpec> {
    let mut by_namespace = BTreeMap::<String, Vec<&AgentRuntime>>::new();
    for runtime in runtimes {
        let namespace = runtime.namespace().unwrap_or_default();
        by_namespace.entry(namespace).or_default().push(runtime);
    }
    let none = BTreeMap::new();
    let mut needed = BTreeMap::new();
    for (namespace, runtimes) in by_namespace {
        let labels = labels.get(&namespace).unwrap_or(&none);
        let has = Granted::of(&namespace, labels, grants, policy);
        let asked = runtimes.iter().flat_map(|one| asked(one, policy));
        let lacks: Vec<What> = asked.filter(|what| !what.is_in(&has)).collect();
        if !lacks.is_empty() {
            let spec = grant(&namespace, &has, &lacks);
            needed.insert(namespace, spec);
        }
    }
    needed
}

fn asked(runtime: &AgentRuntime, policy: &Policy) -> Vec<What> {
    let status = runtime.status.as_ref();
    let account = status.and_then(|status| status.account.as_deref());
    let region = agentcore_plan::runtime::region(runtime, policy);
    let fresh = status.is_none_or(|status| status.id.is_none());
    let account = account.unwrap_or(&policy.account);
    let asks = asks(&runtime.spec, &region, account, fresh);
    asks.into_iter().map(|ask| ask.what).collect()
}

/// A grant of what a namespace has, and of what it lacks.
fn grant(namespace: &str, has: &Granted, lacks: &[What]) -> AgentGrantSpec {
    let list = |has: &[String], more: fn(&What) -> Option<&String>| {
        let more = lacks.iter().filter_map(more);
        let all: BTreeSet<String> = has.iter().chain(more).cloned().collect();
        (!all.is_empty()).then(|| all.into_iter().collect::<Vec<_>>())
    };
    let policies = lacks.iter().filter_map(|what| match what {
        What::ResourcePolicy(reach) => Some(*reach),
        _ => None,
    });
    let adopted: Vec<String> = lacks
        .iter()
        .filter_map(|what| match what {
            What::Adoption(id) => Some(id.clone()),
            _ => None,
        })
        .collect();
    let mut adoption = has.adoption.clone();
    if !adopted.is_empty() {
        adoption.push(Adoption {
            runtime_ids: adopted,
            from_owners: None,
        });
    }
    AgentGrantSpec {
        namespaces: Namespaces {
            names: Some(vec![namespace.to_owned()]),
            match_labels: None,
        },
        regions: list(&has.regions, |what| match what {
            What::Region(text) => Some(text),
            _ => None,
        }),
        execution_roles: list(&has.execution_roles, |what| match what {
            What::ExecutionRole(text) => Some(text),
            _ => None,
        }),
        runtime_names: list(&has.runtime_names, |what| match what {
            What::RuntimeName(text) => Some(text),
            _ => None,
        }),
        adoption: (!adoption.is_empty()).then_some(adoption),
        repositories: list(&has.repositories, |what| match what {
            What::Repository(text) => Some(text),
            _ => None,
        }),
        buckets: list(&has.buckets, |what| match what {
            What::Bucket(text) => Some(text),
            _ => None,
        }),
        subnets: list(&has.subnets, |what| match what {
            What::Subnet(text) => Some(text),
            _ => None,
        }),
        security_groups: list(&has.security_groups, |what| match what {
            What::SecurityGroup(text) => Some(text),
            _ => None,
        }),
        capacity_providers: list(&has.capacity_providers, |what| match what {
            What::CapacityProvider(text) => Some(text),
            _ => None,
        }),
        resource_policies: policies
            .chain([has.resource_policies])
            .max()
            .filter(|policies| *policies != ResourcePolicies::Deny),
        limits: (has.limits != Limits::default()).then_some(has.limits),
        share: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ACCOUNT: &str = "111122223333";

    fn runtime(namespace: &str, changes: &serde_json::Value) -> AgentRuntime {
        let mut spec = json!({
            "artifact": {"container": {"image": format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/support:prod")}},
            "executionRole": {"arn": format!("arn:aws:iam::{ACCOUNT}:role/agentcore/{namespace}/support")},
            "network": {"mode": "PUBLIC"},
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": "AgentRuntime", "metadata": {"name": "support", "namespace": namespace}, "spec": spec,
            "status": {"id": "support-0123456789", "account": ACCOUNT, "region": "us-east-1"},
        }))
        .expect("an AgentRuntime")
    }

    #[test]
    fn the_printed_grants_keep_everything_as_it_is_and_name_no_namespace_without_need() {
        let vpc = json!({"network": {"mode": "VPC", "vpc": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}}});
        let role = json!({"executionRole": {"arn": "arn:aws:iam::111122223333:role/old"}, "resourcePolicy": "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\"}}"});
        let runtimes = [
            runtime("plain", &json!({"runtimeName": "kept"})),
            runtime("team-a", &vpc),
            runtime("team-a", &json!({})),
            runtime("team-b", &role),
        ];
        let policy = policy(&GrantsArgs::default(), &runtimes);
        assert_eq!(
            (policy.account.as_str(), policy.region.as_str()),
            (ACCOUNT, "us-east-1")
        );
        let labels = BTreeMap::new();
        let needed = needed(&runtimes, &labels, &[], &policy);
        let namespaces: Vec<&String> = needed.keys().collect();
        assert_eq!(namespaces, ["team-a", "team-b"]);
        assert_eq!(
            needed["team-b"].resource_policies,
            Some(ResourcePolicies::Any)
        );
        let grants: Vec<AgentGrantSpec> = needed.into_values().collect();
        assert!(self::needed(&runtimes, &labels, &grants, &policy).is_empty());
    }
}
