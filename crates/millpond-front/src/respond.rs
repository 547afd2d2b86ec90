//! The head of a reply completed and its body framed (RFC 9112 sections 6 and 9.3).

use crate::chunked::may_trail;
use crate::head::Facts;
use crate::outgoing::Outgoing;
use crate::{Refusal, WireHead, date, workspace};
use bytes::Bytes;
use http::StatusCode;
use millpond_exchange::{Body, BodyStream, Fields, Frame, Timestamp};
use std::task::{Context, Poll};

/// The stream is not asked for more while this many bytes wait for the socket.
pub(crate) const HIGH_WATER: usize = 128 * 1024;

/// A reply whose head is queued.
#[derive(Debug)]
pub(crate) struct Begun {
    /// The connection can carry another request afterwards.
    pub(crate) keep_alive: bool,
    /// The content still to be written.
    pub(crate) rest: Option<Streaming>,
    /// Bytes of content queued already.
    pub(crate) body_bytes: u64,
    /// The connection leaves HTTP after this head.
    pub(crate) upgrade: bool,
}

/// How the content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// No content; the number announced nevertheless, for HEAD and 304.
    Bodiless(Option<u64>),
    Length(u64),
    Chunked,
    UntilClose,
}

/// What the reply says beside its head and body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) announce: Option<u64>,
    pub(crate) keep_alive: bool,
    pub(crate) takes_over: bool,
    pub(crate) now: Timestamp,
}

/// Completes `head`, queues it and what of `body` is in memory.
///
/// # Errors
/// [`Refusal::BadReply`] when this cannot be a final response here; nothing is queued then.
pub(crate) fn begin(
    out: &mut Outgoing,
    mut head: WireHead,
    body: Body,
    facts: &Facts,
    terms: Terms,
) -> Result<Begun, Refusal> {
    let status = head.status();
    let upgrade = is_upgrade(status, facts);
    // HTTP/1.0 knows no 101; no version knows another 1xx as the last word; an upgrade needs someone to hand it to.
    let is_final = upgrade || !status.is_informational();
    if !is_final || upgrade && (!terms.takes_over || facts.http10 && !facts.is_connect) {
        return Err(Refusal::BadReply);
    }
    let coding = if upgrade { Coding::Bodiless(None) } else { choose(&head, &body, facts, terms.announce) };
    let keep_alive = terms.keep_alive && coding != Coding::UntilClose && !upgrade;
    let trailers = coding == Coding::Chunked && facts.accepts_trailers;
    if head.has.trailer && !trailers {
        head.remove("trailer");
    }
    let mut text = finish_head(head, coding, facts, keep_alive, terms.now);
    let mut begun = Begun { keep_alive, rest: None, body_bytes: 0, upgrade };
    match (coding, body) {
        (Coding::Bodiless(_) | Coding::Length(0), _) | (_, Body::Empty) => out.push_head(text),
        (_, Body::Memory(content)) => {
            begun.body_bytes = content.len();
            queue_content(out, &mut text, &content);
        }
        (_, Body::Stream { stream, .. }) => {
            out.push_head(text);
            begun.rest = Some(Streaming { stream, coding, trailers, held: Fields::new(), sent: 0 });
        }
    }
    Ok(begun)
}

/// Content of this size is copied behind the head: cheaper than a second piece in the system call.
const COPIED: u64 = 2048;

fn queue_content(out: &mut Outgoing, text: &mut Vec<u8>, content: &millpond_exchange::Segments) {
    let text = std::mem::take(text);
    if content.len() <= COPIED {
        let mut text = text;
        content.slices().for_each(|piece| text.extend_from_slice(piece));
        return out.push_head(text);
    }
    out.push_head(text);
    content.iter().for_each(|piece| out.push(piece));
}

/// 101, and 2xx to CONNECT, end HTTP on the connection.
fn is_upgrade(status: StatusCode, facts: &Facts) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || facts.is_connect && status.is_success()
}

pub(crate) fn choose(head: &WireHead, body: &Body, facts: &Facts, announce: Option<u64>) -> Coding {
    let status = head.status();
    match status {
        StatusCode::NO_CONTENT => return Coding::Bodiless(None),
        StatusCode::NOT_MODIFIED => return Coding::Bodiless(announce),
        // RFC 9110 section 15.3.6: no content, and it must say so.
        StatusCode::RESET_CONTENT => return Coding::Length(0),
        _ => {}
    }
    if facts.is_head {
        let known = if matches!(body, Body::Empty) { None } else { body.length() };
        return Coding::Bodiless(announce.or(known));
    }
    // With trailers announced the chunked coding is needed even when the length is known.
    let wants_trailers = head.has.trailer && facts.accepts_trailers && matches!(body, Body::Stream { .. });
    match body.length() {
        Some(length) if !wants_trailers => Coding::Length(length),
        _ if facts.http10 => Coding::UntilClose,
        _ => Coding::Chunked,
    }
}

fn finish_head(head: WireHead, coding: Coding, facts: &Facts, keep_alive: bool, now: Timestamp) -> Vec<u8> {
    let (has, status) = (head.has, head.status());
    let mut text = head.into_text();
    if !has.date && !status.is_informational() {
        date::append(&mut text, now);
    }
    match coding {
        Coding::Length(length) | Coding::Bodiless(Some(length)) => append_length(&mut text, length),
        Coding::Chunked => text.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Coding::Bodiless(None) | Coding::UntilClose => {}
    }
    text.extend_from_slice(connection_line(status, has.upgrade, facts, keep_alive));
    text.extend_from_slice(b"\r\n");
    text
}

pub(crate) fn append_length(text: &mut Vec<u8>, length: u64) {
    text.extend_from_slice(b"Content-Length: ");
    text.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    text.extend_from_slice(b"\r\n");
}

/// RFC 9110 section 7.6.1 and 7.8: Upgrade is hop-by-hop and must be named in Connection.
fn connection_line(status: StatusCode, upgrade: bool, facts: &Facts, keep_alive: bool) -> &'static [u8] {
    match () {
        () if status.is_informational() => b"Connection: upgrade\r\n",
        () if is_upgrade(status, facts) => b"",
        () if upgrade && !keep_alive => b"Connection: upgrade, close\r\n",
        () if upgrade => b"Connection: upgrade\r\n",
        () if !keep_alive => b"Connection: close\r\n",
        () if facts.http10 => b"Connection: keep-alive\r\n",
        () => b"",
    }
}

/// Content that is written as it comes.
pub(crate) struct Streaming {
    stream: BodyStream,
    coding: Coding,
    /// Trailers are passed on.
    trailers: bool,
    held: Fields,
    /// Bytes of content queued so far.
    pub(crate) sent: u64,
}

/// Where a stream stands after it was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Enough is queued for now.
    Enough,
    /// All is queued.
    Finished,
    /// All that was announced is queued, and the stream has more.
    Overlong,
    /// The stream failed, or ended before its announced end.
    Broken,
}

impl Streaming {
    /// True when nothing but the end of the connection tells where the content ends.
    pub(crate) fn ends_by_close(&self) -> bool {
        self.coding == Coding::UntilClose
    }

    /// Moves frames into `out` until the high-water mark, the end, or the stream has nothing ready.
    pub(crate) fn poll_fill(&mut self, out: &mut Outgoing, cx: &mut Context<'_>) -> Poll<Filled> {
        while out.len() < HIGH_WATER {
            let filled = match self.stream.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(Frame::Data(data)))) => self.data(data, out),
                Poll::Ready(Some(Ok(Frame::Trailers(fields)))) => {
                    self.held = fields;
                    None
                }
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a reply is cut because its body failed");
                    Some(Filled::Broken)
                }
                Poll::Ready(None) => Some(self.end(out)),
            };
            if let Some(filled) = filled {
                return Poll::Ready(filled);
            }
        }
        Poll::Ready(Filled::Enough)
    }

    fn data(&mut self, mut data: Bytes, out: &mut Outgoing) -> Option<Filled> {
        if data.is_empty() {
            return None;
        }
        if let Coding::Length(length) = self.coding {
            let left = length - self.sent;
            if data.len() as u64 > left {
                data.truncate(left as usize);
                self.sent += left;
                out.push(data);
                return Some(Filled::Overlong);
            }
        }
        self.sent += data.len() as u64;
        if self.coding == Coding::Chunked {
            let mut size = workspace::take_vec();
            append_hex(&mut size, data.len());
            size.extend_from_slice(b"\r\n");
            out.push_head(size);
            out.push(data);
            out.push(Bytes::from_static(b"\r\n"));
        } else {
            out.push(data);
        }
        None
    }

    fn end(&mut self, out: &mut Outgoing) -> Filled {
        match self.coding {
            Coding::Length(length) if self.sent < length => Filled::Broken,
            Coding::Chunked => {
                let mut last = workspace::take_vec();
                last.extend_from_slice(b"0\r\n");
                if self.trailers {
                    self.held.retain(|field| may_trail(field.name_str()));
                    last.extend_from_slice(self.held.wire());
                }
                last.extend_from_slice(b"\r\n");
                out.push_head(last);
                Filled::Finished
            }
            _ => Filled::Finished,
        }
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Streaming({:?}, {} bytes sent)", self.coding, self.sent)
    }
}

fn append_hex(to: &mut Vec<u8>, number: usize) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        to.push(b"0123456789abcdef"[number >> (digit * 4) & 15]);
    }
}
