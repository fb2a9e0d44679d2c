//! What users of the client may choose.

use std::time::Duration;

use http::HeaderValue;

/// How the client behaves; the defaults are those of the gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Until a connection stands, names, TCP and TLS together. Default 5 s.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept. Default 20 s: shorter than load balancers keep theirs, for a request on a connection that
    /// is being closed is lost.
    pub pool_idle_timeout: Duration,
    /// Sent as User-Agent.
    pub user_agent: HeaderValue,
    /// Most bytes of a WebSocket message. Default 1 MiB.
    pub web_socket_message_limit: usize,
    /// Bytes that each WebSocket reads at once, held as long as it is open. Default 4 KiB, so that thousands of idle ones stay small.
    pub web_socket_read_buffer: usize,
    /// How often at most a call is sent again. Default 3.
    pub resends: u32,
    /// Longest wait before the first resend; it doubles with each. Default 100 ms. The wait is drawn between nothing and this.
    pub backoff_base: Duration,
    /// Longest wait before any resend, also where AWS asks for more. Default 5 s.
    pub backoff_cap: Duration,
    /// Until the end of a session is confirmed. Default 60 s.
    pub stop_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            pool_idle_timeout: Duration::from_secs(20),
            user_agent: HeaderValue::from_static(concat!(
                "agentcore-operator/",
                env!("CARGO_PKG_VERSION")
            )),
            web_socket_message_limit: 1 << 20,
            web_socket_read_buffer: 4 << 10,
            resends: 3,
            backoff_base: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(5),
            stop_timeout: Duration::from_mins(1),
        }
    }
}
