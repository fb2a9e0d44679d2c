//! Calls that change nothing.

use agentcore_plan::aws::{Endpoint, ListedRuntime, ListedVersion, Runtime, Tags};
use agentcore_plan::fault::Fault;
use agentcore_plan::step::Answer;
use aws_sdk_sts::operation::RequestId as _;

use super::Control;
use super::caller::{or_absent, read};
use crate::beyond::Raw;
use crate::operation::Operation;
use crate::rate_limiter::Priority;
use crate::{classify, convert};

/// Entries that a list answers at once; the API's maximum.
pub const PAGE: i32 = 100;

impl Control {
    /// GetAgentRuntime, newest version; `None` when there is no such runtime.
    pub async fn get_runtime(&self, priority: Priority, id: &str) -> Answer<Runtime> {
        let request = self.caller.client.get_agent_runtime().agent_runtime_id(id);
        let raw = Raw::default();
        let answer = self
            .caller
            .call(Operation::GetAgentRuntime, priority, || {
                let request = request.clone().customize();
                request.interceptor(raw.clone()).send()
            })
            .await;
        or_absent(
            answer.and_then(|answer| {
                read(&answer, |answer| convert::runtime(answer, &members(&raw)?))
            }),
        )
    }

    /// ListAgentRuntimes, all pages. A list that breaks off is an error: half a list would look like deletions.
    pub async fn list_runtimes(&self, priority: Priority) -> Result<Vec<ListedRuntime>, Fault> {
        all_pages(move |next| async move {
            let request = self.caller.client.list_agent_runtimes();
            let request = request.max_results(PAGE).set_next_token(next);
            let page = self
                .caller
                .call(Operation::ListAgentRuntimes, priority, || {
                    request.clone().send()
                })
                .await?;
            let entries = page.agent_runtimes().iter();
            let entries = entries.map(|entry| read(&page, |_| convert::listed(entry)));
            Page::of(entries.collect(), page.next_token(), page.request_id())
        })
        .await
    }

    /// GetAgentRuntimeEndpoint; `None` when there is no such endpoint or runtime.
    pub async fn get_endpoint(
        &self,
        priority: Priority,
        runtime_id: &str,
        name: &str,
    ) -> Answer<Endpoint> {
        let request = self.caller.client.get_agent_runtime_endpoint();
        let request = request.agent_runtime_id(runtime_id).endpoint_name(name);
        let raw = Raw::default();
        let answer = self
            .caller
            .call(Operation::GetAgentRuntimeEndpoint, priority, || {
                let request = request.clone().customize();
                request.interceptor(raw.clone()).send()
            })
            .await;
        or_absent(
            answer.and_then(|answer| {
                read(&answer, |answer| convert::endpoint(answer, &members(&raw)?))
            }),
        )
    }

    /// ListAgentRuntimeEndpoints, all pages, DEFAULT included; `None` when there is no such runtime.
    pub async fn list_endpoints(
        &self,
        priority: Priority,
        runtime_id: &str,
    ) -> Answer<Vec<Endpoint>> {
        or_absent(self.endpoints(priority, runtime_id).await)
    }

    async fn endpoints(
        &self,
        priority: Priority,
        runtime_id: &str,
    ) -> Result<Vec<Endpoint>, Fault> {
        all_pages(move |next| async move {
            let request = self.caller.client.list_agent_runtime_endpoints();
            let request = request.agent_runtime_id(runtime_id).max_results(PAGE);
            let request = request.set_next_token(next);
            let page = self
                .caller
                .call(Operation::ListAgentRuntimeEndpoints, priority, || {
                    request.clone().send()
                })
                .await?;
            let entries = page.runtime_endpoints().iter();
            let entries = entries.map(|entry| read(&page, |_| convert::listed_endpoint(entry)));
            Page::of(entries.collect(), page.next_token(), page.request_id())
        })
        .await
    }

    /// ListAgentRuntimeVersions, all pages; `None` when there is no such runtime.
    pub async fn list_versions(&self, priority: Priority, id: &str) -> Answer<Vec<ListedVersion>> {
        or_absent(self.versions(priority, id).await)
    }

    async fn versions(&self, priority: Priority, id: &str) -> Result<Vec<ListedVersion>, Fault> {
        all_pages(move |next| async move {
            let request = self.caller.client.list_agent_runtime_versions();
            let request = request.agent_runtime_id(id).max_results(PAGE);
            let request = request.set_next_token(next);
            let page = self
                .caller
                .call(Operation::ListAgentRuntimeVersions, priority, || {
                    request.clone().send()
                })
                .await?;
            let entries = page.agent_runtimes().iter();
            let entries = entries.map(|entry| read(&page, |_| convert::listed_version(entry)));
            Page::of(entries.collect(), page.next_token(), page.request_id())
        })
        .await
    }

    /// ListTagsForResource of a runtime or an endpoint; `None` when it is not there.
    pub async fn tags(&self, priority: Priority, arn: &str) -> Answer<Tags> {
        let request = self
            .caller
            .client
            .list_tags_for_resource()
            .resource_arn(arn);
        let answer = self
            .caller
            .call(Operation::ListTagsForResource, priority, || {
                request.clone().send()
            })
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
    pub async fn resource_policy(&self, priority: Priority, arn: &str) -> Answer<String> {
        let request = self.caller.client.get_resource_policy().resource_arn(arn);
        let answer = self
            .caller
            .call(Operation::GetResourcePolicy, priority, || {
                request.clone().send()
            })
            .await;
        let policy = or_absent(answer.map(|answer| answer.policy().map(ToOwned::to_owned)))?;
        Ok(policy.flatten().filter(|policy| !policy.is_empty()))
    }
}

/// An answer as it came.
fn members(raw: &Raw) -> Result<serde_json::Value, convert::Mismatch> {
    let members = raw.members();
    members.ok_or_else(|| convert::Mismatch::missing("the body"))
}

/// One page of a list.
struct Page<T> {
    entries: Vec<T>,
    /// Where the next one begins; `None`: this is the last.
    next: Option<String>,
    request_id: Option<String>,
}

impl<T> Page<T> {
    fn of(
        entries: Result<Vec<T>, Fault>,
        next: Option<&str>,
        request_id: Option<&str>,
    ) -> Result<Self, Fault> {
        Ok(Self {
            entries: entries?,
            next: next.filter(|token| !token.is_empty()).map(str::to_owned),
            request_id: request_id.map(str::to_owned),
        })
    }
}

/// All entries of a list, page by page. A list that breaks off is an error.
async fn all_pages<T, F>(page: impl Fn(Option<String>) -> F) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<Page<T>, Fault>>,
{
    let mut all = Vec::new();
    let mut at = None;
    loop {
        let Page {
            entries,
            next,
            request_id,
        } = page(at.clone()).await?;
        all.extend(entries);
        if next.is_none() {
            return Ok(all);
        }
        if next == at {
            return Err(classify::endless(request_id.as_deref()));
        }
        at = next;
    }
}
