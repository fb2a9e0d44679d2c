//! Tags: those that say whose a resource is, the one judgement of them, and the steps from the tags that are there to the wished ones.

use std::collections::BTreeMap;

use agentcore_api::names::tags::{CLUSTER, CLUSTER_UID, NAME, NAMESPACE, UID};

use crate::aws::Tags;
use crate::policy::Policy;
use crate::step::Answer;

/// Most tags of a resource (AgentCore API).
pub const MAX_TAGS: usize = 50;
/// Keys with this prefix belong to AWS and are never touched.
const AWS_PREFIX: &str = "aws:";
/// Keys of the ownership tags.
const OWNERSHIP: [&str; 5] = [CLUSTER, CLUSTER_UID, NAMESPACE, NAME, UID];

/// Tags that were read in this pass, by the ARN of what carries them.
pub type TagsRead = BTreeMap<String, Answer<Tags>>;

/// Whose a resource is, in the words of its tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Cluster id.
    pub cluster: String,
    /// UID of the cluster's kube-system namespace; empty: the tags are of an earlier release.
    pub cluster_uid: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object.
    pub uid: String,
}

/// What the ownership tags of a resource say to an object that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This object's.
    Ours,
    /// That of an earlier object of the same cluster, namespace and name.
    Former,
    /// Somebody else's.
    Others,
    /// Nobody's: the tags are missing or incomplete.
    Nobody,
}

impl Ownership {
    /// Whether the object that asks may change the resource.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Former)
    }
}

impl Owner {
    /// The ownership tags: five, or four where the cluster's UID is not known.
    pub fn tags(&self) -> Tags {
        let Self {
            cluster,
            cluster_uid,
            namespace,
            name,
            uid,
        } = self;
        [
            (CLUSTER, cluster),
            (CLUSTER_UID, cluster_uid),
            (NAMESPACE, namespace),
            (NAME, name),
            (UID, uid),
        ]
        .into_iter()
        .filter(|(key, value)| *key != CLUSTER_UID || !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
    }

    /// The owner that tags name: cluster, namespace and name at least.
    pub fn named_by(tags: &Tags) -> Option<Self> {
        let text = |key: &str| tags.get(key).cloned();
        Some(Self {
            cluster: text(CLUSTER)?,
            namespace: text(NAMESPACE)?,
            name: text(NAME)?,
            cluster_uid: text(CLUSTER_UID).unwrap_or_default(),
            uid: text(UID).unwrap_or_default(),
        })
    }

    /// Reads whose a resource with these tags is. Every place that compares owners asks here.
    ///
    /// The UID of the cluster goes before everything: what carries another one than this cluster's, or one that this cluster had before it was
    /// rebuilt, is another cluster's, whatever else the tags say. Without it, as earlier releases tagged, only the UID of the object
    /// proves that it is ours.
    pub fn judge(&self, tags: &Tags, policy: &Policy) -> Ownership {
        let there = tags.get(CLUSTER_UID);
        let known = |uid: &String| {
            !uid.is_empty()
                && (*uid == self.cluster_uid || policy.former_cluster_uids.contains(uid))
        };
        if there.is_some_and(|uid| !known(uid)) {
            return Ownership::Others;
        }
        if !self.uid.is_empty() && tags.get(UID) == Some(&self.uid) {
            return Ownership::Ours;
        }
        match Self::named_by(tags) {
            None => Ownership::Nobody,
            Some(owner) if there.is_some() && owner.is_at(self) => Ownership::Former,
            Some(_) => Ownership::Others,
        }
    }

    /// Whether both are of one cluster id, namespace and name.
    fn is_at(&self, other: &Self) -> bool {
        (&self.cluster, &self.namespace, &self.name)
            == (&other.cluster, &other.namespace, &other.name)
    }

    /// Whether tags of this owner are of the cluster that the policy is of, as it is or as it was.
    pub fn is_of(&self, policy: &Policy) -> bool {
        if self.cluster_uid.is_empty() {
            return self.cluster == policy.cluster_id;
        }
        self.cluster_uid == policy.cluster_uid
            || policy.former_cluster_uids.contains(&self.cluster_uid)
    }
}

/// The ownership keys that these tags carry.
pub fn ownership_keys(tags: &Tags) -> Vec<String> {
    OWNERSHIP
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
