//! `sessions`: which there are, and an end to them.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use agentcore_invoke::SessionId;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::direct::{Direct, session_id};
use super::gateway::Gateway;
use super::target::Placed;
use super::{args, plain, target};
use crate::args::{Command, Format};
use crate::context::{Context, causes};
use crate::error::Error;
use crate::exit::Outcome;
use crate::objects::Reference;
use crate::output::{self, Table, Tone, span};
use crate::verbs;

/// Does one of the verbs.
pub async fn run(verb: args::Sessions, context: &Context) -> Result<Outcome, Error> {
    match verb {
        args::Sessions::List(flags) => list(flags, context).await,
        args::Sessions::Stop(flags) => stop(flags, context).await,
        // One drain, under the name that people look for beside the other verbs about sessions.
        args::Sessions::Drain(flags) => {
            Box::pin(verbs::run(Command::Restart(flags), context)).await
        }
    }
}

/// A session as the gateway lists it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    #[serde(rename = "sessionId")]
    id: String,
    upstream_session_id: String,
    endpoint: String,
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_flight: Option<u64>,
}

#[derive(Deserialize)]
struct Listed {
    sessions: Vec<Session>,
    /// Where the next page begins.
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

async fn list(flags: args::List, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let agent = target::named(&flags.agent, cluster).await?;
    let way = &flags.way;
    let asks_gateway = !way.direct && (way.token.is_some() || way.as_serviceaccount.is_some());
    let own = if asks_gateway {
        Some(own(&Gateway::new(way, &agent, cluster).await?).await?)
    } else {
        None
    };
    let counts = match agent.get(cluster).await {
        Ok(object) => object.data.pointer("/status/sessions").cloned(),
        // Who may call an agent need not be able to read its object.
        Err(Error::Forbidden(_)) if own.is_some() => None,
        Err(error) => return Err(error),
    };
    let out = context.output;
    match flags.output {
        Some(format @ (Format::Json | Format::Yaml)) => {
            out.value(format, &json!({ "sessions": own, "counts": counts }))?;
        }
        Some(Format::Name) => {
            for session in own.iter().flatten() {
                out.line(&plain(&session.id))?;
            }
        }
        wide => {
            if let Some(own) = &own {
                let now = Timestamp::now();
                let table = table(own, wide.is_some(), now);
                if own.is_empty() {
                    out.line("You have no session here.")?;
                } else {
                    // Whole: an id that is cut cannot be used.
                    out.print(&table.text(out.paint, None))?;
                }
            }
            out.line(&summary(&agent, counts.as_ref()))?;
            if own.is_none() && way.direct {
                output::remark("AgentCore lists no sessions: yours are known to a gateway alone");
            } else if own.is_none() {
                output::remark("--as-serviceaccount NAME lists that caller's sessions, too");
            }
        }
    }
    Ok(Outcome::Done)
}

/// The caller's own, the oldest first, page by page.
async fn own(gateway: &Gateway) -> Result<Vec<Session>, Error> {
    // One that is used meanwhile may be on two pages: the later one says how it is now.
    let mut own: BTreeMap<String, Session> = BTreeMap::new();
    let mut after: Option<u64> = None;
    loop {
        let listed = page(gateway, after).await?;
        let sessions = listed.sessions.into_iter();
        own.extend(sessions.map(|session| (session.id.clone(), session)));
        let Some(next) = listed.next else {
            break;
        };
        // Pages lead on, or there is no end to them.
        let next: u64 = next.parse().map_err(|_| not_understood(&"no page"))?;
        if after.is_some_and(|after| next <= after) {
            return Err(not_understood(&"a page that leads back"));
        }
        after = Some(next);
    }
    let mut own: Vec<Session> = own.into_values().collect();
    own.sort_by_key(|session| session.started_at);
    Ok(own)
}

async fn page(gateway: &Gateway, after: Option<u64>) -> Result<Listed, Error> {
    let what = after.map_or("sessions".to_owned(), |after| {
        format!("sessions?continue={after}")
    });
    let sent = gateway.send(Method::GET, &what, HeaderMap::new(), Bytes::new());
    let body = sent.await?.into_body().collect().await;
    let body = body.map_err(|error| {
        Error::Unreachable(format!(
            "the list of sessions broke off: {}",
            causes(&error)
        ))
    })?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| not_understood(&error))
}

fn not_understood(why: &dyn Display) -> Error {
    Error::Failed(format!(
        "the list of sessions is not understood: {why}; is that address the gateway's?"
    ))
}

fn table(sessions: &[Session], wide: bool, now: Timestamp) -> Table {
    let mut head = vec!["SESSION", "ENDPOINT", "VERSION", "AGE", "IDLE", "IN FLIGHT"];
    if wide {
        head.push("SESSION IN AGENTCORE");
    }
    let mut table = Table::new(&head);
    let since = |at: Option<Timestamp>| {
        at.map(|at| span(now.as_second() - at.as_second()))
            .unwrap_or_default()
    };
    for session in sessions {
        let in_flight = session.in_flight.map(|n| n.to_string()).unwrap_or_default();
        let mut row = vec![
            (Tone::Strong, session.id.clone()),
            (Tone::Plain, session.endpoint.clone()),
            (Tone::Plain, session.version.clone().unwrap_or_default()),
            (Tone::Plain, since(session.started_at)),
            (Tone::Plain, since(session.last_used_at)),
            (Tone::Plain, in_flight),
        ];
        if wide {
            row.push((Tone::Plain, session.upstream_session_id.clone()));
        }
        table.row(row);
    }
    table
}

/// What the status says of everybody's sessions.
fn summary(agent: &Reference, counts: Option<&Value>) -> String {
    let Some(counts) = counts else {
        return format!("{agent}: no gateway has reported sessions.");
    };
    let count = |name: &str| counts[name].as_u64().unwrap_or_default();
    let (tracked, current, stale) = (count("tracked"), count("current"), count("stale"));
    let noun = if tracked == 1 { "session" } else { "sessions" };
    let mut text = format!("{agent}: {tracked} {noun} of all callers, {current} current");
    if stale > 0 {
        let _ = write!(text, ", {stale} stale ({} draining)", count("draining"));
    }
    for name in ["stopped", "failed"] {
        let n = count(name);
        if n > 0 {
            let _ = write!(text, ", {n} {name}");
        }
    }
    let by_version = counts["byVersion"].as_object().into_iter().flatten();
    let by_version: Vec<_> = by_version
        .map(|(version, n)| format!("{n} on {version}"))
        .collect();
    if !by_version.is_empty() {
        let _ = write!(text, "; {}", by_version.join(", "));
    }
    text.push('.');
    plain(&text)
}

async fn stop(flags: args::Stop, context: &Context) -> Result<Outcome, Error> {
    let session: SessionId = session_id(&flags.id)?;
    let cluster = context.cluster().await?;
    let agent = target::named(&flags.agent, cluster).await?;
    if flags.way.direct {
        let placed = Placed::of(&agent, cluster).await?;
        Direct::new(&flags.way, placed)
            .await?
            .stop(&session)
            .await?;
    } else {
        let gateway = Gateway::new(&flags.way, &agent, cluster).await?;
        let what = format!("sessions/{session}");
        let sent = gateway.send(Method::DELETE, &what, HeaderMap::new(), Bytes::new());
        let status = sent.await?.status();
        if !status.is_success() {
            return Err(Error::Failed(format!("the gateway answers {status}")));
        }
    }
    context
        .output
        .line(&format!("session {session} of {agent} stopped"))?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_matters_and_no_zeros() {
        let agent: Reference = "support".parse().unwrap();
        let counts = json!({"tracked": 12, "current": 9, "stale": 3, "draining": 2, "stopped": 5, "failed": 0, "byVersion": {"7": 3, "8": 9}});
        assert_eq!(
            summary(&agent, Some(&counts)),
            "runtime/support: 12 sessions of all callers, 9 current, 3 stale (2 draining), 5 stopped; 3 on 7, 9 on 8."
        );
        let calm = json!({"tracked": 1, "current": 1, "stale": 0});
        assert_eq!(
            summary(&agent, Some(&calm)),
            "runtime/support: 1 session of all callers, 1 current."
        );
    }
}
