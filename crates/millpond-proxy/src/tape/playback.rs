//! Recorded content on its way to a client: from memory, or in pieces from where it lies, at its own pace where that is wanted.

use bytes::Bytes;
use futures_util::stream;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Fields, Frame};
use millpond_recorder::Answer;
use millpond_tape::{Chunk, Content};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;
use tokio::time::Instant;

/// Content is read in pieces of this size, bytes.
const PIECE: u64 = 128 * 1024;
/// The longest pause between two pieces that is kept. A tape may have any.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The body of `answer`; with `paced`, its pieces come when they came.
pub(super) fn answer_body(answer: &Answer, paced: bool) -> Body {
    let timing = if paced { answer.timing.as_slice() } else { &[] };
    if timing.is_empty() && answer.trailers.is_none() {
        return body(answer.content.clone());
    }
    let playback = Playback::new(&answer.content, timing, answer.trailers.clone());
    // Without an announced length it came in pieces, and goes out like that.
    let length = answer.announce.filter(|announced| *announced == answer.content.len());
    streamed(playback, length)
}

/// `content` as a body.
pub(super) fn body(content: Content) -> Body {
    match content {
        Content::Memory(bytes) => Body::from_bytes(bytes),
        held @ Content::Held { .. } => {
            let length = held.len();
            streamed(Playback::new(&held, &[], None), Some(length))
        }
    }
}

fn streamed(playback: Playback, length: Option<u64>) -> Body {
    let stream = stream::unfold(playback, |mut playback| async {
        let frame = playback.next().await?;
        Some((frame, playback))
    });
    Body::Stream { stream: Box::pin(stream), length }
}

struct Playback {
    source: Source,
    left: u64,
    timing: VecDeque<Chunk>,
    pace: Pace,
    trailers: Option<Fields>,
    failed: bool,
}

/// When pieces are due.
struct Pace {
    /// When the piece before was.
    due: Instant,
    /// Where that was on the tape, seconds.
    after: f64,
}

impl Pace {
    /// When the piece is due that stands at `after` on the tape. A time that is none, or lies before that of another piece, is
    /// now.
    fn next(&mut self, after: f64) -> Instant {
        if after > self.after {
            let pause = Duration::try_from_secs_f64(after - self.after).unwrap_or(LONGEST_PAUSE);
            self.after = after;
            self.due = self.due.checked_add(pause.min(LONGEST_PAUSE)).unwrap_or(self.due);
        }
        self.due
    }
}

enum Source {
    Memory(Bytes),
    Place(Box<dyn Read + Send>),
    /// A read failed, or its task is gone.
    Lost,
}

impl Playback {
    fn new(content: &Content, timing: &[Chunk], trailers: Option<Fields>) -> Self {
        let source = match content {
            Content::Memory(bytes) => Source::Memory(bytes.clone()),
            Content::Held { .. } => Source::Place(content.reader()),
        };
        Self {
            source,
            left: content.len(),
            timing: timing.iter().copied().collect(),
            pace: Pace { due: Instant::now(), after: 0.0 },
            trailers,
            failed: false,
        }
    }

    async fn next(&mut self) -> Option<Result<Frame, BodyError>> {
        if self.failed {
            return None;
        }
        if self.left == 0 {
            return self.trailers.take().map(|trailers| Ok(Frame::Trailers(trailers)));
        }
        let wanted = self.wait().await;
        match self.read(wanted.min(self.left)).await {
            Ok(data) => {
                self.left -= data.len() as u64;
                Some(Ok(Frame::Data(data)))
            }
            Err(error) => {
                self.failed = true;
                let message = format!("recorded content cannot be read: {error}");
                Some(Err(BodyError::new(BodyErrorKind::Store, message)))
            }
        }
    }

    /// Waits until the next piece is due; answers how many bytes of it are to be read.
    async fn wait(&mut self) -> u64 {
        let Some(piece) = self.timing.front_mut() else { return PIECE };
        tokio::time::sleep_until(self.pace.next(piece.after)).await;
        let wanted = piece.bytes.clamp(1, PIECE);
        piece.bytes = piece.bytes.saturating_sub(wanted);
        if piece.bytes == 0 {
            self.timing.pop_front();
        }
        wanted
    }

    /// Up to `wanted` bytes, at least one.
    async fn read(&mut self, wanted: u64) -> io::Result<Bytes> {
        match std::mem::replace(&mut self.source, Source::Lost) {
            Source::Memory(mut bytes) => {
                let piece = bytes.split_to(bytes.len().min(wanted as usize));
                self.source = Source::Memory(bytes);
                Ok(piece)
            }
            Source::Place(mut reader) => {
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = vec![0; wanted as usize];
                    let read = read_some(&mut reader, &mut piece)?;
                    piece.truncate(read);
                    Ok::<_, io::Error>((reader, Bytes::from(piece)))
                });
                let (reader, piece) = read.await.map_err(io::Error::other)??;
                self.source = Source::Place(reader);
                Ok(piece)
            }
            Source::Lost => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Fills `piece` as far as can be; an end before the first byte is an error, since more was announced.
fn read_some(reader: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]) {
            Ok(0) if filled == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_that_nobody_can_keep_is_not_kept() {
        let piece = |after| Chunk { after, bytes: 1 };
        let times = [-1.0, f64::NAN, 2.0, 1.0, 3.0, 1e19, f64::INFINITY, f64::NEG_INFINITY];
        let content = Content::Memory(Bytes::from_static(b"12345678"));
        let began = Instant::now();
        let mut playback = Playback::new(&content, &times.map(piece), None);
        let mut came = Vec::new();
        while let Some(frame) = playback.next().await {
            frame.unwrap();
            came.push(began.elapsed().as_secs());
        }
        assert_eq!(came, [0, 0, 2, 2, 3, 63, 123, 123]);
    }
}
