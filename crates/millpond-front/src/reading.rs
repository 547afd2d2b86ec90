//! Reading the next request head off the connection.

use crate::connection::Connection;
use crate::head::{self, Facts, Scan, Scanner};
use crate::http2::PREFACE;
use crate::workspace::Workspace;
use crate::{ConnectionEnd, Refusal, Transport};
use bytes::Buf as _;
use millpond_exchange::Scheme;
use millpond_exchange::is_token_byte;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// Why there is no next request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum HeadEnd {
    Refused(Refusal),
    Ended(ConnectionEnd),
    /// The client speaks HTTP/2; what was read is still there.
    Http2,
}

impl From<Refusal> for HeadEnd {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A head on its way in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    scanner: Scanner,
    /// The empty line that RFC 9112 section 2.2 lets a client send before a request was there.
    skipped: bool,
    /// Set once the head has begun.
    deadline: Option<Instant>,
}

impl<IO: Transport> Connection<IO> {
    /// The next request, read into the workspace.
    pub(crate) fn poll_request(
        &mut self,
        reading: &mut Reading,
        scheme: Scheme,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Facts, HeadEnd>> {
        loop {
            match self.look(reading, scheme) {
                Ok(None) => {}
                Ok(Some(facts)) => return Poll::Ready(Ok(facts)),
                Err(end) => return Poll::Ready(Err(end)),
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(HeadEnd::Ended(ConnectionEnd::ClientClosed))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(HeadEnd::Ended(ConnectionEnd::Cut))),
                Poll::Pending => return Poll::Ready(Err(ready!(self.poll_waiting(reading, cx)))),
            }
        }
    }

    /// Nothing to read now: wait, unless there was enough of it.
    fn poll_waiting(&mut self, reading: &mut Reading, cx: &mut Context<'_>) -> Poll<HeadEnd> {
        if self.workspace.as_ref().is_some_and(|ws| !ws.input.is_empty()) {
            let deadline = *reading.deadline.get_or_insert_with(|| Instant::now() + self.limits.head_timeout);
            ready!(self.timer.poll(cx, deadline));
            return Poll::Ready(HeadEnd::Refused(Refusal::HeadTimeout));
        }
        self.workspace.take().into_iter().for_each(Workspace::give);
        if self.drain.poll_draining(cx) {
            return Poll::Ready(HeadEnd::Ended(ConnectionEnd::Drained));
        }
        ready!(self.timer.poll(cx, self.idle_since + self.limits.idle_timeout));
        Poll::Ready(HeadEnd::Ended(ConnectionEnd::Idle))
    }

    /// Looks at what has been read: the request when its head is complete.
    fn look(&mut self, reading: &mut Reading, scheme: Scheme) -> Result<Option<Facts>, HeadEnd> {
        let first_request = self.is_first_request();
        let Some(workspace) = self.workspace.as_mut() else { return Ok(None) };
        let Workspace { input, request } = &mut **workspace;
        // RFC 9113 section 3.3: a client that knows already begins with HTTP/2's preface.
        if first_request && !reading.skipped && input.first() == PREFACE.first() {
            if input.starts_with(PREFACE) {
                return Err(HeadEnd::Http2);
            }
            if PREFACE.starts_with(input) {
                return Ok(None);
            }
        }
        if !reading.skipped && input.starts_with(b"\r\n") {
            input.advance(2);
            *reading = Reading { skipped: true, ..Reading::default() };
        }
        let Some(first) = input.first() else { return Ok(None) };
        match reading.scanner.scan(input)? {
            Scan::Complete(end) if end <= self.limits.head_bytes => {
                let facts = head::parse(&input[..end], &self.limits, scheme, request)?;
                input.advance(end);
                request.received = Instant::now();
                Ok(Some(facts))
            }
            Scan::Complete(_) => Err(Refusal::HeadTooLarge.into()),
            // Told at once to whoever speaks another protocol here, TLS for instance.
            Scan::Partial if !is_token_byte(*first) && *first != b'\r' => Err(Refusal::RequestLine.into()),
            Scan::Partial if input.len() < self.limits.head_bytes => Ok(None),
            Scan::Partial if reading.scanner.past_first_line() => Err(Refusal::HeadTooLarge.into()),
            Scan::Partial => Err(Refusal::TargetTooLong.into()),
        }
    }
}
