//! Objects of other people as they come from the API server: each is read for itself, so that none can keep another from being read.
//!
//! A list or a watch is read into [`Raw`], which keeps an item as text and takes only its metadata; [`Raw::decode`] makes the object of it. Where only
//! metadata is wanted there is [`Head`]. Neither looks at `metadata.managedFields`, in which whoever may write an object can nest JSON as deep
//! as the API server takes it: `serde_json` gives up on a whole list at 128 levels. What nobody reads is skipped by `serde_json` without
//! recursion, whatever its depth and its names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use agentcore_api::names::PREFIX;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::value::RawValue;

/// Why an object is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It does not fit the types. The text names the place, and nothing of what stands there.
    #[error("{0}")]
    Unreadable(String),
    /// The objects of its namespace are larger than is kept in memory for one.
    #[error("{0}")]
    OverTheLimit(String),
}

impl Why {
    /// Constant of `agentcore_api::reasons`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => agentcore_api::reasons::UNREADABLE,
            Self::OverTheLimit(_) => agentcore_api::reasons::OVER_THE_LIMIT,
        }
    }
}

/// An object of kind `K` as text, with its metadata.
pub struct Raw<K> {
    metadata: ObjectMeta,
    text: Box<RawValue>,
    kind: PhantomData<fn() -> K>,
}

/// The metadata of an object of kind `K`; the API server sends no more than that.
pub struct Head<K> {
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> K>,
}

/// The name and the labels of an object of kind `K`; the API server sends its metadata alone.
#[derive(Clone, Debug)]
pub struct Labelled<K> {
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> K>,
}

impl<K> Head<K> {
    /// Of this metadata.
    pub fn new(metadata: ObjectMeta) -> Self {
        Self {
            metadata,
            kind: PhantomData,
        }
    }
}

impl<K: Resource<DynamicType = ()>> Raw<K> {
    /// The metadata, without what [`Head`] does without.
    pub fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    /// The object.
    ///
    /// # Errors
    /// It does not fit the type: [`Why::Unreadable`].
    pub fn decode(&self) -> Result<K, Why>
    where
        K: DeserializeOwned,
    {
        let text = self.text.get();
        let text = match self.parts().metadata {
            Some(metadata) => {
                // A part of `text`, by how `RawValue` borrows.
                let start = (metadata.get().as_ptr() as usize) - (text.as_ptr() as usize);
                let end = start + metadata.get().len();
                Cow::Owned([&text[..start], "{}", &text[end..]].concat())
            }
            None => Cow::Borrowed(text),
        };
        let mut object: K = serde_json::from_str(&text).map_err(|_| place::<K>(&text))?;
        *object.meta_mut() = self.metadata.clone();
        Ok(object)
    }

    /// A part of the object as text, such as `spec`.
    pub(super) fn part(&self, name: &str) -> Option<&RawValue> {
        let parts = self.parts();
        match name {
            "spec" => parts.spec,
            "status" => parts.status,
            _ => None,
        }
    }

    /// What the Ready condition says: its reason and its message.
    pub(super) fn verdict(&self) -> Option<(String, String)> {
        #[derive(Deserialize)]
        struct Status {
            conditions: Vec<Condition>,
        }
        #[derive(Deserialize)]
        struct Condition {
            r#type: String,
            reason: String,
            message: String,
        }
        let status: Status = serde_json::from_str(self.part("status")?.get()).ok()?;
        let mut conditions = status.conditions.into_iter();
        let ready = conditions.find(|one| one.r#type == agentcore_api::conditions::READY)?;
        Some((ready.reason, ready.message))
    }

    fn parts(&self) -> Parts<'_> {
        serde_json::from_str(self.text.get()).unwrap_or_default()
    }
}

/// Where the text does not fit. The decoder's own words may quote what stands there, a value of somebody's environment for example.
fn place<K: DeserializeOwned>(text: &str) -> Why {
    let mut json = serde_json::Deserializer::from_str(text);
    let failed = serde_path_to_error::deserialize::<_, K>(&mut json).err();
    let path = failed.map(|error| error.path().to_string());
    let path = path.filter(|path| !path.is_empty() && path != ".");
    let path: String = path.unwrap_or_else(|| "the object".to_owned());
    let path: String = path.chars().take(200).collect();
    Why::Unreadable(format!(
        "{path} cannot be read by this release; correct it, or delete the object"
    ))
}

/// The parts of an object, as text.
#[derive(Default, Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
}

/// What is read of an object for its metadata.
#[derive(Deserialize)]
struct Outer {
    metadata: Meta,
}

/// What is kept of an object's metadata. Labels, annotations of others and owners are left out: nobody reads them, and there may be a megabyte
/// of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        let ours = |map: Option<BTreeMap<String, String>>| {
            let mut map = map?;
            map.retain(|key, _| key.starts_with(PREFIX));
            (!map.is_empty()).then_some(map)
        };
        Self {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            finalizers: meta.finalizers,
            labels: ours(meta.labels),
            annotations: ours(meta.annotations),
            ..Self::default()
        }
    }
}

impl<K> Clone for Raw<K> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            text: self.text.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> Clone for Head<K> {
    fn clone(&self) -> Self {
        Self::new(self.metadata.clone())
    }
}

/// Without what may be secret.
impl<K> fmt::Debug for Raw<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Raw");
        shown.field("name", &self.metadata.name);
        shown.finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for Head<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Head");
        shown.field("metadata", &self.metadata).finish()
    }
}

impl<'de, K> Deserialize<'de> for Raw<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let outer: Outer = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self {
            metadata: outer.metadata.into(),
            text,
            kind: PhantomData,
        })
    }
}

impl<'de, K> Deserialize<'de> for Head<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let outer = Outer::deserialize(deserializer)?;
        Ok(Self::new(outer.metadata.into()))
    }
}

impl<'de, K> Deserialize<'de> for Labelled<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut outer = Outer::deserialize(deserializer)?;
        let labels = outer.metadata.labels.take();
        let mut metadata = ObjectMeta::from(outer.metadata);
        metadata.labels = labels;
        Ok(Self {
            metadata,
            kind: PhantomData,
        })
    }
}

/// The kind is `K`'s in every respect.
macro_rules! resource_as_k {
    ($type:ident, $metadata_only:literal) => {
        impl<K: Resource<DynamicType = ()>> Resource for $type<K> {
            type DynamicType = ();
            type Scope = K::Scope;

            fn kind((): &()) -> Cow<'_, str> {
                K::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                K::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                K::version(&())
            }

            fn api_version((): &()) -> Cow<'_, str> {
                K::api_version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                K::plural(&())
            }

            fn metadata_api() -> bool {
                $metadata_only
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

resource_as_k!(Raw, false);
resource_as_k!(Head, true);
resource_as_k!(Labelled, true);

#[cfg(test)]
#[path = "readable_tests.rs"]
mod tests;
