//! The record of one request, from its head to the last byte of its answer: one line in the log and its metrics, however it ends. It
//! holds lengths, times and hashes; never a payload, a token or a session id.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::agents::Agent;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::path::Route;
use crate::problem::Problem;

/// What nginx logs for a caller that went away before there was an answer.
const CLIENT_GONE: u16 = 499;

/// Target of the access log's lines.
const ACCESS: &str = "agentcore_operator::access";

/// Reasons that are for whoever runs the gateway to mend: what it may do in AWS, its quotas, its surroundings.
const OWN_TROUBLE: [&str; 9] = [
    "AccessDenied",
    "CredentialsUnavailable",
    "LedgerUnavailable",
    "QuotaExceeded",
    "ReviewUnavailable",
    "ShareUsedUp",
    "SpoolFailed",
    "UpstreamUnavailable",
    "WebSocketLimit",
];

/// A request under way.
pub struct RequestLog {
    metrics: Arc<Metrics>,
    route: &'static str,
    begun: Instant,
    asked: Option<Asked>,
    caller: Option<Arc<Identity>>,
    agent: Option<Arc<Agent>>,
    session: Option<String>,
    attempts: Option<u32>,
    prompt_bytes: Option<u64>,
    status: Option<StatusCode>,
    aws_request_id: Option<String>,
    /// Of the agent's answer; an answer of the gateway's own has none.
    first_chunk: Option<Duration>,
    chunks: u64,
    bytes: u64,
    failure: Option<(&'static str, String)>,
    /// Whether its end was seen; else the caller went away.
    ended: bool,
}

/// The object that a path names, whether it is there or not.
struct Asked {
    kind: &'static str,
    namespace: String,
    name: String,
}

impl RequestLog {
    /// A request's head is here.
    pub fn begin(metrics: Arc<Metrics>, route: &'static str) -> Self {
        Self {
            metrics,
            route,
            begun: Instant::now(),
            asked: None,
            caller: None,
            agent: None,
            session: None,
            attempts: None,
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

    /// What it asks for.
    pub fn asks(&mut self, route: &Route<'_>) {
        self.asked = Some(Asked {
            kind: route.kind.as_str(),
            namespace: route.namespace.to_owned(),
            name: route.name.to_owned(),
        });
    }

    /// Who sent it.
    pub fn caller(&mut self, who: Arc<Identity>) {
        self.caller = Some(who);
    }

    /// Who sent it, once that is known.
    pub fn who(&self) -> Option<&Identity> {
        self.caller.as_deref()
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

    /// The gateway answers by itself.
    pub fn said(&mut self, status: StatusCode, bytes: usize) {
        self.status = Some(status);
        self.bytes = bytes as u64;
        self.ended = true;
    }

    /// A WebSocket is open; its end is told like any request's.
    pub fn opened(&self) {
        let asked = self.asked.as_ref();
        tracing::info!(
            target: ACCESS,
            route = self.route,
            kind = asked.map(|asked| asked.kind),
            namespace = asked.map(|asked| asked.namespace.as_str()),
            name = asked.map(|asked| asked.name.as_str()),
            caller = self.caller.as_ref().map(|who| who.user.as_str()),
            session = self.session,
            seconds = self.begun.elapsed().as_secs_f64(),
            aws_request_id = self.aws_request_id,
            "web socket opened"
        );
    }

    /// How often it was sent.
    pub fn attempts(&mut self, attempts: u32) {
        self.attempts = Some(attempts);
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
        if let Some(aws) = &problem.aws {
            self.aws_request_id.clone_from(&aws.request_id);
        }
        self.failure = Some((problem.reason, problem.cause()));
        self.ended = true;
    }

    /// The answer broke off.
    pub fn broke_off(&mut self, problem: &Problem) {
        self.cut(problem.reason, problem.cause());
    }

    /// It ended before its end, which nobody is told but the log.
    pub fn cut(&mut self, reason: &'static str, cause: String) {
        self.failure = Some((reason, cause));
        self.ended = true;
    }

    /// The answer is over.
    pub fn end(&mut self) {
        self.ended = true;
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let total = self.begun.elapsed();
        let agent = self.agent.as_deref();
        if !self.ended && self.failure.is_none() {
            self.failure = Some(("CallerGone", "the caller went away".to_owned()));
        }
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        let reason = self.failure.as_ref().map(|(reason, _)| *reason);
        let took = (self.route != "ws").then_some((total, self.first_chunk));
        self.metrics
            .request(agent, self.route, status, reason, took);
        let cause = self.failure.as_ref().map(|(_, cause)| cause.as_str());
        let asked = self.asked.as_ref();
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: ACCESS,
                    route = self.route,
                    kind = asked.map(|asked| asked.kind),
                    namespace = asked.map(|asked| asked.namespace.as_str()),
                    name = asked.map(|asked| asked.name.as_str()),
                    endpoint = agent.map(|agent| agent.target.qualifier.as_deref().unwrap_or("DEFAULT")),
                    caller = self.caller.as_ref().map(|who| who.user.as_str()),
                    session = self.session,
                    status,
                    attempts = self.attempts,
                    prompt_bytes = self.prompt_bytes,
                    chunks = self.chunks,
                    bytes = self.bytes,
                    first_chunk_seconds = self.first_chunk.map(|time| time.as_secs_f64()),
                    seconds = total.as_secs_f64(),
                    aws_request_id = self.aws_request_id,
                    reason,
                    cause,
                    "request"
                )
            };
        }
        if reason.is_some_and(|reason| OWN_TROUBLE.contains(&reason)) {
            tell!(warn);
        } else {
            tell!(info);
        }
    }
}
