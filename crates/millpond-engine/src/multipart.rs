//! Several ranges of one representation as one body, multipart/byteranges (RFC 9110 section 14.6). Its parts are streamed one
//! after the other: of content that does not lie in memory, none is read before its turn.
//!
//! What must not live here: which ranges these are; that is the policy's.

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, BodyError, BodyErrorKind, BodyStream, Frame, ResponseHead};
use millpond_policy::ContentRange;
use millpond_store::StoreError;
use std::hash::{BuildHasher as _, RandomState};

/// A longer Content-Type, bytes, is not repeated in each part: a request for many small ranges would bring an answer many
/// times the size of the representation.
const LONGEST_MEDIA_TYPE: usize = 1024;

/// Where the content of one part comes from.
pub(crate) enum Source {
    /// It is here.
    Ready(Body),
    /// It is opened when its turn comes.
    Later(BoxFuture<'static, Result<Body, StoreError>>),
}

/// What the parts of one answer have in common.
pub(crate) struct Multipart {
    boundary: String,
    media_type: Vec<u8>,
}

/// One part.
struct Part {
    /// The delimiter, the fields and the empty line before the content.
    start: Bytes,
    content: Source,
    length: u64,
}

impl Multipart {
    /// For ranges of the representation that `head` belongs to.
    pub(crate) fn of(head: &ResponseHead) -> Self {
        let media_type = head.fields.get("content-type").unwrap_or_default();
        let media_type =
            if media_type.len() <= LONGEST_MEDIA_TYPE { media_type.to_vec() } else { Vec::new() };
        // RFC 2046 section 5.1.1: the boundary must not occur in the content. Nobody who writes content can know it: 128 bits
        // of a keyed hash, with a key of its own each time.
        let random = RandomState::new();
        let boundary = format!("{:016x}{:016x}", random.hash_one(0u8), random.hash_one(1u8));
        Self { boundary, media_type }
    }

    /// The Content-Type of the whole.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The body with these parts.
    pub(crate) fn body(&self, parts: impl IntoIterator<Item = (ContentRange, Source)>) -> Body {
        let mut length = 0u64;
        let mut all: Vec<Part> = Vec::new();
        for (range, content) in parts {
            let part = Part { start: self.start(&range, all.is_empty()), content, length: range.body_len() };
            length = length.saturating_add(part.start.len() as u64).saturating_add(part.length);
            all.push(part);
        }
        let end = Bytes::from(format!("\r\n--{}--\r\n", self.boundary));
        length = length.saturating_add(end.len() as u64);
        let assembly = Assembly { parts: all.into_iter(), current: None, end: Some(end) };
        let stream = futures_util::stream::unfold(Some(assembly), Assembly::step);
        Body::Stream { stream: Box::pin(stream), length: Some(length) }
    }

    fn start(&self, range: &ContentRange, first: bool) -> Bytes {
        let mut text = Vec::with_capacity(128 + self.media_type.len());
        // The line end before a delimiter belongs to it.
        text.extend_from_slice(if first { b"--" } else { b"\r\n--" });
        text.extend_from_slice(self.boundary.as_bytes());
        if !self.media_type.is_empty() {
            text.extend_from_slice(b"\r\nContent-Type: ");
            text.extend_from_slice(&self.media_type);
        }
        text.extend_from_slice(format!("\r\nContent-Range: {range}\r\n\r\n").as_bytes());
        text.into()
    }
}

/// The body as far as it has not been given.
struct Assembly {
    parts: std::vec::IntoIter<Part>,
    /// The content being given, and how much of it is left.
    current: Option<(BodyStream, u64)>,
    end: Option<Bytes>,
}

type Step = (Result<Frame, BodyError>, Option<Assembly>);

impl Assembly {
    /// One step of the stream. After an error there is nothing more.
    async fn step(this: Option<Self>) -> Option<Step> {
        let mut this = this?;
        if let Some((content, left)) = &mut this.current {
            match next_piece(content, left).await {
                Ok(Some(piece)) => return Some((Ok(Frame::Data(piece)), Some(this))),
                Ok(None) => this.current = None,
                Err(error) => return Some((Err(error), None)),
            }
        }
        let Some(part) = this.parts.next() else {
            let end = this.end.take()?;
            return Some((Ok(Frame::Data(end)), Some(this)));
        };
        let content = match part.content {
            Source::Ready(body) => Ok(body),
            Source::Later(opening) => opening.await,
        };
        match content {
            Ok(body) => {
                this.current = Some((body.into_stream(), part.length));
                Some((Ok(Frame::Data(part.start)), Some(this)))
            }
            Err(error) => Some((Err(BodyError::new(BodyErrorKind::Store, error.to_string())), None)),
        }
    }
}

/// The next piece of a content of which `left` bytes are to come. Content of another length would make the delimiter behind it
/// look like content, or content like a delimiter.
async fn next_piece(content: &mut BodyStream, left: &mut u64) -> Result<Option<Bytes>, BodyError> {
    let wrong = |what| BodyError::new(BodyErrorKind::Store, format!("the content of a part is {what}"));
    loop {
        match content.next().await {
            Some(Ok(Frame::Data(piece))) => {
                *left = left.checked_sub(piece.len() as u64).ok_or_else(|| wrong("too long"))?;
                return Ok(Some(piece));
            }
            // Those of the representation are not those of this message.
            Some(Ok(Frame::Trailers(_))) => {}
            Some(Err(error)) => return Err(error),
            None if *left > 0 => return Err(wrong("too short")),
            None => return Ok(None),
        }
    }
}
