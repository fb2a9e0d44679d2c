//! `invoke`: bytes in, bytes out.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use agentcore_invoke::SESSION_HEADER;
use agentcore_invoke::sse::{Decoder, Event};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

use super::direct::session_id;
use super::gateway::problem::Problem;
use super::way::{Answer, Way};
use super::{args, aside, target};
use crate::context::{Context, causes};
use crate::error::Error;
use crate::exit::Outcome;
use crate::output;

/// A stream of events, as a content type.
const EVENTS: &str = "text/event-stream";
/// Largest event that is looked into.
const EVENT_MAX: usize = 10_000_000;

/// Sends one request and prints the answer as it comes.
pub async fn run(flags: args::Invoke, context: &Context) -> Result<Outcome, Error> {
    let session = flags.session.as_deref().map(session_id).transpose()?;
    let accept = if flags.stream { EVENTS } else { &flags.accept };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, header("--content-type", &flags.content_type)?);
    headers.insert(ACCEPT, header("--accept", accept)?);
    let from_input = |file: &Option<PathBuf>| file.as_deref() == Some(Path::new("-"));
    let payload = payload(
        flags.payload,
        flags.file.as_deref(),
        from_input(&flags.way.token),
    )
    .await?;
    let agent = target::named(&flags.agent, context.cluster().await?).await?;
    let way = Way::to(&agent, &flags.way, context).await?;
    let answer = way.invoke(headers, session.as_ref(), payload).await?;
    let began = answer.headers.get(SESSION_HEADER).cloned();
    let outcome = print(answer, flags.include).await;
    // Not for programs: they have the header, by -i.
    if session.is_none()
        && let Some(id) = began.as_ref().and_then(|id| id.to_str().ok())
    {
        aside(context.output, &format!("session {id}"));
    }
    outcome
}

fn header(flag: &str, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value)
        .map_err(|_| Error::Usage(format!("{flag} {value:?} cannot be a header")))
}

/// What is sent.
async fn payload(
    given: Option<String>,
    file: Option<&Path>,
    input_is_taken: bool,
) -> Result<Bytes, Error> {
    match (given, file) {
        (Some(text), _) if text != "-" => Ok(text.into()),
        (None, Some(file)) if file != Path::new("-") => {
            let read = tokio::fs::read(file).await;
            let read = read.map_err(|error| {
                let file = file.display();
                Error::Usage(format!("the payload in {file} cannot be read: {error}"))
            })?;
            Ok(read.into())
        }
        (given, file) => {
            if input_is_taken {
                return Err(Error::Usage(
                    "standard input is the token already: give the payload by --file or as an argument".to_owned(),
                ));
            }
            let asked_for = given.is_some() || file.is_some();
            if !asked_for && std::io::stdin().is_terminal() {
                return Err(Error::Usage(
                    "missing payload: pass it as an argument such as '{\"prompt\": \"Hello\"}', by --file, or on standard input"
                        .to_owned(),
                ));
            }
            let mut bytes = Vec::new();
            let read = tokio::io::stdin().read_to_end(&mut bytes).await;
            read.map_err(|error| {
                Error::Usage(format!(
                    "the payload cannot be read from standard input: {error}"
                ))
            })?;
            Ok(bytes.into())
        }
    }
}

async fn print(answer: Answer, include: bool) -> Result<Outcome, Error> {
    let Answer {
        status,
        headers,
        mut body,
    } = answer;
    let mut out = Out::default();
    if include {
        out.write(format!("HTTP {status}\n").as_bytes())?;
        for (name, value) in &headers {
            out.write(name.as_str().as_bytes())?;
            out.write(b": ")?;
            out.write(value.as_bytes())?;
            out.write(b"\n")?;
        }
        out.write(b"\n")?;
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let mut events = kind
        .is_some_and(|kind| kind.starts_with(EVENTS))
        .then(|| Decoder::new(EVENT_MAX));
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Error::Failed(format!("the answer broke off: {}", causes(&error))))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        out.write(&piece)?;
        broken_off(&mut events, &piece)?;
    }
    out.end()?;
    if status.is_success() {
        return Ok(Outcome::Done);
    }
    output::remark(&format!("the agent answers {status}"));
    Ok(Outcome::Failed)
}

/// A stream that the gateway had to end says so in its last event.
fn broken_off(events: &mut Option<Decoder>, piece: &[u8]) -> Result<(), Error> {
    let Some(decoder) = events else {
        return Ok(());
    };
    let mut found = Vec::new();
    if decoder.feed(piece, &mut found).is_err() {
        // It is printed all the same.
        *events = None;
    }
    let problem = found.into_iter().find_map(problem);
    problem.map_or(Ok(()), |problem| Err(problem.into()))
}

/// The problem that an event tells: by its name, or in the protocol of the agent.
fn problem(event: Event) -> Option<Problem> {
    let of = |text: String| Problem::of(&HeaderMap::new(), &text.into());
    if event.event.as_deref() == Some("error") {
        return of(event.data);
    }
    if !event.data.contains(r#""reason""#) {
        return None;
    }
    let said: Value = serde_json::from_str(&event.data).ok()?;
    let told = match said["type"].as_str() {
        Some("RUN_ERROR") => &said["rawEvent"],
        _ => &said["error"]["data"],
    };
    told["reason"].as_str()?;
    of(told.to_string())
}

/// Standard output, piece by piece.
#[derive(Default)]
struct Out {
    last: Option<u8>,
}

impl Out {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let mut out = std::io::stdout().lock();
        let written = out.write_all(piece).and_then(|()| out.flush());
        self.last = piece.last().copied().or(self.last);
        written.map_err(|error| output::closed(&error))
    }

    /// Puts the shell's prompt on a line of its own; what is piped stays as it is.
    fn end(mut self) -> Result<(), Error> {
        if std::io::stdout().is_terminal() && self.last.is_some_and(|last| last != b'\n') {
            self.write(b"\n")?;
        }
        Ok(())
    }
}
