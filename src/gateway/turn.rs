//! The record of one request, from its head to the last byte of its answer: one line in the log and its metrics, however it ends. It
//! holds lengths, times and hashes; never a payload, a token or a session id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::gateway::agents::Agent;
use crate::gateway::metrics::Metrics;
use crate::gateway::problem::Problem;

/// What nginx logs for a caller that went away before there was an answer.
const CLIENT_GONE: u16 = 499;

/// A request under way.
pub struct Turn {
    metrics: Arc<Metrics>,
    route: &'static str,
    begun: Instant,
    agent: Option<Arc<Agent>>,
    session: Option<String>,
    prompt_bytes: Option<u64>,
    status: Option<StatusCode>,
    aws_request_id: Option<String>,
    first_chunk: Option<Duration>,
    chunks: u64,
    bytes: u64,
    failure: Option<(&'static str, String)>,
    /// Whether its end was seen; else the caller went away.
    ended: bool,
}

impl Turn {
    /// A request's head is here.
    pub fn begin(metrics: Arc<Metrics>, route: &'static str) -> Self {
        Self {
            metrics,
            route,
            begun: Instant::now(),
            agent: None,
            session: None,
            prompt_bytes: None,
            status: None,
            aws_request_id: None,
            first_chunk: None,
            chunks: 0,
            bytes: 0,
            failure: None,
            ended: false,
        }
    }

    /// Its route, as metrics name it.
    pub fn route(&self) -> &'static str {
        self.route
    }

    /// Its agent is known.
    pub fn agent(&mut self, agent: Arc<Agent>) {
        self.agent = Some(agent);
    }

    /// Its session is known; `shown` is a hash.
    pub fn session(&mut self, shown: String) {
        self.session = Some(shown);
    }

    /// The prompt is here whole.
    pub fn prompt(&mut self, bytes: u64) {
        self.prompt_bytes = Some(bytes);
    }

    /// The agent began to answer.
    pub fn answered(&mut self, status: StatusCode, aws_request_id: Option<String>) {
        self.status = Some(status);
        self.aws_request_id = aws_request_id;
        if status.is_server_error() || status.is_client_error() {
            self.failure = Some(("AgentError", format!("the agent answered {status}")));
        }
    }

    /// A WebSocket is open; its end is told like any request's.
    pub fn opened(&self) {
        let agent = self.agent.as_deref();
        tracing::info!(
            target: "agentcore_operator::access",
            route = self.route,
            kind = agent.map(|agent| agent.kind.as_str()),
            namespace = agent.map(|agent| &*agent.namespace),
            name = agent.map(|agent| &*agent.name),
            session = self.session,
            seconds = self.begun.elapsed().as_secs_f64(),
            aws_request_id = self.aws_request_id,
            "web socket opened"
        );
    }

    /// How often it was sent.
    pub fn attempts(&self, attempts: u32) {
        self.metrics
            .retries
            .inc_by(u64::from(attempts.saturating_sub(1)));
    }

    /// A piece of the answer went out.
    pub fn chunk(&mut self, bytes: usize) {
        self.first_chunk.get_or_insert_with(|| self.begun.elapsed());
        self.chunks += 1;
        self.bytes += bytes as u64;
    }

    /// It failed before there was an answer.
    pub fn refused(&mut self, problem: &Problem) {
        self.status = Some(problem.status);
        let text = match &problem.aws {
            Some(aws) => {
                self.aws_request_id.clone_from(&aws.request_id);
                format!("{}: {}", aws.error, problem.detail)
            }
            None => problem.detail.clone(),
        };
        self.failure = Some((problem.reason, text));
        self.ended = true;
    }

    /// The answer broke off.
    pub fn broke_off(&mut self, reason: &'static str, cause: String) {
        self.failure = Some((reason, cause));
        self.ended = true;
    }

    /// The answer is over.
    pub fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let total = self.begun.elapsed();
        let agent = self.agent.as_deref();
        if !self.ended && self.failure.is_none() {
            self.failure = Some(("CallerGone", "the caller went away".to_owned()));
        }
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        let code = status.to_string();
        let reason = self.failure.as_ref().map(|(reason, _)| *reason);
        self.metrics.request(agent, self.route, &code, reason);
        if self.route != "ws" {
            self.metrics
                .took(agent, self.route, total, self.first_chunk);
        }
        let (reason, cause) = self
            .failure
            .as_ref()
            .map_or((None, None), |(reason, cause)| {
                (Some(*reason), Some(cause.as_str()))
            });
        tracing::info!(
            target: "agentcore_operator::access",
            route = self.route,
            kind = agent.map(|agent| agent.kind.as_str()),
            namespace = agent.map(|agent| &*agent.namespace),
            name = agent.map(|agent| &*agent.name),
            endpoint = agent.map(|agent| agent.target.qualifier.as_deref().unwrap_or("DEFAULT")),
            session = self.session,
            status,
            prompt_bytes = self.prompt_bytes,
            chunks = self.chunks,
            bytes = self.bytes,
            first_chunk_seconds = self.first_chunk.map(|time| time.as_secs_f64()),
            seconds = total.as_secs_f64(),
            aws_request_id = self.aws_request_id,
            reason,
            cause,
            "request"
        );
    }
}
