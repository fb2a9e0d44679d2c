//! Names in AgentCore for objects whose spec gives none, and which names may be an object's at all.
//!
//! AgentCore's names are a letter and up to 47 letters, digits and underscores; Kubernetes names are longer and have
//! hyphens and dots. A hash keeps two objects apart whose names look alike once mapped.

use sha2::{Digest, Sha256};

use crate::AgentRuntime;
use crate::limits::NAME_MAX;

/// Hex digits of the hash at the end of a derived name.
const HASH_DIGITS: usize = 8;
/// Characters before `_` and the hash.
const STEM_MAX: usize = NAME_MAX - 1 - HASH_DIGITS;
/// Hex digits that stand for the cluster at the beginning of a runtime's name.
const CLUSTER_DIGITS: usize = 6;
/// Hex digits after those, which stand for the namespace of that cluster.
const NAMESPACE_DIGITS: usize = 12;
/// Characters of the object's own name in a runtime's name: between the prefix and the hash, with `_` on both sides.
const OWN_MAX: usize = NAME_MAX - 3 - CLUSTER_DIGITS - NAMESPACE_DIGITS - HASH_DIGITS;

/// What names of runtimes are derived from: the cluster, as it is and as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterNames {
    /// Cluster id, as the ownership tags have it: earlier releases derived names from it.
    pub id: String,
    /// UID of the kube-system namespace.
    pub uid: String,
    /// UIDs that it had before the cluster was rebuilt.
    pub former_uids: Vec<String>,
}

impl ClusterNames {
    /// Name of the runtime of a new AgentRuntime without `spec.runtimeName`.
    pub fn new_name(&self, namespace: &str, name: &str) -> String {
        derived(&self.uid, namespace, name)
    }

    /// Every name that the runtime of an AgentRuntime without `spec.runtimeName` may have: the one of new runtimes first, then those that
    /// rebuilt clusters and earlier releases gave.
    pub fn all(&self, namespace: &str, name: &str) -> Vec<String> {
        let mut names = vec![self.new_name(namespace, name)];
        let former = self.former_uids.iter();
        names.extend(former.map(|uid| derived(uid, namespace, name)));
        names.push(former_runtime_name(&self.id, namespace, name));
        names
    }

    /// Whether a runtime of this id can be this object's: its name is the one that the spec gives, a derived one where it gives none, or it is
    /// the runtime that the spec adopts. What tags say is another matter; this is for those who see no tags.
    pub fn can_own(&self, object: &AgentRuntime, runtime_id: &str) -> bool {
        let spec = &object.spec;
        let adopts = spec.adopt.as_ref();
        if adopts.is_some_and(|adopt| adopt.runtime_id == runtime_id) {
            return true;
        }
        let Some((name, _)) = runtime_id.rsplit_once('-') else {
            return false;
        };
        if let Some(own) = &spec.runtime_name {
            return own == name && !is_reserved(own);
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (namespace, own) = (
            text(&object.metadata.namespace),
            text(&object.metadata.name),
        );
        self.all(&namespace, &own).iter().any(|one| one == name)
    }
}

/// What the names of all new runtimes of a cluster begin with.
pub fn cluster_prefix(cluster_uid: &str) -> String {
    format!("c{}", digits(&[cluster_uid], CLUSTER_DIGITS))
}

/// What the names of all new runtimes of a namespace begin with, `_` included. No other namespace's name begins so.
pub fn namespace_prefix(cluster_uid: &str, namespace: &str) -> String {
    format!(
        "{}{}_",
        cluster_prefix(cluster_uid),
        digits(&[cluster_uid, namespace], NAMESPACE_DIGITS)
    )
}

/// Whether a name has the form of derived ones, which no spec may choose: [`RESERVED_NAME_PATTERN`](crate::limits::RESERVED_NAME_PATTERN).
pub fn is_reserved(name: &str) -> bool {
    let hex = CLUSTER_DIGITS + NAMESPACE_DIGITS;
    name.strip_prefix('c').is_some_and(|rest| {
        let bytes = rest.as_bytes();
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        bytes.get(..hex).is_some_and(|part| part.iter().all(is_hex))
            && bytes.get(hex) == Some(&b'_')
    })
}

/// `c`, 6 digits of the cluster, 12 of the namespace, `_`, the object's own name mapped and cut to 19 characters, `_`, and 8 digits of all
/// three. The same three give the same name for ever.
fn derived(cluster_uid: &str, namespace: &str, name: &str) -> String {
    let mut own = stem_unlimited(name);
    own.truncate(OWN_MAX); // ASCII only by now
    format!(
        "{}{own}_{}",
        namespace_prefix(cluster_uid, namespace),
        hash(&[cluster_uid, namespace, name])
    )
}

/// Name that earlier releases gave to the runtime of an AgentRuntime without `spec.runtimeName`; runtimes that exist keep it.
///
/// `<namespace>_<name>` with every other character as `_`, an `a` in front if no letter leads, cut to 39 characters, then
/// `_` and 8 hex digits of a hash of cluster id, namespace and name.
pub fn former_runtime_name(cluster_id: &str, namespace: &str, name: &str) -> String {
    format!(
        "{}_{}",
        stem(&format!("{namespace}_{name}")),
        hash(&[cluster_id, namespace, name])
    )
}

/// Name of the AgentCore endpoint of an AgentEndpoint without `spec.endpointName`.
///
/// The object's own name if AgentCore takes it as it is; else mapped and cut to 39 characters, then `_` and 8
/// hex digits of a hash of the object's name. Endpoint names need to differ within one runtime only.
pub fn default_endpoint_name(name: &str) -> String {
    let mapped = stem_unlimited(name);
    if mapped == name && name.len() <= NAME_MAX {
        return mapped;
    }
    format!("{}_{}", stem(name), hash(&[name]))
}

fn stem(text: &str) -> String {
    let mut mapped = stem_unlimited(text);
    mapped.truncate(STEM_MAX); // ASCII only by now
    mapped
}

fn stem_unlimited(text: &str) -> String {
    let mut mapped = String::with_capacity(text.len() + 1);
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        mapped.push('a');
    }
    mapped.extend(text.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '_'
        }
    }));
    mapped
}

fn hash(parts: &[&str]) -> String {
    digits(parts, HASH_DIGITS)
}

/// The parts are joined with a NUL, which no part can hold, so that `a/bc` and `ab/c` differ.
fn digits(parts: &[&str], count: usize) -> String {
    let mut digest = hex::encode(Sha256::digest(parts.join("\0")));
    digest.truncate(count);
    digest
}
