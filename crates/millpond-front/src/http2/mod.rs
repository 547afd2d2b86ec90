//! HTTP/2 (RFC 9113) over the `h2` crate, for the same [`Service`] as HTTP/1.1.
//!
//! What lives here: requests and replies in terms of streams, and what a connection may cost. What must not: frames,
//! HPACK, windows and stream states, which are `h2`'s; what a request may say, which is `head/`'s.
//!
//! Everything of a connection runs on its one task. A reply that is in memory and fits the client's windows is queued
//! where the request is read; the others are futures in one list.

mod body;
mod call;
mod content;
mod credit;
mod driver;
mod frames;
mod gate;
mod message;
mod pipe;
mod sending;
mod watch;

pub use credit::Credit;
pub use frames::{Found, Frames, kind};

use crate::timer::Timer;
use crate::{ConnInfo, ConnectionEnd, DrainSignal, FrontLimits, Refusal, Service, Transport};
use bytes::Bytes;
use driver::Driver;
use gate::Gate;
use h2::Reason;
use h2::server::{Builder, Connection};
use pipe::Pipe;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Poll, Waker, ready};
use std::time::Duration;
use tokio::time::Instant;
use watch::Watch;

/// What a client sends first (RFC 9113 section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Streams that the client reset before they were looked at (CVE-2023-44487). They come in one read with their requests, since
/// nothing more is read until they are done with (`pipe`): as many as a read can hold, so that only the credit (`watch`) decides.
const RESET_UNSEEN: usize = 2_000;
/// Streams that we reset and whose late frames are let pass, and for how long.
const RESET_REMEMBERED: usize = 50;
const RESET_MEMORY: Duration = Duration::from_secs(1);
/// Streams of a connection that may be malformed, or beyond the number allowed at one time, before it is closed. In all its
/// life, which may be long and serve many users: how often is bounded by the credit (`watch`).
const RESET_FOR_ERRORS: usize = 1024;
/// What the list of fields is counted with beyond our own count: 32 bytes for each (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// Pseudo-fields.
const PSEUDO_FIELDS: usize = 8;

/// What every stream of a connection shares.
struct Terms<'a, S> {
    service: &'a S,
    info: &'a ConnInfo,
    limits: &'a FrontLimits,
    /// A reply asked for the connection to be closed.
    to_close: AtomicBool,
    /// Complete replies not yet credited.
    replies: AtomicU32,
    /// Bytes that the transport took, in all.
    moved: AtomicU64,
}

impl<S> Terms<'_, S> {
    fn close_after(&self) {
        self.to_close.store(true, Ordering::Relaxed);
    }

    fn is_to_close(&self) -> bool {
        self.to_close.load(Ordering::Relaxed)
    }

    /// A reply has ended.
    fn replied(&self, complete: bool) {
        self.replies.fetch_add(u32::from(complete), Ordering::Relaxed);
    }

    fn take_replies(&self) -> u32 {
        self.replies.swap(0, Ordering::Relaxed)
    }
}

/// As [`serve_connection`], for a connection that is known to be HTTP/2, by ALPN for instance. (Over a connection that is
/// not, [`serve_connection`] finds out by itself: RFC 9113 section 3.3.)
///
/// [`serve_connection`]: crate::serve_connection
pub async fn serve_http2<S, IO>(
    io: IO,
    info: ConnInfo,
    service: Arc<S>,
    limits: Arc<FrontLimits>,
    drain: DrainSignal,
) -> ConnectionEnd
where
    S: Service,
    IO: Transport,
{
    serve(io, Bytes::new(), info, service, limits, drain).await
}

/// Serves `io`, of which `before` was read already.
pub(crate) async fn serve<S, IO>(
    io: IO,
    before: Bytes,
    info: ConnInfo,
    service: Arc<S>,
    limits: Arc<FrontLimits>,
    drain: DrainSignal,
) -> ConnectionEnd
where
    S: Service,
    IO: Transport,
{
    let begun = Instant::now();
    let pipe = Pipe::new(io, before, Watch::new(PREFACE.len(), &limits));
    let terms = Terms {
        service: &*service,
        info: &info,
        limits: &limits,
        to_close: AtomicBool::new(false),
        replies: AtomicU32::new(0),
        moved: AtomicU64::new(0),
    };
    let end = match handshake(&pipe, &limits, &drain, begun).await {
        Ok(h2) => {
            let gate = Arc::new(Gate::default());
            let waker = Waker::from(Arc::clone(&gate));
            let mut driver = Driver::new(h2, pipe.share(), &terms, drain, begun);
            let end = poll_fn(|cx| gate.poll(&waker, cx, |cx| driver.poll(&gate, cx))).await;
            drop(driver);
            end
        }
        Err(end) => {
            if let ConnectionEnd::Refused(refusal) = end {
                service.refused(refusal, &info, None);
            }
            end
        }
    };
    close(&pipe, &limits, end).await;
    end
}

/// Sends our SETTINGS and waits for the preface.
async fn handshake<IO: Transport>(
    pipe: &Pipe<IO>,
    limits: &FrontLimits,
    drain: &DrainSignal,
    begun: Instant,
) -> Result<Connection<Pipe<IO>, Bytes>, ConnectionEnd> {
    let mut handshake = pin!(builder(limits).handshake(pipe.share()));
    let mut timer = Timer::default();
    poll_fn(|cx| {
        let polled = handshake.as_mut().poll(cx);
        if let Poll::Ready(Err(_)) = pipe.poll_flush_now(cx) {
            return Poll::Ready(Err(ConnectionEnd::Cut));
        }
        if let Poll::Ready(done) = polled {
            return Poll::Ready(done.map_err(|error| end_of(&error)));
        }
        if drain.poll_draining(cx) {
            return Poll::Ready(Err(ConnectionEnd::Drained));
        }
        let refused = Err(ConnectionEnd::Refused(Refusal::HeadTimeout));
        timer.poll(cx, begun + limits.head_timeout).map(|()| refused)
    })
    .await
}

fn builder(limits: &FrontLimits) -> Builder {
    let fields = limits.head_bytes + FIELD_OVERHEAD * (limits.fields + PSEUDO_FIELDS);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        // A head beyond our own limits and within this gets our answer; beyond this `h2` answers 431.
        .max_header_list_size(u32::try_from(fields).unwrap_or(u32::MAX))
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buffer_size(sending::QUEUED)
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_concurrent_reset_streams(RESET_REMEMBERED)
        .reset_stream_duration(RESET_MEMORY)
        .max_local_error_reset_streams(Some(RESET_FOR_ERRORS));
    builder
}

/// What an error of `h2` means for the connection.
fn end_of(error: &h2::Error) -> ConnectionEnd {
    if error.is_io() {
        return ConnectionEnd::Cut;
    }
    if !error.is_library() {
        return ConnectionEnd::ClientClosed;
    }
    tracing::debug!(%error, "an HTTP/2 connection is closed for what the client sent");
    ConnectionEnd::Refused(match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => Refusal::Flood,
        _ => Refusal::Frame,
    })
}

/// Closes our direction, then takes in a bounded amount until the client closes its own: a reset sent on frames that
/// crossed ours could make it lose the last replies.
async fn close<IO: Transport>(pipe: &Pipe<IO>, limits: &FrontLimits, end: ConnectionEnd) {
    if end == ConnectionEnd::Cut {
        return;
    }
    let deadline = Instant::now() + limits.linger_timeout;
    let mut timer = Timer::default();
    let mut left = limits.linger_bytes;
    let mut shut = false;
    poll_fn(|cx| {
        if !shut {
            match pipe.poll_close(cx) {
                Poll::Ready(Ok(())) => shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return timer.poll(cx, deadline),
            }
        }
        while left > 0 {
            match pipe.poll_discard(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => left = left.saturating_sub(read as u64),
                Poll::Pending => {
                    ready!(timer.poll(cx, deadline));
                    return Poll::Ready(());
                }
            }
        }
        Poll::Ready(())
    })
    .await;
}
