//! One request that the fast path did not answer: the service at work, its interim responses, the request body going
//! one way and the reply the other, all at once on the connection's task.

use crate::body::RequestBody;
use crate::connection::Connection;
use crate::head::Facts;
use crate::incoming::{Incoming, Piece};
use crate::link::Link;
use crate::respond::{self, Filled, Streaming, Terms};
use crate::{
    ConnInfo, Finished, Interim, Outcome, Refusal, Reply, Request, Service, Transport, UpgradeHandler,
    workspace,
};
use futures_util::future::BoxFuture;
use http::StatusCode;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// Bytes that are read beyond the request while the service works; reading on is what tells that the client is gone.
const READ_AHEAD: usize = 16 * 1024;

/// How an exchange ended.
pub(crate) enum Ended {
    /// The connection is of no more use.
    Dead,
    /// The service's reply cannot be sent.
    BadReply,
    Replied {
        keep_alive: bool,
        incoming: Incoming,
    },
    Upgrade(UpgradeHandler),
}

/// A reply on its way out.
struct Sending<L> {
    status: StatusCode,
    rest: Option<Streaming>,
    /// Content queued, beside what `rest` counts.
    body_bytes: u64,
    keep_alive: bool,
    /// The body failed; what is queued is sent, then the connection is cut.
    broken: bool,
    upgrade: Option<UpgradeHandler>,
    first_byte: Instant,
    log: L,
}

enum Stage<'a, L> {
    Calling(BoxFuture<'a, Reply<L>>),
    Sending(Sending<L>),
    Over,
}

struct Exchange<'a, S: Service, IO> {
    conn: &'a mut Connection<IO>,
    service: &'a S,
    info: &'a ConnInfo,
    facts: Facts,
    incoming: Incoming,
    /// A byte of the body has been seen.
    body_begun: bool,
    link: Arc<Link>,
    /// The reply is [`Service::ready`]'s: the request is still in the workspace.
    is_ready: bool,
    /// The reply's content lasts until the connection closes, and is not complete.
    ends_by_close: bool,
    stage: Stage<'a, S::Log>,
    received: Instant,
    write_deadline: Option<Instant>,
    read_deadline: Option<Instant>,
}

/// The connection broke.
struct Dead;

/// Runs [`Service::call`] and sends its reply.
pub(crate) async fn call<S: Service, IO: Transport>(
    conn: &mut Connection<IO>,
    service: &S,
    info: &ConnInfo,
    request: Request,
    facts: Facts,
) -> Ended {
    let incoming = Incoming::new(facts.framing);
    let link = Link::new(!facts.http10, !incoming.is_done());
    let body = match request.body_length {
        Some(0) => Body::Empty,
        length => Body::Stream { stream: Box::pin(RequestBody::new(Arc::clone(&link))), length },
    };
    let received = request.received;
    let call = Box::pin(service.call(request, body, Interim::new(Arc::clone(&link)), info));
    let stage = Stage::Calling(call);
    run(Exchange::new(conn, (service, info), facts, stage, link, received)).await
}

/// Sends a reply that [`Service::ready`] gave and that is not all in memory.
pub(crate) async fn reply<S: Service, IO: Transport>(
    conn: &mut Connection<IO>,
    service: &S,
    info: &ConnInfo,
    reply: Reply<S::Log>,
    facts: &Facts,
    received: Instant,
) -> Ended {
    let link = Link::new(false, false);
    link.abandon();
    let stage = Stage::Calling(Box::pin(std::future::ready(reply)));
    let exchange = Exchange::new(conn, (service, info), *facts, stage, link, received);
    run(Exchange { is_ready: true, ..exchange }).await
}

async fn run<S: Service, IO: Transport>(mut exchange: Exchange<'_, S, IO>) -> Ended {
    let ended = poll_fn(|cx| exchange.poll(cx)).await;
    exchange.link.cut();
    exchange.conclude(ended)
}

impl<'a, S: Service, IO: Transport> Exchange<'a, S, IO> {
    fn new(
        conn: &'a mut Connection<IO>,
        (service, info): (&'a S, &'a ConnInfo),
        facts: Facts,
        stage: Stage<'a, S::Log>,
        link: Arc<Link>,
        received: Instant,
    ) -> Self {
        Self {
            conn,
            service,
            info,
            facts,
            incoming: Incoming::new(facts.framing),
            body_begun: false,
            link,
            is_ready: false,
            ends_by_close: false,
            stage,
            received,
            write_deadline: None,
            read_deadline: None,
        }
    }

    /// One look at everything that can go on. Ready when the reply is out, or cannot be sent.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Dead>> {
        loop {
            self.link.awake();
            if let Stage::Calling(call) = &mut self.stage
                && let Poll::Ready(reply) = call.as_mut().poll(cx)
                && !self.begin(reply)
            {
                return Poll::Ready(Ok(false));
            }
            // Input first: it may find that a 100 must be written.
            let polled = self.poll_input(cx).and_then(|()| self.poll_output(cx));
            match polled {
                Err(dead) => return Poll::Ready(Err(dead)),
                Ok(true) => return Poll::Ready(Ok(true)),
                Ok(false) => {}
            }
            if !self.body_timed_out(cx) && self.link.sleep(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Queues the reply's head; false when it is not a reply that can be sent.
    fn begin(&mut self, reply: Reply<S::Log>) -> bool {
        let continued = self.link.close_interim();
        self.queue_interim();
        let waits_for_continue = self.facts.expects_continue && !continued && !self.body_begun;
        let unread = self.link.wants().abandoned && self.incoming.at_least() > self.conn.limits.drain_bytes;
        let terms = Terms {
            announce: reply.announce,
            keep_alive: self.facts.persistent
                && !reply.close
                && self.conn.may_persist()
                && !self.incoming.is_broken()
                && !waits_for_continue
                && !unread,
            takes_over: reply.upgrade.is_some(),
            now: self.service.now(),
        };
        let status = reply.head.status();
        // What is left of a body would be taken for the first bytes of the other protocol.
        let begun = if terms.takes_over && !self.incoming.is_done() {
            Err(Refusal::BadReply)
        } else {
            respond::begin(&mut self.conn.out, reply.head, reply.body, &self.facts, terms)
        };
        let begun = match begun {
            Ok(begun) => begun,
            Err(refusal) => {
                let outcome = Outcome::not_sent(refusal.status());
                let (request, log) = (self.request(), reply.log);
                self.service.finished(Finished { request, conn: self.info, log, outcome });
                return false;
            }
        };
        if begun.rest.as_ref().is_some_and(Streaming::ends_by_close) {
            self.ends_by_close = true;
            self.conn.io.reset_on_close(true);
        }
        self.stage = Stage::Sending(Sending {
            status,
            rest: begun.rest,
            body_bytes: begun.body_bytes,
            keep_alive: begun.keep_alive,
            broken: false,
            upgrade: reply.upgrade.filter(|_| begun.upgrade),
            first_byte: Instant::now(),
            log: reply.log,
        });
        true
    }

    fn queue_interim(&mut self) {
        let mut heads = workspace::take_vec();
        self.link.take_interim(&mut heads);
        self.conn.out.push_head(heads);
    }

    /// Writes what can be written; true when the reply is out.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Result<bool, Dead> {
        if matches!(self.stage, Stage::Calling(_)) {
            self.queue_interim();
        }
        loop {
            let more = self.fill(cx);
            let written = self.conn.poll_write_all(&mut self.write_deadline, cx);
            match (written, more) {
                (Poll::Ready(Err(_)), _) => return Err(Dead),
                (Poll::Pending, _) => return Ok(false),
                (Poll::Ready(Ok(())), true) => {}
                (Poll::Ready(Ok(())), false) => break,
            }
        }
        match &self.stage {
            Stage::Sending(sending) if sending.rest.is_none() => {
                if sending.broken {
                    return Err(Dead);
                }
                if std::mem::take(&mut self.ends_by_close) {
                    self.conn.io.reset_on_close(false);
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Queues content; true when the stream was stopped at the high-water mark.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        let Stage::Sending(sending) = &mut self.stage else { return false };
        let Some(rest) = &mut sending.rest else { return false };
        let filled = match rest.poll_fill(&mut self.conn.out, cx) {
            Poll::Pending => return false,
            Poll::Ready(Filled::Enough) => return true,
            Poll::Ready(filled) => filled,
        };
        sending.body_bytes += rest.sent;
        sending.rest = None;
        sending.keep_alive &= filled == Filled::Finished;
        sending.broken = filled == Filled::Broken;
        false
    }

    /// Moves the request body on if someone waits for it; else reads ahead, to learn when the client is gone.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<(), Dead> {
        if self.incoming.is_done() || self.incoming.is_broken() || !self.link.wants().body {
            self.read_deadline = None;
            return self.poll_read_ahead(cx);
        }
        loop {
            let limits = Arc::clone(&self.conn.limits);
            let piece = self.incoming.next(self.conn.input(), &limits);
            match piece {
                Ok(Piece::More) => {}
                Ok(Piece::Data(data)) => {
                    self.body_begun = true;
                    self.link.put(Some(Ok(Frame::Data(data))), self.incoming.is_done());
                    self.read_deadline = None;
                    return Ok(());
                }
                Ok(Piece::End(trailers)) => {
                    let frame = (!trailers.is_empty()).then(|| Ok(Frame::Trailers(trailers)));
                    self.link.put(frame, true);
                    return Ok(());
                }
                Err(error) => {
                    self.link.put(Some(Err(error)), true);
                    return Ok(());
                }
            }
            self.send_continue();
            match self.conn.poll_read(cx) {
                Poll::Ready(Ok(0)) => {
                    self.incoming.break_off();
                    self.link.cut();
                    return Ok(());
                }
                Poll::Ready(Ok(_)) => self.read_deadline = None,
                Poll::Ready(Err(_)) => return Err(Dead),
                Poll::Pending => {
                    let timeout = self.conn.limits.body_read_timeout;
                    self.read_deadline.get_or_insert_with(|| Instant::now() + timeout);
                    return Ok(());
                }
            }
        }
    }

    /// The body is wanted and has not begun: tell the client to send it (RFC 9110 section 10.1.1).
    fn send_continue(&mut self) {
        let calling = matches!(self.stage, Stage::Calling(_));
        if calling && self.facts.expects_continue && !self.body_begun && self.link.claim_continue() {
            self.conn.out.push(bytes::Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
        }
    }

    fn poll_read_ahead(&mut self, cx: &mut Context<'_>) -> Result<(), Dead> {
        while !self.conn.eof && self.conn.input().len() < READ_AHEAD {
            match self.conn.poll_read(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Dead),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// True when the body's reader was told of a timeout, so that it may run.
    fn body_timed_out(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.read_deadline else { return false };
        // The write deadline, when it is the earlier one, has set the timer already.
        if self.write_deadline.is_some_and(|write| write <= deadline) {
            return false;
        }
        if self.conn.timer.poll(cx, deadline).is_pending() {
            return false;
        }
        self.read_deadline = None;
        self.incoming.break_off();
        let error = BodyError::new(BodyErrorKind::Timeout, "the client stopped sending its body");
        self.link.put(Some(Err(error)), true);
        true
    }

    /// The request, where the service did not take it.
    fn request(&self) -> Option<&Request> {
        self.conn.workspace.as_ref().filter(|_| self.is_ready).map(|workspace| &workspace.request)
    }

    /// Tells the service how it went.
    fn conclude(mut self, ended: Result<bool, Dead>) -> Ended {
        let Stage::Sending(sending) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return if ended.is_ok() { Ended::BadReply } else { Ended::Dead };
        };
        let outcome = Outcome {
            status: sending.status,
            body_bytes: sending.body_bytes + sending.rest.as_ref().map_or(0, |rest| rest.sent),
            complete: ended.is_ok(),
            first_byte: sending.first_byte.saturating_duration_since(self.received),
            total: Instant::now().saturating_duration_since(self.received),
        };
        let (request, log) = (self.request(), sending.log);
        self.service.finished(Finished { request, conn: self.info, log, outcome });
        match (ended, sending.upgrade) {
            (Err(Dead), _) => Ended::Dead,
            (Ok(_), Some(handler)) => Ended::Upgrade(handler),
            (Ok(_), None) => Ended::Replied { keep_alive: sending.keep_alive, incoming: self.incoming },
        }
    }
}
