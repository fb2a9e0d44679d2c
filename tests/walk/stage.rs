//! A namespace in which leaves are walked, beside another one; and what AWS has of the objects in both.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::rig::{Operator, Rig};
use crate::{agent, contexts};

pub const NAMESPACE: &str = "walk";
const OTHER: &str = "walk-other";
/// Objects that are applied at once.
const AT_ONCE: usize = 8;
/// A process that stands still for long on a busy machine would end with its lease, and nothing here starts it anew.
const NO_LEASE: [&str; 1] = ["--leader-elect=false"];
/// `AgentSession`s call their agent, and what they leave is theirs alone.
const SESSION: &str = "AgentSession";

/// Something that is done to a leaf, and the spec before and after.
pub struct Case {
    pub what: String,
    pub kind: String,
    pub before: Value,
    pub after: Value,
    /// Of which a fresh object is the same in AWS as one after the edit.
    pub fresh: Value,
}

pub struct Stage {
    pub rig: Rig,
}

pub fn api(rig: &Rig, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk("agentcore.dev", "v1alpha1", kind);
    Api::namespaced_with(rig.client.clone(), namespace, &ApiResource::from_gvk(&gvk))
}

/// A spec for one object: names in it are its own.
pub fn filled(spec: &Value, name: &str, namespace: &str) -> Value {
    let text = spec.to_string();
    let text = text.replace("NAMESPACE", namespace);
    let text = text.replace("NAME", &name.replace('-', "_"));
    serde_json::from_str(&text).expect("JSON as before")
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|one| one["type"] == kind)
}

/// Whether the operator is done with an object as it is, and what it says of it.
fn settled(object: &Value) -> Option<(bool, String)> {
    let seen = object["status"]["observedGeneration"].as_i64()?;
    let goes_on = condition(object, "Reconciling").is_some_and(|one| one["status"] == "True");
    let ready = condition(object, "Ready")?;
    if Some(seen) != object["metadata"]["generation"].as_i64() || goes_on {
        return None;
    }
    let reason = ready["reason"].as_str()?.to_owned();
    Some((ready["status"] == "True", reason))
}

/// Why no image is found for an object as it is. What runs goes on then, and a fresh object has nothing that runs.
fn unresolved(object: &Value) -> Option<&str> {
    let resolved = condition(object, "ImageResolved")?;
    (resolved["status"] == "False").then(|| resolved["reason"].as_str())?
}

/// What AWS has, without what is each object's own.
pub fn plain(entry: &Value) -> Value {
    const OWN: [&str; 16] = [
        "agentRuntimeId",
        "agentRuntimeArn",
        "agentRuntimeName",
        "agentRuntimeVersion",
        "agentRuntimeEndpointArn",
        "id",
        "arn",
        "name",
        "createdAt",
        "lastUpdatedAt",
        "workloadIdentityDetails",
        "versions",
        "uid",
        "liveVersion",
        "targetVersion",
        "clientToken",
    ];
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        fields.retain(|name, _| !OWN.contains(&name.as_str()));
    }
    // What AWS fills in by itself says the same as what an Update sends for it.
    let defaults = [
        ("metadataConfiguration", json!({"requireMMDSV2": true})),
        (
            "protocolConfiguration",
            json!({"path": "/invocations", "port": 8080, "serverProtocol": "HTTP"}),
        ),
    ];
    for (name, members) in defaults {
        let Some(fields) = entry.get_mut(name).and_then(Value::as_object_mut) else {
            continue;
        };
        fields.retain(|member, value| members[member.as_str()] != *value);
        if fields.is_empty() {
            entry.as_object_mut().map(|entry| entry.remove(name));
        }
    }
    if let Some(tags) = entry["tags"].as_object_mut() {
        tags.retain(|name, _| !name.starts_with("agentcore.dev/"));
    }
    entry
}

impl Stage {
    pub async fn start() -> Self {
        let rig = Rig::start(NAMESPACE).await;
        let other: Namespace =
            serde_json::from_value(json!({"metadata": {"name": OTHER}})).expect("a namespace");
        Api::all(rig.client.clone())
            .create(&PostParams::default(), &other)
            .await
            .expect("created");
        // All endpoints of the walk are of one runtime.
        rig.settings(json!({"maxEndpoints": 1_000, "maxSessions": 1_000}))
            .await;
        rig.push_program("support", "prod", agent::agent_program())
            .await;
        // Contents of their own, so that these are later pushes than what a walk begins with: an edit does not lead back to an
        // older one, and a fresh object takes it.
        for tag in ["proc", "build-1.4.0"] {
            let program = json!({"argv": ["/bin/true", tag], "env": {}});
            rig.push_argv("support", tag, &program).await;
        }
        for key in ["support/app.zip", "support/app.zio"] {
            let program = json!({"argv": ["/bin/true"], "env": {}});
            rig.sim_post(
                "/_sim/objects",
                json!({"bucket": "walk-code", "key": key, "program": program}),
            )
            .await;
        }
        let stage = Self { rig };
        stage.grant().await;
        stage
    }

    /// What the walk uses in AWS, where there are grants.
    pub async fn grant(&self) {
        let gvk = GroupVersionKind::gvk("agentcore.dev", "v1alpha1", "AgentGrant");
        let there = self
            .rig
            .client
            .list_api_group_resources("agentcore.dev/v1alpha1")
            .await
            .expect("resources");
        if !there
            .resources
            .iter()
            .any(|resource| resource.kind == gvk.kind)
        {
            return;
        }
        let any = json!(["*"]);
        let spec = json!({
            "namespaces": {"names": [NAMESPACE, OTHER]}, "regions": ["us-east-1"], "executionRoles": any, "runtimeNames": any,
            "adoption": [{"runtimeIds": ["*"]}], "repositories": any, "buckets": any, "subnets": any, "securityGroups": any,
            "capacityProviders": any, "resourcePolicies": "Any",
        });
        let grant = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": gvk.kind, "metadata": {"name": "walk"}, "spec": spec});
        let api: Api<DynamicObject> =
            Api::all_with(self.rig.client.clone(), &ApiResource::from_gvk(&gvk));
        api.patch(
            "walk",
            &PatchParams::apply("test").force(),
            &Patch::Apply(&grant),
        )
        .await
        .expect("a grant");
    }

    pub fn operator(&self) -> Operator {
        let rates = [
            "UpdateAgentRuntime",
            "DeleteAgentRuntime",
            "CreateAgentRuntimeEndpoint",
            "UpdateAgentRuntimeEndpoint",
            "DeleteAgentRuntimeEndpoint",
            "TagResource",
            "UntagResource",
            "ListTagsForResource",
        ];
        let rates: Vec<String> = rates
            .iter()
            .map(|name| format!("--aws-rate={name}=50"))
            .collect();
        let mut flags: Vec<&str> = rates.iter().map(String::as_str).collect();
        flags.extend(["--watch-namespace", OTHER]);
        flags.extend(NO_LEASE);
        self.rig.operator(&flags)
    }

    pub async fn apply(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        spec: &Value,
    ) -> kube::Result<()> {
        self.apply_with(kind, namespace, json!({"name": name}), spec)
            .await
    }

    pub async fn apply_with(
        &self,
        kind: &str,
        namespace: &str,
        metadata: Value,
        spec: &Value,
    ) -> kube::Result<()> {
        let name = metadata["name"].as_str().expect("a name").to_owned();
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": filled(spec, &name, namespace),
        });
        let params = PatchParams::apply("test").force();
        api(&self.rig, kind, namespace)
            .patch(&name, &params, &Patch::Apply(&object))
            .await
            .map(drop)
    }

    /// All objects of the walk by kind and name, and what AWS has of each.
    pub async fn seen(&self) -> BTreeMap<(String, String), (Value, Value)> {
        let state = self.rig.aws().await;
        let mut of_uid: BTreeMap<String, Value> = BTreeMap::new();
        for list in ["runtimes", "endpoints"] {
            for entry in state[list].as_array().into_iter().flatten() {
                if let Some(uid) = entry["tags"]["agentcore.dev/uid"].as_str() {
                    of_uid.insert(uid.to_owned(), plain(entry));
                }
            }
        }
        let mut seen = BTreeMap::new();
        for kind in ["AgentRuntime", "AgentEndpoint", SESSION] {
            let objects = api(&self.rig, kind, NAMESPACE)
                .list(&ListParams::default())
                .await
                .expect("a list");
            for object in objects {
                let aws = of_uid
                    .get(object.metadata.uid.as_deref().unwrap_or_default())
                    .cloned();
                let name = object.name_any();
                let object = serde_json::to_value(object).expect("JSON");
                seen.insert((kind.to_owned(), name), (object, aws.unwrap_or_default()));
            }
        }
        seen
    }

    /// Waits until each of the pairs has the same end, and the same in AWS.
    pub async fn agree(&self, pairs: &[(&Case, String, String)]) {
        self.rig
            .until("as fresh objects are", async || {
                let seen = self.seen().await;
                let differ: Vec<String> = pairs
                    .iter()
                    .filter_map(|(case, edited, fresh)| {
                        let of = |name: &String| seen.get(&(case.kind.clone(), name.clone()));
                        let ((edited, edited_aws), (fresh, fresh_aws)) = (of(edited)?, of(fresh)?);
                        let ends = (settled(edited), settled(fresh));
                        let same = match &ends {
                            // What is suspended from its first day is nothing in AWS.
                            (Some((_, one)), Some((_, other))) if one == "Suspended" => {
                                one == other
                            }
                            (Some(_), Some(_)) if unresolved(edited).is_some() => {
                                unresolved(edited) == unresolved(fresh)
                            }
                            (Some(edited), Some(fresh)) => {
                                edited == fresh && (!edited.0 || edited_aws == fresh_aws)
                            }
                            _ => false,
                        };
                        let said =
                            || condition(edited, "Ready").map(|ready| ready["message"].to_string());
                        (!same).then(|| {
                            format!(
                                "{}: {ends:?} {:?}\n  {edited_aws}\n  {fresh_aws}",
                                case.what,
                                said()
                            )
                        })
                    })
                    .collect();
                if differ.is_empty() {
                    Ok(())
                } else {
                    Err(differ.join("\n"))
                }
            })
            .await;
    }

    /// An edit in the other namespace reaches AWS.
    pub async fn witness(&self, word: &str) {
        let mut spec = contexts::base();
        spec["description"] = json!(word);
        self.apply("AgentRuntime", OTHER, "witness", &spec)
            .await
            .expect("accepted");
        self.rig
            .until("what the other namespace wants", async || {
                let object = api(&self.rig, "AgentRuntime", OTHER)
                    .get("witness")
                    .await
                    .expect("get");
                let object = serde_json::to_value(object).expect("JSON");
                let aws = self.rig.aws().await["runtimes"].to_string();
                let done = settled(&object).is_some_and(|(ready, _)| ready) && aws.contains(word);
                done.then_some(())
                    .ok_or_else(|| object["status"].to_string())
            })
            .await;
    }

    pub async fn clear(&self) {
        for kind in [SESSION, "AgentEndpoint", "AgentRuntime"] {
            let api = api(&self.rig, kind, NAMESPACE);
            let walked = ListParams::default();
            for object in api.list(&walked).await.expect("a list") {
                let name = object.name_any();
                if name.starts_with("e-") || name.starts_with("f-") {
                    api.delete(&name, &DeleteParams::default())
                        .await
                        .expect("deleted");
                }
            }
            self.rig
                .until("gone", async || {
                    let left = api.list(&walked).await.expect("a list");
                    let left: Vec<_> = left
                        .into_iter()
                        .filter(|object| {
                            let name = object.name_any();
                            name.starts_with("e-") || name.starts_with("f-")
                        })
                        .map(|object| serde_json::to_string(&object).expect("JSON"))
                        .collect();
                    if left.is_empty() {
                        Ok(())
                    } else {
                        Err(left.join("\n"))
                    }
                })
                .await;
        }
    }

    /// Applies many at once; says which were taken.
    pub async fn apply_all(&self, objects: Vec<(String, String, Value)>) -> Vec<kube::Result<()>> {
        futures::stream::iter(objects)
            .map(|(kind, name, spec)| async move { self.apply(&kind, NAMESPACE, &name, &spec).await })
            .buffered(AT_ONCE)
            .collect()
            .await
    }
}
