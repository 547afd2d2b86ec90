//! The content of a request while it passes. It may still do so when the response is complete.

use super::Elapsed;
use crate::heads::pairs;
use crate::spool::Spool;
use futures_core::Stream;
use millpond_exchange::{Body, BodyError, BodyStream, Frame};
use millpond_tape::{Content, Pairs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// What came of a request's content.
pub(super) struct Came {
    pub content: Content,
    pub trailers: Option<Pairs>,
    /// When its end came, if it did.
    pub ended: Option<f64>,
}

/// The content of a request, shared between the stream that passes and the recording.
pub(super) struct Upload {
    state: Arc<Mutex<State>>,
    clock: Elapsed,
    /// There is content that passes.
    passes: bool,
}

struct State {
    /// `None` when the recording is over, and what comes now is too late for it.
    spool: Option<Spool>,
    trailers: Option<Pairs>,
    ended: Option<f64>,
    lost: bool,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upload {
    pub fn new(spool: Spool, clock: Elapsed) -> Self {
        let state = State { spool: Some(spool), trailers: None, ended: None, lost: false };
        Self { state: Arc::new(Mutex::new(state)), clock, passes: false }
    }

    /// `body`, noted as it passes.
    pub fn pass(&mut self, body: Body) -> Body {
        self.passes = true;
        let length = body.length();
        let stream = Noted {
            inner: body.into_stream(),
            state: Arc::clone(&self.state),
            clock: self.clock,
            left: length,
        };
        Body::Stream { stream: Box::pin(stream), length }
    }

    /// True when what came could not be kept.
    pub fn is_lost(&self) -> bool {
        lock(&self.state).lost
    }

    /// What came so far; `None` where no content was to pass.
    pub fn take(self) -> Option<Came> {
        let mut state = lock(&self.state);
        let content = state.spool.take()?.into_content();
        self.passes.then(|| Came { content, trailers: state.trailers.take(), ended: state.ended })
    }
}

struct Noted {
    inner: BodyStream,
    state: Arc<Mutex<State>>,
    clock: Elapsed,
    /// Bytes of the announced length that are yet to come.
    left: Option<u64>,
}

impl Noted {
    fn note(&mut self, data: &[u8]) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(data.len() as u64);
        }
        let mut state = lock(&self.state);
        if let Some(Err(error)) = state.spool.as_mut().map(|spool| spool.write(data)) {
            tracing::warn!(%error, "a request's content cannot be kept for the tape");
            state.lost = true;
            state.spool = None;
        }
        // Whoever forwards content of a known length does not ask for more than that.
        if self.left == Some(0) {
            state.ended = Some(self.clock.now());
        }
    }
}

impl Stream for Noted {
    type Item = Result<Frame, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.as_mut().poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(Frame::Data(data)))) => self.note(data),
            Poll::Ready(Some(Ok(Frame::Trailers(trailers)))) => {
                lock(&self.state).trailers = Some(pairs(trailers));
            }
            Poll::Ready(None) => {
                let now = self.clock.now();
                lock(&self.state).ended.get_or_insert(now);
            }
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}
