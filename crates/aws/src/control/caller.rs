//! How a call is made: token, attempt, observation, fault.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use agentcore_api::values::Arn;
use agentcore_plan::config::{EnvValue, scrub};
use agentcore_plan::fault::{Class, Fault};
use agentcore_plan::step::Answer;
use aws_sdk_sts::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use super::again::Attempts;
use crate::convert::Mismatch;
use crate::fair::Tenant;
use crate::observe::Call;
use crate::operation::Operation;
use crate::rate_limiter::{Priority, RateLimiter};
use crate::{Identity, Observer, Streaks, classify};
use agentcore_cluster::lease::Fence;

/// Clients, rates and observer of one region, and for whom calls are made. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    site: Arc<Site>,
    tenant: Tenant,
    streaks: Streaks,
}

/// Clients, rates and observer of one region, for all.
#[derive(Debug)]
pub(crate) struct Site {
    pub client: aws_sdk_bedrockagentcorecontrol::Client,
    pub sts: aws_sdk_sts::Client,
    pub ecr: aws_sdk_ecr::Client,
    pub s3: aws_sdk_s3::Client,
    pub region: String,
    pub limiter: RateLimiter,
    pub observer: Observer,
    pub fence: Fence,
}

impl Deref for Caller {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Caller {
    /// Calls on behalf of a namespace, or of everybody.
    pub fn new(site: Arc<Site>, tenant: Tenant) -> Self {
        Self {
            site,
            tenant,
            streaks: Streaks::default(),
        }
    }

    /// The same region on behalf of another.
    pub fn of(&self, tenant: Tenant) -> Self {
        Self::new(Arc::clone(&self.site), tenant)
    }

    /// The same, for an object whose faults in a row are counted.
    pub fn noting(self, streaks: Streaks) -> Self {
        Self { streaks, ..self }
    }

    /// For whom.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Waits for a token, then makes and sends the request and classifies its error; again where that may be over in a moment. The SDK's
    /// futures take 20 kB: they are made once there is a token, on the heap, so that a thousand calls that wait for theirs stay small.
    pub async fn call<T, E, R>(
        &self,
        operation: Operation,
        priority: Priority,
        request: impl FnMut() -> R,
    ) -> Result<T, Fault>
    where
        T: RequestId,
        E: ProvideErrorMetadata + StdError + 'static,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        self.call_with(operation, priority, &BTreeMap::new(), request)
            .await
    }

    /// A call that carries values which may be secrets: AWS's text of an error is read only with them taken out.
    pub async fn call_with<T, E, R>(
        &self,
        operation: Operation,
        priority: Priority,
        env: &BTreeMap<String, EnvValue>,
        mut request: impl FnMut() -> R,
    ) -> Result<T, Fault>
    where
        T: RequestId,
        E: ProvideErrorMetadata + StdError + 'static,
        R: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut attempts = Attempts::default();
        loop {
            let mut attempt = self.attempt(operation, priority).await;
            let error = match attempt.make(&mut request).await {
                Ok(answer) => {
                    attempt.end("OK", None);
                    self.streaks.answered(operation, true);
                    // Reads are many and say nothing new; what changes AWS is told.
                    if operation.mutates() {
                        let request_id = answer.request_id();
                        tracing::info!(%operation, region = %self.region, request_id, "AWS call accepted");
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let mut fault = classify::classify(&error);
            fault.message = scrub(&fault.message, env.values());
            attempt.end(&fault.code, Some(fault.class));
            let request_id = fault.request_id.as_deref();
            let Fault { code, message, .. } = &fault;
            if let Some(pause) = attempts.pause(operation, &fault) {
                tracing::debug!(%operation, region = %self.region, %code, %message, request_id, ?pause, "AWS call failed, retrying");
                tokio::time::sleep(pause).await;
                continue;
            }
            self.streaks.answered(operation, fault.class == Class::Gone);
            // That something is not there is an answer as good as another.
            if fault.class == Class::Gone {
                tracing::debug!(%operation, region = %self.region, %code, %message, request_id, "AWS call failed");
            } else {
                tracing::warn!(%operation, region = %self.region, %code, %message, request_id, "AWS call failed");
            }
            return Err(fault);
        }
    }

    /// Waits for a token; what is returned is told when the call ends.
    pub(crate) async fn attempt(&self, operation: Operation, priority: Priority) -> Attempt<'_> {
        let waits = Waits::begin(self, operation, priority);
        let waited = self.limiter.token(operation, priority, &self.tenant).await;
        drop(waits);
        Attempt {
            caller: self,
            operation,
            priority,
            waited,
            began: Instant::now(),
            open: true,
        }
    }

    /// STS GetCallerIdentity.
    pub async fn identity(&self, priority: Priority) -> Result<Identity, Fault> {
        let request = self.sts.get_caller_identity();
        let answer = self
            .call(Operation::GetCallerIdentity, priority, || {
                request.clone().send()
            })
            .await?;
        let (account, arn) = (
            answer.account().unwrap_or_default(),
            answer.arn().unwrap_or_default(),
        );
        match Arn(arn).partition() {
            Some(partition) if !account.is_empty() => Ok(Identity {
                account: account.to_owned(),
                partition: partition.to_owned(),
                arn: arn.to_owned(),
            }),
            _ => Err(classify::unreadable(
                "account or arn is missing",
                answer.request_id(),
            )),
        }
    }
}

/// A wait for a token, which is told when it begins and when it ends.
struct Waits<'a> {
    caller: &'a Caller,
    operation: Operation,
    priority: Priority,
}

impl<'a> Waits<'a> {
    fn begin(caller: &'a Caller, operation: Operation, priority: Priority) -> Self {
        caller.observer.0.waits(operation, priority, 1);
        Self {
            caller,
            operation,
            priority,
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let observer = &self.caller.observer.0;
        observer.waits(self.operation, self.priority, -1);
    }
}

/// An attempt under way. One that its caller drops is told as `Cancelled`.
pub(crate) struct Attempt<'a> {
    caller: &'a Caller,
    operation: Operation,
    priority: Priority,
    waited: Duration,
    began: Instant,
    open: bool,
}

impl Attempt<'_> {
    /// Makes the call, and waits for its end. What changes AWS is made only while this replica certainly leads; see [`Fence`].
    pub(crate) async fn make<C: Future>(&self, call: impl FnOnce() -> C) -> C::Output {
        if !self.operation.mutates() {
            return Box::pin(call()).await;
        }
        let fence = self.caller.fence.clone();
        fence.guard(|| Box::pin(call())).await
    }

    /// It ended: with `OK` or AWS's error name, and the class of the fault.
    pub(crate) fn end(&mut self, code: &str, class: Option<Class>) {
        self.open = false;
        self.caller.observer.0.observe(&Call {
            operation: self.operation,
            region: &self.caller.region,
            priority: self.priority,
            code,
            class,
            took: self.began.elapsed(),
            waited: self.waited,
        });
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.open {
            self.end("Cancelled", None);
        }
    }
}

/// An answer in the planner's words.
pub(super) fn read<O: RequestId, T>(
    answer: &O,
    convert: impl FnOnce(&O) -> Result<T, Mismatch>,
) -> Result<T, Fault> {
    convert(answer)
        .map_err(|problem| classify::unreadable(&problem.to_string(), answer.request_id()))
}

/// "Not there" is an answer and no fault.
pub(super) fn or_absent<T>(result: Result<T, Fault>) -> Answer<T> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.class == Class::Gone => Ok(None),
        Err(fault) => Err(fault),
    }
}
