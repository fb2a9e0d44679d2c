//! What a manifest leaves empty (`env:`) is `null`, and under server-side apply that is as if it were not there.

use std::collections::BTreeSet;

use agentcore_api::{AgentEndpointSpec, AgentGrantSpec, AgentRuntimeSpec, AgentSessionSpec};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::contexts;
use crate::rig::Rig;
use crate::stage::{api, filled, plain};

/// A field of a spec that is set.
struct Field {
    /// Steps of a JSON pointer to it.
    place: Vec<String>,
    /// The same for all items of a list (`[]`) and all entries of a map (`{}`).
    path: String,
    optional: bool,
}

fn spec_schema(kind: &str) -> Value {
    let crds = agentcore_api::crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
    let schema = &crd.expect("a kind").spec.versions[0].schema;
    let schema = serde_json::to_value(schema).expect("a schema is JSON");
    schema["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Every field of a spec. What is below a field without a schema is the agent's business.
fn fields(schema: &Value, value: &Value, place: &[String], path: &str, found: &mut Vec<Field>) {
    let under = |step: &str| [place, &[step.to_owned()]].concat();
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let (schema, path) = match (
                    &schema["properties"][name.as_str()],
                    &schema["additionalProperties"],
                ) {
                    (Value::Null, Value::Null) => continue,
                    (Value::Null, of_all) => (of_all, format!("{path}.{{}}")),
                    (of_this, _) => (of_this, format!("{path}.{name}")),
                };
                found.push(Field {
                    place: under(name),
                    path: path.clone(),
                    optional: schema["nullable"] == true,
                });
                fields(schema, value, &under(name), &path, found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                let path = format!("{path}.[]");
                fields(&schema["items"], item, &under(&n.to_string()), &path, found);
            }
        }
        _ => {}
    }
}

/// Every field of a schema that may be left empty.
fn optional(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let of_fields = schema["properties"].as_object().into_iter().flatten();
    let below = of_fields
        .map(|(name, below)| (name.as_str(), below))
        .chain([
            ("{}", &schema["additionalProperties"]),
            ("[]", &schema["items"]),
        ])
        .filter(|(_, below)| below.is_object());
    for (step, below) in below {
        let path = format!("{path}.{step}");
        optional(below, &path, found);
        if below["nullable"] == true {
            found.insert(path);
        }
    }
}

/// The object at some place, in which a field is.
fn holder<'a>(spec: &'a mut Value, place: &[String]) -> &'a mut Map<String, Value> {
    let mut at = spec;
    for step in place {
        at = match at {
            Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
            fields => &mut fields[step.as_str()],
        };
    }
    at.as_object_mut().expect("an object")
}

/// A spec as the operator reads it.
fn read(kind: &str, spec: &Value) -> Value {
    fn typed<S: DeserializeOwned + Serialize>(spec: &Value) -> Value {
        let spec: S = serde_json::from_value(spec.clone()).expect("what the API server took");
        serde_json::to_value(spec).expect("JSON")
    }
    match kind {
        "AgentEndpoint" => typed::<AgentEndpointSpec>(spec),
        "AgentGrant" => typed::<AgentGrantSpec>(spec),
        "AgentSession" => typed::<AgentSessionSpec>(spec),
        _ => typed::<AgentRuntimeSpec>(spec),
    }
}

/// What comes of an apply, without doing it.
async fn tried(rig: &Rig, kind: &str, spec: &Value) -> Result<Value, String> {
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::apply("test").force()
    };
    let object = json!({"apiVersion": "agentcore.dev/v1alpha1", "kind": kind, "metadata": {"name": "empty"}, "spec": filled(spec, "empty", &rig.namespace)});
    let api: Api<DynamicObject> = if kind == "AgentGrant" {
        let gvk = GroupVersionKind::gvk("agentcore.dev", "v1alpha1", kind);
        Api::all_with(rig.client.clone(), &ApiResource::from_gvk(&gvk))
    } else {
        api(rig, kind, &rig.namespace)
    };
    match api.patch("empty", &params, &Patch::Apply(&object)).await {
        Ok(taken) => Ok(read(kind, &taken.data["spec"])),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("{kind}: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_left_empty_is_as_an_absent_one_under_server_side_apply() {
    let rig = Rig::start("walk-empty").await;
    let mut left = BTreeSet::new();
    let mut specs = contexts::contexts();
    specs.extend(contexts::grants().map(|spec| ("AgentGrant", spec)));
    for (kind, _) in &specs {
        optional(&spec_schema(kind), kind, &mut left);
    }
    let mut seen = BTreeSet::new();
    for (kind, spec) in &specs {
        let mut all = Vec::new();
        fields(&spec_schema(kind), spec, &[], kind, &mut all);
        for Field {
            place,
            path,
            optional,
        } in all
        {
            if !seen.insert(path.clone()) {
                continue;
            }
            let (mut empty, mut absent) = (spec.clone(), spec.clone());
            let (name, above) = place.split_last().expect("a field");
            let without = holder(&mut absent, above);
            without.remove(name);
            if path.ends_with("{}") && without.is_empty() {
                // A map of which all is empty is none.
                let (map, above) = above.split_last().expect("a field");
                holder(&mut absent, above).remove(map);
            }
            holder(&mut empty, above).insert(name.clone(), Value::Null);
            let said = (
                tried(&rig, kind, &empty).await,
                tried(&rig, kind, &absent).await,
            );
            if optional {
                assert_eq!(said.0, said.1, "{path}");
                left.remove(&path);
            } else {
                assert!(said.0.is_err() && said.1.is_err(), "{path}: {said:?}");
            }
        }
    }
    assert!(left.is_empty(), "set in no spec of the walk: {left:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_empty_makes_no_version() {
    let rig = Rig::start("walk-null").await;
    let _operator = rig.operator(&[]);
    let schema = spec_schema("AgentRuntime");
    let given = rig.spec();
    let mut empty = given.clone();
    for name in schema["properties"].as_object().expect("fields").keys() {
        if empty.get(name).is_none() {
            empty[name] = Value::Null;
        }
    }
    rig.apply_runtime("given", given).await;
    rig.runtime_ready("given").await;
    let before = rig.aws_runtimes().await;
    let edited = rig.apply_runtime("given", empty.clone()).await;
    assert_eq!(edited.metadata.generation, Some(2), "null is kept");
    rig.runtime_ready("given").await;
    assert_eq!(rig.aws_runtimes().await, before, "nothing was sent");
    rig.apply_runtime("empty", empty).await;
    rig.runtime_ready("empty").await;
    let both: Vec<Value> = rig.aws_runtimes().await.iter().map(plain).collect();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], both[1]);
}
