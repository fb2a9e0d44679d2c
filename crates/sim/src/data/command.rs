//! InvokeAgentRuntimeCommand: a shell command beside the agent of a session, and what it writes as a stream of events.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::process::Shell;
use super::session::InUse;
use super::{access, agent};
use crate::request::Call;
use crate::state::world::App;
use crate::wire::errors::ApiError;
use crate::wire::events::event;

/// Longest command, in bytes.
const COMMAND_MAX: usize = 65_536;
/// Seconds that a command may take where nothing is given, and at most.
const SECONDS: (u64, u64) = (300, 3_600);
/// Most bytes of output in one event.
const PIECE: usize = 8 << 10;
/// Events that wait for the caller to read them; then the command waits, too.
const WAITING: usize = 16;
/// Exit code of a command that has none of its own.
const NO_CODE: i32 = -1;

#[derive(Deserialize)]
struct Wish {
    command: String,
    timeout: Option<u64>,
}

/// Answers the operation.
///
/// # Errors
/// What the service refuses; `RuntimeClientError` for an agent that does not start.
pub async fn handle(app: &Arc<App>, call: Call) -> Result<Response, ApiError> {
    let given = access::session_id(&call)?;
    let wish: Wish = serde_json::from_slice(&call.body).map_err(|error| {
        ApiError::validation(format!("the body is not as it should be: {error}"))
    })?;
    if !(1..=COMMAND_MAX).contains(&wish.command.len()) {
        let text = format!("Member must have length between 1 and {COMMAND_MAX}");
        return Err(ApiError::field("command", text));
    }
    let seconds = wish.timeout.unwrap_or(SECONDS.0);
    if !(1..=SECONDS.1).contains(&seconds) {
        let text = format!("Member must be between 1 and {}", SECONDS.1);
        return Err(ApiError::field("timeout", text));
    }
    let target = access::invoked(app, &call)?;
    let settings = app.settings();
    let id = given.unwrap_or_else(access::new_id);
    let id_header = agent::id_header(&id)?;
    let in_use = agent::enter(app, &call, target, &id, &settings)?;
    in_use.session().ready().await?;
    let shell = Shell::start(app, in_use.session(), &wish.command)
        .map_err(|error| ApiError::new("InternalServerException", format!("no shell: {error}")))?;
    let (events, read) = mpsc::channel(WAITING);
    tokio::spawn(follow(shell, in_use, Duration::from_secs(seconds), events));
    let body = ReceiverStream::new(read);
    let body = futures::StreamExt::map(body, Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.amazon.eventstream"),
    );
    headers.insert(access::SESSION_HEADER, id_header);
    Ok(response)
}

/// Tells what the command does until its end. It ends with its time, its session, and whoever reads of it.
async fn follow(mut shell: Shell, in_use: InUse, limit: Duration, events: mpsc::Sender<Bytes>) {
    let (stdout, stderr) = shell.outputs();
    let told = async {
        tell(&events, &json!({ "contentStart": {} })).await;
        tokio::join!(
            pass_on(stdout, "stdout", &events),
            pass_on(stderr, "stderr", &events)
        );
        shell.code().await.unwrap_or(NO_CODE)
    };
    let (code, status) = tokio::select! {
        code = told => (code, "COMPLETED"),
        () = tokio::time::sleep(limit) => (NO_CODE, "TIMED_OUT"),
        _ = in_use.session().asked_to_end() => (NO_CODE, "COMPLETED"),
        () = events.closed() => return,
    };
    drop(shell);
    let stop = json!({ "contentStop": { "exitCode": code, "status": status } });
    tell(&events, &stop).await;
}

/// Passes on what comes, in whole characters.
async fn pass_on(output: Option<impl AsyncRead + Unpin>, name: &str, events: &mpsc::Sender<Bytes>) {
    let Some(mut output) = output else { return };
    let (mut held, mut piece) = (Vec::new(), vec![0; PIECE]);
    while let Ok(count @ 1..) = output.read(&mut piece).await {
        held.extend_from_slice(&piece[..count]);
        let whole = whole(&held);
        let text = String::from_utf8_lossy(&held[..whole]).into_owned();
        held.drain(..whole);
        tell(events, &json!({ "contentDelta": { name: text } })).await;
    }
    if !held.is_empty() {
        let text = String::from_utf8_lossy(&held).into_owned();
        tell(events, &json!({ "contentDelta": { name: text } })).await;
    }
}

/// How many bytes there are before a character that has begun and not ended.
fn whole(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

async fn tell(events: &mpsc::Sender<Bytes>, chunk: &Value) {
    // Where nobody reads any more, the command ends.
    let _ = events.send(event("chunk", chunk).into()).await;
}
