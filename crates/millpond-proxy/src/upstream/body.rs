//! Bodies between our types and hyper's, with the clock of each phase.

use super::error::is_malformed;
use super::places::Held;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use http_body::Frame as HyperFrame;
use hyper::body::Incoming;
use millpond_exchange::{Body, BodyError, BodyErrorKind, BodyStream, Fields, Frame};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How far the request has been sent, for the first-byte timeout: it must not run while the client is the slow one.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Phase>>);

#[derive(Clone, Copy)]
enum Phase {
    /// The origin has had our bytes since then and owes us something.
    OriginSince(Instant),
    /// The client owes us the next piece of its body.
    WaitingForClient,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Phase::OriginSince(Instant::now()))))
    }

    /// Since when the origin has been the one to wait for; `None` while it is not.
    pub(super) fn origin_since(&self) -> Option<Instant> {
        match *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Phase::OriginSince(instant) => Some(instant),
            Phase::WaitingForClient => None,
        }
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }
}

/// One of our bodies as hyper wants it.
pub(super) struct Outgoing {
    stream: BodyStream,
    remaining: Option<u64>,
    ended: bool,
    progress: Progress,
}

impl Outgoing {
    pub(super) fn new(body: Body, progress: Progress) -> Self {
        let remaining = body.length();
        Self { ended: remaining == Some(0), remaining, stream: body.into_stream(), progress }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<HyperFrame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = self.stream.as_mut().poll_next(cx);
        self.progress.set(match polled {
            Poll::Pending => Phase::WaitingForClient,
            Poll::Ready(_) => Phase::OriginSince(Instant::now()),
        });
        let Poll::Ready(next) = polled else { return Poll::Pending };
        Poll::Ready(match next {
            Some(Ok(Frame::Data(bytes))) => {
                if let Some(remaining) = &mut self.remaining {
                    *remaining = remaining.saturating_sub(bytes.len() as u64);
                }
                Some(Ok(HyperFrame::data(bytes)))
            }
            Some(Ok(Frame::Trailers(fields))) => {
                self.ended = true;
                Some(Ok(HyperFrame::trailers(to_header_map(&fields))))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.ended = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.remaining == Some(0)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.remaining.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
    }
}

/// hyper's response body as ours, cut when the origin stays silent for longer than `limit`. `held` is held to its end.
pub(super) fn incoming(body: Incoming, version: Version, limit: Duration, held: Option<Held>) -> Body {
    let length = http_body::Body::size_hint(&body).exact();
    if length == Some(0) && http_body::Body::is_end_stream(&body) {
        return Body::Empty;
    }
    let http2 = version == Version::HTTP_2;
    let stream = FromOrigin { body, http2, limit, silence: None, held };
    Body::Stream { stream: Box::pin(stream), length }
}

struct FromOrigin {
    body: Incoming,
    http2: bool,
    limit: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    held: Option<Held>,
}

impl futures_util::Stream for FromOrigin {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match http_body::Body::poll_frame(Pin::new(&mut self.body), cx) {
                Poll::Ready(Some(Ok(frame))) => match to_frame(frame) {
                    Some(frame) => {
                        self.silence = None;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    // An empty DATA frame, which brings nothing forward.
                    None => continue,
                },
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(cut(&error)))),
                Poll::Ready(None) => {
                    self.held = None;
                    return Poll::Ready(self.early_end().map(Err));
                }
                Poll::Pending => {}
            }
            let limit = self.limit;
            let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            return silence.as_mut().poll(cx).map(|()| {
                let message = format!("the origin sent nothing for {limit:?} within a body");
                Some(Err(BodyError::new(BodyErrorKind::Timeout, message)))
            });
        }
    }
}

impl FromOrigin {
    /// hyper takes a reset, or a GOAWAY, with NO_ERROR for the end of a response. It is one only behind END_STREAM (RFC 9113 section
    /// 8.1).
    fn early_end(&self) -> Option<BodyError> {
        let whole = !self.http2 || http_body::Body::is_end_stream(&self.body);
        let message = "the origin gave its response up before the end of the body";
        (!whole).then(|| BodyError::new(BodyErrorKind::Cut, message))
    }
}

fn to_frame(frame: HyperFrame<Bytes>) -> Option<Frame> {
    match frame.into_data() {
        Ok(data) if data.is_empty() => None,
        Ok(data) => Some(Frame::Data(data)),
        Err(frame) => frame.into_trailers().ok().map(|map| Frame::Trailers(from_header_map(&map))),
    }
}

fn cut(error: &hyper::Error) -> BodyError {
    let kind = if is_malformed(error) { BodyErrorKind::Malformed } else { BodyErrorKind::Cut };
    BodyError::new(kind, format!("the origin's body ended before its end: {error}"))
}

/// Our fields as hyper's; those hyper cannot carry (none that passed our own check) are left out.
pub(super) fn to_header_map(fields: &Fields) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name);
        let value = HeaderValue::from_bytes(field.value);
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

/// hyper's fields as ours.
pub(super) fn from_header_map(map: &HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}
