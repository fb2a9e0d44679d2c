//! The caller's sessions: which there are, and an end to one.

use std::time::Duration;

use agentcore_api::report::version_of;
use agentcore_api::runtime::ServerProtocol;
use agentcore_invoke::{Error, SessionId, Target};
use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::invocations::{mcp_session, wrong_protocol};
use super::{refuse, say};
use crate::context::{Admitted, Gateway};
use crate::problem::Problem;
use crate::request_log::RequestLog;
use crate::sessions::id::{InvalidId, McpSession, named, unnamed};
use crate::sessions::ledger::PAGE_MAX;
use crate::sessions::{NoList, Seen, owner};
use crate::stops;

/// When a caller that asks for too many lists at once may try again.
const LIST_RETRY: Duration = Duration::from_secs(1);

/// A page of the list, as its query asks for it.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    after: u64,
    limit: usize,
}

impl Page {
    /// Reads `limit` and `continue` of a query; other names say nothing here.
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut page = Self {
            after: 0,
            limit: PAGE_MAX,
        };
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("limit", text)) => {
                    page.limit = text
                        .parse()
                        .ok()
                        .filter(|limit| (1..=PAGE_MAX).contains(limit))
                        .ok_or_else(|| {
                            let detail = format!("limit is a number from 1 to {PAGE_MAX}");
                            Problem::bad_request("InvalidPage", detail)
                        })?;
                }
                Some(("continue", text)) => {
                    page.after = text.parse().map_err(|_| {
                        let detail = "continue must be the value that the previous page returned";
                        Problem::bad_request("InvalidPage", detail)
                    })?;
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

impl From<InvalidId> for Problem {
    fn from(error: InvalidId) -> Self {
        Self::bad_request("InvalidSessionId", error.to_string())
    }
}

impl From<NoList> for Problem {
    fn from(error: NoList) -> Self {
        match error {
            NoList::Full(full) => Self {
                retry_after: Some(LIST_RETRY),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "CallerQuota",
                    full.to_string(),
                )
            },
            NoList::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

/// GET sessions: those of this caller at this agent, as far as this gateway knows, a page at a time.
pub async fn list(
    gateway: &Gateway,
    admitted: &Admitted,
    query: Option<&str>,
    log: RequestLog,
) -> Response<Body> {
    let agent = &admitted.agent;
    let Page { after, limit } = match Page::parse(query) {
        Ok(page) => page,
        Err(problem) => return refuse(log, None, problem),
    };
    if let Some(session) = &agent.session {
        let declared = json!({
            "sessionId": session.as_str(),
            "upstreamSessionId": session.as_str(),
            "endpoint": agent.target.qualifier.as_deref().unwrap_or("DEFAULT"),
            "version": agent.version,
        });
        return say(log, StatusCode::OK, &json!({ "sessions": [declared] }));
    }
    let owner = owner(&admitted.who, agent);
    let (sessions, next) = match gateway.sessions.list(&owner, after, limit).await {
        Ok(listed) => listed,
        Err(error) => return refuse(log, None, error.into()),
    };
    let sessions: Vec<_> = sessions
        .into_iter()
        .map(|Seen { record, upstream }| {
            json!({
                "sessionId": record.conversation.as_str(),
                "upstreamSessionId": upstream.as_str(),
                "endpoint": record.birth.qualifier.as_deref().unwrap_or("DEFAULT"),
                "version": record.birth.version.as_deref().map(version_of),
                "startedAt": record.started_at.to_string(),
                "lastUsedAt": record.last_used_at.to_string(),
                "inFlight": record.in_flight,
            })
        })
        .collect();
    let mut page = json!({ "sessions": sessions });
    if let Some(next) = next {
        page["continue"] = next.to_string().into();
    }
    say(log, StatusCode::OK, &page)
}

/// DELETE sessions/{id}: ends the microVM. The conversation's next turn gets another one.
pub async fn stop(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
    id: &str,
    log: RequestLog,
) -> Response<Body> {
    if admitted.agent.session.is_some() {
        let detail = "a declared session ends with its AgentSession";
        let problem = Problem::new(StatusCode::CONFLICT, "DeclaredSession", detail);
        return refuse(log, None, problem);
    }
    let id: Vec<u8> = percent_decode_str(id).collect();
    match named(&id) {
        Ok(Some(conversation)) => end(gateway, admitted, request, &conversation, None, log).await,
        Ok(None) => refuse(log, None, Problem::not_found("the path names no session")),
        Err(invalid) => refuse(log, None, invalid.into()),
    }
}

/// DELETE mcp: ends the microVM of an MCP session. One that others may use, too, goes on, for which MCP has 405.
pub async fn stop_mcp(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
    log: RequestLog,
) -> Response<Body> {
    if admitted.agent.protocol != ServerProtocol::Mcp {
        return refuse(log, None, wrong_protocol("MCP"));
    }
    let owner = owner(&admitted.who, &admitted.agent);
    let session = match mcp_session(gateway, &owner, request) {
        Ok(Some(session)) => session,
        Ok(None) => {
            let detail = "DELETE ends the session that Mcp-Session-Id names";
            let problem = Problem::bad_request("InvalidSessionId", detail);
            return refuse(log, None, problem);
        }
        Err(problem) => return refuse(log, None, problem),
    };
    let McpSession {
        conversation,
        generation,
        ..
    } = session;
    if admitted.agent.session.is_some() || conversation == unnamed() {
        return refuse(log, None, Problem::method("POST"));
    }
    let generation = Some(generation);
    end(gateway, admitted, request, &conversation, generation, log).await
}

/// Ends the microVM of a conversation; `only`: if it still is the one of this generation.
async fn end(
    gateway: &Gateway,
    admitted: &Admitted,
    request: &HeaderMap,
    conversation: &SessionId,
    only: Option<u32>,
    mut log: RequestLog,
) -> Response<Body> {
    let gone = || Problem::not_found("session not found");
    let auth = match admitted.auth(request) {
        Ok(auth) => auth,
        Err(problem) => return refuse(log, None, problem),
    };
    let owner = owner(&admitted.who, &admitted.agent);
    let (upstream, generation, record) = match gateway.sessions.find(&owner, conversation).await {
        Ok(found) => found,
        Err(unavailable) => return refuse(log, None, unavailable.into()),
    };
    if only.is_some_and(|only| only != generation) {
        return refuse(log, None, gone());
    }
    log.session(gateway.sessions.deriver().shown(upstream.as_str()));
    // AgentCore wants the endpoint that the session was born with, wherever that one is by now.
    let target = Target {
        arn: admitted.agent.target.arn.clone(),
        qualifier: record.map_or_else(
            || admitted.agent.target.qualifier.clone(),
            |record| record.birth.qualifier,
        ),
    };
    let pace = stops::place(&target.arn);
    if let Err(too_many) = gateway.stops.turn(&admitted.holder, &pace).await {
        return refuse(log, None, too_many.into());
    }
    gateway.pool.close(&upstream);
    let stopped = gateway.client.stop(&target, &upstream, auth).await;
    let is_gone = match &stopped {
        Ok(()) => true,
        Err(failed) => {
            matches!(&failed.error, Error::Service(error) if error.name == "ResourceNotFoundException")
        }
    };
    if is_gone
        && let Err(unavailable) = gateway
            .sessions
            .replace(&owner, conversation, generation)
            .await
    {
        return refuse(log, None, unavailable.into());
    }
    match stopped {
        Ok(()) => {
            log.said(StatusCode::NO_CONTENT, 0);
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Err(_) if is_gone => refuse(log, None, gone()),
        Err(failed) => {
            log.attempts(failed.attempts);
            refuse(log, None, failed.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_a_page_or_is_refused() {
        let page = |after, limit| Some(Page { after, limit });
        for (query, wanted) in [
            (None, page(0, PAGE_MAX)),
            (Some(""), page(0, PAGE_MAX)),
            (Some("pretty&x=1"), page(0, PAGE_MAX)),
            (Some("limit=7&continue=12"), page(12, 7)),
            (Some("limit=0"), None),
            (Some("limit=1001"), None),
            (Some("limit="), None),
            (Some("continue=-1"), None),
            (Some("continue=1%202"), None),
        ] {
            assert_eq!(Page::parse(query).ok(), wanted, "{query:?}");
        }
    }
}
