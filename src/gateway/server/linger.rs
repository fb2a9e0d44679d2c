//! The end of a connection: what its peer still sends is read and dropped for a while.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a peer may go on sending after the last answer, and how long it may be silent meanwhile. A socket that is closed with
/// unread bytes in it takes the answer with it, and many clients read a refusal only once they have sent their whole body.
const LINGER: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(2));

/// Reads what nobody wants any more.
pub(super) struct Lingering {
    end: Instant,
    silence: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new() -> Self {
        let (whole, silence) = LINGER;
        Self {
            end: Instant::now() + whole,
            silence: Box::pin(tokio::time::sleep(silence)),
        }
    }

    /// Ready when the peer has closed too, or has had its time.
    pub(super) fn poll(
        &mut self,
        inner: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut inner = inner;
        let mut scratch = [MaybeUninit::uninit(); 8 << 10];
        loop {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match inner.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => return self.silence.as_mut().poll(cx),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
            let now = Instant::now();
            if now >= self.end {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(self.end.min(now + LINGER.1));
        }
    }
}
