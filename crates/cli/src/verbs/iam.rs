//! `iam`: what the names of a namespace's runtimes begin with, so that a policy takes in that namespace and no other.

use agentcore_api::values::{cluster_prefix, namespace_prefix};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde::Serialize;

use crate::args::{Format, Iam};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{Table, Tone};
use crate::refusals;

/// Whose UID names are made with.
const KUBE_SYSTEM: &str = "kube-system";

/// What policies need, for `-o json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patterns {
    namespace: String,
    cluster_uid: String,
    /// What the names of all new runtimes of the cluster begin with: `RUNTIME_PREFIX` of the policies.
    cluster_prefix: String,
    /// What the names of the namespace's new runtimes begin with.
    namespace_prefix: String,
    /// The ids of the namespace's new runtimes: `RUNTIMES` of the policies.
    runtimes: String,
    /// The same as a resource.
    resource: String,
}

/// Prints prefixes and patterns.
pub async fn run(args: &Iam, context: &Context) -> Result<Outcome, Error> {
    let cluster_uid = match &args.cluster_uid {
        Some(uid) => uid.clone(),
        None => cluster_uid(context).await?,
    };
    let namespace = match args.of.as_ref().or(context.global.namespace.as_ref()) {
        Some(namespace) => namespace.clone(),
        None => context.cluster().await?.namespace.clone(),
    };
    let prefix = namespace_prefix(&cluster_uid, &namespace);
    let patterns = Patterns {
        cluster_prefix: cluster_prefix(&cluster_uid),
        runtimes: format!("{prefix}*"),
        resource: format!("arn:aws:bedrock-agentcore:*:*:runtime/{prefix}*"),
        namespace_prefix: prefix,
        namespace,
        cluster_uid,
    };
    match args.output {
        Some(format @ (Format::Json | Format::Yaml)) => context.output.value(format, &patterns)?,
        Some(Format::Name) => context.output.line(&patterns.runtimes)?,
        Some(Format::Wide) | None => {
            let mut table = Table::new(&["NAMESPACE", "RUNTIME_PREFIX", "RUNTIMES", "RESOURCE"]);
            table.row([
                (Tone::Plain, patterns.namespace),
                (Tone::Plain, patterns.cluster_prefix),
                (Tone::Plain, patterns.runtimes),
                (Tone::Plain, patterns.resource),
            ]);
            context
                .output
                .print(&table.text(context.output.paint, None))?;
        }
    }
    Ok(Outcome::Done)
}

async fn cluster_uid(context: &Context) -> Result<String, Error> {
    let cluster = context.cluster().await?;
    let api = Api::<Namespace>::all(cluster.client.clone());
    let found = api
        .get_metadata(KUBE_SYSTEM)
        .await
        .map_err(|error| refusals::of(&error, "get", "namespaces", cluster))?;
    found
        .metadata
        .uid
        .ok_or_else(|| Error::Failed(format!("the namespace {KUBE_SYSTEM} has no UID")))
}
