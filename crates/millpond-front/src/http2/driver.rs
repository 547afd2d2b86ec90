//! A connection at work: requests in, answers out, all on one task.

use super::call::{call, has_no_content_as_a_rule, refuse_reply};
use super::content::Content;
use super::gate::Gate;
use super::pipe::Pipe;
use super::sending::{Sending, refuse};
use super::{Terms, end_of};
use crate::timer::Timer;
use crate::{ConnectionEnd, DrainSignal, Refusal, Request, Service, Transport, head};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

type Incoming = (http::Request<RecvStream>, SendResponse<Bytes>);

pub(super) struct Driver<'a, S: Service, IO> {
    h2: Connection<Pipe<IO>, Bytes>,
    pipe: Pipe<IO>,
    terms: &'a Terms<'a, S>,
    drain: DrainSignal,
    /// The requests that take longer.
    calls: FuturesUnordered<BoxFuture<'a, ()>>,
    /// What was read and not looked at yet; empty between two polls.
    batch: Vec<Incoming>,
    /// Its buffers are used again for each request.
    request: Request,
    accepted: u64,
    closing: Option<Closing>,
    /// When the connection was made, or something was last done for a request.
    idle_since: Instant,
    begun: Instant,
    timer: Timer,
}

/// The connection ends once it can.
#[derive(Clone, Copy, Debug)]
struct Closing {
    end: ConnectionEnd,
    since: Instant,
    /// Requests under way are not waited for.
    at_once: bool,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// Nothing of our output is taken.
    Write,
    /// The client's SETTINGS.
    Settings,
    /// The rest of a head.
    Head,
    /// The client's close after our GOAWAY.
    Close,
    /// The next request.
    Idle,
}

impl<'a, S: Service, IO: Transport> Driver<'a, S, IO> {
    pub(super) fn new(
        h2: Connection<Pipe<IO>, Bytes>,
        pipe: Pipe<IO>,
        terms: &'a Terms<'a, S>,
        drain: DrainSignal,
        begun: Instant,
    ) -> Self {
        Self {
            h2,
            pipe,
            terms,
            drain,
            calls: FuturesUnordered::new(),
            batch: Vec::new(),
            request: Request::blank(),
            accepted: 0,
            closing: None,
            idle_since: begun,
            begun,
            timer: Timer::default(),
        }
    }

    /// One look at everything that can go on. Ready when the connection is over.
    pub(super) fn poll(&mut self, gate: &Gate, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        loop {
            gate.looks();
            // Writes what the last round queued, then reads all there is.
            let over = self.poll_accept(cx);
            if let Poll::Ready(Err(_)) = self.pipe.poll_flush_now(cx) {
                return Poll::Ready(self.broken());
            }
            if over.is_ready() {
                return over;
            }
            let (moved, resets) = self.pipe.go_on();
            self.terms.moved.store(moved, Ordering::Relaxed);
            let mut busy = self.answer_batch(resets, cx);
            while let Poll::Ready(Some(())) = self.calls.poll_next_unpin(cx) {
                busy = true;
            }
            if busy {
                self.idle_since = Instant::now();
                let replies = self.terms.take_replies();
                self.pipe.watch(|watch| watch.replied(replies));
            } else if !self.close_if_due(cx)
                && let Some(end) = ready!(self.poll_deadlines(cx))
            {
                return Poll::Ready(end);
            }
        }
    }

    /// The transport failed. With nothing under way that is how some clients answer a GOAWAY.
    fn broken(&self) -> ConnectionEnd {
        match self.closing {
            Some(closing) if closing.at_once || self.calls.is_empty() => closing.end,
            _ => ConnectionEnd::Cut,
        }
    }

    /// Takes every request that has come.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEnd> {
        loop {
            match ready!(self.h2.poll_accept(cx)) {
                Some(Ok(incoming)) => self.batch.push(incoming),
                Some(Err(error)) => {
                    let end = end_of(&error);
                    if let ConnectionEnd::Refused(refusal) = end {
                        self.terms.service.refused(refusal, self.terms.info, None);
                    }
                    return Poll::Ready(if end == ConnectionEnd::Cut { self.broken() } else { end });
                }
                None => {
                    return Poll::Ready(
                        self.closing.map_or(ConnectionEnd::ClientClosed, |closing| closing.end),
                    );
                }
            }
        }
    }

    /// Answers what can be answered at once; true when there was something to do. With `resets` some of it may be reset already.
    fn answer_batch(&mut self, resets: bool, cx: &mut Context<'_>) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let received = Instant::now();
        let late =
            self.closing.is_some_and(|closing| closing.since + self.terms.limits.linger_timeout < received);
        for (request, mut respond) in batch.drain(..) {
            // Who does not heed our GOAWAY for long is not waited for either.
            if late {
                respond.send_reset(Reason::REFUSED_STREAM);
                continue;
            }
            self.accepted += 1;
            if resets && respond.poll_reset(cx).is_ready() {
                continue;
            }
            self.answer(request, respond, received);
        }
        self.batch = batch;
        !late
    }

    fn answer(
        &mut self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        received: Instant,
    ) {
        let terms = self.terms;
        let (parts, recv) = request.into_parts();
        let mut content = Content::new(recv);
        let ended = content.is_over() || has_no_content_as_a_rule(&parts.method) && content.is_known_empty();
        let read = head::from_http2(&parts, ended, terms.limits, terms.info.scheme, &mut self.request);
        let facts = match read {
            Ok(facts) => facts,
            Err(refusal) => {
                return refuse(terms, &mut respond, parts.method == http::Method::HEAD, refusal);
            }
        };
        self.request.received = received;
        let Some(reply) = terms.service.ready(&self.request, terms.info) else {
            let request = std::mem::replace(&mut self.request, Request::blank());
            return self.calls.push(Box::pin(call(terms, request, facts, content, respond)));
        };
        let mut sending = match Sending::begin(terms, &mut respond, reply, &facts, received) {
            Ok(sending) => sending,
            Err(bad) => return refuse_reply(terms, bad, &mut respond, facts.is_head),
        };
        if sending.at_once() {
            return sending.finish(Some(&self.request));
        }
        let request = std::mem::replace(&mut self.request, Request::blank());
        self.calls.push(Box::pin(sending.with_request(request).send()));
    }

    /// Begins to close the connection, if there is a reason to. True when it has just begun.
    fn close_if_due(&mut self, cx: &Context<'_>) -> bool {
        if self.closing.is_some_and(|closing| closing.at_once) {
            return false;
        }
        if self.pipe.watch(|watch| watch.is_flooded()) {
            self.abort(Refusal::Flood, Reason::ENHANCE_YOUR_CALM);
            return true;
        }
        if self.closing.is_some() {
            return false;
        }
        let limits = self.terms.limits;
        let end = if self.drain.poll_draining(cx) {
            ConnectionEnd::Drained
        } else if self.terms.is_to_close() || limits.requests.is_some_and(|most| self.accepted >= most) {
            ConnectionEnd::Closed
        } else {
            return false;
        };
        self.close(end);
        true
    }

    /// Tells the client to make no further requests here; those under way are finished (RFC 9113 section 6.8).
    fn close(&mut self, end: ConnectionEnd) {
        self.closing = Some(Closing { end, since: Instant::now(), at_once: false });
        self.h2.graceful_shutdown();
    }

    /// Ends the connection with an error.
    fn abort(&mut self, refusal: Refusal, reason: Reason) {
        self.terms.service.refused(refusal, self.terms.info, None);
        let end = ConnectionEnd::Refused(refusal);
        self.closing = Some(Closing { end, since: Instant::now(), at_once: true });
        self.calls.clear();
        self.h2.abrupt_shutdown(reason);
    }

    /// Ready when a deadline has passed: with an end where that is one.
    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionEnd>> {
        let (deadline, due) = self.next_deadline();
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(self.timer.poll(cx, deadline));
        match due {
            Due::Write => return Poll::Ready(Some(ConnectionEnd::Cut)),
            Due::Close => return Poll::Ready(self.closing.map(|closing| closing.end)),
            Due::Settings => self.abort(Refusal::HeadTimeout, Reason::SETTINGS_TIMEOUT),
            Due::Head => self.abort(Refusal::HeadTimeout, Reason::ENHANCE_YOUR_CALM),
            Due::Idle => self.close(ConnectionEnd::Idle),
        }
        Poll::Ready(None)
    }

    /// The first thing that must not take longer.
    fn next_deadline(&self) -> (Option<Instant>, Due) {
        let limits = self.terms.limits;
        let (blocked, settled, head) = self.pipe.look(limits.head_timeout);
        let mut first = (blocked.map(|since| since + limits.write_timeout), Due::Write);
        let mut consider = |deadline: Instant, due| {
            if first.0.is_none_or(|earlier| deadline < earlier) {
                first = (Some(deadline), due);
            }
        };
        // A reply is done with when its last bytes are queued; they must get out before any rest begins.
        let resting = self.calls.is_empty() && blocked.is_none();
        let rest_since = self.pipe.unblocked().map_or(self.idle_since, |at| at.max(self.idle_since));
        match self.closing {
            Some(Closing { since, at_once, .. }) if at_once || resting => {
                let since = if at_once { since } else { since.max(rest_since) };
                consider(since + limits.linger_timeout, Due::Close);
            }
            None if resting => consider(rest_since + limits.idle_timeout, Due::Idle),
            _ => {}
        }
        if self.closing.is_none_or(|closing| !closing.at_once) {
            if !settled {
                consider(self.begun + limits.head_timeout, Due::Settings);
            }
            if let Some(head) = head {
                consider(head, Due::Head);
            }
        }
        first
    }
}
