//! `render`: the AWS requests that a manifest leads to, by the operator's own planner, without a cluster.

mod request;

use agentcore_api::Kind;
use agentcore_api::values::{ImageRef, default_endpoint_name};
use agentcore_api::{AgentEndpoint, AgentRuntime, GROUP};
use agentcore_plan::runtime::Refusal;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use crate::args::{self, Format};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::manifests::{self, Document, documents};
use crate::offline::{self, Surroundings};
use crate::output::{remark, written};

/// Namespace of manifests that name none, where the command line does not either.
const NAMESPACE: &str = "default";
/// Region of manifests that name none.
const OPERATORS_REGION: &str = "REGION";
/// UID of an object that there is not yet.
const UID: &str = "UID";

/// One request.
#[derive(Debug, Serialize)]
struct Request {
    /// AWS operation.
    operation: &'static str,
    /// Region that it goes to.
    #[serde(skip_serializing_if = "String::is_empty")]
    region: String,
    /// What is sent.
    input: Value,
    /// What only the cluster or the registry knows, and what the operator puts there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unresolved: Vec<String>,
}

/// Prints the requests.
pub fn run(args: &args::Render, context: &Context) -> Result<Outcome, Error> {
    let files = manifests::read(&args.files)?;
    let (mut requests, mut skipped) = (Vec::new(), 0);
    for file in &files {
        let (found, broken) = documents(file);
        if let Some(broken) = broken {
            return Err(Error::Failed(format!(
                "{}:{}: {}",
                file.name, broken.line, broken.message
            )));
        }
        for document in &found {
            match rendered(document, args, context)? {
                Some(request) => requests.push(request),
                None => skipped += 1,
            }
        }
    }
    if skipped > 0 {
        remark(&format!(
            "{skipped} objects lead to no request of the control plane, and were skipped"
        ));
    }
    let yaml = args.output == Some(Format::Yaml);
    let mut out = String::new();
    for request in &requests {
        if yaml {
            out.push_str("---\n");
        }
        out.push_str(&written(
            if yaml { Format::Yaml } else { Format::Json },
            request,
        )?);
    }
    context.output.print(&out)?;
    if requests.is_empty() {
        return Err(Error::Failed(
            "the input contains no AgentRuntime and no AgentEndpoint".to_owned(),
        ));
    }
    Ok(Outcome::Done)
}

fn rendered(
    document: &Document,
    args: &args::Render,
    context: &Context,
) -> Result<Option<Request>, Error> {
    let text = |field: &str| {
        document
            .value
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let ours = text("apiVersion").split('/').next() == Some(GROUP);
    match Kind::from_name(text("kind")).filter(|_| ours) {
        Some(Kind::AgentRuntime) => runtime(document, args, context).map(Some),
        Some(Kind::AgentEndpoint) => endpoint(document).map(Some),
        Some(Kind::AgentSession) | None => Ok(None),
    }
}

/// A fault of a document, with where it is.
fn fault(document: &Document, message: &str) -> Error {
    let place = document.lines.of(&["spec".to_owned()]);
    Error::Failed(format!(
        "{}:{place}: {message}; kubectl agentcore lint says more",
        document.file
    ))
}

fn runtime(document: &Document, args: &args::Render, context: &Context) -> Result<Request, Error> {
    let mut object = AgentRuntime::deserialize(&document.value)
        .map_err(|error| fault(document, &error.to_string()))?;
    let metadata = &mut object.metadata;
    let namespace = context.global.namespace.clone();
    metadata.namespace = metadata
        .namespace
        .take()
        .or(namespace)
        .or_else(|| Some(NAMESPACE.to_owned()));
    let mut unresolved = Vec::new();
    if metadata.uid.is_none() {
        metadata.uid = Some(UID.to_owned());
        unresolved.push("tags: the UID is that of the object in the cluster".to_owned());
    }
    if args.cluster_id.is_none() {
        unresolved.push("tags: the operator knows its cluster's id (--cluster-id)".to_owned());
    }
    if args.cluster_uid.is_none() {
        unresolved.push(if object.spec.runtime_name.is_some() {
            "tags: the UID of the cluster's kube-system namespace (--cluster-uid)".to_owned()
        } else {
            "agentRuntimeName, tags: made with the UID of the cluster's kube-system namespace (--cluster-uid)".to_owned()
        });
    }
    let known = object.spec.region.as_deref().or(args.region.as_deref());
    if known.is_none() {
        unresolved.push("region: that of the operator (--region)".to_owned());
    }
    let surroundings = Surroundings {
        region: args.region.as_deref().unwrap_or(OPERATORS_REGION),
        cluster_id: args.cluster_id.as_deref(),
        cluster_uid: args.cluster_uid.as_deref(),
    };
    let region = known.unwrap_or_default().to_owned();
    let wish = offline::wish(&object, &surroundings)
        .map_err(|Refusal { reason, message }| fault(document, &format!("{reason}: {message}")))?;
    unresolved.extend(artifact(&object));
    for (name, origin) in &wish.origins {
        unresolved.push(format!(
            "environmentVariables.{name}: from {}, key {}",
            origin.source, origin.key
        ));
    }
    for source in offline::whole_sources(&object) {
        unresolved.push(format!("environmentVariables: {source}"));
    }
    let (operation, mut input) = match &args.update {
        None => ("CreateAgentRuntime", request::create(&wish)),
        Some(id) => ("UpdateAgentRuntime", request::update(id, &wish.config)),
    };
    request::prune(&mut input);
    Ok(Request {
        operation,
        region,
        input,
        unresolved,
    })
}

/// What the operator finds out before it sends the artifact.
fn artifact(object: &AgentRuntime) -> Option<String> {
    let artifact = &object.spec.artifact;
    if let Some(code) = &artifact.code {
        return code.s3.version_id.is_none().then(|| {
            "agentRuntimeArtifact: the operator adds the versionId that the object has then"
                .to_owned()
        });
    }
    let container = artifact.container.as_ref()?;
    let image = ImageRef::parse(&container.image).ok()?;
    let place = "agentRuntimeArtifact.containerConfiguration.containerUri: digest unresolved:";
    if container.follow.is_some() {
        return Some(format!(
            "{place} the operator takes what spec.artifact.container.follow chooses, by its digest"
        ));
    }
    if image.digest.is_some() || agentcore_plan::image::Repository::of(&image).is_none() {
        return None;
    }
    let tag = image.tag.as_deref().unwrap_or("latest");
    Some(format!(
        "{place} the operator puts the digest of tag {tag} in its place"
    ))
}

fn endpoint(document: &Document) -> Result<Request, Error> {
    let object = AgentEndpoint::deserialize(&document.value)
        .map_err(|error| fault(document, &error.to_string()))?;
    let own = object.metadata.name.as_deref().unwrap_or_default();
    let spec = &object.spec;
    let runtime = &spec.runtime_ref.name;
    let name = spec
        .endpoint_name
        .clone()
        .unwrap_or_else(|| default_endpoint_name(own));
    let latest = spec.version == "Latest";
    let mut unresolved = vec![
        format!("agentRuntimeId: the id of AgentRuntime {runtime}"),
        "tags: the operator adds its ownership tags".to_owned(),
    ];
    if latest {
        unresolved.push(format!(
            "agentRuntimeVersion: the newest version of AgentRuntime {runtime} that is READY"
        ));
    }
    let mut input = json!({
        "agentRuntimeId": format!("<id of AgentRuntime {runtime}>"),
        "name": name,
        "agentRuntimeVersion": if latest { "<newest READY version>" } else { &spec.version },
        "description": spec.description,
        "tags": spec.tags,
    });
    request::prune(&mut input);
    Ok(Request {
        operation: "CreateAgentRuntimeEndpoint",
        region: String::new(),
        input,
        unresolved,
    })
}
