//! What every request needs: shared by all, made once.

use std::sync::Arc;
use std::time::Duration;

use agentcore_invoke::{Auth, Client, Resend};
use axum::http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::{Agent, Agents, Unresolved};
use crate::answer::purse::Purse;
use crate::chat::pool::Pool;
use crate::headers;
use crate::identity::{Access, Gate, Identity, Subresource, Token, Verb};
use crate::metrics::Metrics;
use crate::path::{Action, Route};
use crate::payload::Reader;
use crate::problem::Problem;
use crate::quotas::{Quotas, TooMany};
use crate::request_log::RequestLog;
use crate::sessions::Sessions;
use crate::shares::{self, Full, Held, Holder};
use crate::stops::{self, Stops};
use crate::watch::{Right, Watchdog};

/// The gateway.
pub struct Gateway {
    /// Which agents there are.
    pub agents: Arc<Agents>,
    /// Who may call them.
    pub gate: Arc<Gate>,
    /// How much.
    pub quotas: Quotas,
    /// Memory of answers that the gateway joins or keeps.
    pub answers: Arc<shares::Pool>,
    /// The pace of stops.
    pub stops: Arc<Stops>,
    /// In which session.
    pub sessions: Sessions,
    /// The way to AgentCore.
    pub client: Client,
    /// Upstream WebSockets that `chat` keeps.
    pub pool: Pool,
    /// How bodies are read.
    pub reader: Reader,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Until the first byte of an agent's answer.
    pub upstream_timeout: Duration,
    /// By which callers reach it, where a request's host does not say that.
    pub external_url: Option<String>,
    /// Whether it serves TLS itself.
    pub tls: bool,
    /// How often open streams are authorised again.
    pub recheck: Duration,
    /// Cancelled when the gateway stops.
    pub stop: CancellationToken,
    /// Cancelled when it has waited long enough for what is under way.
    pub over: CancellationToken,
    /// WebSockets, which outlive their requests.
    pub sockets: TaskTracker,
}

/// A caller that was let through to an agent.
pub struct Admitted {
    /// The caller.
    pub who: Arc<Identity>,
    /// The agent.
    pub agent: Arc<Agent>,
    /// Whose shares it uses.
    pub holder: Holder,
    /// The right that it was let through by.
    right: Arc<Right>,
    /// As [`Gateway::over`].
    over: CancellationToken,
}

impl Gateway {
    /// Lets a request through, or says why not. The caller is judged before the name is looked up: who may not call an agent does not
    /// learn whether it is there.
    pub async fn admit(
        &self,
        route: &Route<'_>,
        request: &HeaderMap,
        log: &mut RequestLog,
    ) -> Result<Admitted, Problem> {
        let token = Token::from_headers(request)?;
        let who = self.gate.authenticate(&token).await?;
        log.caller(who.clone());
        // Before the next question to the API server: a caller that varies names must not use that up for others.
        self.quotas.admit(&who).map_err(Problem::from)?;
        let access = access(route);
        let asked = self.gate.authorize(&who, &access).await?;
        let agent = self
            .agents
            .resolve(route.kind, route.namespace, route.name)
            .map_err(|unresolved| {
                if unresolved == Unresolved::NotFound {
                    self.gate.invented(&who, asked);
                }
                Problem::unresolved(route, unresolved)
            })?;
        log.agent(agent.clone());
        let holder = Holder {
            caller: who.user.as_str().into(),
            namespace: agent.namespace.clone(),
        };
        let right = Arc::new(Right {
            gate: self.gate.clone(),
            token,
            access,
            every: self.recheck,
        });
        Ok(Admitted {
            who,
            agent,
            holder,
            right,
            over: self.over.clone(),
        })
    }

    /// How AgentCore is told who asks, and one of the caller's streams.
    pub fn may(&self, admitted: &Admitted, request: &HeaderMap) -> Result<(Auth, Held), Problem> {
        let auth = admitted.auth(request)?;
        let stream = self.quotas.stream(&admitted.holder);
        let stream = stream.map_err(|full| match full {
            Full::Caller { .. } => Problem {
                reason: "CallerQuota",
                ..Problem::from(full)
            },
            _ => Problem::from(full),
        })?;
        Ok((auth, stream))
    }

    /// The account of what the gateway holds of this caller's answers.
    pub fn purse(&self, admitted: &Admitted) -> Purse {
        Purse::new(self.answers.clone(), admitted.holder.clone())
    }
}

impl Admitted {
    /// Looks the agent up again, after time that its caller took: what serves now, and which session is declared now. Only the same runtime
    /// will do, as nobody has seen this request through to another.
    pub fn renew(&mut self, gateway: &Gateway, log: &mut RequestLog) -> Result<(), Problem> {
        let Agent {
            kind,
            namespace,
            name,
            ..
        } = &*self.agent;
        let agent = gateway.agents.resolve(*kind, namespace, name);
        let same = |agent: &Arc<Agent>| {
            agent.target.arn == self.agent.target.arn
                && agent.jwt == self.agent.jwt
                && agent.protocol == self.agent.protocol
        };
        let Some(agent) = agent.ok().filter(same) else {
            let detail = "the agent changed while the request's body was read; nothing was sent";
            return Err(Problem::unavailable("AgentChanged", detail));
        };
        log.agent(agent.clone());
        self.agent = agent;
        Ok(())
    }

    /// Ends a stream of this caller in time.
    pub fn watchdog(&self) -> Watchdog {
        Watchdog::new(self.right.clone(), self.over.clone())
    }

    /// How AgentCore is told who asks: the gateway's signature, or the caller's own token where the agent wants one.
    pub fn auth(&self, request: &HeaderMap) -> Result<Auth, Problem> {
        if !self.agent.jwt {
            return Ok(Auth::SigV4);
        }
        headers::agent_authorization(request)
            .map(Auth::Bearer)
            .ok_or_else(|| {
                Problem::new(
                    axum::http::StatusCode::UNAUTHORIZED,
                    "NoAgentToken",
                    "the agent requires its own token: X-AgentCore-Authorization: Bearer TOKEN",
                )
            })
    }
}

/// What a request may be sent again after.
pub fn resend(request: &HeaderMap) -> Resend {
    if request.contains_key(headers::IDEMPOTENCY_KEY) {
        Resend::Idempotent
    } else {
        Resend::Safe
    }
}

/// What RBAC has to allow for a route.
fn access(route: &Route<'_>) -> Access {
    let (verb, subresource) = match route.action {
        Action::Invocations | Action::Ws | Action::Chat | Action::Mcp | Action::A2a => {
            (Verb::Create, Subresource::Invocations)
        }
        Action::Ping | Action::AgentCard => (Verb::Get, Subresource::Invocations),
        Action::Sessions => (Verb::Get, Subresource::Sessions),
        Action::Session(_) => (Verb::Delete, Subresource::Sessions),
    };
    Access {
        kind: route.kind,
        namespace: route.namespace.to_owned(),
        name: route.name.to_owned(),
        verb,
        subresource,
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        Self {
            retry_after: Some(too_many.retry_after),
            ..Self::new(
                axum::http::StatusCode::TOO_MANY_REQUESTS,
                "CallerQuota",
                too_many.to_string(),
            )
        }
    }
}

impl From<stops::TooMany> for Problem {
    fn from(too_many: stops::TooMany) -> Self {
        Self {
            retry_after: Some(too_many.retry_after),
            ..Self::from(too_many.full)
        }
    }
}
