//! What a spec leaves out, of the members that AgentCore has defaults for: it keeps what AgentCore has, or has AgentCore's own default.
//! The defaults that are documented serve to show and to compare; none is ever sent.

use agentcore_api::limits::{DEFAULT_IDLE_SECONDS, DEFAULT_MAX_LIFETIME_SECONDS};
use agentcore_api::runtime::ServerProtocol;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::aws::{LifecycleConfig, ProtocolConfig};

impl ProtocolConfig {
    /// Protocol, port and path that hold: what is said, and AgentCore's documented defaults.
    pub fn in_force(&self) -> (ServerProtocol, i32, &str) {
        let Self {
            server_protocol,
            port,
            path,
        } = self;
        let name = server_protocol.clone().unwrap_or(ServerProtocol::Http);
        let (own_port, own_path) = match name {
            ServerProtocol::Http | ServerProtocol::Agui | ServerProtocol::Other(_) => {
                (8080, "/invocations")
            }
            ServerProtocol::Mcp => (8000, "/mcp"),
            ServerProtocol::A2a => (9000, "/"),
        };
        let path = path.as_deref().unwrap_or(own_path);
        (name, port.unwrap_or(own_port), path)
    }

    /// Whether AgentCore has another value where this wish has one.
    pub(crate) fn differs(&self, there: &Self) -> bool {
        let Self {
            server_protocol,
            port,
            path,
        } = self;
        let (name_there, port_there, path_there) = there.in_force();
        server_protocol
            .as_ref()
            .is_some_and(|name| *name != name_there)
            || port.is_some_and(|port| port != port_there)
            || path.as_deref().is_some_and(|path| path != path_there)
    }

    /// This wish, and what is there where it says nothing. Port and path of another protocol are not kept.
    pub(crate) fn over(&self, there: &Self) -> Self {
        let server_protocol =
            (self.server_protocol.clone()).or_else(|| there.server_protocol.clone());
        let same = self
            .server_protocol
            .as_ref()
            .is_none_or(|name| *name == there.in_force().0);
        let (port, path) = if same {
            (there.port, there.path.clone())
        } else {
            (None, None)
        };
        Self {
            server_protocol,
            port: self.port.or(port),
            path: self.path.clone().or(path),
        }
    }
}

impl LifecycleConfig {
    /// Idle time-out and longest life in seconds that hold: what is said, and AgentCore's documented defaults. Those are 28800 for the
    /// life, and 900 for the time-out, or the life itself where that is shorter.
    pub fn in_force(&self) -> (i32, i32) {
        let Self {
            idle_timeout_seconds,
            max_lifetime_seconds,
        } = self;
        let most = max_lifetime_seconds.unwrap_or(DEFAULT_MAX_LIFETIME_SECONDS.cast_signed());
        let idle =
            idle_timeout_seconds.unwrap_or_else(|| DEFAULT_IDLE_SECONDS.cast_signed().min(most));
        (idle, most)
    }

    /// Whether AgentCore has another value where this wish has one.
    pub(crate) fn differs(&self, there: &Self) -> bool {
        let (idle_there, most_there) = there.in_force();
        self.idle_timeout_seconds
            .is_some_and(|idle| idle != idle_there)
            || self
                .max_lifetime_seconds
                .is_some_and(|most| most != most_there)
    }

    /// This wish, and what is there where it says nothing. What does not go with the wish is not kept: AgentCore takes no time-out that is
    /// longer than the life.
    pub(crate) fn over(&self, there: &Self) -> Self {
        let (idle, most) = (self.idle_timeout_seconds, self.max_lifetime_seconds);
        Self {
            idle_timeout_seconds: idle.or(there
                .idle_timeout_seconds
                .filter(|idle| most.is_none_or(|most| *idle <= most))),
            max_lifetime_seconds: most.or(there
                .max_lifetime_seconds
                .filter(|most| idle.is_none_or(|idle| idle <= *most))),
        }
    }
}

/// As it is hashed. What is left out counts as the documented default that earlier releases filled in, so that an upgrade compares nothing
/// anew; a default that is written is told apart from it.
impl Serialize for ProtocolConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (name, port, path) = self.in_force();
        let blank = Self {
            server_protocol: self.server_protocol.clone(),
            ..Self::default()
        };
        let (_, own_port, own_path) = blank.in_force();
        let written = [
            self.server_protocol == Some(ServerProtocol::Http),
            self.port == Some(own_port),
            self.path.as_deref() == Some(own_path),
        ];
        let mut out = to.serialize_struct("ProtocolConfig", 4)?;
        out.serialize_field("server_protocol", &name)?;
        out.serialize_field("port", &port)?;
        out.serialize_field("path", path)?;
        if written.contains(&true) {
            out.serialize_field("written", &written)?;
        }
        out.end()
    }
}

/// As it is hashed; see [`ProtocolConfig`].
impl Serialize for LifecycleConfig {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (idle, most) = self.in_force();
        let blank = Self {
            idle_timeout_seconds: None,
            ..self.clone()
        };
        let written = [
            self.idle_timeout_seconds == Some(blank.in_force().0),
            self.max_lifetime_seconds == Some(Self::default().in_force().1),
        ];
        let mut out = to.serialize_struct("LifecycleConfig", 3)?;
        out.serialize_field("idle_timeout_seconds", &idle)?;
        out.serialize_field("max_lifetime_seconds", &most)?;
        if written.contains(&true) {
            out.serialize_field("lifecycle_written", &written)?;
        }
        out.end()
    }
}
