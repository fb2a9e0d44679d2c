//! Names in AgentCore for objects whose spec gives none.
//!
//! AgentCore's names are a letter and up to 47 letters, digits and underscores; Kubernetes names are longer and have
//! hyphens and dots. A hash keeps two objects apart whose names look alike once mapped.

use sha2::{Digest, Sha256};

use crate::limits::NAME_MAX;

/// Hex digits of the hash at the end of a derived name.
const HASH_DIGITS: usize = 8;
/// Characters before `_` and the hash.
const STEM_MAX: usize = NAME_MAX - 1 - HASH_DIGITS;

/// Name of the AgentCore runtime of an AgentRuntime without `spec.runtimeName`.
///
/// `<namespace>_<name>` with every other character as `_`, an `a` in front if no letter leads, cut to 39 characters, then
/// `_` and 8 hex digits of a hash of cluster id, namespace and name. The same three give the same name for ever.
pub fn default_runtime_name(cluster_id: &str, namespace: &str, name: &str) -> String {
    format!(
        "{}_{}",
        stem(&format!("{namespace}_{name}")),
        hash(&[cluster_id, namespace, name])
    )
}

/// Name of the AgentCore endpoint of an AgentEndpoint without `spec.endpointName`.
///
/// The object's own name if AgentCore takes it as it is; else mapped and cut like [`default_runtime_name`], then `_` and 8
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

/// The parts are joined with a NUL, which no part can hold, so that `a/bc` and `ab/c` differ.
fn hash(parts: &[&str]) -> String {
    let mut digest = hex::encode(Sha256::digest(parts.join("\0")));
    digest.truncate(HASH_DIGITS);
    digest
}
