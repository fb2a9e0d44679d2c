//! `logs`: what an agent's program wrote, from the log group that AgentCore keeps of each endpoint.

mod cloudwatch;
mod seen;

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use self::cloudwatch::{Event, Group, Missing};
use self::seen::Seen;
use super::direct::session_id;
use super::target::Placed;
use super::{args, harmless, target};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{self, Output, Tone};

/// Between two looks for new lines. AWS allows few of them a second for a whole account.
const EVERY: Duration = Duration::from_secs(2);
/// After a failure that passes.
const PAUSE: Duration = Duration::from_secs(10);
/// Before the session's id in the name of a stream with a program's output: `2026/11/21/[runtime-logs-ID]UUID`.
const PROGRAM: &str = "[runtime-logs";

/// Reads a log.
pub async fn run(flags: args::Logs, context: &Context) -> Result<Outcome, Error> {
    let cluster = context.cluster().await?;
    let agent = target::named(&flags.agent, cluster).await?;
    let placed = Placed::of(&agent, cluster).await?;
    let given = flags.session.as_deref().map(session_id).transpose()?;
    let given = given.map(|id| id.as_str().to_owned());
    let wanted = Wanted {
        // An AgentSession is one session.
        session: given.or(placed.session),
        all_streams: flags.all_streams,
    };
    let name = format!(
        "/aws/bedrock-agentcore/runtimes/{}-{}",
        placed.arn.id(),
        placed.endpoint
    );
    let group = Group::new(placed.arn.region(), name).await?;
    let mut printer = Printer {
        output: context.output,
        timestamps: flags.timestamps,
        prefix: flags.prefix,
        json: flags.output.is_some(),
        printed: false,
    };
    let since = i64::try_from(flags.since.as_millis()).unwrap_or(i64::MAX);
    let mut seen = Seen::new(
        Timestamp::now()
            .as_millisecond()
            .saturating_sub(since)
            .max(0),
    );
    match read(&group, &wanted, &mut seen, flags.tail, &mut printer).await {
        Ok(()) => {}
        Err(Missing::Group) if flags.follow => {
            output::remark("no log yet: it is created with the agent's first session; waiting");
        }
        Err(Missing::Group) => {
            return Err(Error::NotFound(format!(
                "AgentCore keeps no log {} yet: it comes with the first session, as kubectl agentcore invoke begins one",
                group.name()
            )));
        }
        Err(Missing::Passing(error) | Missing::Refused(error)) => return Err(error),
    }
    if !flags.follow && !printer.printed {
        output::remark(nothing(&flags));
    }
    if flags.follow {
        follow(&group, &wanted, &mut seen, &mut printer).await?;
    }
    Ok(Outcome::Done)
}

/// Why there may be no line.
fn nothing(flags: &args::Logs) -> &'static str {
    if flags.session.is_some() {
        "no line of that session in this time: --since goes further back, and --session takes AgentCore's id, which sessions list -o wide shows"
    } else {
        "no line in this time: --since goes further back"
    }
}

/// Goes on until Ctrl-C, or until nobody reads what is written.
async fn follow(
    group: &Group,
    wanted: &Wanted,
    seen: &mut Seen,
    printer: &mut Printer,
) -> Result<(), Error> {
    let mut pause = EVERY;
    loop {
        tokio::time::sleep(pause).await;
        pause = EVERY;
        match read(group, wanted, seen, None, printer).await {
            Ok(()) | Err(Missing::Group) => {}
            Err(Missing::Passing(error)) => {
                output::remark(&format!("{error}; trying again"));
                pause = PAUSE;
            }
            Err(Missing::Refused(error)) => return Err(error),
        }
    }
}

/// Prints what is new, at most the last `tail` lines of it.
async fn read(
    group: &Group,
    wanted: &Wanted,
    seen: &mut Seen,
    tail: Option<usize>,
    printer: &mut Printer,
) -> Result<(), Missing> {
    let from = seen.advance();
    let mut next = None;
    let mut last = VecDeque::new();
    loop {
        let page = group.page(from, next).await?;
        for event in page.events {
            if !seen.is_new(&event) || !wanted.has(&event) {
                continue;
            }
            match tail {
                None => printer.print(&event).map_err(Missing::Refused)?,
                Some(most) => {
                    last.push_back(event);
                    if last.len() > most {
                        last.pop_front();
                    }
                }
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    for event in &last {
        printer.print(event).map_err(Missing::Refused)?;
    }
    Ok(())
}

/// Which events are shown. CloudWatch chooses streams by the beginning of their names, which is the day of the session's start; so
/// the choice is made here.
struct Wanted {
    session: Option<String>,
    all_streams: bool,
}

impl Wanted {
    fn has(&self, event: &Event) -> bool {
        let program = event.stream.contains(PROGRAM);
        let session = self
            .session
            .as_ref()
            .is_none_or(|id| match session(&event.stream) {
                Some(of) => of == id,
                // A stream that several sessions share: its lines say whose they are.
                None => event.message.contains(id.as_str()),
            });
        (program || self.all_streams) && session
    }
}

/// The session that a stream is of, where its name says so.
fn session(stream: &str) -> Option<&str> {
    let (_, rest) = stream.split_once(PROGRAM)?;
    let (id, _) = rest.strip_prefix('-')?.split_once(']')?;
    Some(id)
}

/// Writes events.
#[allow(clippy::struct_excessive_bools)] // flags are
struct Printer {
    output: Output,
    timestamps: bool,
    prefix: bool,
    json: bool,
    /// Whether there was anything.
    printed: bool,
}

impl Printer {
    fn print(&mut self, event: &Event) -> Result<(), Error> {
        self.printed = true;
        let at = Timestamp::from_millisecond(event.at).unwrap_or(Timestamp::UNIX_EPOCH);
        let text = if self.json {
            json!({
                "timestamp": format!("{at:.3}"),
                "session": session(&event.stream),
                "stream": event.stream,
                "message": event.message,
            })
            .to_string()
        } else {
            self.line(event, at)
        };
        // As a whole: what follows reads lines.
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{text}").and_then(|()| out.flush());
        written.map_err(|error| output::closed(&error))
    }

    fn line(&self, event: &Event, at: Timestamp) -> String {
        let mut line = String::new();
        if self.timestamps {
            let at = format!("{at:.3}");
            line.push_str(&self.output.paint.text(Tone::Dim, &at));
            line.push(' ');
        }
        if self.prefix {
            let of = session(&event.stream).unwrap_or(&event.stream);
            line.push_str(&self.output.paint.text(Tone::Dim, &harmless(of)));
            line.push(' ');
        }
        let message = event.message.trim_end_matches('\n');
        if self.output.terminal {
            line.push_str(&harmless(message));
        } else {
            line.push_str(message);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "a2c9e2d4-session-0123456789-0123456789";

    fn event(stream: &str, message: &str) -> Event {
        Event {
            id: "1".to_owned(),
            at: 1_764_000_000_123,
            stream: stream.to_owned(),
            message: message.to_owned(),
        }
    }

    fn wanted(session: Option<&str>, all_streams: bool) -> Wanted {
        Wanted {
            session: session.map(str::to_owned),
            all_streams,
        }
    }

    #[test]
    fn a_session_is_told_by_the_streams_name_or_else_by_the_line() {
        let own = format!("2026/11/21/[runtime-logs-{ID}]5b1f");
        let wanted = wanted(Some(ID), true);
        assert!(wanted.has(&event(&own, "hello")));
        let longer = format!("2026/11/21/[runtime-logs-{ID}-2]5b1f");
        assert!(!wanted.has(&event(&longer, ID)));
        assert!(wanted.has(&event("2026/11/21/[runtime-logs]5b1f", &format!("x {ID}"))));
        assert!(!wanted.has(&event("2026/11/21/[runtime-logs]5b1f", "hello")));
        assert!(wanted.has(&event(
            "otel-rt-logs",
            &format!("{{\"session.id\":\"{ID}\"}}")
        )));
    }

    #[test]
    fn what_is_no_programs_output_is_shown_on_demand() {
        for stream in ["otel-rt-logs", "spans"] {
            assert!(!wanted(None, false).has(&event(stream, "{}")), "{stream}");
            assert!(wanted(None, true).has(&event(stream, "{}")), "{stream}");
        }
        assert!(wanted(None, false).has(&event("2025/08/07/[runtime-logs]1", "x")));
    }
}
