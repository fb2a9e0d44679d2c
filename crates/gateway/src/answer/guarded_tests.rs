//! Answers that are ended while somebody reads them, or while nobody does.

use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, oneshot};

use super::*;

/// Longer than anything here takes.
const DEADLINE: std::time::Duration = std::time::Duration::from_mins(1);

/// What a test gives.
struct Given {
    pieces: mpsc::UnboundedReceiver<Bytes>,
    /// Whether the caller can be told.
    events: bool,
    passed: usize,
    /// Dropped with the source.
    _held: oneshot::Sender<()>,
}

impl Source for Given {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Problem>>> {
        let piece = ready!(self.pieces.poll_recv(context));
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }

    fn passed(&mut self, piece: &Bytes) {
        self.passed += piece.len();
    }

    fn ended(&mut self) {}

    fn broke_off(&mut self, problem: &Problem) -> LastWords {
        if self.events {
            LastWords::Bytes(format!("after {}", self.passed).into())
        } else {
            LastWords::None(problem.reason)
        }
    }
}

/// A body, what its pieces are sent by, what ends it, and what is told once nothing is held any more.
struct Stage {
    body: AxumBody,
    pieces: mpsc::UnboundedSender<Bytes>,
    end: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

async fn stage(events: bool) -> Stage {
    let (pieces, given) = mpsc::unbounded_channel();
    let (held, gone) = oneshot::channel();
    let (end, ends) = oneshot::channel();
    let source = Given {
        pieces: given,
        events,
        passed: 0,
        _held: held,
    };
    let watchdog = Watchdog::Awake(Box::pin(async move {
        match ends.await {
            Ok(()) => Problem::new(StatusCode::FORBIDDEN, "Forbidden", "no more"),
            Err(_) => std::future::pending().await,
        }
    }));
    Stage {
        body: Guarded::body(source, watchdog).await,
        pieces,
        end,
        gone,
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("in time")
}

async fn next(body: &mut AxumBody) -> Option<Result<Bytes, axum::Error>> {
    let frame = soon(body.frame()).await?;
    Some(frame.map(|frame| frame.into_data().expect("data")))
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_let_go_when_its_right_ends() {
    let Stage {
        mut body,
        pieces,
        end,
        gone,
    } = stage(true).await;
    pieces.send("first".into()).expect("open");
    assert_eq!(next(&mut body).await.expect("more").expect("good"), "first");
    // A full connection: from here on nobody asks for more, until long after the end.
    for _ in 0..1_000 {
        pieces.send("more".into()).expect("open");
    }
    end.send(()).expect("watched");
    soon(gone).await.expect_err("what it held is dropped");
    assert!(pieces.is_closed(), "the agent is not read any more");
    let last = next(&mut body).await.expect("last words").expect("good");
    assert_eq!(last, "after 5");
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_large_piece_goes_out_in_small_ones_and_what_is_left_of_it_is_cut_too() {
    let Stage {
        mut body,
        pieces,
        end,
        gone,
    } = stage(true).await;
    pieces.send(vec![b'x'; 1 << 20].into()).expect("open");
    for _ in 0..3 {
        let piece = next(&mut body).await.expect("more").expect("good");
        assert_eq!(piece.len(), PIECE);
    }
    end.send(()).expect("watched");
    soon(gone).await.expect_err("what it held is dropped");
    let last = next(&mut body).await.expect("last words").expect("good");
    assert_eq!(last, format!("after {}", 3 * PIECE));
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn whoever_waits_for_more_is_told_of_the_end() {
    for events in [true, false] {
        let Stage {
            mut body,
            pieces,
            end,
            gone,
        } = stage(events).await;
        let reading = next(&mut body);
        let ending = async {
            tokio::task::yield_now().await;
            end.send(()).expect("watched");
        };
        let (last, ()) = tokio::join!(reading, ending);
        assert_eq!(last.expect("an end").is_ok(), events);
        soon(gone).await.expect_err("what it held is dropped");
        assert!(next(&mut body).await.is_none());
        drop(pieces);
    }
}

#[tokio::test]
async fn an_answer_that_its_caller_left_is_let_go() {
    let Stage { body, gone, .. } = stage(true).await;
    drop(body);
    soon(gone).await.expect_err("what it held is dropped");
}
