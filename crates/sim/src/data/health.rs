//! What an agent says about itself on `/ping`.

use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpStream;

use super::session::Session;

/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// An agent's answer to a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Healthy,
    /// It works in the background.
    Busy,
    /// It does not answer, or not with 200.
    Silent,
}

#[derive(Deserialize)]
struct Ping {
    status: String,
    time_of_last_update: Option<serde_json::Number>,
}

/// Asks the agent. `requires_time`: HealthyBusy counts only together with `time_of_last_update`.
pub async fn ping(http: &reqwest::Client, session: &Session, requires_time: bool) -> Health {
    if session.born.config.protocol() == "MCP" {
        // An MCP server has no /ping; that it accepts connections has to do.
        let connected = TcpStream::connect(("127.0.0.1", session.port)).await;
        return if connected.is_ok() {
            Health::Healthy
        } else {
            Health::Silent
        };
    }
    let url = format!("http://127.0.0.1:{}/ping", session.port);
    let answer = match http.get(url).timeout(PING_TIMEOUT).send().await {
        Ok(answer) if answer.status() == 200 => answer.bytes().await,
        _ => return Health::Silent,
    };
    answer.map_or(Health::Silent, |body| read(&body, requires_time))
}

fn read(body: &[u8], requires_time: bool) -> Health {
    match serde_json::from_slice::<Ping>(body) {
        Ok(ping)
            if ping.status == "HealthyBusy"
                && (ping.time_of_last_update.is_some() || !requires_time) =>
        {
            Health::Busy
        }
        // A body that says nothing still comes with a 200.
        _ => Health::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_without_a_time_counts_only_where_no_time_is_required() {
        let bare = br#"{"status":"HealthyBusy"}"#;
        assert_eq!(read(bare, true), Health::Healthy);
        assert_eq!(read(bare, false), Health::Busy);
        let timed = br#"{"status":"HealthyBusy","time_of_last_update":1764000000}"#;
        assert_eq!(read(timed, true), Health::Busy);
        assert_eq!(read(b"ok", true), Health::Healthy);
        assert_eq!(
            read(br#"{"status":"Healthy","time_of_last_update":1}"#, false),
            Health::Healthy
        );
    }
}
