//! Reads a fill as a body: from the store what is already there, from the window what was too much for it.

use super::state::{End, FillHead, Membership};
use bytes::Bytes;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame};
use std::ops::Range;

/// A reader of one fill.
pub(crate) struct FillReader {
    member: Membership,
    offset: u64,
    /// Where to stop: the end of a range; `None` reads to the end of the body.
    stop: Option<u64>,
    finished: bool,
}

impl FillReader {
    /// The body of the fill, or the part `range` of it.
    pub(crate) fn body(member: Membership, head: &FillHead, range: Option<Range<u64>>) -> Body {
        let length = range.as_ref().map(|range| range.end - range.start).or(head.announced_len);
        let offset = range.as_ref().map_or(0, |range| range.start);
        // What lies before a part is not waited for.
        member.moved_to(offset);
        let reader = Self { member, offset, stop: range.map(|range| range.end), finished: false };
        let stream = futures_util::stream::unfold(reader, |mut reader| async move {
            let next = reader.next().await;
            next.map(|frame| (frame, reader))
        });
        Body::Stream { stream: Box::pin(stream), length }
    }

    async fn next(&mut self) -> Option<Result<Frame, BodyError>> {
        if self.finished || self.stop.is_some_and(|stop| self.offset >= stop) {
            return None;
        }
        loop {
            let (received, stored, end) = self.member.progress();
            if self.offset < received {
                return Some(self.take(stored).await);
            }
            match end {
                Some(End::Complete(trailers)) => {
                    self.finished = true;
                    return (!trailers.is_empty()).then(|| Ok(Frame::Trailers((*trailers).clone())));
                }
                Some(End::Cut(error)) => {
                    self.finished = true;
                    return Some(Err(error));
                }
                None => self.member.changed().await,
            }
        }
    }

    async fn take(&mut self, stored: u64) -> Result<Frame, BodyError> {
        let piece = match self.piece(stored).await {
            Ok(piece) => piece,
            Err(error) => {
                self.finished = true;
                return Err(error);
            }
        };
        let wanted = self.stop.map_or(u64::MAX, |stop| stop - self.offset);
        let piece = if piece.len() as u64 > wanted { piece.slice(..wanted as usize) } else { piece };
        self.offset += piece.len() as u64;
        // A part that is complete holds nobody up, even where its reader lingers.
        let done = self.stop.is_some_and(|stop| self.offset >= stop);
        self.member.moved_to(if done { u64::MAX } else { self.offset });
        Ok(Frame::Data(piece))
    }

    async fn piece(&self, stored: u64) -> Result<Bytes, BodyError> {
        let failed = |message: String| BodyError::new(BodyErrorKind::Store, message);
        if self.offset < stored
            && let Some(spill) = self.member.spill()
        {
            let piece = spill.read_at(self.offset).await.map_err(|error| failed(error.to_string()))?;
            if !piece.is_empty() {
                return Ok(piece);
            }
        }
        self.member
            .windowed(self.offset)
            .ok_or_else(|| failed(format!("the fill no longer holds the byte at {}", self.offset)))
    }
}
