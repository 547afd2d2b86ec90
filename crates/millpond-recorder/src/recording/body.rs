//! The content of a response while it passes.

use super::{Recording, told};
use crate::writer::Done;
use bytes::Bytes;
use futures_core::Stream;
use millpond_exchange::{BodyError, BodyErrorKind, BodyStream, Fields, Frame};
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Passes a response's content on. What completes it for the client, the last piece where the length is known and else the
/// end, waits until the exchange is on the tape: whatever happens to this process then, no client has an answer that the
/// tape has not.
pub(super) struct Passing {
    inner: BodyStream,
    recording: Option<Recording>,
    /// Bytes of the announced length that are yet to come.
    left: Option<u64>,
    /// The piece that completes the content.
    last: Option<Bytes>,
    trailers: Option<Fields>,
    stage: Stage,
}

enum Stage {
    Passing,
    /// The writer has the exchange.
    Writing(Done),
    /// It is on the tape, or there is no more to be done about that.
    Over,
}

impl Passing {
    pub fn new(inner: BodyStream, length: Option<u64>, recording: Recording) -> Self {
        Self {
            inner,
            recording: Some(recording),
            left: length,
            last: None,
            trailers: None,
            stage: Stage::Passing,
        }
    }

    /// Takes in a piece; answers it where it may go on at once.
    ///
    /// # Errors
    /// When it is more than was announced: a client could not tell the end of it (RFC 9112 section 6.3).
    fn piece(&mut self, data: Bytes) -> Result<Option<Bytes>, BodyError> {
        let came = data.len() as u64;
        if self.left.is_some_and(|left| came > left) {
            let message = "the origin's response is longer than announced";
            return Err(BodyError::new(BodyErrorKind::Malformed, message));
        }
        if let Some(recording) = &mut self.recording {
            recording.piece(&data);
        }
        let Some(left) = &mut self.left else { return Ok(Some(data)) };
        if data.is_empty() {
            return Ok(None);
        }
        *left -= came;
        if *left == 0 {
            self.last = Some(data);
            return Ok(None);
        }
        Ok(Some(data))
    }

    fn end(&mut self) {
        let Some(mut recording) = self.recording.take() else { return };
        if self.left.is_some_and(|left| left > 0) {
            recording.fail("the origin's response ended before its announced length");
            self.stage = Stage::Over;
            return;
        }
        self.stage = recording.conclude(None).map_or(Stage::Over, Stage::Writing);
    }

    fn broken(&mut self, error: &BodyError) {
        // The last piece stays here: with it, the client would take a broken exchange for a whole one.
        self.last = None;
        self.trailers = None;
        self.stage = Stage::Over;
        if let Some(recording) = self.recording.take() {
            recording.fail(told(error));
        }
    }

    /// What was kept back.
    fn rest(&mut self) -> Option<Frame> {
        self.last.take().map(Frame::Data).or_else(|| self.trailers.take().map(Frame::Trailers))
    }
}

impl Stream for Passing {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut self.stage {
                Stage::Over => return Poll::Ready(self.rest().map(Ok)),
                Stage::Writing(done) => {
                    // A writer that is gone has told why; the client is served all the same.
                    let _ = ready!(Pin::new(done).poll(cx));
                    self.stage = Stage::Over;
                    continue;
                }
                Stage::Passing => {}
            }
            match ready!(self.inner.as_mut().poll_next(cx)) {
                Some(Ok(Frame::Data(data))) => match self.piece(data) {
                    Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::Data(data)))),
                    Ok(None) => {}
                    Err(error) => {
                        self.broken(&error);
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Some(Ok(Frame::Trailers(trailers))) => {
                    if let Some(recording) = &mut self.recording {
                        recording.trailers(&trailers);
                    }
                    self.trailers = Some(trailers);
                }
                Some(Err(error)) => {
                    self.broken(&error);
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.end(),
            }
        }
    }
}
