//! The status fields that every kind with something in AWS has, under one name.

use agentcore_api::common::{Pending, Retry};
use agentcore_api::runtime::Phase;
use agentcore_api::{AgentEndpointStatus, AgentRuntimeStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The shared fields of a status, borrowed together.
pub(crate) struct Fields<'a> {
    pub observed_generation: &'a mut Option<i64>,
    pub phase: &'a mut Option<Phase>,
    pub service_status: &'a mut Option<String>,
    pub failure_reason: &'a mut Option<String>,
    pub attempt: &'a mut Option<u32>,
    pub pending: &'a mut Option<Pending>,
    pub retry: &'a mut Option<Retry>,
    pub retry_at: &'a mut Option<String>,
    pub missing_since: &'a mut Option<String>,
    pub last_handled_request: &'a mut Option<String>,
    pub conditions: &'a mut Vec<Condition>,
}

/// A status that has them.
pub(crate) trait Shared: Clone + Default {
    /// All of them, to be changed.
    fn fields(&mut self) -> Fields<'_>;
    /// Whether something in AWS is known to be its own.
    fn exists(&self) -> bool;
    fn attempt(&self) -> u32;
    fn pending(&self) -> Option<&Pending>;
    fn retry(&self) -> Option<&Retry>;
    fn missing_since(&self) -> Option<&str>;
    fn deletion_accepted_at(&self) -> Option<&str>;
    fn last_handled_request(&self) -> Option<&str>;
    fn conditions(&self) -> &[Condition];
    /// Text form of the hash of the wish that was last submitted or compared.
    fn observed_hash(&self) -> Option<&str>;
    fn observed_hash_mut(&mut self) -> Option<&mut String>;
}

macro_rules! shared {
    ($status:ty) => {
        impl Shared for $status {
            fn fields(&mut self) -> Fields<'_> {
                Fields {
                    observed_generation: &mut self.observed_generation,
                    phase: &mut self.phase,
                    service_status: &mut self.service_status,
                    failure_reason: &mut self.failure_reason,
                    attempt: &mut self.attempt,
                    pending: &mut self.pending,
                    retry: &mut self.retry,
                    retry_at: &mut self.retry_at,
                    missing_since: &mut self.missing_since,
                    last_handled_request: &mut self.last_handled_request,
                    conditions: &mut self.conditions,
                }
            }
            fn exists(&self) -> bool {
                self.arn.is_some()
            }
            fn attempt(&self) -> u32 {
                self.attempt.unwrap_or(0)
            }
            fn pending(&self) -> Option<&Pending> {
                self.pending.as_ref()
            }
            fn retry(&self) -> Option<&Retry> {
                self.retry.as_ref()
            }
            fn missing_since(&self) -> Option<&str> {
                self.missing_since.as_deref()
            }
            fn deletion_accepted_at(&self) -> Option<&str> {
                self.deletion_accepted_at.as_deref()
            }
            fn last_handled_request(&self) -> Option<&str> {
                self.last_handled_request.as_deref()
            }
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }
            fn observed_hash(&self) -> Option<&str> {
                self.observed
                    .as_ref()
                    .map(|observed| observed.wish_hash.as_str())
            }
            fn observed_hash_mut(&mut self) -> Option<&mut String> {
                let observed = self.observed.as_mut();
                observed.map(|observed| &mut observed.wish_hash)
            }
        }
    };
}

shared!(AgentRuntimeStatus);
shared!(AgentEndpointStatus);
