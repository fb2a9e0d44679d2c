//! What AgentCore's failure texts mean: which reason they get, and whether they may heal outside the manifest.

use agentcore_api::reasons;

/// How a failure can end without an edit of the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heals {
    /// Somebody may put it right in AWS: it is tried again by itself.
    Outside,
    /// With another image only: by itself where the image is given by tag, so that another one can come to be meant.
    ByPush,
    /// Never.
    Never,
}

/// A failure text, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Constant of `agentcore_api::reasons`.
    pub reason: &'static str,
    /// How it can end.
    pub heals: Heals,
}

/// Reads a failure text; one that nobody knows gets `otherwise` as its reason.
pub fn classify(text: &str, otherwise: &'static str) -> Failure {
    let text = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let (reason, heals) = if has(&[
        "architecture incompatible",
        "supported architectures",
        "supported platforms",
    ]) {
        (reasons::IMAGE_ARCHITECTURE, Heals::ByPush)
    } else if has(&["does not exist in the repository", "image not found"]) {
        (reasons::IMAGE_NOT_FOUND, Heals::Outside)
    } else if has(&["access denied while validating ecr"]) {
        (reasons::IMAGE_ACCESS_DENIED, Heals::Outside)
    } else if has(&["service linked role", "service-linked role"]) {
        (reasons::NOT_YET, Heals::Outside)
    } else if has(&["role validation failed", "assume the role", "assume role"]) {
        (reasons::ROLE_INVALID, Heals::Outside)
    } else if has(&["not mmdsv2-enabled"]) {
        // What InvokeAgentRuntime says (AWS developer guide, troubleshooting); an update of the runtime heals it.
        (reasons::NOT_INVOCABLE, Heals::Outside)
    } else if has(&["availability zone", "zone id", "az id"]) {
        (reasons::UNSUPPORTED_AVAILABILITY_ZONE, Heals::Never)
    } else if has(&[
        "warmup",
        "warm-up",
        "warm up",
        "build hook",
        "lifecycle hook",
    ]) {
        (reasons::WARMUP_FAILED, Heals::ByPush)
    } else if has(&[
        "health check",
        "healthcheck",
        "unhealthy",
        "not healthy",
        "become healthy",
        "/ping",
        "initialization time exceeded",
    ]) {
        (reasons::AGENT_UNHEALTHY, Heals::ByPush)
    } else {
        (otherwise, Heals::Outside)
    };
    Failure { reason, heals }
}
