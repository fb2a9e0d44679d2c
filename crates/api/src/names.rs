//! Finalizer, annotations and tag keys: the words that objects and AWS resources carry.

use kube::ResourceExt;

/// What the names of our finalizers, labels and annotations begin with.
pub const PREFIX: &str = "agentcore.dev/";

/// Finalizer of every kind that has something in AWS.
pub const FINALIZER: &str = "agentcore.dev/finalizer";

/// Label of the ConfigMaps in which gateways report sessions, in the operator's namespace.
pub const SESSION_REPORT: &str = "agentcore.dev/session-report";

/// Annotations that people set.
pub mod annotations {
    /// Any new value asks for one more attempt now; echoed as `status.lastHandledRequest`.
    pub const REQUESTED_AT: &str = "agentcore.dev/requested-at";
    /// Any new value asks for the tag of the image, or the object of the code, to be read again now.
    pub const RESOLVE_REQUESTED_AT: &str = "agentcore.dev/resolve-requested-at";
    /// Any new value ends the sessions that run now, by the drain policy; echoed as `status.lastHandledDrain`.
    pub const DRAIN_REQUESTED_AT: &str = "agentcore.dev/drain-requested-at";
    /// `"true"`: deleting the runtime deletes endpoints that no AgentEndpoint owns.
    pub const DELETE_ENDPOINTS: &str = "agentcore.dev/delete-endpoints";
    /// `"true"`: a stuck deletion gives up and leaves the AWS resource behind.
    pub const LET_GO: &str = "agentcore.dev/let-go";
}

/// Keys of the ownership tags.
pub mod tags {
    /// Prefix that specs may not use.
    pub const PREFIX: &str = "agentcore.dev/";
    /// Cluster id.
    pub const CLUSTER: &str = "agentcore.dev/cluster";
    /// UID of the cluster's kube-system namespace: tells two clusters of the same id apart.
    pub const CLUSTER_UID: &str = "agentcore.dev/cluster-uid";
    /// Namespace of the object.
    pub const NAMESPACE: &str = "agentcore.dev/namespace";
    /// Name of the object.
    pub const NAME: &str = "agentcore.dev/name";
    /// UID of the object.
    pub const UID: &str = "agentcore.dev/uid";
}

/// Labels of the ControllerRevisions that keep the history of an AgentRuntime.
pub mod labels {
    /// UID of the AgentRuntime.
    pub const RUNTIME_UID: &str = "agentcore.dev/runtime-uid";
    /// Version in AgentCore.
    pub const VERSION: &str = "agentcore.dev/version";
}

/// The drain request that is in force for an object: its annotation's, else the one that was taken up last. Taking the annotation away, or
/// leaving it empty, asks for nothing.
pub fn drain_request<'a>(
    object: &'a impl ResourceExt,
    handled: Option<&'a str>,
) -> Option<&'a str> {
    let asked = object.annotations().get(annotations::DRAIN_REQUESTED_AT);
    let asked = asked.map(String::as_str);
    asked.filter(|value| !value.is_empty()).or(handled)
}
