//! Message bodies: held in memory, or streamed with trailers at the end.

use crate::Fields;
use bytes::Bytes;
use futures_core::Stream;
use std::fmt;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use thiserror::Error;

/// One piece of a streamed body.
#[derive(Clone, Debug)]
pub enum Frame {
    /// Content; never empty.
    Data(Bytes),
    /// The trailer section (RFC 9110 section 6.5); always last.
    Trailers(Fields),
}

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyErrorKind {
    /// The sender closed or reset the connection before the announced end.
    Cut,
    /// The sender sent nothing for longer than the limit.
    Timeout,
    /// The body is larger than a limit allows.
    TooLarge,
    /// The framing is not valid.
    Malformed,
    /// A stored body does not match its checksum or cannot be read.
    Store,
}

/// A body that ended before its end. Never a reason to treat what came before as complete.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub struct BodyError {
    /// What happened.
    pub kind: BodyErrorKind,
    /// A sentence for the log: what happened and on whose side.
    pub message: String,
}

impl BodyError {
    /// An error of `kind`, described by `message`.
    pub fn new(kind: BodyErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// A stream of frames.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Frame, BodyError>> + Send>>;

/// Content held in memory as immutable segments; cloning it copies no content.
#[derive(Clone)]
pub struct Segments(Content);

/// Something kept whole that has content in memory, such as a stored response.
pub trait Holder: Send + Sync {
    /// The content, where it is in memory.
    fn content(&self) -> Option<&Segments>;
}

/// Most content is one segment, which needs no list.
#[derive(Clone)]
enum Content {
    One(Bytes),
    Many { list: Arc<[Bytes]>, range: Range<u64> },
    Held { holder: Arc<dyn Holder>, range: Range<u64> },
}

impl Segments {
    /// The content of `list`, in order.
    pub fn new(list: impl Into<Arc<[Bytes]>>) -> Self {
        let list = list.into();
        if let [one] = &*list {
            return one.clone().into();
        }
        let length = list.iter().map(|segment| segment.len() as u64).sum();
        Self(Content::Many { list, range: 0..length })
    }

    /// The content of `holder`, without a look at the segments: the content stays as long as the holder does.
    pub fn held(holder: Arc<dyn Holder>) -> Self {
        let range = 0..holder.content().map_or(0, Self::len);
        Self(Content::Held { holder, range })
    }

    /// Bytes of content.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Content::One(segment) => segment.len() as u64,
            Content::Many { range, .. } | Content::Held { range, .. } => range.end - range.start,
        }
    }

    /// True when there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part `range` (byte offsets into this content), clamped to its length.
    pub fn slice(&self, range: Range<u64>) -> Self {
        let start = range.start.min(self.len());
        let end = range.end.clamp(start, self.len());
        let mut part = self.clone();
        match &mut part.0 {
            Content::One(segment) => *segment = segment.slice(start as usize..end as usize),
            Content::Many { range, .. } | Content::Held { range, .. } => {
                *range = range.start + start..range.start + end;
            }
        }
        part
    }

    /// The content as contiguous pieces, in order, none empty.
    pub fn iter(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.parts().map(|(segment, range)| segment.slice(range))
    }

    /// As [`Segments::iter`], for a look at the bytes only.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> + '_ {
        self.parts().map(|(segment, range)| &segment[range])
    }

    /// The segments, and which bytes of each are meant.
    fn parts(&self) -> impl Iterator<Item = (&Bytes, Range<usize>)> + '_ {
        let (list, range) = self.list();
        let mut offset = 0u64;
        list.iter().filter_map(move |segment| {
            let (from, to) = (offset, offset + segment.len() as u64);
            offset = to;
            let (start, end) = (from.max(range.start), to.min(range.end));
            (start < end).then(|| (segment, (start - from) as usize..(end - from) as usize))
        })
    }

    /// All segments, and which bytes of all of them are meant.
    fn list(&self) -> (&[Bytes], Range<u64>) {
        match &self.0 {
            Content::One(segment) => (std::slice::from_ref(segment), 0..segment.len() as u64),
            Content::Many { list, range } => (list, range.clone()),
            Content::Held { holder, range } => {
                let (list, whole) = holder.content().map_or((&[][..], 0..0), Self::list);
                (list, whole.start + range.start..whole.start + range.end)
            }
        }
    }

    /// The content copied into one buffer.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len() as usize);
        self.slices().for_each(|piece| all.extend_from_slice(piece));
        all
    }
}

impl Default for Segments {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl From<Bytes> for Segments {
    fn from(bytes: Bytes) -> Self {
        Self(Content::One(bytes))
    }
}

impl fmt::Debug for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segments({} bytes)", self.len())
    }
}

/// A message body.
#[derive(Default)]
pub enum Body {
    /// No content.
    #[default]
    Empty,
    /// Content in memory.
    Memory(Segments),
    /// Content that arrives over time.
    Stream {
        /// The frames.
        stream: BodyStream,
        /// The announced number of bytes, if one was announced.
        length: Option<u64>,
    },
}

impl Body {
    /// A body of `bytes`.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Memory(bytes.into()) }
    }

    /// A streamed body of unknown length.
    pub fn from_stream(stream: impl Stream<Item = Result<Frame, BodyError>> + Send + 'static) -> Self {
        Self::Stream { stream: Box::pin(stream), length: None }
    }

    /// The number of bytes, where known beforehand.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Memory(segments) => Some(segments.len()),
            Self::Stream { length, .. } => *length,
        }
    }

    /// The body as a stream of frames.
    pub fn into_stream(self) -> BodyStream {
        match self {
            Self::Empty => Box::pin(Pieces { segments: Segments::default(), next: 0 }),
            Self::Memory(segments) => Box::pin(Pieces { segments, next: 0 }),
            Self::Stream { stream, .. } => stream,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Memory(segments) => segments.fmt(f),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
        }
    }
}

/// The pieces of [`Segments`] as a stream.
struct Pieces {
    segments: Segments,
    next: usize,
}

impl Stream for Pieces {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = self.segments.iter().nth(self.next);
        self.next += 1;
        Poll::Ready(piece.map(|bytes| Ok(Frame::Data(bytes))))
    }
}
