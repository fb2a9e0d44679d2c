//! Calls that change nothing.

use agentcore_plan::aws::{Endpoint, ListedRuntime, ListedVersion, Runtime, Tags};
use agentcore_plan::fault::Fault;
use agentcore_plan::step::Answer;
use aws_sdk_sts::operation::RequestId as _;

use super::Control;
use super::caller::{or_absent, read};
use crate::aws::lanes::Lane;
use crate::aws::operation::Operation;
use crate::aws::{classify, convert};

/// Entries that a list answers at once; the API's maximum.
pub const PAGE: i32 = 100;

impl Control {
    /// GetAgentRuntime, newest version; `None` when there is no such runtime.
    pub async fn get_runtime(&self, lane: Lane, id: &str) -> Answer<Runtime> {
        let request = self.caller.client.get_agent_runtime().agent_runtime_id(id);
        let answer = self
            .caller
            .call(Operation::GetAgentRuntime, lane, || request.send())
            .await;
        or_absent(answer.and_then(|answer| read(&answer, convert::runtime)))
    }

    /// ListAgentRuntimes, all pages. A list that breaks off is an error: half a list would look like deletions.
    pub async fn list_runtimes(&self, lane: Lane) -> Result<Vec<ListedRuntime>, Fault> {
        let mut entries = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = self.caller.client.list_agent_runtimes();
            let request = request.max_results(PAGE).set_next_token(next.clone());
            let page = self
                .caller
                .call(Operation::ListAgentRuntimes, lane, || request.send())
                .await?;
            for entry in page.agent_runtimes() {
                entries.push(read(&page, |_| convert::listed(entry))?);
            }
            let following = page.next_token().filter(|token| !token.is_empty());
            if following.is_none() {
                return Ok(entries);
            }
            if following == next.as_deref() {
                return Err(endless(page.request_id()));
            }
            next = following.map(ToOwned::to_owned);
        }
    }

    /// GetAgentRuntimeEndpoint; `None` when there is no such endpoint or runtime.
    pub async fn get_endpoint(&self, lane: Lane, runtime_id: &str, name: &str) -> Answer<Endpoint> {
        let request = self.caller.client.get_agent_runtime_endpoint();
        let request = request.agent_runtime_id(runtime_id).endpoint_name(name);
        let answer = self
            .caller
            .call(Operation::GetAgentRuntimeEndpoint, lane, || request.send())
            .await;
        or_absent(answer.and_then(|answer| read(&answer, convert::endpoint)))
    }

    /// ListAgentRuntimeEndpoints, all pages, DEFAULT included; `None` when there is no such runtime.
    pub async fn list_endpoints(&self, lane: Lane, runtime_id: &str) -> Answer<Vec<Endpoint>> {
        or_absent(self.endpoints(lane, runtime_id).await)
    }

    async fn endpoints(&self, lane: Lane, runtime_id: &str) -> Result<Vec<Endpoint>, Fault> {
        let mut entries = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = self
                .caller
                .client
                .list_agent_runtime_endpoints()
                .agent_runtime_id(runtime_id);
            let request = request.max_results(PAGE).set_next_token(next.clone());
            let page = self
                .caller
                .call(Operation::ListAgentRuntimeEndpoints, lane, || {
                    request.send()
                })
                .await?;
            for entry in page.runtime_endpoints() {
                entries.push(read(&page, |_| convert::listed_endpoint(entry))?);
            }
            let following = page.next_token().filter(|token| !token.is_empty());
            if following.is_none() {
                return Ok(entries);
            }
            if following == next.as_deref() {
                return Err(endless(page.request_id()));
            }
            next = following.map(ToOwned::to_owned);
        }
    }

    /// ListAgentRuntimeVersions, all pages; `None` when there is no such runtime.
    pub async fn list_versions(&self, lane: Lane, id: &str) -> Answer<Vec<ListedVersion>> {
        or_absent(self.versions(lane, id).await)
    }

    async fn versions(&self, lane: Lane, id: &str) -> Result<Vec<ListedVersion>, Fault> {
        let mut entries = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let request = self.caller.client.list_agent_runtime_versions();
            let request = request.agent_runtime_id(id).max_results(PAGE);
            let request = request.set_next_token(next.clone());
            let page = self
                .caller
                .call(Operation::ListAgentRuntimeVersions, lane, || request.send())
                .await?;
            for entry in page.agent_runtimes() {
                entries.push(read(&page, |_| convert::listed_version(entry))?);
            }
            let following = page.next_token().filter(|token| !token.is_empty());
            if following.is_none() {
                return Ok(entries);
            }
            if following == next.as_deref() {
                return Err(endless(page.request_id()));
            }
            next = following.map(ToOwned::to_owned);
        }
    }

    /// ListTagsForResource of a runtime or an endpoint; `None` when it is not there.
    pub async fn tags(&self, lane: Lane, arn: &str) -> Answer<Tags> {
        let request = self
            .caller
            .client
            .list_tags_for_resource()
            .resource_arn(arn);
        let answer = self
            .caller
            .call(Operation::ListTagsForResource, lane, || request.send())
            .await;
        or_absent(answer.map(|answer| {
            answer
                .tags()
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .collect()
        }))
    }

    /// GetResourcePolicy of a runtime or an endpoint; `None` when it has none or is not there.
    pub async fn resource_policy(&self, lane: Lane, arn: &str) -> Answer<String> {
        let request = self.caller.client.get_resource_policy().resource_arn(arn);
        let answer = self
            .caller
            .call(Operation::GetResourcePolicy, lane, || request.send())
            .await;
        let policy = or_absent(answer.map(|answer| answer.policy().map(ToOwned::to_owned)))?;
        Ok(policy.flatten().filter(|policy| !policy.is_empty()))
    }
}

/// A list whose next page is the page itself.
fn endless(request_id: Option<&str>) -> Fault {
    classify::unreadable("nextToken repeats itself", request_id)
}
