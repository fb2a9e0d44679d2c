//! A turn: the answer to a prompt, made piece by piece.
//!
//! The answer is the prompt itself, cut into pieces of a few words: put together again they are the
//! prompt byte for byte, so that whatever stands between caller and agent can be checked.

use std::time::Instant;

use futures::stream::Stream;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::request::{Mishap, Turn};

/// Words in one piece.
const WORDS: usize = 3;

/// The error of a turn that was asked to fail.
#[derive(Debug)]
pub struct TurnFailed;

impl TurnFailed {
    /// What the caller is told.
    pub const MESSAGE: &'static str = "the turn failed as asked";
    /// The error's name in the last event of a broken stream.
    const TYPE: &'static str = "TurnFailed";
}

/// The last event of a broken stream.
impl Serialize for TurnFailed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("TurnFailed", 3)?;
        event.serialize_field("error", Self::MESSAGE)?;
        event.serialize_field("error_type", Self::TYPE)?;
        event.serialize_field("message", "An error occurred during streaming")?;
        event.end()
    }
}

/// The pieces of the answer, each as soon as it is made; an error is the last item.
pub fn pieces(turn: Turn) -> impl Stream<Item = Result<String, TurnFailed>> + Send + 'static {
    async_stream::stream! {
        let cut = cut(&turn.prompt);
        let total = turn.chunks.unwrap_or(cut.len());
        for at in 0..=total {
            match turn.mishap {
                Some(Mishap::Fail(after)) if at == after.min(total) => {
                    yield Err(TurnFailed);
                    return;
                }
                Some(Mishap::Crash(after)) if at == after.min(total) => crash(),
                _ => {}
            }
            if at == total {
                return;
            }
            yield Ok(cut[at % cut.len()].to_owned());
            if turn.delay.is_zero() {
                // Without a pause a long answer would be written in one go, and hold up its neighbours.
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(turn.delay).await;
            }
        }
    }
}

/// Ends the process as an agent does that dies of a bug.
pub fn crash() -> ! {
    tracing::error!("crashing as asked");
    std::process::exit(1)
}

/// Cuts a text behind every third word; white space stays with the word before it. Never empty.
fn cut(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut words = 0;
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        let begins_word = !character.is_whitespace() && !in_word;
        if begins_word {
            if words == WORDS {
                pieces.push(&text[start..at]);
                start = at;
                words = 0;
            }
            words += 1;
        }
        in_word = !character.is_whitespace();
    }
    pieces.push(&text[start..]);
    pieces
}

/// One line in the log for each turn, however it ends: also when the caller goes away in the middle.
pub struct TurnLog {
    began: Instant,
    session: String,
    turn: u64,
    prompt_bytes: usize,
    pieces: u64,
    outcome: &'static str,
}

impl TurnLog {
    /// Begins a turn's record. The prompt's length is kept, the prompt is not.
    pub fn new(session: &str, turn: u64, prompt: &str) -> Self {
        Self {
            began: Instant::now(),
            session: session.to_owned(),
            turn,
            prompt_bytes: prompt.len(),
            pieces: 0,
            outcome: "cancelled",
        }
    }

    /// Counts a piece that was handed on.
    pub fn piece(&mut self) {
        self.pieces += 1;
    }

    /// The turn ended by itself.
    pub fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for TurnLog {
    fn drop(&mut self) {
        tracing::info!(
            session = self.session,
            turn = self.turn,
            prompt_bytes = self.prompt_bytes,
            pieces = self.pieces,
            seconds = self.began.elapsed().as_secs_f64(),
            outcome = self.outcome,
            "turn"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        for text in [
            "",
            "   ",
            "one",
            " a  b\n\nc d\te f g ",
            "```rust\nfn é() {}\n```\n",
            "ä ö ü ß",
        ] {
            assert_eq!(cut(text).concat(), text);
        }
    }

    #[test]
    fn a_piece_has_at_most_three_words() {
        assert_eq!(cut("a b c d e f g"), ["a b c ", "d e f ", "g"]);
        assert_eq!(cut(""), [""]);
    }
}
