//! The content of requests that are keyed by it (RFC 10008 section 2.7): read whole before the lookup, kept while the request
//! or a refresh behind it lasts, and sent again with every fetch.
//!
//! What must not live here: which requests these are (`context`), and what of the content makes the key (the policy).

use crate::answer::{Answer, EngineError};
use crate::context::{Asked, CachePost, Exchange};
use crate::engine::{Engine, Shared};
use crate::origin::Origin;
use crate::told::Forwarded;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use millpond_exchange::{Body, BodyError, BodyStream, Fields, Frame, Method};
use millpond_policy::{Forward, Reason, RequestFacts};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much content all requests of a process may hold at one time for their keys, bytes, unless told otherwise.
const DEFAULT_MOST: u64 = 64 * 1024 * 1024;

/// How much content is held for keys.
pub(crate) struct Holding {
    held: AtomicU64,
    most: AtomicU64,
}

impl Default for Holding {
    fn default() -> Self {
        Self { held: AtomicU64::new(0), most: AtomicU64::new(DEFAULT_MOST) }
    }
}

impl Holding {
    pub(crate) fn set_most(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }
}

/// The share of one request in what is held.
struct Share {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Share {
    fn none(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), bytes: 0 }
    }

    /// Takes `more` bytes; false where there is no room for them.
    fn grow(&mut self, more: u64) -> bool {
        let Holding { held, most } = &self.shared.holding;
        let before = held.fetch_add(more, Ordering::Relaxed);
        let fits = before.saturating_add(more) <= most.load(Ordering::Relaxed);
        if fits {
            self.bytes += more;
        } else {
            held.fetch_sub(more, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shared.holding.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The content of one request.
pub(crate) struct Content {
    bytes: Bytes,
    /// What the key has of it.
    pub(crate) digest: [u8; 32],
    _share: Option<Share>,
}

impl Content {
    /// Content that goes with `fields` and is held for nobody: that of a request which is only talked about.
    pub(crate) fn unshared(fields: &Fields, bytes: Bytes) -> Self {
        let digest = millpond_policy::content_digest(fields, &bytes);
        Self { bytes, digest, _share: None }
    }

    /// As a body, as often as it is needed.
    pub(crate) fn body(&self) -> Body {
        Body::from_bytes(self.bytes.clone())
    }
}

/// What became of reading the content of a request.
enum Collected {
    Content(Arc<Content>),
    /// It cannot be part of a key; here it is whole again.
    Refused(Body),
    /// It broke off.
    Failed(BodyError),
}

/// What has been read so far, copied: a small piece may be a part of a large buffer.
struct Reading {
    bytes: BytesMut,
    share: Share,
}

/// Reads `body`, which goes with `fields`, up to `limit` bytes.
async fn collect(shared: &Arc<Shared>, body: Body, fields: &Fields, limit: u64) -> Collected {
    if body.length().is_some_and(|length| length > limit) {
        return Collected::Refused(body);
    }
    let announced = body.length();
    let mut frames = body.into_stream();
    let mut reading = Reading { bytes: BytesMut::new(), share: Share::none(shared) };
    loop {
        let frame = match frames.next().await {
            None => return Collected::Content(Arc::new(reading.content(fields))),
            Some(Err(error)) => return Collected::Failed(error),
            Some(Ok(frame)) => frame,
        };
        let kept = match &frame {
            Frame::Data(piece) => reading.keep(piece, limit),
            Frame::Trailers(trailers) => trailers.is_empty(),
        };
        if !kept {
            return Collected::Refused(reading.and_the_rest(frame, frames, announced));
        }
    }
}

impl Reading {
    /// False where it is too much.
    fn keep(&mut self, piece: &Bytes, limit: u64) -> bool {
        let length = piece.len() as u64;
        if self.bytes.len() as u64 + length > limit || !self.share.grow(length) {
            return false;
        }
        self.bytes.extend_from_slice(piece);
        true
    }

    fn content(self, fields: &Fields) -> Content {
        Content { _share: Some(self.share), ..Content::unshared(fields, self.bytes.freeze()) }
    }

    /// The body as it was before it was read.
    fn and_the_rest(self, next: Frame, rest: BodyStream, length: Option<u64>) -> Body {
        let Self { bytes, share } = self;
        let read = (!bytes.is_empty()).then(|| Ok(Frame::Data(bytes.freeze())));
        // What was read stays counted until it has gone out.
        let read = stream::iter(read.into_iter().chain([Ok(next)])).map(move |frame| {
            let _ = &share;
            frame
        });
        Body::Stream { stream: Box::pin(read.chain(rest)), length }
    }
}

/// False for a POST that a route keeps answers to GraphQL queries for, and whose content is something else.
pub(crate) fn may_be_kept(exchange: &Exchange, content: &[u8]) -> bool {
    let graphql =
        exchange.head.method == Method::POST && exchange.context.content_keys.post == CachePost::Graphql;
    !graphql || millpond_policy::is_graphql_query(&exchange.head, content)
}

impl<O: Origin> Engine<O> {
    /// Answers a request whose content is part of its key.
    pub(crate) async fn handle_with_content(
        self: &Arc<Self>,
        mut exchange: Exchange,
        facts: RequestFacts,
    ) -> Result<Answer, EngineError> {
        let keys = exchange.context.content_keys;
        let body = std::mem::replace(&mut exchange.body, Body::Empty);
        let passed = |reason| Forwarded { why: Forward::Bypass, reason };
        let content = match collect(&self.shared, body, &exchange.head.fields, keys.limit).await {
            Collected::Content(content) => content,
            Collected::Refused(body) => {
                let exchange = Exchange { body, ..exchange };
                return self.pass_by(exchange, &facts, passed(Reason::KeyBody)).await;
            }
            Collected::Failed(error) => {
                self.shared.counters.errors.add();
                return Err(EngineError::Request(error));
            }
        };
        if !may_be_kept(&exchange, &content.bytes) {
            let body = content.body();
            let exchange = Exchange { body, ..exchange };
            return self.pass_by(exchange, &facts, passed(Reason::NotAGraphqlQuery)).await;
        }
        let asked = Asked { content: Some(content), ..Asked::from(exchange) };
        self.look_up(asked, &facts.keyed_by_content()).await
    }
}
