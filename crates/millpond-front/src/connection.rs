//! One connection from its first byte to its last.

use crate::exchange::{self, Ended};
use crate::head::{self, Facts, Framing};
use crate::http2;
use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::reading::{HeadEnd, Reading};
use crate::respond::{self, Terms};
use crate::timer::Timer;
use crate::workspace::Workspace;
use crate::{
    ConnInfo, DrainSignal, Finished, FrontLimits, Outcome, Refusal, Reply, Request, Service, Transport,
    Upgraded,
};
use bytes::Bytes;
use bytes::BytesMut;
use millpond_exchange::Body;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// The client closed it between two requests, or before a head was complete.
    ClientClosed,
    /// It was closed after a reply that said so.
    Closed,
    /// It was idle for too long.
    Idle,
    /// The process is shutting down.
    Drained,
    /// It was handed over to another protocol, and that is done. The drain signal was held until then.
    Upgraded,
    /// The front refused a request.
    Refused(Refusal),
    /// It broke off: an I/O error, a write without progress, a reply that could not be completed.
    Cut,
}

/// The state that outlives a request.
pub(crate) struct Connection<IO> {
    pub(crate) io: IO,
    pub(crate) limits: Arc<FrontLimits>,
    pub(crate) drain: DrainSignal,
    pub(crate) timer: Timer,
    /// Held while there is input; an idle connection has none.
    pub(crate) workspace: Option<Box<Workspace>>,
    pub(crate) out: Outgoing,
    /// The client has closed its direction.
    pub(crate) eof: bool,
    /// When the last reply was done, or the connection was made.
    pub(crate) idle_since: Instant,
    replies: u64,
}

/// What comes after a request.
enum Next {
    Continue,
    End(ConnectionEnd),
    Linger(ConnectionEnd),
    Upgrade(crate::UpgradeHandler),
    Http2,
}

/// Serves the requests that come over `io`, until either side closes: HTTP/1.1, or HTTP/2 where the client begins with its
/// preface (RFC 9113 section 3.3).
///
/// The listener sets `TCP_NODELAY`. Dropping the future closes the connection at once.
pub async fn serve_connection<S, IO>(
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
    let mut conn = Connection::new(io, limits, drain);
    let next = loop {
        let next = conn.serve_one(&*service, &info).await;
        if !matches!(next, Next::Continue) {
            break next;
        }
    };
    let end = match next {
        Next::Upgrade(handler) => {
            let before = conn.take_unread();
            handler(Upgraded::new(before, Box::new(conn.io))).await;
            return ConnectionEnd::Upgraded;
        }
        Next::Http2 => {
            let before = conn.take_unread();
            let Connection { io, limits, drain, .. } = conn;
            return Box::pin(http2::serve(io, before, info, service, limits, drain)).await;
        }
        Next::Linger(end) => {
            conn.linger().await;
            end
        }
        Next::End(end) => {
            if !matches!(end, ConnectionEnd::Cut) {
                conn.shut_down().await;
            }
            end
        }
        Next::Continue => ConnectionEnd::Closed,
    };
    conn.workspace.take().into_iter().for_each(Workspace::give);
    end
}

impl<IO: Transport> Connection<IO> {
    fn new(io: IO, limits: Arc<FrontLimits>, drain: DrainSignal) -> Self {
        Self {
            io,
            limits,
            drain,
            timer: Timer::default(),
            workspace: None,
            out: Outgoing::default(),
            eof: false,
            idle_since: Instant::now(),
            replies: 0,
        }
    }

    /// What was read and belongs to whoever has the connection from here on.
    fn take_unread(&mut self) -> Bytes {
        let Some(workspace) = self.workspace.take() else { return Bytes::new() };
        // A copy: a part of the buffer, be it empty, would hold all of it for as long as a tunnel lives.
        let unread = Bytes::copy_from_slice(&workspace.input);
        workspace.give();
        unread
    }

    pub(crate) fn is_first_request(&self) -> bool {
        self.replies == 0
    }

    pub(crate) fn workspace(&mut self) -> &mut Workspace {
        self.workspace.get_or_insert_with(Workspace::take)
    }

    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.workspace().input
    }

    /// Reads once into the input buffer; 0 at the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.eof {
            return Poll::Ready(Ok(0));
        }
        let workspace = self.workspace.get_or_insert_with(Workspace::take);
        let read = ready!(workspace.poll_read(&mut self.io, cx))?;
        self.eof = read == 0;
        Poll::Ready(Ok(read))
    }

    /// Writes and flushes all that is queued; `deadline` is kept while nothing moves.
    pub(crate) fn poll_write_all(
        &mut self,
        deadline: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let polled = if self.out.is_empty() {
                Pin::new(&mut self.io).poll_flush(cx).map_ok(|()| true)
            } else {
                self.out.poll_write(&mut self.io, cx).map_ok(|_| false)
            };
            match polled {
                Poll::Ready(flushed) => {
                    *deadline = None;
                    if flushed? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Pending => {
                    let until = *deadline.get_or_insert_with(|| Instant::now() + self.limits.write_timeout);
                    ready!(self.timer.poll(cx, until));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
    }

    async fn write_all(&mut self) -> io::Result<()> {
        let mut deadline = None;
        poll_fn(|cx| self.poll_write_all(&mut deadline, cx)).await
    }

    /// True when the reply about to be sent need not be the last one. A client that closed its direction behind
    /// pipelined requests gets the replies to all of them.
    pub(crate) fn may_persist(&self) -> bool {
        let more = !self.eof || self.workspace.as_ref().is_some_and(|ws| !ws.input.is_empty());
        more && !self.drain.is_draining() && self.limits.requests.is_none_or(|most| self.replies + 1 < most)
    }

    async fn serve_one<S: Service>(&mut self, service: &S, info: &ConnInfo) -> Next {
        let mut reading = Reading::default();
        let facts = match poll_fn(|cx| self.poll_request(&mut reading, info.scheme, cx)).await {
            Ok(facts) => facts,
            Err(HeadEnd::Refused(refusal)) => return self.refuse(refusal, service, info).await,
            Err(HeadEnd::Ended(end)) => return Next::End(end),
            Err(HeadEnd::Http2) => return Next::Http2,
        };
        let reply = service.ready(&self.workspace().request, info);
        if let Some(reply) = reply {
            return self.answer_ready(reply, &facts, service, info).await;
        }
        let request = std::mem::replace(&mut self.workspace().request, Request::blank());
        let ended = Box::pin(exchange::call(self, service, info, request, facts)).await;
        self.settle(ended, service, info).await
    }

    /// The fast path: everything is in memory, one write as a rule.
    async fn answer_ready<S: Service>(
        &mut self,
        reply: Reply<S::Log>,
        facts: &Facts,
        service: &S,
        info: &ConnInfo,
    ) -> Next {
        if matches!(reply.body, Body::Stream { .. })
            || reply.upgrade.is_some()
            || facts.framing != Framing::None
        {
            let received = self.workspace().request.received;
            let ended = Box::pin(exchange::reply(self, service, info, reply, facts, received)).await;
            return self.settle(ended, service, info).await;
        }
        let terms = Terms {
            announce: reply.announce,
            keep_alive: facts.persistent && !reply.close && self.may_persist(),
            takes_over: false,
            now: service.now(),
        };
        let status = reply.head.status();
        let begun = match respond::begin(&mut self.out, reply.head, reply.body, facts, terms) {
            Ok(begun) => begun,
            Err(refusal) => {
                let request = Some(&self.workspace().request);
                let outcome = Outcome::not_sent(refusal.status());
                service.finished(Finished { request, conn: info, log: reply.log, outcome });
                return self.refuse(refusal, service, info).await;
            }
        };
        let written = self.write_all().await;
        let end = Instant::now();
        let request = &self.workspace().request;
        let total = end.saturating_duration_since(request.received);
        let outcome = Outcome {
            status,
            body_bytes: begun.body_bytes,
            complete: written.is_ok(),
            first_byte: total,
            total,
        };
        service.finished(Finished { request: Some(request), conn: info, log: reply.log, outcome });
        self.idle_since = end;
        self.replies += 1;
        match written {
            Err(_) => Next::End(ConnectionEnd::Cut),
            Ok(()) if begun.keep_alive => Next::Continue,
            Ok(()) => self.close(&Incoming::Done),
        }
    }

    /// What follows an exchange.
    async fn settle<S: Service>(&mut self, ended: Ended, service: &S, info: &ConnInfo) -> Next {
        self.idle_since = Instant::now();
        self.replies += 1;
        match ended {
            Ended::Dead => Next::End(ConnectionEnd::Cut),
            Ended::BadReply => self.refuse(Refusal::BadReply, service, info).await,
            Ended::Upgrade(handler) => Next::Upgrade(handler),
            Ended::Replied { keep_alive: true, mut incoming } => {
                if incoming.is_done() || self.drain_body(&mut incoming).await {
                    Next::Continue
                } else {
                    Next::Linger(ConnectionEnd::Closed)
                }
            }
            Ended::Replied { keep_alive: false, incoming } => self.close(&incoming),
        }
    }

    /// How to close after a complete reply.
    fn close(&mut self, incoming: &Incoming) -> Next {
        let end = if self.drain.is_draining() { ConnectionEnd::Drained } else { ConnectionEnd::Closed };
        let unread = !incoming.is_done() || self.workspace.as_ref().is_some_and(|ws| !ws.input.is_empty());
        if unread && !self.eof { Next::Linger(end) } else { Next::End(end) }
    }

    /// Answers with a problem document (RFC 9457) and closes: what follows on the connection cannot be trusted.
    async fn refuse<S: Service>(&mut self, refusal: Refusal, service: &S, info: &ConnInfo) -> Next {
        let request_id = service.request_id();
        service.refused(refusal, info, request_id.as_deref());
        let (head, problem) = refusal.answer(request_id.as_deref());
        let facts = Facts::unknown();
        let terms = Terms { announce: None, keep_alive: false, takes_over: false, now: service.now() };
        let begun = respond::begin(&mut self.out, head, Body::from_bytes(problem), &facts, terms);
        match (begun, self.write_all().await) {
            (Ok(_), Ok(())) => Next::Linger(ConnectionEnd::Refused(refusal)),
            _ => Next::End(ConnectionEnd::Cut),
        }
    }
}

impl Facts {
    /// What is assumed of a request that could not be read.
    fn unknown() -> Self {
        head::Facts {
            framing: Framing::None,
            persistent: false,
            http10: false,
            is_head: false,
            is_connect: false,
            expects_continue: false,
            accepts_trailers: false,
        }
    }
}
