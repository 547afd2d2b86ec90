//! A reply on its way out over one stream.

use super::Terms;
use super::message::{final_head, trailer_map};
use crate::head::Facts;
use crate::respond::{Coding, choose};
use crate::timer::Timer;
use crate::{Finished, Outcome, Refusal, Reply, Request, Service};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use millpond_exchange::{Body, BodyStream, Fields, Frame, Segments};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::Instant;

/// What one stream may have in the queue of the connection, beyond which its body is not asked for more.
pub(super) const QUEUED: usize = 64 * 1024;
/// Content up to this is sent at once where the windows allow it.
const AT_ONCE: u64 = QUEUED as u64;

/// Why a reply could not be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The client reset the stream, or the connection is gone.
    Gone,
    /// The client's windows stayed shut.
    Stalled,
    /// The body failed or was short.
    Broken,
}

/// The queued head of a reply, and who is told how it ended, in whatever way it does.
pub(super) struct Sending<'a, S: Service> {
    terms: &'a Terms<'a, S>,
    /// The request, where [`Service::ready`] answered it.
    request: Option<Request>,
    log: Option<S::Log>,
    outcome: Outcome,
    received: Instant,
    /// `None` when the head was all.
    stream: Option<SendStream<Bytes>>,
    /// What is not sent yet.
    body: Body,
    coding: Coding,
    trailers: bool,
    timer: Timer,
}

/// The reply is not one that can be sent; its log note comes back.
pub(super) struct BadReply<L>(pub(super) L);

impl<'a, S: Service> Sending<'a, S> {
    /// Queues the head of `reply`.
    pub(super) fn begin(
        terms: &'a Terms<'a, S>,
        respond: &mut SendResponse<Bytes>,
        reply: Reply<S::Log>,
        facts: &Facts,
        received: Instant,
    ) -> Result<Self, BadReply<S::Log>> {
        // There is no 101 in HTTP/2 (RFC 9113 section 8.6), and no other 1xx is the last word.
        if reply.head.status().is_informational() || reply.upgrade.is_some() {
            return Err(BadReply(reply.log));
        }
        if reply.close {
            terms.close_after();
        }
        let status = reply.head.status();
        let coding = choose(&reply.head, &reply.body, facts, reply.announce);
        let bodiless =
            matches!(coding, Coding::Bodiless(_) | Coding::Length(0)) || matches!(reply.body, Body::Empty);
        let response = final_head(reply.head, coding, terms.service.now());
        // Fails when the client has reset the stream meanwhile: then nothing is sent.
        let stream = respond.send_response(response, bodiless).ok();
        let first_byte = received.elapsed();
        let complete = bodiless && stream.is_some();
        let outcome = Outcome { status, body_bytes: 0, complete, first_byte, total: first_byte };
        Ok(Self {
            terms,
            request: None,
            log: Some(reply.log),
            outcome,
            received,
            stream: stream.filter(|_| !bodiless),
            body: if bodiless { Body::Empty } else { reply.body },
            coding,
            trailers: facts.accepts_trailers,
            timer: Timer::default(),
        })
    }

    /// Sends the content at once, where it is in memory and the client's windows are open for all of it. True when nothing
    /// is left to do.
    pub(super) fn at_once(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        let Body::Memory(content) = &self.body else { return false };
        let length = content.len();
        if length > AT_ONCE {
            return false;
        }
        stream.reserve_capacity(length as usize);
        if (stream.capacity() as u64) < length {
            return false;
        }
        let mut left = length;
        for piece in content.iter() {
            left -= piece.len() as u64;
            if stream.send_data(piece, left == 0).is_err() {
                self.outcome.body_bytes = 0;
                return true;
            }
        }
        self.outcome.body_bytes = length;
        self.outcome.complete = true;
        true
    }

    /// Keeps the request that [`Service::ready`] answered.
    pub(super) fn with_request(mut self, request: Request) -> Self {
        self.request = Some(request);
        self
    }

    /// Tells the service, for a reply that is all out; `request` as in [`Finished`].
    pub(super) fn finish(mut self, request: Option<&Request>) {
        self.tell(request);
    }

    /// Sends the rest of the content.
    pub(super) async fn send(mut self) {
        let Some(stream) = self.stream.take() else { return };
        let mut out = Out {
            moved: &self.terms.moved,
            stream,
            timer: std::mem::take(&mut self.timer),
            timeout: self.terms.limits.write_timeout,
        };
        let sent = match std::mem::take(&mut self.body) {
            Body::Empty => Ok(()),
            Body::Memory(content) => self.segments(&mut out, &content).await,
            Body::Stream { stream, .. } => self.stream(&mut out, stream).await,
        };
        match sent {
            Ok(()) => self.outcome.complete = true,
            Err(Cut::Gone) => {}
            Err(Cut::Stalled) => out.stream.send_reset(Reason::CANCEL),
            Err(Cut::Broken) => out.stream.send_reset(Reason::INTERNAL_ERROR),
        }
    }

    async fn segments(&mut self, out: &mut Out<'_>, content: &Segments) -> Result<(), Cut> {
        let mut left = content.len();
        for piece in content.iter() {
            left -= piece.len() as u64;
            self.data(out, piece, left == 0).await?;
        }
        Ok(())
    }

    async fn stream(&mut self, out: &mut Out<'_>, mut body: BodyStream) -> Result<(), Cut> {
        let length = match self.coding {
            Coding::Length(length) => Some(length),
            _ => None,
        };
        let mut held = Fields::new();
        loop {
            match out.next(&mut body).await? {
                Some(Frame::Data(mut data)) => {
                    let left = length.map(|length| length - self.outcome.body_bytes);
                    if left == Some(0) && !data.is_empty() {
                        break;
                    }
                    // More than was announced: cut to that.
                    data.truncate(left.map_or(data.len(), |left| left.min(data.len() as u64) as usize));
                    let last = left == Some(data.len() as u64) && !self.trailers;
                    self.data(out, data, last).await?;
                    if last {
                        return Ok(());
                    }
                }
                Some(Frame::Trailers(fields)) => held = fields,
                None => break,
            }
        }
        if length.is_some_and(|length| self.outcome.body_bytes < length) {
            return Err(Cut::Broken);
        }
        let ended = match trailer_map(&held).filter(|_| self.trailers) {
            Some(map) => out.stream.send_trailers(map),
            None => out.stream.send_data(Bytes::new(), true),
        };
        ended.map_err(|_| Cut::Gone)
    }

    async fn data(&mut self, out: &mut Out<'_>, mut data: Bytes, last: bool) -> Result<(), Cut> {
        while !data.is_empty() {
            let room = out.room(data.len()).await?;
            let piece = data.split_to(room.min(data.len()));
            let length = piece.len() as u64;
            out.stream.send_data(piece, last && data.is_empty()).map_err(|_| Cut::Gone)?;
            self.outcome.body_bytes += length;
        }
        Ok(())
    }

    fn tell(&mut self, request: Option<&Request>) {
        let Some(log) = self.log.take() else { return };
        let total = self.received.elapsed();
        self.terms.replied(self.outcome.complete);
        let outcome = Outcome { total, ..self.outcome };
        self.terms.service.finished(Finished { request, conn: self.terms.info, log, outcome });
    }
}

impl<S: Service> Drop for Sending<'_, S> {
    fn drop(&mut self) {
        let request = self.request.take();
        self.tell(request.as_ref());
    }
}

/// Bytes that the client must have taken of other streams for one to wait for another turn, and how many turns.
const FAIR: u64 = QUEUED as u64;
const TURNS: u32 = 20;

/// The way out of the content.
struct Out<'a> {
    /// Bytes that the transport took of all streams.
    moved: &'a AtomicU64,
    stream: SendStream<Bytes>,
    timer: Timer,
    timeout: Duration,
}

impl Out<'_> {
    /// The next frame of `body`; gives up when the client has.
    async fn next(&mut self, body: &mut BodyStream) -> Result<Option<Frame>, Cut> {
        poll_fn(|cx| {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Cut::Gone));
            }
            body.as_mut().poll_next(cx).map(|frame| match frame {
                Some(Ok(frame)) => Ok(Some(frame)),
                None => Ok(None),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a reply is cut because its body failed");
                    Err(Cut::Broken)
                }
            })
        })
        .await
    }

    /// Waits until some of `wanted` bytes may be queued: for the client's windows, and for the queue to empty.
    async fn room(&mut self, wanted: usize) -> Result<usize, Cut> {
        self.stream.reserve_capacity(wanted.min(QUEUED));
        let (mut deadline, mut turns) = (Instant::now() + self.timeout, TURNS);
        let mut before = self.moved.load(Ordering::Relaxed);
        poll_fn(|cx| {
            loop {
                let room = self.stream.capacity();
                if room > 0 {
                    return Poll::Ready(Ok(room));
                }
                match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(Err(Cut::Gone)),
                    Poll::Pending => break,
                }
            }
            while self.timer.poll(cx, deadline).is_ready() {
                let moved = self.moved.load(Ordering::Relaxed);
                // Where the client takes what the other streams have, this one waits for its turn.
                if turns == 0 || moved < before + FAIR {
                    return Poll::Ready(Err(Cut::Stalled));
                }
                (turns, before) = (turns - 1, moved);
                deadline = Instant::now() + self.timeout;
            }
            Poll::Pending
        })
        .await
    }
}

/// Answers a request that is not one with a problem document (RFC 9457). The others on the connection go on: frames tell one
/// from the next whatever is in them.
pub(super) fn refuse<S: Service>(
    terms: &Terms<'_, S>,
    respond: &mut SendResponse<Bytes>,
    is_head: bool,
    refusal: Refusal,
) {
    let request_id = terms.service.request_id();
    terms.service.refused(refusal, terms.info, request_id.as_deref());
    let (head, problem) = refusal.answer(request_id.as_deref());
    let problem = Bytes::from(problem);
    let response = final_head(head, Coding::Length(problem.len() as u64), terms.service.now());
    // A client that reset the stream meanwhile needs no answer; one that keeps its window shut waits for the rest of it.
    if let Ok(mut stream) = respond.send_response(response, is_head)
        && !is_head
    {
        let _ = stream.send_data(problem, true);
    }
}
