//! The request body of a stream, pulled by the service.

use super::content::Content;
use super::message::received_trailers;
use crate::FrontLimits;
use crate::link::Link;
use crate::timer::Timer;
use bytes::Bytes;
use futures_core::Stream;
use millpond_exchange::{BodyError, BodyErrorKind, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

type Piece = Option<Result<Frame, BodyError>>;

/// Usable from any task.
pub(super) struct StreamBody {
    content: Content,
    link: Arc<Link>,
    /// The client waits for a 100 before it sends (RFC 9110 section 10.1.1).
    waits_for_continue: bool,
    at: At,
    trailer_fields: usize,
    trailer_bytes: usize,
    timeout: Duration,
    deadline: Option<Instant>,
    timer: Timer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Data,
    Trailers,
    Over,
}

impl StreamBody {
    pub(super) fn new(
        content: Content,
        link: Arc<Link>,
        waits_for_continue: bool,
        limits: &FrontLimits,
    ) -> Self {
        Self {
            content,
            link,
            waits_for_continue,
            at: At::Data,
            trailer_fields: limits.fields,
            trailer_bytes: limits.trailer_bytes,
            timeout: limits.body_read_timeout,
            deadline: None,
            timer: Timer::default(),
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.content.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => Poll::Ready(Some(Ok(self.data(data)))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.fail(&error)))),
            Poll::Ready(None) => {
                self.at = At::Trailers;
                self.poll_trailers(cx)
            }
            Poll::Pending => self.poll_wait(cx),
        }
    }

    fn data(&mut self, data: Bytes) -> Frame {
        self.deadline = None;
        self.waits_for_continue = false;
        Frame::Data(data)
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.content.poll_trailers(cx) {
            Poll::Ready(Ok(map)) => {
                self.at = At::Over;
                let Some(map) = map else { return Poll::Ready(None) };
                let bytes: usize =
                    map.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
                if map.len() > self.trailer_fields || bytes > self.trailer_bytes {
                    let error =
                        BodyError::new(BodyErrorKind::Malformed, "the client's trailers are too large");
                    return Poll::Ready(Some(Err(error)));
                }
                let fields = received_trailers(&map);
                Poll::Ready((!fields.is_empty()).then_some(Ok(Frame::Trailers(fields))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(self.fail(&error)))),
            Poll::Pending => self.poll_wait(cx),
        }
    }

    /// Nothing has come.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if std::mem::take(&mut self.waits_for_continue) {
            // Too late, or sent already: then the client knows what it needs to.
            let _ = self.link.push_interim(b"HTTP/1.1 100 Continue\r\n\r\n", true);
        }
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.timeout);
        if self.timer.poll(cx, deadline).is_pending() {
            return Poll::Pending;
        }
        self.at = At::Over;
        let error = BodyError::new(BodyErrorKind::Timeout, "the client stopped sending its body");
        Poll::Ready(Some(Err(error)))
    }

    fn fail(&mut self, error: &h2::Error) -> BodyError {
        self.at = At::Over;
        if error.is_library() {
            BodyError::new(BodyErrorKind::Malformed, "the client's request body is not valid")
        } else {
            BodyError::new(BodyErrorKind::Cut, "the client gave its request up before the body ended")
        }
    }
}

impl Stream for StreamBody {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.at {
            At::Data => self.poll_data(cx),
            At::Trailers => self.poll_trailers(cx),
            At::Over => Poll::Ready(None),
        }
    }
}
