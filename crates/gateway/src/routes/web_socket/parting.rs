//! Why a caller's WebSocket and an agent's part, and what each of them is told.

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, OpCode};

use super::frames::Peer;
use crate::answer::purse::Messages;
use crate::problem::Problem;

/// Longest reason of a close, in bytes (RFC 6455, section 5.5): a longer one is a violation of the protocol.
const REASON_MAX: usize = 123;

/// Why two sockets part.
pub struct Parting {
    /// The caller's last word.
    pub to_caller: Option<Frame>,
    /// The agent's.
    pub to_agent: Option<Frame>,
    /// Which of them had its last word already.
    pub heard: Option<Peer>,
    /// What the log says, unless it was an orderly close.
    pub failure: Option<(&'static str, String)>,
}

impl Parting {
    /// Both are told this.
    pub fn with(code: CloseCode, reason: &str, failure: Option<(&'static str, String)>) -> Self {
        let end = reason.floor_char_boundary(REASON_MAX);
        let frame = Frame::close(Some(CloseFrame {
            code,
            reason: reason[..end].to_owned().into(),
        }));
        Self {
            to_caller: Some(frame.clone()),
            to_agent: Some(frame),
            heard: None,
            failure,
        }
    }

    /// One side closes: the other is told so, and itself that it was heard.
    pub fn closed(by: Peer, frame: Frame) -> Self {
        let code = frame.payload().first_chunk().copied();
        // So it is told when the agent died; other codes are for caller and agent to understand.
        let died = by == Peer::Server && code == Some(u16::from(CloseCode::Error).to_be_bytes());
        let failure = died.then(|| {
            let reason = String::from_utf8_lossy(frame.payload().get(2..).unwrap_or_default());
            let detail = format!("the agent's WebSocket broke off: {reason}");
            ("UpstreamBrokeOff", detail)
        });
        Self {
            to_caller: Some(frame.clone()),
            to_agent: Some(frame),
            heard: Some(by),
            failure,
        }
    }
}

/// Whether a frame is this one.
pub fn is(frame: &Frame, control: Control) -> bool {
    frame.header().opcode == OpCode::Control(control)
}

/// Whether a frame is a close.
pub fn is_close(frame: &Frame) -> bool {
    is(frame, Control::Close)
}

/// There was no room for a frame: both sides learn it.
pub fn over_share(reading: &Messages) -> Option<Parting> {
    let problem = Problem::from(reading.full()?);
    let failure = Some((problem.reason, problem.detail.clone()));
    Some(Parting::with(CloseCode::Again, &problem.detail, failure))
}

/// The caller learns that what it got is not whole.
pub fn agent_gone(error: &str) -> Parting {
    let detail = format!("the agent's WebSocket broke off: {error}");
    Parting {
        to_agent: None,
        ..Parting::with(
            CloseCode::Error,
            "the agent's WebSocket broke off",
            Some(("UpstreamBrokeOff", detail)),
        )
    }
}

/// The agent learns that nobody is there any more.
pub fn caller_gone(error: &str) -> Parting {
    let detail = format!("the caller's WebSocket broke off: {error}");
    Parting {
        to_caller: None,
        ..Parting::with(
            CloseCode::Away,
            "the caller went away",
            Some(("CallerGone", detail)),
        )
    }
}
