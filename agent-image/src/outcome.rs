//! What a request comes to, whichever way it came in: begun once here, rendered by each transport.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde::Serialize;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::request::{Refusal, Request, Turn};
use crate::turns::{self, TurnFailed, TurnLog};

/// The result of a request.
pub enum Outcome {
    /// A turn has begun.
    Turn(RunningTurn),
    /// One document is the whole answer.
    Document(Verdict, Value),
}

/// What a document stands for; a transport that has statuses says it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done as asked.
    Done,
    /// Not a request that this agent knows.
    Refused,
    /// Failed as asked.
    Failed,
}

/// A turn that is being answered. Dropping its pieces cancels it.
pub struct RunningTurn {
    /// Which turn of which session.
    pub id: TurnId,
    /// The answer, piece by piece; an error is the last item.
    pub pieces: BoxStream<'static, Result<String, TurnFailed>>,
}

/// Names a turn in whatever is said of it.
#[derive(Debug, Clone)]
pub struct TurnId {
    session: String,
    number: u64,
}

/// An answer, or in a stream one piece of it: the pieces' `response` put together is the whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    response: &'a str,
    session_id: &'a str,
    turn: u64,
    pid: u32,
}

impl TurnId {
    /// This text as the turn's answer, or as a piece of it.
    pub fn answer<'a>(&'a self, response: &'a str) -> Answer<'a> {
        Answer {
            response,
            session_id: &self.session,
            turn: self.number,
            pid: std::process::id(),
        }
    }

    /// The turn's number; the first of a process is 1.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Outcome {
    /// Reads a request of this session and begins what it asks for. Ends the process when asked to.
    pub fn of(agent: &Agent, session: &str, body: &[u8]) -> Self {
        match Request::parse(body) {
            Ok(Request::Turn(turn)) => Self::Turn(begin(agent, session, turn)),
            Ok(Request::Keepalive) => done(json!({
                "status": "alive",
                "sessionId": session,
                "turns": agent.turns(),
                "pid": std::process::id(),
            })),
            Ok(Request::Busy(duration)) => {
                work_in_background(agent.clone(), duration);
                done(json!({
                    "status": "busy",
                    "sessionId": session,
                    "seconds": duration.as_secs(),
                    "pid": std::process::id(),
                }))
            }
            Ok(Request::Env(name)) => {
                let value = environment(&name);
                done(json!({ "name": name, "value": value }))
            }
            Ok(Request::Fail(message)) => {
                tracing::warn!(session, "failing as asked");
                Self::Document(Verdict::Failed, json!({ "error": message }))
            }
            Ok(Request::Crash) => turns::crash(),
            Err(Refusal::NotJson(details)) => refused("Invalid JSON", &details),
            Err(Refusal::Unknown(details)) => refused("Invalid request", &details),
        }
    }
}

fn begin(agent: &Agent, session: &str, turn: Turn) -> RunningTurn {
    let id = TurnId {
        session: session.to_owned(),
        number: agent.begin_turn(),
    };
    // Made before the first piece is asked for, so that a caller who leaves at once is logged as well.
    let mut log = TurnLog::new(&id.session, id.number, &turn.prompt);
    let pieces = async_stream::stream! {
        for await piece in turns::pieces(turn) {
            if piece.is_err() {
                log.end("failed");
                yield piece;
                return;
            }
            yield piece;
            log.piece();
        }
        log.end("answered");
    };
    RunningTurn {
        id,
        pieces: pieces.boxed(),
    }
}

fn done(document: Value) -> Outcome {
    Outcome::Document(Verdict::Done, document)
}

fn refused(what: &str, details: &str) -> Outcome {
    Outcome::Document(
        Verdict::Refused,
        json!({ "error": what, "details": details }),
    )
}

fn work_in_background(agent: Agent, duration: Duration) {
    agent.health().task_began();
    tokio::spawn(async move {
        tokio::time::sleep(duration).await;
        agent.health().task_ended();
    });
}

/// One variable of the agent's environment. Credentials that the platform puts there stay inside.
fn environment(name: &str) -> Option<String> {
    if name.starts_with("AWS_") && name != "AWS_REGION" {
        return None;
    }
    std::env::var(name).ok()
}
