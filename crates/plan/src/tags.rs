//! Tags: those that say whose a resource is, and the steps from the tags that are there to the wished ones.

use agentcore_api::names::tags::{CLUSTER, NAME, NAMESPACE, UID};

use crate::aws::Tags;

/// Most tags of a resource (AgentCore API).
pub const MAX_TAGS: usize = 50;
/// Keys with this prefix belong to AWS and are never touched.
const AWS_PREFIX: &str = "aws:";

/// Whose a Kubernetes object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Cluster id.
    pub cluster: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object.
    pub uid: String,
}

/// What the ownership tags of a resource say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This object's.
    Ours,
    /// That of an earlier object of the same cluster, namespace and name.
    Former,
    /// Somebody else's: all three of cluster, namespace and name are there, and differ.
    Others,
    /// Nobody's: the tags are missing or incomplete.
    Nobody,
}

impl Owner {
    /// The four ownership tags.
    pub fn tags(&self) -> Tags {
        let Self {
            cluster,
            namespace,
            name,
            uid,
        } = self;
        [
            (CLUSTER, cluster),
            (NAMESPACE, namespace),
            (NAME, name),
            (UID, uid),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
    }

    /// Reads whose a resource with these tags is.
    pub fn judge(&self, tags: &Tags) -> Ownership {
        let (Some(cluster), Some(namespace), Some(name)) =
            (tags.get(CLUSTER), tags.get(NAMESPACE), tags.get(NAME))
        else {
            return Ownership::Nobody;
        };
        if *cluster != self.cluster || *namespace != self.namespace || *name != self.name {
            Ownership::Others
        } else if tags.get(UID) == Some(&self.uid) {
            Ownership::Ours
        } else {
            Ownership::Former
        }
    }
}

impl Owner {
    /// Whether a resource that was this object's has another owner by its tags. The same object under another cluster id is none.
    pub fn lost(&self, tags: &Tags) -> bool {
        self.judge(tags) == Ownership::Others && tags.get(UID) != Some(&self.uid)
    }

    /// Whether a resource is this object's, or that of an earlier object of its name, by its tags.
    pub fn made(&self, tags: &Tags) -> bool {
        tags.get(UID) == Some(&self.uid)
            || matches!(self.judge(tags), Ownership::Ours | Ownership::Former)
    }
}

/// The ownership keys that these tags carry.
pub fn ownership_keys(tags: &Tags) -> Vec<String> {
    [CLUSTER, NAMESPACE, NAME, UID]
        .into_iter()
        .filter(|key| tags.contains_key(*key))
        .map(str::to_owned)
        .collect()
}

/// What differs between the tags that are there and the wished ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagDiff {
    /// To be set.
    pub set: Tags,
    /// To be removed; never a key of AWS itself.
    pub remove: Vec<String>,
}

impl TagDiff {
    /// Compares the tags that are there with the wished ones.
    pub fn between(there: &Tags, wished: &Tags) -> Self {
        let set = wished
            .iter()
            .filter(|(key, value)| there.get(*key) != Some(*value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let remove = there
            .keys()
            .filter(|key| !wished.contains_key(*key) && !key.starts_with(AWS_PREFIX))
            .cloned()
            .collect();
        Self { set, remove }
    }

    /// Keys that differ, for people.
    pub fn keys(&self) -> Vec<&str> {
        self.set
            .keys()
            .map(String::as_str)
            .chain(self.remove.iter().map(String::as_str))
            .collect()
    }
}
