//! Calls that change something. A repeated client token makes a repeated call harmless.

use agentcore_plan::aws::{EndpointAccepted, RuntimeAccepted, RuntimeConfig, Tags};
use agentcore_plan::fault::Fault;

use super::Control;
use super::caller::read;
use crate::beyond::Added;
use crate::operation::Operation;
use crate::rate_limiter::Priority;
use crate::{classify, convert};

/// What an endpoint is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DesiredEndpoint<'a> {
    /// Name of the endpoint.
    pub name: &'a str,
    /// Version that it serves.
    pub version: &'a str,
    /// Description, 1 to 256 characters; an Update cannot take one away.
    pub description: Option<&'a str>,
}

impl Control {
    /// CreateAgentRuntime.
    pub async fn create_runtime(
        &self,
        priority: Priority,
        name: &str,
        config: &RuntimeConfig,
        tags: &Tags,
        client_token: &str,
    ) -> Result<RuntimeAccepted, Fault> {
        let request = self.caller.client.create_agent_runtime();
        let request = convert::create(request, name, config, tags, client_token)
            .map_err(|problem| classify::unsendable(&problem.to_string()))?;
        let added = Added(convert::beyond(config));
        let answer = self
            .caller
            .call_with(Operation::CreateAgentRuntime, priority, &config.env, || {
                let request = request.clone().customize();
                request.interceptor(added.clone()).send()
            })
            .await?;
        read(&answer, convert::created)
    }

    /// UpdateAgentRuntime, with everything that the API can say.
    pub async fn update_runtime(
        &self,
        priority: Priority,
        id: &str,
        config: &RuntimeConfig,
        client_token: &str,
    ) -> Result<RuntimeAccepted, Fault> {
        let request = self.caller.client.update_agent_runtime();
        let request = convert::update(request, id, config, client_token)
            .map_err(|problem| classify::unsendable(&problem.to_string()))?;
        let added = Added(convert::beyond(config));
        let answer = self
            .caller
            .call_with(Operation::UpdateAgentRuntime, priority, &config.env, || {
                let request = request.clone().customize();
                request.interceptor(added.clone()).send()
            })
            .await?;
        read(&answer, convert::updated)
    }

    /// DeleteAgentRuntime, all versions. Accepted is not gone.
    pub async fn delete_runtime(
        &self,
        priority: Priority,
        id: &str,
        client_token: &str,
    ) -> Result<(), Fault> {
        let request = self.caller.client.delete_agent_runtime();
        let request = request.agent_runtime_id(id).client_token(client_token);
        self.caller
            .call(Operation::DeleteAgentRuntime, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// DeleteAgentRuntime of one version.
    pub async fn delete_version(
        &self,
        priority: Priority,
        id: &str,
        version: &str,
        client_token: &str,
    ) -> Result<(), Fault> {
        let request = self.caller.client.delete_agent_runtime();
        let request = request.agent_runtime_id(id).client_token(client_token);
        let request = request.agent_runtime_version(version);
        self.caller
            .call(Operation::DeleteAgentRuntime, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// CreateAgentRuntimeEndpoint.
    pub async fn create_endpoint(
        &self,
        priority: Priority,
        runtime_id: &str,
        desired: DesiredEndpoint<'_>,
        tags: &Tags,
        client_token: &str,
    ) -> Result<EndpointAccepted, Fault> {
        let DesiredEndpoint {
            name,
            version,
            description,
        } = desired;
        let tags = (!tags.is_empty()).then(|| tags.clone().into_iter().collect());
        let request = self
            .caller
            .client
            .create_agent_runtime_endpoint()
            .agent_runtime_id(runtime_id)
            .name(name)
            .agent_runtime_version(version)
            .set_description(description.map(ToOwned::to_owned))
            .set_tags(tags)
            .client_token(client_token);
        let answer = self
            .caller
            .call(Operation::CreateAgentRuntimeEndpoint, priority, || {
                request.clone().send()
            })
            .await?;
        read(&answer, convert::created_endpoint)
    }

    /// UpdateAgentRuntimeEndpoint, with everything.
    pub async fn update_endpoint(
        &self,
        priority: Priority,
        runtime_id: &str,
        desired: DesiredEndpoint<'_>,
        client_token: &str,
    ) -> Result<EndpointAccepted, Fault> {
        let DesiredEndpoint {
            name,
            version,
            description,
        } = desired;
        let request = self
            .caller
            .client
            .update_agent_runtime_endpoint()
            .agent_runtime_id(runtime_id)
            .endpoint_name(name)
            .agent_runtime_version(version)
            .set_description(description.map(ToOwned::to_owned))
            .client_token(client_token);
        let answer = self
            .caller
            .call(Operation::UpdateAgentRuntimeEndpoint, priority, || {
                request.clone().send()
            })
            .await?;
        read(&answer, convert::updated_endpoint)
    }

    /// DeleteAgentRuntimeEndpoint. Accepted is not gone.
    pub async fn delete_endpoint(
        &self,
        priority: Priority,
        runtime_id: &str,
        name: &str,
        client_token: &str,
    ) -> Result<(), Fault> {
        let request = self.caller.client.delete_agent_runtime_endpoint();
        let request = request
            .agent_runtime_id(runtime_id)
            .endpoint_name(name)
            .client_token(client_token);
        self.caller
            .call(Operation::DeleteAgentRuntimeEndpoint, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// TagResource: sets these tags and leaves the others.
    pub async fn tag(&self, priority: Priority, arn: &str, tags: &Tags) -> Result<(), Fault> {
        let tags = Some(tags.clone().into_iter().collect());
        let request = self
            .caller
            .client
            .tag_resource()
            .resource_arn(arn)
            .set_tags(tags);
        self.caller
            .call(Operation::TagResource, priority, || request.clone().send())
            .await
            .map(drop)
    }

    /// UntagResource: removes these keys.
    pub async fn untag(&self, priority: Priority, arn: &str, keys: &[String]) -> Result<(), Fault> {
        let request = self.caller.client.untag_resource().resource_arn(arn);
        let request = request.set_tag_keys(Some(keys.to_vec()));
        self.caller
            .call(Operation::UntagResource, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// PutResourcePolicy.
    pub async fn put_resource_policy(
        &self,
        priority: Priority,
        arn: &str,
        policy: &str,
    ) -> Result<(), Fault> {
        let request = self
            .caller
            .client
            .put_resource_policy()
            .resource_arn(arn)
            .policy(policy);
        self.caller
            .call(Operation::PutResourcePolicy, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// DeleteResourcePolicy.
    pub async fn delete_resource_policy(&self, priority: Priority, arn: &str) -> Result<(), Fault> {
        let request = self
            .caller
            .client
            .delete_resource_policy()
            .resource_arn(arn);
        self.caller
            .call(Operation::DeleteResourcePolicy, priority, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }
}
