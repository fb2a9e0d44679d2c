//! Reads what a session's program writes: into the session's file as it is, and line by line into its log group.

use std::fs::OpenOptions;
use std::io::{self, PipeWriter, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::data::session::Session;
use crate::state::world::App;

/// Longest line, in bytes; a longer one becomes several.
const LINE_MAX: usize = 256 << 10;
/// How long the last words of a program that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The reader of one session's output.
#[derive(Debug)]
pub struct Capture(Option<JoinHandle<()>>);

impl Capture {
    /// Begins to read; the program's standard output and standard error are to be this pipe. It ends when nobody can write to it any more.
    ///
    /// # Errors
    /// When there is no pipe.
    pub fn start(app: Arc<App>, session: &Session) -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let copy = Copy {
            app,
            place: session.place.clone(),
            group: group_of(session),
            stream: stream_of(session),
            line: Vec::new(),
        };
        let log = session.log.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = copy.run(reader, &log).await {
                tracing::warn!(%error, "cannot keep a session's output");
            }
        });
        Ok((Self(Some(task)), writer))
    }

    /// Waits until everything is read that was written. Something that the program left running may hold the pipe: that is not waited
    /// for, and not read any more.
    pub async fn end(&mut self) {
        if let Some(mut task) = self.0.take()
            && timeout(LAST_WORDS, &mut task).await.is_err()
        {
            task.abort();
        }
    }
}

/// `/aws/bedrock-agentcore/runtimes/ID-ENDPOINT`.
fn group_of(session: &Session) -> String {
    let arn = &session.key.runtime_arn;
    let id = arn.rsplit('/').next().unwrap_or(arn);
    format!(
        "/aws/bedrock-agentcore/runtimes/{id}-{}",
        session.key.endpoint
    )
}

/// `YYYY/MM/DD/[runtime-logs-SESSION]UUID`, by the day of the session's start.
fn stream_of(session: &Session) -> String {
    let day = session.started_at.strftime("%Y/%m/%d");
    let id = &session.key.id;
    format!("{day}/[runtime-logs-{id}]{}", uuid::Uuid::new_v4())
}

struct Copy {
    app: Arc<App>,
    place: (String, String),
    group: String,
    stream: String,
    line: Vec<u8>,
}

impl Copy {
    async fn run(mut self, mut reader: Receiver, log: &std::path::Path) -> io::Result<()> {
        let mut buffer = vec![0; 8 << 10];
        loop {
            let length = reader.read(&mut buffer).await?;
            let Some(piece) = buffer.get(..length).filter(|piece| !piece.is_empty()) else {
                break;
            };
            // Opened for each piece, so that a thousand sessions do not hold a thousand files.
            OpenOptions::new()
                .append(true)
                .open(log)?
                .write_all(piece)?;
            self.lines(piece);
        }
        self.end_line();
        Ok(())
    }

    fn lines(&mut self, piece: &[u8]) {
        for &byte in piece {
            if byte == b'\n' {
                self.end_line();
                continue;
            }
            if self.line.len() == LINE_MAX {
                self.end_line();
            }
            self.line.push(byte);
        }
    }

    /// CloudWatch takes no empty events: what sends them leaves them out.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        if !text.is_empty() {
            let place = (self.place.0.as_str(), self.place.1.as_str());
            let now = self.app.now();
            self.app
                .logs
                .write(place, &self.group, &self.stream, now, text);
        }
    }
}
