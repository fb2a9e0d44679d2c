//! Why the cluster did not answer as hoped, in one line that says what to do.

use agentcore_api::Kind;
use kube::core::Status;

use crate::context::{Cluster, causes};
use crate::error::Error;

/// Of a request about one of our kinds.
pub fn of_kind(error: &kube::Error, verb: &str, kind: Kind, cluster: &Cluster) -> Error {
    let resource = format!("{}.{}", kind.plural(), agentcore_api::GROUP);
    of(error, verb, &resource, cluster)
}

/// Of a request about a resource, such as `events`.
pub fn of(error: &kube::Error, verb: &str, resource: &str, cluster: &Cluster) -> Error {
    let server = cluster.config.cluster_url.to_string();
    let server = server.trim_end_matches('/');
    match error {
        kube::Error::Api(status) => of_status(status, verb, resource, server, &cluster.namespace),
        kube::Error::Auth(cause) => Error::Forbidden(format!(
            "the kubeconfig's credentials cannot be had: {}; try kubectl get namespaces",
            causes(cause)
        )),
        kube::Error::SerdeError(cause) => Error::Failed(format!(
            "the cluster's answer is not understood: {cause}; is this plugin as new as the operator?"
        )),
        other => {
            let proxy = cluster.config.proxy_url.as_ref();
            let way = proxy.map_or_else(String::new, |proxy| {
                format!(" through the proxy {}", proxy.host().unwrap_or_default())
            });
            Error::Unreachable(format!(
                "the cluster at {server} does not answer{way}: {}; check it with kubectl cluster-info",
                reached(other)
            ))
        }
    }
}

/// The last cause says it best: `connection refused` rather than three layers of client.
fn reached(error: &kube::Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let text = causes(last);
    if text.contains("deadline has elapsed") || text.contains("timed out") {
        return "it takes too long (see --request-timeout)".to_owned();
    }
    text
}

fn of_status(status: &Status, verb: &str, resource: &str, server: &str, namespace: &str) -> Error {
    let message = status
        .message
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match status.code {
        401 => Error::Forbidden(format!(
            "the cluster at {server} does not know you (401): log in again, or choose another user with --user"
        )),
        403 => {
            let place = if message.contains("at the cluster scope") {
                "in all namespaces".to_owned()
            } else {
                format!("in namespace {namespace}")
            };
            Error::Forbidden(format!(
                "you may not {verb} {resource} {place}: ask for the right, or choose a namespace of yours with -n ({message})"
            ))
        }
        404 if names_no_object(status) => Error::NotFound(format!(
            "the cluster at {server} has no {resource}: install the operator's CRDs first (crds.enabled of its chart)"
        )),
        404 => Error::NotFound(message),
        409 => Error::Failed(format!(
            "somebody else changed it at the same time: {message}; try again"
        )),
        429 | 500..=599 => Error::Unreachable(format!(
            "the cluster at {server} cannot answer at the moment ({}): {message}; try again",
            status.code
        )),
        _ => Error::Failed(format!(
            "the cluster refused to {verb} {resource}: {message}"
        )),
    }
}

/// A path that is not served, not an object that is not there.
fn names_no_object(status: &Status) -> bool {
    status
        .details
        .as_ref()
        .is_none_or(|details| details.name.is_empty())
}
