//! `chat`: one conversation, in one session.

mod editor;
mod turn;

use std::io::IsTerminal as _;

use futures::TryStreamExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::editor::{Editor, Line};
use self::turn::Speaker;
use super::direct::session_id;
use super::interrupt::Claim;
use super::way::Way;
use super::{args, aside, harmless, target};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Outcome;
use crate::output::{self, Output};

/// Talks until there is nothing more to say.
pub async fn run(flags: args::Chat, context: &Context) -> Result<Outcome, Error> {
    let session = flags.session.as_deref().map(session_id).transpose()?;
    let agent = target::named(&flags.agent, context.cluster().await?).await?;
    let way = Way::to(&agent, &flags.way, context).await?;
    let mut speaker = Speaker::new(way, flags.transport, session);
    let screen = Screen {
        output: context.output,
    };
    if let Some(prompt) = &flags.once {
        return screen.turn(&mut speaker, prompt).await;
    }
    let by_hand = std::io::stdin().is_terminal();
    if by_hand
        && flags
            .way
            .token
            .as_deref()
            .is_some_and(|file| file.as_os_str() == "-")
    {
        return Err(Error::Usage(
            "standard input is the token already: give it by --token FILE to talk yourself"
                .to_owned(),
        ));
    }
    if by_hand && context.output.terminal {
        screen.dim(&format!(
            "{agent}: Ctrl-C stops an answer, Ctrl-D ends the chat"
        ));
        let ended = converse(&screen, &mut speaker).await;
        if let Some(session) = speaker.session() {
            screen.dim(&format!("go on with: {}", again(session.as_str())));
        }
        return ended;
    }
    piped(&screen, &mut speaker).await
}

/// One prompt a line, until the end of standard input or the first failure.
async fn piped(screen: &Screen, speaker: &mut Speaker) -> Result<Outcome, Error> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let line = lines.next_line().await;
        let line =
            line.map_err(|error| Error::Usage(format!("standard input cannot be read: {error}")))?;
        match line {
            None => return Ok(Outcome::Done),
            Some(line) if line.trim().is_empty() => {}
            Some(line) => {
                screen.turn(speaker, &line).await?;
            }
        }
    }
}

/// A person's conversation. What fails is said, and the next line may be better.
async fn converse(screen: &Screen, speaker: &mut Speaker) -> Result<Outcome, Error> {
    let _claim = Claim::new();
    let mut editor = Editor::new()?;
    loop {
        let (line, back) = editor.read().await?;
        editor = back;
        let prompt = match line {
            Line::Text(text) => text,
            Line::Nothing => continue,
            Line::Interrupted => {
                screen.dim("Ctrl-D ends the chat");
                continue;
            }
            Line::End => return Ok(Outcome::Done),
        };
        let turn = async {
            tokio::select! {
                turn = screen.turn(speaker, &prompt) => Some(turn),
                _ = tokio::signal::ctrl_c() => None,
            }
        };
        match turn.await {
            Some(Ok(_)) => {}
            Some(Err(Error::Closed)) => return Err(Error::Closed),
            Some(Err(error)) => output::complain(&error),
            None => {
                // The terminal has written ^C behind what was there.
                screen.output.line("")?;
                screen.dim("stopped");
            }
        }
    }
}

/// Where a conversation is shown.
struct Screen {
    output: Output,
}

impl Screen {
    /// Says something and prints the answer as it comes, then ends the line.
    async fn turn(&self, speaker: &mut Speaker, prompt: &str) -> Result<Outcome, Error> {
        let mut turn = speaker.say(prompt).await?;
        if turn.begun_anew {
            self.dim("started a new session: the agent does not remember the conversation so far");
        }
        let mut ended = true;
        let read = loop {
            match turn.pieces.try_next().await {
                Ok(Some(piece)) => {
                    let piece = if self.output.terminal {
                        harmless(&piece)
                    } else {
                        piece
                    };
                    if !piece.is_empty() {
                        ended = piece.ends_with('\n');
                        self.output.print(&piece)?;
                    }
                }
                Ok(None) => break Ok(Outcome::Done),
                Err(error) => break Err(error),
            }
        };
        if !ended {
            self.output.line("")?;
        }
        read
    }

    /// A word about the conversation that is no part of it.
    fn dim(&self, text: &str) {
        aside(self.output, text);
    }
}

/// The command line that goes on with this conversation.
fn again(session: &str) -> String {
    let mut words = vec!["kubectl".to_owned(), "agentcore".to_owned()];
    let mut given = std::env::args().skip(1);
    while let Some(word) = given.next() {
        if word == "--session" {
            given.next();
        } else if !word.starts_with("--session=") {
            words.push(quoted(&word));
        }
    }
    words.extend(["--session".to_owned(), session.to_owned()]);
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("--token=/a/b"), "--token=/a/b");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
