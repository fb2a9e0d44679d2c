//! Calls that change something. A repeated client token makes a repeated call harmless.

use agentcore_plan::aws::{EndpointAccepted, RuntimeAccepted, RuntimeConfig, Tags};
use agentcore_plan::fault::Fault;

use super::Control;
use super::caller::read;
use crate::beyond::Added;
use crate::lanes::Lane;
use crate::operation::Operation;
use crate::{classify, convert};

/// What an endpoint is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointWish<'a> {
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
        lane: Lane,
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
            .call_with(Operation::CreateAgentRuntime, lane, &config.env, || {
                let request = request.clone().customize();
                request.interceptor(added.clone()).send()
            })
            .await?;
        read(&answer, convert::created)
    }

    /// UpdateAgentRuntime, with everything that the API can say.
    pub async fn update_runtime(
        &self,
        lane: Lane,
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
            .call_with(Operation::UpdateAgentRuntime, lane, &config.env, || {
                let request = request.clone().customize();
                request.interceptor(added.clone()).send()
            })
            .await?;
        read(&answer, convert::updated)
    }

    /// DeleteAgentRuntime, all versions. Accepted is not gone.
    pub async fn delete_runtime(
        &self,
        lane: Lane,
        id: &str,
        client_token: &str,
    ) -> Result<(), Fault> {
        let request = self.caller.client.delete_agent_runtime();
        let request = request.agent_runtime_id(id).client_token(client_token);
        self.caller
            .call(Operation::DeleteAgentRuntime, lane, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// DeleteAgentRuntime of one version.
    pub async fn delete_version(
        &self,
        lane: Lane,
        id: &str,
        version: &str,
        client_token: &str,
    ) -> Result<(), Fault> {
        let request = self.caller.client.delete_agent_runtime();
        let request = request.agent_runtime_id(id).client_token(client_token);
        let request = request.agent_runtime_version(version);
        self.caller
            .call(Operation::DeleteAgentRuntime, lane, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// CreateAgentRuntimeEndpoint.
    pub async fn create_endpoint(
        &self,
        lane: Lane,
        runtime_id: &str,
        wish: EndpointWish<'_>,
        tags: &Tags,
        client_token: &str,
    ) -> Result<EndpointAccepted, Fault> {
        let EndpointWish {
            name,
            version,
            description,
        } = wish;
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
            .call(Operation::CreateAgentRuntimeEndpoint, lane, || {
                request.clone().send()
            })
            .await?;
        read(&answer, convert::created_endpoint)
    }

    /// UpdateAgentRuntimeEndpoint, with everything.
    pub async fn update_endpoint(
        &self,
        lane: Lane,
        runtime_id: &str,
        wish: EndpointWish<'_>,
        client_token: &str,
    ) -> Result<EndpointAccepted, Fault> {
        let EndpointWish {
            name,
            version,
            description,
        } = wish;
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
            .call(Operation::UpdateAgentRuntimeEndpoint, lane, || {
                request.clone().send()
            })
            .await?;
        read(&answer, convert::updated_endpoint)
    }

    /// DeleteAgentRuntimeEndpoint. Accepted is not gone.
    pub async fn delete_endpoint(
        &self,
        lane: Lane,
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
            .call(Operation::DeleteAgentRuntimeEndpoint, lane, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// TagResource: sets these tags and leaves the others.
    pub async fn tag(&self, lane: Lane, arn: &str, tags: &Tags) -> Result<(), Fault> {
        let tags = Some(tags.clone().into_iter().collect());
        let request = self
            .caller
            .client
            .tag_resource()
            .resource_arn(arn)
            .set_tags(tags);
        self.caller
            .call(Operation::TagResource, lane, || request.clone().send())
            .await
            .map(drop)
    }

    /// UntagResource: removes these keys.
    pub async fn untag(&self, lane: Lane, arn: &str, keys: &[String]) -> Result<(), Fault> {
        let request = self.caller.client.untag_resource().resource_arn(arn);
        let request = request.set_tag_keys(Some(keys.to_vec()));
        self.caller
            .call(Operation::UntagResource, lane, || request.clone().send())
            .await
            .map(drop)
    }

    /// PutResourcePolicy.
    pub async fn put_resource_policy(
        &self,
        lane: Lane,
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
            .call(Operation::PutResourcePolicy, lane, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }

    /// DeleteResourcePolicy.
    pub async fn delete_resource_policy(&self, lane: Lane, arn: &str) -> Result<(), Fault> {
        let request = self
            .caller
            .client
            .delete_resource_policy()
            .resource_arn(arn);
        self.caller
            .call(Operation::DeleteResourcePolicy, lane, || {
                request.clone().send()
            })
            .await
            .map(drop)
    }
}
