//! The two ways to an agent, with one face.

use agentcore_invoke::{SESSION_HEADER, SessionId};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;

use super::args;
use super::direct::Direct;
use super::gateway::Gateway;
use super::target::Placed;
use crate::context::Context;
use crate::error::Error;
use crate::objects::Reference;

/// A way to an agent.
pub enum Way {
    /// Through the gateway.
    Gateway(Box<Gateway>),
    /// With AWS credentials of one's own.
    Direct(Box<Direct>),
}

/// The agent's answer, whatever its status.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as it comes.
    pub body: Incoming,
}

impl Way {
    /// The way that the flags choose to an agent.
    pub async fn to(
        agent: &Reference,
        flags: &args::Way,
        context: &Context,
    ) -> Result<Self, Error> {
        let cluster = context.cluster().await?;
        if flags.direct {
            let placed = Placed::of(agent, cluster).await?;
            let direct = Direct::new(flags, placed).await?;
            return Ok(Self::Direct(Box::new(direct)));
        }
        let gateway = Gateway::new(flags, agent, cluster).await?;
        Ok(Self::Gateway(Box::new(gateway)))
    }

    /// Sends a turn to the agent.
    pub async fn invoke(
        &self,
        mut headers: HeaderMap,
        session: Option<&SessionId>,
        payload: Bytes,
    ) -> Result<Answer, Error> {
        match self {
            Self::Direct(direct) => direct.invoke(headers, session, payload).await,
            Self::Gateway(gateway) => {
                if let Some(session) = session {
                    let value = HeaderValue::from_str(session.as_str());
                    headers.extend(value.ok().map(|value| (SESSION_HEADER, value)));
                }
                let sent = gateway.send(Method::POST, "invocations", headers, payload);
                let (head, body) = sent.await?.into_parts();
                Ok(Answer {
                    status: head.status,
                    headers: head.headers,
                    body,
                })
            }
        }
    }
}
