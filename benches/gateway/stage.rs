//! What the figures need: a Ready AgentRuntime, the bench's agent, the bare pass-through before it, and gateways.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Full};

use super::agent::Order;
use super::load::{Conversations, Target, Until, alone, closed};
use super::role::Helper;
use crate::front::{Front, Gateway};

/// Everything but the gateways of the figures. The one in `front` goes to the simulator.
pub struct Stage {
    pub front: Front,
    pub agent: Helper,
    pub proxy: Helper,
    pub token: Arc<str>,
}

impl Stage {
    /// Starts it.
    pub async fn start() -> Self {
        let front = Front::start("bench-gateway").await;
        let token = front.token("caller").await.into();
        let agent = Helper::agent();
        let proxy = Helper::proxy(agent.address);
        Self {
            front,
            agent,
            proxy,
            token,
        }
    }

    /// A gateway in front of the bench's agent, warm: it has asked who calls, and has a connection. It logs as in production, to a file.
    pub async fn gateway(&self) -> Gateway {
        let gateway = self.new_gateway().await;
        let target = self.through(&gateway);
        alone(async move || {
            closed(
                &target,
                &Order::Text.body(),
                Until::Sent(64),
                Conversations::Kept,
            )
            .await
        })
        .await;
        gateway
    }

    /// A gateway that has not been called yet.
    pub async fn new_gateway(&self) -> Gateway {
        let url = format!("http://{}", self.agent.address);
        let environment = [("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", url.as_str())];
        Gateway::start_in(&self.front.rig, &[], &environment).await
    }

    /// The agent itself.
    pub fn direct(&self) -> Target {
        self.target(self.agent.address, "/invocations".to_owned())
    }

    /// The agent through the pass-through.
    pub fn passed(&self) -> Target {
        self.target(self.proxy.address, "/invocations".to_owned())
    }

    /// The agent through a gateway.
    pub fn through(&self, gateway: &Gateway) -> Target {
        let namespace = &self.front.rig.namespace;
        let path = format!("/v1/namespaces/{namespace}/agentruntimes/support/invocations");
        self.target(address(gateway), path)
    }

    fn target(&self, address: SocketAddr, path: String) -> Target {
        Target {
            address,
            path,
            token: self.token.clone(),
        }
    }
}

/// Where a gateway listens.
pub fn address(gateway: &Gateway) -> SocketAddr {
    let address = gateway.url.trim_start_matches("http://");
    address.parse().expect("an address")
}

/// A small body.
pub fn small(bytes: Bytes) -> super::load::Body {
    Either::Left(Full::new(bytes))
}
