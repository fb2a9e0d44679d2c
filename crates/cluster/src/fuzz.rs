//! Fuzz target: lists and watches of the API server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use agentcore_api::{AgentEndpoint, AgentRuntime, AgentSession};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use kube::core::{ObjectList, ObjectMeta, WatchEvent};
use kube::runtime::watcher::Event;
use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use testfuzz::{Checked, TestCaseError, fuzz, prop_assert, prop_assert_eq};

use super::kept::Kept;
use super::readable::{Head, Raw};
use super::room::Room;
use super::store::{Told, Watch, take};
use crate::errors::unparsed;

/// Objects, one a line, of the kind that the first names.
#[test]
fn objects() {
    fuzz("objects", |input| {
        let text = String::from_utf8_lossy(input);
        let items: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        for item in &items {
            if let Err(error) = serde_json::from_str::<Secret>(item) {
                let told = unparsed(&error);
                prop_assert!(!told.contains("hunter2"), "{told}");
            }
        }
        match items.first() {
            Some(item) if item.contains("AgentRuntime\"") => read::<AgentRuntime>(&items),
            Some(item) if item.contains("AgentEndpoint\"") => read::<AgentEndpoint>(&items),
            _ => read::<AgentSession>(&items),
        }
    });
}

struct Deaf;

impl<K> Told<K> for Deaf {}

/// In a list and in a watch each item is what it is alone, and so in the cache; one that can be read is read as serde reads it.
fn read<K: Kept>(items: &[&str]) -> Checked {
    let alone = |item: &&&str| serde_json::from_str::<Raw<K>>(item).is_ok();
    let sent: Vec<&str> = items.iter().filter(alone).copied().collect();
    let list = format!(
        r#"{{"metadata":{{"resourceVersion":"1"}},"items":[{}]}}"#,
        sent.join(",")
    );
    let list = serde_json::from_str::<ObjectList<Raw<K>>>(&list);
    prop_assert!(list.is_ok(), "{:?}", list.err());
    let raws = list.expect("a list").items;
    prop_assert_eq!(raws.len(), sent.len());
    let cache = Watch::<K>::new(&Room::usual()).store;
    for (item, raw) in sent.iter().zip(&raws) {
        let event = format!(r#"{{"type":"MODIFIED","object":{item}}}"#);
        let watched = serde_json::from_str::<WatchEvent<Raw<K>>>(&event);
        let Ok(WatchEvent::Modified(watched)) = watched else {
            return Err(TestCaseError::fail(format!("{watched:?}")));
        };
        let head = serde_json::from_str::<Head<K>>(item);
        prop_assert!(head.is_ok_and(|head| head.meta() == raw.metadata()));
        let seen = [raw, &watched].map(|raw| raw.decode().map(|object| json!(object)));
        prop_assert_eq!(&seen[0], &seen[1]);
        kept(item, raw)?;
        let taken = take(&cache, &Deaf, Event::InitApply(raw.clone()));
        prop_assert_eq!(taken.is_some(), raw.piece().is_ok());
    }
    for item in items {
        as_serde_reads_it::<K>(item)?;
    }
    Ok(raws.iter().any(|raw| raw.piece().is_ok()))
}

/// What the cache keeps is counted, of the object's own size, and can be read again; why something is not kept quotes no value.
fn kept<K: Kept>(item: &str, raw: &Raw<K>) -> Result<(), TestCaseError> {
    static KEY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"hunter2[^"]*"\s*:"#).expect("a pattern"));
    let _ = raw.verdict();
    match raw.piece() {
        Ok(piece) => {
            let text = serde_json::to_string(&piece.object).expect("JSON");
            prop_assert_eq!(piece.bytes, text.len());
            prop_assert!(text.len() <= 2 * item.len() + 1024, "{} bytes", text.len());
            let again = serde_json::from_str::<K>(&text);
            prop_assert!(again.is_ok(), "{:?} {text}", again.err());
        }
        Err(why) => {
            let why = why.to_string();
            prop_assert!(why.len() < 1000, "{why}");
            prop_assert!(!why.contains("hunter2") || KEY.is_match(item), "{why}");
        }
    }
    Ok(())
}

/// An item whose metadata Kubernetes would take is read, whatever its managed fields hold; one that serde reads as a whole is the same but for
/// its metadata.
fn as_serde_reads_it<K: Kept>(item: &str) -> Result<(), TestCaseError> {
    #[derive(Deserialize)]
    struct Sent {
        metadata: ObjectMeta,
    }
    /// Of a text that names a part twice there are two readings; the API server writes none.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Once {
        api_version: Option<IgnoredAny>,
        kind: Option<IgnoredAny>,
        metadata: Option<IgnoredAny>,
        spec: Option<IgnoredAny>,
        status: Option<IgnoredAny>,
    }
    if serde_json::from_str::<Once>(item).is_err() {
        return Ok(());
    }
    let Some(text) = without_managed_fields(item) else {
        return Ok(());
    };
    let Ok(sent) = serde_json::from_str::<Sent>(&text) else {
        return Ok(());
    };
    let raw = match serde_json::from_str::<Raw<K>>(item) {
        Ok(raw) => raw,
        Err(error) if error.to_string().contains("duplicate field") => return Ok(()),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let meta = |meta: &ObjectMeta| {
        (
            meta.name.clone(),
            meta.namespace.clone(),
            meta.uid.clone(),
            meta.deletion_timestamp.clone(),
        )
    };
    prop_assert_eq!(meta(raw.metadata()), meta(&sent.metadata));
    let without_metadata = |mut object: K| {
        *object.meta_mut() = ObjectMeta::default();
        json!(object)
    };
    if let Ok(object) = serde_json::from_str::<K>(&text) {
        prop_assert_eq!(
            raw.decode().map(without_metadata),
            Ok(without_metadata(object))
        );
    }
    Ok(())
}

fn without_managed_fields(item: &str) -> Option<String> {
    type Parts = BTreeMap<String, Box<RawValue>>;
    let mut parts: Parts = serde_json::from_str(item).ok()?;
    let mut metadata: Parts = serde_json::from_str(parts.get("metadata")?.get()).ok()?;
    metadata.remove("managedFields");
    parts.insert("metadata".to_owned(), to_raw_value(&metadata).ok()?);
    serde_json::to_string(&parts).ok()
}
