//! Which agent is meant: what the flags name, and where that is in AWS.

use agentcore_api::Kind;
use agentcore_invoke::RuntimeArn;
use kube::api::DynamicObject;
use serde_json::Value;

use super::args::Agent;
use crate::context::Cluster;
use crate::error::Error;
use crate::objects::{Reference, api, text};
use crate::refusals;

/// AgentCore's name of the endpoint that every runtime has.
pub const DEFAULT: &str = "DEFAULT";

/// The object that the flags mean: with `--endpoint` an AgentEndpoint, which has to be one of the AgentRuntime that is named.
pub async fn named(agent: &Agent, cluster: &Cluster) -> Result<Reference, Error> {
    let named: Reference = agent.name.parse()?;
    let Some(endpoint) = agent.endpoint.as_deref() else {
        return Ok(named);
    };
    if named.kind != Kind::AgentRuntime {
        return Err(Error::Usage(format!(
            "--endpoint goes with the name of an AgentRuntime, not with {named}"
        )));
    }
    if endpoint == DEFAULT {
        return Ok(named);
    }
    let wanted = Reference {
        kind: Kind::AgentEndpoint,
        name: endpoint.to_owned(),
    };
    let found = match api(Kind::AgentEndpoint, cluster, false)
        .get_opt(endpoint)
        .await
    {
        Ok(Some(found)) => found.0,
        // It is read again for the sake of its good message.
        Ok(None) => wanted.get(cluster).await?,
        // Who may call an agent need not be able to read objects; the gateway judges.
        Err(kube::Error::Api(status)) if status.is_forbidden() => return Ok(wanted),
        Err(error) => return Err(refusals::of_kind(&error, "get", wanted.kind, cluster)),
    };
    match text(&found, "/spec/runtimeRef/name") {
        Some(of) if of != named.name => Err(Error::Usage(format!(
            "{wanted} is an endpoint of {of}, not of {}",
            named.name
        ))),
        _ => Ok(wanted),
    }
}

/// An agent by its place in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The runtime.
    pub arn: RuntimeArn,
    /// AgentCore's name of the endpoint.
    pub endpoint: String,
    /// AgentCore's id of a declared session.
    pub session: Option<String>,
}

impl Placed {
    /// What the status of an object says.
    pub async fn of(reference: &Reference, cluster: &Cluster) -> Result<Self, Error> {
        Self::read(reference, &reference.get(cluster).await?)
    }

    fn read(reference: &Reference, object: &DynamicObject) -> Result<Self, Error> {
        let status = |name: &str| text(object, &format!("/status/{name}")).map(str::to_owned);
        let (arn, endpoint, session) = match reference.kind {
            Kind::AgentRuntime => (status("arn"), Some(DEFAULT.to_owned()), None),
            Kind::AgentEndpoint => (status("runtimeArn"), status("name"), None),
            // Its endpoint is written with its id.
            Kind::AgentSession => (
                status("runtimeArn").filter(|_| status("sessionId").is_some()),
                status("qualifier").or_else(|| Some(DEFAULT.to_owned())),
                status("sessionId"),
            ),
        };
        let (Some(arn), Some(endpoint)) = (arn, endpoint) else {
            let why = not_ready(object);
            return Err(Error::Failed(format!(
                "{reference} is not in AgentCore yet: {why}"
            )));
        };
        let arn = arn.parse().map_err(|error| {
            Error::Failed(format!(
                "the status of {reference} has an invalid ARN: {error}"
            ))
        })?;
        Ok(Self {
            arn,
            endpoint,
            session,
        })
    }
}

/// What Ready says.
fn not_ready(object: &DynamicObject) -> String {
    let conditions = object.data.pointer("/status/conditions");
    let mut conditions = conditions.and_then(Value::as_array).into_iter().flatten();
    let ready = conditions.find(|condition| condition["type"] == "Ready");
    let part = |name: &str| ready.and_then(|ready| ready[name].as_str());
    match (part("reason"), part("message")) {
        (Some(reason), Some(message)) => format!("{reason}: {message}"),
        _ => "the operator has not reconciled it yet; is it running?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:bedrock-agentcore:us-east-1:111122223333:runtime/support-AbCdEfGhIj";

    fn placed(reference: &str, status: &Value) -> Result<Placed, Error> {
        let reference: Reference = reference.parse().unwrap();
        let object = json!({
            "apiVersion": "agentcore.dev/v1alpha1", "kind": reference.kind.as_str(),
            "metadata": {"name": reference.name}, "status": status,
        });
        Placed::read(&reference, &serde_json::from_value(object).unwrap())
    }

    #[test]
    fn each_kind_says_where_it_is() {
        let runtime = placed("support", &json!({"arn": ARN})).unwrap();
        assert_eq!((runtime.arn.as_str(), &*runtime.endpoint), (ARN, DEFAULT));
        let endpoint = json!({"arn": "other", "runtimeArn": ARN, "name": "live_1"});
        let endpoint = placed("endpoint/live-1", &endpoint).unwrap();
        assert_eq!(
            (endpoint.arn.as_str(), &*endpoint.endpoint),
            (ARN, "live_1")
        );
        let session = json!({"runtimeArn": ARN, "qualifier": "live_1", "sessionId": "abc"});
        let session = placed("session/night", &session).unwrap();
        assert_eq!(session.session.as_deref(), Some("abc"));
    }

    #[test]
    fn what_is_not_there_yet_says_why() {
        let ready = json!({"type": "Ready", "reason": "RoleRefused", "message": "no such role"});
        let says = |status: &Value| placed("support", status).unwrap_err().to_string();
        let text = says(&json!({"conditions": [ready]}));
        assert_eq!(
            text,
            "runtime/support is not in AgentCore yet: RoleRefused: no such role"
        );
        assert!(says(&json!({})).contains("is it running?"));
        assert!(says(&json!({"arn": "arn:aws:s3:::x"})).contains("an invalid ARN"));
        // A session whose first one has not answered.
        assert!(placed("session/night", &json!({"runtimeArn": ARN})).is_err());
    }
}
