//! Objects as far as they can be read: what somebody nested too deep in one of them must not keep the others from being shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kube::Resource;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, TypeMeta};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;
use serde_json::value::RawValue;

/// A DynamicObject without the parts that cannot be read, and without `metadata.managedFields`. serde_json gives up at 128 levels, and with
/// the object it would give up the list or the watch that it stands in.
#[derive(Clone, Debug)]
pub struct Salvaged(pub DynamicObject);

type Parts = BTreeMap<String, Box<RawValue>>;

fn readable<T: serde::de::DeserializeOwned>(part: &RawValue) -> Option<T> {
    serde_json::from_str(part.get()).ok()
}

impl<'de> Deserialize<'de> for Salvaged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parts = Parts::deserialize(deserializer)?;
        let mut text = |name: &str| parts.remove(name).and_then(|part| readable(&part));
        let types = text("apiVersion").zip(text("kind"));
        let metadata = parts.remove("metadata");
        let metadata = metadata.ok_or_else(|| D::Error::missing_field("metadata"))?;
        let mut metadata: Parts =
            readable(&metadata).ok_or_else(|| D::Error::custom("metadata is not a JSON object"))?;
        metadata.remove("managedFields");
        let metadata = serde_json::to_string(&metadata)
            .and_then(|text| serde_json::from_str::<ObjectMeta>(&text))
            .map_err(D::Error::custom)?;
        let data = parts
            .into_iter()
            .filter_map(|(name, part)| Some((name, readable::<Value>(&part)?)));
        Ok(Self(DynamicObject {
            types: types.map(|(api_version, kind)| TypeMeta { api_version, kind }),
            metadata,
            data: Value::Object(data.collect()),
        }))
    }
}

impl Resource for Salvaged {
    type DynamicType = ApiResource;
    type Scope = <DynamicObject as Resource>::Scope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::kind(resource)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::group(resource)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::version(resource)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        DynamicObject::plural(resource)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.meta_mut()
    }
}

#[cfg(test)]
mod fuzz {
    use kube::core::{ObjectList, WatchEvent};
    use serde_json::value::to_raw_value;
    use testfuzz::{TestCaseError, fuzz, prop_assert_eq};

    use super::*;

    /// Objects, one a line: in a list and in a watch each is what it is alone, and what a reader of trees makes of it.
    #[test]
    fn salvaged() {
        fuzz("salvaged", |input| {
            let text = String::from_utf8_lossy(input);
            let sent = text.lines().filter_map(|item| Some((item, alone(item)?)));
            let sent: Vec<_> = sent.collect();
            let items: Vec<&str> = sent.iter().map(|(item, _)| *item).collect();
            let list = format!(r#"{{"metadata":{{}},"items":[{}]}}"#, items.join(","));
            let list = serde_json::from_str::<ObjectList<Salvaged>>(&list);
            let listed = list.map(|list| list.items.into_iter().map(|item| item.0).collect());
            let objects: Vec<_> = sent.iter().map(|(_, object)| object.clone()).collect();
            prop_assert_eq!(listed.ok(), Some(objects));
            for (item, object) in &sent {
                let event = format!(r#"{{"type":"ADDED","object":{item}}}"#);
                let watched = serde_json::from_str::<WatchEvent<Salvaged>>(&event);
                let Ok(WatchEvent::Added(watched)) = watched else {
                    return Err(TestCaseError::fail(format!("{watched:?}")));
                };
                prop_assert_eq!(&watched.0, object);
                let deep = with_managed_fields(item, super::tests::deep());
                prop_assert_eq!(&deep.and_then(|deep| alone(&deep)), &Some(object.clone()));
            }
            for item in text.lines() {
                if let Ok(tree) = serde_json::from_str::<Value>(item) {
                    prop_assert_eq!(alone(item), by_tree(tree));
                }
            }
            Ok(!sent.is_empty())
        });
    }

    fn alone(item: &str) -> Option<DynamicObject> {
        Some(serde_json::from_str::<Salvaged>(item).ok()?.0)
    }

    fn with_managed_fields(item: &str, fields: String) -> Option<String> {
        let mut parts: Parts = serde_json::from_str(item).ok()?;
        let mut metadata: Parts = readable(parts.get("metadata")?)?;
        metadata.insert(
            "managedFields".to_owned(),
            RawValue::from_string(fields).ok()?,
        );
        parts.insert("metadata".to_owned(), to_raw_value(&metadata).ok()?);
        serde_json::to_string(&parts).ok()
    }

    fn by_tree(mut tree: Value) -> Option<DynamicObject> {
        let object = tree.as_object_mut()?;
        let mut metadata = object.remove("metadata")?;
        metadata.as_object_mut()?.remove("managedFields");
        let [version, kind] = ["apiVersion", "kind"].map(|name| object.remove(name));
        let text = |value: Option<Value>| Some(value?.as_str()?.to_owned());
        let types = text(version).zip(text(kind));
        Some(DynamicObject {
            types: types.map(|(api_version, kind)| TypeMeta { api_version, kind }),
            metadata: serde_json::from_value(metadata).ok()?,
            data: tree,
        })
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    const KIND: &str = r#""apiVersion":"agentcore.dev/v1alpha1","kind":"AgentRuntime""#;

    pub(super) fn deep() -> String {
        format!("{}1{}", "[".repeat(200), "]".repeat(200))
    }

    fn items() -> [String; 3] {
        let good =
            format!(r#"{{{KIND},"metadata":{{"name":"good"}},"status":{{"phase":"ACTIVE"}}}}"#);
        let managed = format!(
            r#"{{{KIND},"metadata":{{"name":"managed","managedFields":[{{"fieldsV1":{}}}]}},"spec":{{"a":1}}}}"#,
            deep()
        );
        let spec = format!(
            r#"{{{KIND},"metadata":{{"name":"spec"}},"spec":{{"a":{}}},"status":{{"phase":"FAILED"}}}}"#,
            deep()
        );
        [good, managed, spec]
    }

    #[test]
    fn an_object_that_is_nested_too_deep_takes_no_other_with_it() {
        let list = format!(
            r#"{{"apiVersion":"v1","kind":"List","metadata":{{}},"items":[{}]}}"#,
            items().join(",")
        );
        assert!(serde_json::from_str::<ObjectList<DynamicObject>>(&list).is_err());
        let list: ObjectList<Salvaged> = serde_json::from_str(&list).unwrap();
        let [good, managed, spec] = <[Salvaged; 3]>::try_from(list.items).ok().unwrap();
        assert_eq!(good.name_any(), "good");
        assert_eq!(good.0.types.unwrap().kind, "AgentRuntime");
        assert_eq!(good.0.data["status"]["phase"], "ACTIVE");
        assert_eq!(managed.name_any(), "managed");
        assert_eq!(managed.0.data["spec"]["a"], 1);
        // What the controller says of it can be read.
        assert!(spec.0.data.get("spec").is_none());
        assert_eq!(spec.0.data["status"]["phase"], "FAILED");
    }

    #[test]
    fn an_event_of_a_watch_is_read_likewise() {
        for item in items() {
            let event = format!(r#"{{"type":"ADDED","object":{item}}}"#);
            let event: WatchEvent<Salvaged> = serde_json::from_str(&event).unwrap();
            assert!(matches!(event, WatchEvent::Added(_)), "{event:?}");
        }
    }
}
