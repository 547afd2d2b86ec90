//! What comes behind the head of a request. What was handed over is given back to the client's window only when the next
//! piece is asked for (RFC 9113 section 5.2), so that a slow reader slows the client down.

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use std::task::{Context, Poll, Waker, ready};

/// The frames behind a head.
pub(super) struct Content {
    recv: RecvStream,
    /// What was looked at already.
    first: Bytes,
    /// Bytes taken from `recv` and not given back yet.
    held: usize,
}

impl Content {
    pub(super) fn new(recv: RecvStream) -> Self {
        Self { recv, first: Bytes::new(), held: 0 }
    }

    /// The end has come, with the head or behind it, and nothing is left to be read.
    pub(super) fn is_over(&self) -> bool {
        self.first.is_empty() && self.recv.is_end_stream()
    }

    /// The next piece, which is not empty.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        self.give_back();
        loop {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.held = data.len();
                    return Poll::Ready(Some(Ok(data)));
                }
                other => return Poll::Ready(other),
            }
        }
    }

    /// Ready once it is known whether there is any content. It is kept.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(Ok(data)) = ready!(self.poll_data(cx)) {
            self.first = data;
        }
        Poll::Ready(())
    }

    /// Whether what has come so far says that there is no content: some clients announce its end behind the head, in an empty
    /// DATA frame.
    pub(super) fn is_known_empty(&mut self) -> bool {
        let known = self.poll_first(&mut Context::from_waker(Waker::noop())).is_ready();
        known && self.is_over()
    }

    /// The trailers; a failure is told again and again.
    pub(super) fn poll_trailers(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
        self.recv.poll_trailers(cx)
    }

    fn give_back(&mut self) {
        if self.held > 0 {
            // Fails only when the stream is over, and then there is nothing to give back to.
            let _ = self.recv.flow_control().release_capacity(std::mem::take(&mut self.held));
        }
    }
}

/// Who has all that was announced does not ask once more; what it had must not stay taken from the connection's window.
impl Drop for Content {
    fn drop(&mut self) {
        self.give_back();
    }
}
