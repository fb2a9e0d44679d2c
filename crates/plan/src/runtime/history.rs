//! The history of a runtime: what each version was made of, as a ControllerRevision. Values that the manifest does not show are
//! never in it, only where they came from and their HMAC.

use std::collections::BTreeMap;

use agentcore_api::names::labels;
use agentcore_api::runtime::VersionCause;
use agentcore_api::values::ImageRef;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::wish::{Wish, render};
use super::{Listed, View};
use crate::aws::{LifecycleConfig, ProtocolConfig, RuntimeConfig};
use crate::config::{ConfigInput, Origin};

/// Longest part of an object's name in the name of a revision.
const NAME_MAX: usize = 200;
/// Hex digits of the hash in the name of a revision.
const HASH_DIGITS: usize = 10;

/// What is kept of one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Name of the object, the same for the same runtime and version.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Version as a number.
    pub number: i64,
    /// When the version was asked for: a version whose number comes a second time is told from the first one by it.
    pub time: String,
    /// Content, without the actor.
    pub data: Map<String, Value>,
}

/// The revision of the newest version, where enough is known to write it. `view` holds the status as it is written.
pub fn revision(view: &View<'_>) -> Option<Revision> {
    let object = view.object;
    let status = object.status.as_ref()?;
    let (id, version) = (status.id.as_deref()?, status.latest_version.as_deref()?);
    let cause = status.causes.iter().find(|one| one.version == version)?;
    if object.metadata.deletion_timestamp.is_some()
        || matches!(view.facts.listed, Listed::Absent { .. })
    {
        return None;
    }
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let wish = render(view).ok();
    let of_wish = wish.as_ref().filter(|wish| {
        let seen = status.observed.as_ref();
        seen.is_some_and(|seen| {
            let request = crate::hash::WishHash::parse(&seen.wish_hash).request;
            seen.version == version && request == wish.hash.request
        })
    });
    let (config, env) = if let Some(wish) = of_wish {
        (wish.config.clone(), env_of_wish(wish))
    } else {
        let there = view.facts.runtime.as_ref()?.as_ref().ok()?.as_ref()?;
        if there.version != version || there.id != id {
            return None;
        }
        (there.config.clone(), env_of_aws(view, uid, &there.config))
    };
    let VersionCause {
        version: _,
        cause,
        time,
        generation,
    } = cause;
    let digest = config.artifact.container.as_ref().and_then(|container| {
        let digest = ImageRef::parse(&container.image).ok()?.digest;
        let seen = status.image.as_ref();
        digest.or_else(|| seen.and_then(|image| image.digest.clone()))
    });
    let data = Map::from_iter([
        ("version".to_owned(), json!(version)),
        ("runtimeId".to_owned(), json!(id)),
        ("generation".to_owned(), json!(generation)),
        ("time".to_owned(), json!(time)),
        ("cause".to_owned(), json!(cause)),
        ("imageDigest".to_owned(), json!(digest)),
        ("input".to_owned(), input(&config, env)),
    ]);
    let labels = BTreeMap::from([
        (labels::RUNTIME_UID.to_owned(), uid.to_owned()),
        (labels::VERSION.to_owned(), version.to_owned()),
    ]);
    Some(Revision {
        name: name(
            object.metadata.name.as_deref().unwrap_or_default(),
            uid,
            id,
            version,
        ),
        labels,
        number: version.parse().unwrap_or_default(),
        time: time.clone(),
        data,
    })
}

/// Name of the revision of a version: the object's name, a hash of the object and the runtime in AWS, and the version.
pub fn name(object: &str, uid: &str, runtime_id: &str, version: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(format!("{uid}\0{runtime_id}")));
    hash.truncate(HASH_DIGITS);
    let mut stem = object.to_owned();
    stem.truncate(NAME_MAX); // ASCII: a Kubernetes name
    format!("{}-{hash}-{version}", stem.trim_end_matches(['.', '-']))
}

/// The configuration as AgentCore's API spells it, the environment as given.
fn input(config: &RuntimeConfig, env: Value) -> Value {
    let Ok(Value::Object(fields)) = serde_json::to_value(RuntimeConfig {
        env: BTreeMap::new(),
        ..config.clone()
    }) else {
        return Value::Null;
    };
    let mut input = camel_keys(fields);
    // They are hashed with defaults filled in; here stands what is said.
    for hashed in [
        "protocol",
        "idleTimeoutSeconds",
        "maxLifetimeSeconds",
        "lifecycleWritten",
    ] {
        input.remove(hashed);
    }
    let ProtocolConfig {
        server_protocol,
        port,
        path,
    } = &config.protocol;
    let protocol = said([
        ("serverProtocol", json!(server_protocol)),
        ("port", json!(port)),
        ("path", json!(path)),
    ]);
    if !protocol.is_empty() {
        input.insert("protocol".to_owned(), Value::Object(protocol));
    }
    let LifecycleConfig {
        idle_timeout_seconds,
        max_lifetime_seconds,
    } = &config.lifecycle;
    input.extend(said([
        ("idleTimeoutSeconds", json!(idle_timeout_seconds)),
        ("maxLifetimeSeconds", json!(max_lifetime_seconds)),
    ]));
    input.insert("env".to_owned(), env);
    Value::Object(input)
}

fn said<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    given
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn camel_keys(fields: Map<String, Value>) -> Map<String, Value> {
    let camel = |name: String| {
        let mut words = name.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |text, word| {
            let (head, tail) = word.split_at(word.len().min(1));
            text + &head.to_ascii_uppercase() + tail
        })
    };
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    given.map(|(name, value)| (camel(name), value)).collect()
}

fn env_of_wish(wish: &Wish) -> Value {
    let env = wish.config.env.iter();
    env.map(|(name, value)| match wish.origins.get(name) {
        Some(Origin { source, key, seal }) => json!({
            "name": name,
            "valueFrom": {"kind": source.kind.as_str(), "name": source.name, "key": key},
            "hmac": seal,
        }),
        None => json!({"name": name, "value": value.reveal()}),
    })
    .collect()
}

/// What AWS has may come from an earlier manifest that referred to more: shown is only what today's manifest shows too.
fn env_of_aws(view: &View<'_>, uid: &str, config: &RuntimeConfig) -> Value {
    let literals: BTreeMap<&str, &str> = view
        .object
        .spec
        .env
        .iter()
        .flatten()
        .filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?)))
        .collect();
    let key = match view.config {
        ConfigInput::Given { key, .. } => Some(key),
        ConfigInput::NotNeeded | ConfigInput::NoKey { .. } => None,
    };
    let env = config.env.iter();
    env.map(|(name, value)| {
        if literals.get(name.as_str()) == Some(&value.reveal()) {
            return json!({"name": name, "value": value.reveal()});
        }
        let mut entry = Map::from_iter([("name".to_owned(), json!(name))]);
        if let Some(key) = key {
            entry.insert("hmac".to_owned(), json!(key.seal(uid, name, value)));
        }
        Value::Object(entry)
    })
    .collect()
}

/// Names of the revisions that are kept no longer. `kept`: all that there are of an object, newest first, with the name that each
/// version of today's runtime would have in `listed`.
pub fn surplus<'a>(kept: &[&'a str], listed: &[String], limit: u32) -> Vec<&'a str> {
    let places = usize::try_from(limit)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    let beyond = kept.iter().skip(places);
    beyond
        .filter(|name| !listed.iter().any(|one| one == *name))
        .copied()
        .collect()
}
