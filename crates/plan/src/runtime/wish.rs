//! Validates a spec and renders it: what is wished of AWS, in the normal form.

use std::collections::BTreeMap;

use agentcore_api::AgentRuntime;
use agentcore_api::reasons;
use agentcore_api::runtime::Artifact;
use agentcore_api::values::{RoleArn, is_reserved};

use super::diff::{ARTIFACT, differing, filled};
use super::rendered::config;
use super::{View, source};
use crate::aws::{RuntimeConfig, Tags};
use crate::config::{EnvValue, Environment, Origin, environment};
use crate::grant::reach;
use crate::hash::WishHash;
use crate::image::Trouble;
use crate::policy::Policy;
use crate::tags::{MAX_TAGS, Owner};

/// What is wished of AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// Name in AgentCore.
    pub name: String,
    /// Configuration in normal form; `None` in a kept field means "what is there".
    pub config: RuntimeConfig,
    /// Tags, ownership included.
    pub tags: Tags,
    /// Resource policy document, as the spec gives it.
    pub resource_policy: Option<String>,
    /// Region.
    pub region: String,
    /// What this wish is known by.
    pub hash: WishHash,
    /// Where the variables come from whose values the manifest does not show.
    pub origins: BTreeMap<String, Origin>,
    /// Keys of Secrets and ConfigMaps that are no variable's name.
    pub skipped: Vec<String>,
    /// What AWS may have as artifact without a difference: the same thing, not fixed yet.
    pub also: Option<Artifact>,
    /// The object of the code has other content than AgentCore took, under the same name.
    pub code_changed: bool,
    /// Why no update may be sent: the artifact could not be resolved.
    pub held: Option<Trouble>,
}

impl Wish {
    /// This wish with another artifact. `etag` stands for the content of code that has no version.
    pub(super) fn with_artifact(
        mut self,
        uid: &str,
        artifact: Artifact,
        etag: Option<&str>,
    ) -> Self {
        self.config.artifact = artifact;
        self.hash.request = request_hash(uid, &self.sealed(&self.config), etag);
        self
    }

    /// A configuration as it may be hashed: HMACs in the place of values that the manifest does not show.
    pub(super) fn sealed(&self, config: &RuntimeConfig) -> RuntimeConfig {
        sealed(config, &self.origins)
    }

    /// What an Update has to say, so that AWS has what is wished and keeps what the wish leaves out.
    #[must_use]
    pub fn over(&self, there: &RuntimeConfig) -> RuntimeConfig {
        filled(&self.config, there)
    }

    /// Names of the fields in which AWS differs from the wish.
    pub fn differing(&self, there: &RuntimeConfig) -> Vec<&'static str> {
        let mut fields = differing(&self.config, there);
        if self.also.as_ref() == Some(&there.artifact) {
            fields.retain(|field| *field != ARTIFACT);
        }
        if self.code_changed && !fields.contains(&ARTIFACT) {
            fields.insert(0, ARTIFACT);
        }
        fields
    }
}

fn sealed(config: &RuntimeConfig, origins: &BTreeMap<String, Origin>) -> RuntimeConfig {
    let mut config = config.clone();
    for (name, origin) in origins {
        if let Some(value) = config.env.get_mut(name) {
            *value = EnvValue::literal(format!("hmac:{}", origin.seal));
        }
    }
    config
}

fn request_hash(uid: &str, config: &RuntimeConfig, etag: Option<&str>) -> String {
    match etag {
        None => WishHash::request(uid, config),
        Some(etag) => WishHash::request(uid, &(config, etag)),
    }
}

/// Why a spec is not carried out. No AWS call was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
}

impl Refusal {
    /// Whether what the spec refers to is the reason: that may change without the spec.
    pub(super) fn is_of_config(&self) -> bool {
        [
            reasons::CONFIG_MISSING,
            reasons::CONFIG_FORBIDDEN,
            reasons::CONFIG_INVALID,
            reasons::CONFIG_UNAVAILABLE,
        ]
        .contains(&self.reason)
    }

    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Validates and renders the spec of the object in view.
pub fn render(view: &View<'_>) -> Result<Wish, Refusal> {
    let (object, policy) = (view.object, view.policy);
    let spec = &object.spec;
    check_role(&spec.execution_role.arn)?;
    let tags = wished_tags(spec.tags.as_ref(), policy, &owner(object, policy))?;
    check_limit(view)?;
    check_name(spec.runtime_name.as_deref())?;
    check_policy_document(spec.resource_policy.as_deref())?;
    let region = region(object, policy);
    if region.is_empty() {
        return Err(Refusal::new(
            reasons::INVALID_SPEC,
            "spec.region is not set, and the operator has no region of its own",
        ));
    }
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let Environment {
        values,
        origins,
        skipped,
    } = environment(spec, uid, view.config)?;
    let mut config = config(spec, values)?;
    let (artifact, etag) = source::recorded(object);
    config.artifact = artifact;
    let document = spec.resource_policy.as_deref().map(canonical);
    let sealed = sealed(&config, &origins);
    let mut hash = WishHash::of(uid, &sealed, &tags, document.as_deref());
    hash.request = request_hash(uid, &sealed, etag.as_deref());
    Ok(Wish {
        name: name(object, policy),
        config,
        tags,
        resource_policy: spec.resource_policy.clone(),
        region,
        hash,
        origins,
        skipped,
        also: None,
        code_changed: false,
        held: None,
    })
}

/// Namespace of the object.
pub(crate) fn namespace(object: &AgentRuntime) -> &str {
    object.metadata.namespace.as_deref().unwrap_or_default()
}

/// Names that the runtime may have in AgentCore: first the one that it has, or is to be made with, then those under which it may be found as well.
pub fn names(object: &AgentRuntime, policy: &Policy) -> Vec<String> {
    if let Some(own) = &object.spec.runtime_name {
        return vec![own.clone()];
    }
    let own = object.metadata.name.as_deref().unwrap_or_default();
    let mut names = policy.names().all(namespace(object), own);
    // A name that was used stays: what was sent under it may be there.
    let known = object
        .status
        .as_ref()
        .and_then(|status| status.name.as_ref());
    if let Some(at) = known.and_then(|known| names.iter().position(|one| one == known)) {
        names[..=at].rotate_right(1);
    }
    names
}

/// Name of the runtime in AgentCore.
pub(crate) fn name(object: &AgentRuntime, policy: &Policy) -> String {
    names(object, policy).swap_remove(0)
}

/// Region of the runtime: where it was made or sent, else as the spec says, else the operator's own; empty when nobody says one.
/// An operator that moves to another region leaves what it made where it is.
pub fn region(object: &AgentRuntime, policy: &Policy) -> String {
    let status = object.status.as_ref();
    let known = status.and_then(|status| status.region.clone());
    known
        .or_else(|| object.spec.region.clone())
        .unwrap_or_else(|| policy.region.clone())
}

/// The object as an owner.
pub(crate) fn owner(object: &AgentRuntime, policy: &Policy) -> Owner {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Owner {
        cluster: policy.cluster_id.clone(),
        cluster_uid: policy.cluster_uid.clone(),
        namespace: text(&object.metadata.namespace),
        name: text(&object.metadata.name),
        uid: text(&object.metadata.uid),
    }
}

fn check_role(arn: &str) -> Result<(), Refusal> {
    let parsed = RoleArn::parse(arn).map(drop);
    parsed.map_err(|error| {
        let text = format!("spec.executionRole.arn: {error}");
        Refusal::new(reasons::INVALID_SPEC, text)
    })
}

/// Default tags, the object's tags over them, and the ownership tags over both.
pub(crate) fn wished_tags(
    own: Option<&BTreeMap<String, String>>,
    policy: &Policy,
    owner: &Owner,
) -> Result<Tags, Refusal> {
    let mut tags = policy.default_tags.clone();
    tags.extend(
        own.into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    let missing: Vec<&str> = policy
        .required_tag_keys
        .iter()
        .filter(|key| !tags.contains_key(*key))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::new(
            reasons::REQUIRED_TAG_MISSING,
            format!(
                "spec.tags lacks {}, which the operator requires",
                missing.join(", ")
            ),
        ));
    }
    tags.extend(owner.tags());
    if tags.len() > MAX_TAGS {
        return Err(Refusal::new(
            reasons::TOO_MANY_TAGS,
            format!(
                "{} tags, the operator's own included, are more than the {MAX_TAGS} that AWS takes",
                tags.len()
            ),
        ));
    }
    Ok(tags)
}

fn check_limit(view: &View<'_>) -> Result<(), Refusal> {
    let exists = view
        .object
        .status
        .as_ref()
        .is_some_and(|status| status.id.is_some());
    if exists {
        return Ok(());
    }
    let most = view.granted.limits.runtimes;
    over_limit(most, view.older_in_namespace, "AgentRuntimes").map_or(Ok(()), Err)
}

/// Why a namespace takes no more objects of a kind; `None`: it does.
pub(crate) fn over_limit(most: Option<u32>, older: usize, kind: &str) -> Option<Refusal> {
    let most = most.filter(|most| usize::try_from(*most).is_ok_and(|most| older >= most))?;
    Some(Refusal::new(
        reasons::NAMESPACE_LIMIT_REACHED,
        format!("the namespace holds {older} older {kind}, and {most} are allowed"),
    ))
}

/// Nobody takes the name that another object's runtime is to have.
fn check_name(own: Option<&str>) -> Result<(), Refusal> {
    match own.filter(|own| is_reserved(own)) {
        Some(own) => Err(Refusal::new(
            reasons::INVALID_SPEC,
            format!("spec.runtimeName {own} has the form of derived names, which are reserved"),
        )),
        None => Ok(()),
    }
}

fn check_policy_document(text: Option<&str>) -> Result<(), Refusal> {
    let Some(Err(error)) = text.map(|text| reach(text, "")) else {
        return Ok(());
    };
    let text = format!("spec.resourcePolicy: {error}");
    Err(Refusal::new(reasons::INVALID_SPEC, text))
}

/// One text for documents that mean the same; what is not JSON stands for itself.
pub(crate) fn canonical(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text)
        .map_or_else(|_| text.to_owned(), |value| value.to_string())
}
