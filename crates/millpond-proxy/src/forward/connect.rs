//! CONNECT (RFC 9110 section 9.3.6): what becomes of a tunnel that a client asks for.

use super::common::Way;
use super::dialer::DialError;
use super::granted::Granted;
use super::target::Target;
use super::{Forward, Inner, Unreadable, report};
use crate::note::Note;
use crate::problem::Problem;
use crate::reply::push;
use crate::tunnel::{self, Ended};
use futures_util::future::BoxFuture;
use millpond_exchange::{Body, Method, StatusCode};
use millpond_front::{ConnInfo, Reply, Request, Transport, UpgradeHandler, Upgraded, WireHead};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The outcome of a tunnel that goes unread.
pub(super) const TUNNEL: &str = "tunnel";
/// The outcome of a tunnel whose inside is read: what is asked in it is logged by itself.
pub(super) const INTERCEPT: &str = "intercept";

/// True for the note of a tunnel that was granted.
pub(super) fn is_opened(note: &Note) -> bool {
    let connect = note.request.as_ref().is_some_and(|(method, _)| method == Method::CONNECT);
    connect && (note.outcome == TUNNEL || note.outcome == INTERCEPT)
}

/// What a client asked for with CONNECT.
pub(super) struct Wanted {
    pub target: Target,
    /// Host and port, the host in lower case.
    pub authority: Arc<str>,
    pub conn: ConnInfo,
    pub note: Note,
    pub received: Instant,
}

impl<S: Inner> Forward<S> {
    /// Answers a CONNECT.
    pub(super) async fn connect(&self, request: Request, conn: &ConnInfo) -> Reply<Note> {
        let note = self.note(&request);
        if conn.tunnel.is_some() {
            self.inner.turned_away();
            let detail = "This connection runs within a tunnel already.";
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "nested-tunnel", detail);
            let problem = Problem { fields: vec![("Allow", crate::service::ALLOWED.to_owned())], ..problem };
            return report(&problem, problem.kind, note);
        }
        let target = match self.common.tunnel_target(&request.head.authority) {
            Ok(target) => target,
            Err(refused) => {
                self.inner.turned_away();
                self.common.tunnels.refused();
                return report(&refused.into(), refused.as_str(), note);
            }
        };
        let authority = format!("{}:{}", target.host, target.port).into();
        let wanted = Wanted { target, authority, conn: conn.clone(), note, received: request.received };
        match self.common.way(&wanted.target.host) {
            Way::Open => self.grant(wanted, INTERCEPT, Self::open),
            Way::Closed => match self.dial_unread(&wanted.authority, &wanted.target).await {
                Ok(origin) => self.grant(wanted, TUNNEL, |forward, granted, client| {
                    Box::pin(async move { forward.pass(granted, client, origin).await })
                }),
                Err((problem, reason)) => report(&problem, reason, wanted.note),
            },
        }
    }

    /// 200, and `then` has the connection.
    fn grant<F>(&self, wanted: Wanted, outcome: &'static str, then: F) -> Reply<Note>
    where
        F: FnOnce(Self, Granted<S>, Upgraded) -> BoxFuture<'static, ()> + Send + 'static,
    {
        let forward = self.clone();
        let request = wanted.note.request.clone();
        let shown =
            Note { outcome, request, ..Note::new(wanted.note.request_id.clone(), &self.common.no_route) };
        let first_byte = wanted.received.elapsed();
        let mut head = WireHead::with_reason(StatusCode::OK, "Connection established");
        push(&mut head, "X-Request-Id", &shown.request_id);
        // Not before the reply is on its way: one that was never sent is logged as any other.
        let handler: UpgradeHandler = Box::new(move |client| {
            let granted = Granted::new(wanted, outcome, first_byte, &forward.inner);
            then(forward, granted, client)
        });
        Reply { upgrade: Some(handler), ..Reply::new(head, Body::Empty, shown) }
    }

    /// A connection to `target` for a tunnel whose inside nobody here is to see.
    async fn dial_unread(
        &self,
        authority: &str,
        target: &Target,
    ) -> Result<TcpStream, (Problem, &'static str)> {
        match self.inner.unreadable(authority) {
            Unreadable::Tunnel => self.dial(authority, target).await,
            Unreadable::Close => Err(nowhere()),
        }
    }

    /// A connection to `target`, or what the client is told and the log says.
    pub(super) async fn dial(
        &self,
        authority: &str,
        target: &Target,
    ) -> Result<TcpStream, (Problem, &'static str)> {
        let Some(dialer) = &self.common.outside else { return Err(nowhere()) };
        let limit = self.common.connect;
        let error = match tokio::time::timeout(limit, dialer.connect(target)).await {
            Ok(Ok(origin)) => return Ok(origin),
            Ok(Err(error)) => error,
            Err(_) => {
                self.common.tunnels.failed();
                let detail = format!("The target could not be connected to within {limit:?}.");
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "origin-timeout", detail);
                return Err((problem, "origin-timeout"));
            }
        };
        if let DialError::Refused(refused) = error {
            self.common.tunnels.refused();
            return Err((refused.into(), refused.as_str()));
        }
        self.common.tunnels.failed();
        tracing::warn!(%authority, %error, "a tunnel could not be opened");
        let problem = error.problem();
        let reason = problem.kind;
        Err((problem, reason))
    }

    /// Passes bytes between `client` and `origin`.
    pub(super) async fn pass(&self, mut granted: Granted<S>, client: impl Transport, origin: TcpStream) {
        granted.note.outcome = TUNNEL;
        let tunnels = Some(&*self.common.tunnels);
        let ended = tunnel::join(client, origin, &self.common.patience, &granted.moved, tunnels).await;
        let (up, down) = granted.moved.counts();
        tracing::debug!(authority = %granted.authority, up, down, ?ended, "tunnel closed");
        match ended.reason() {
            Some(reason) => granted.fail(reason),
            None if ended == Ended::Closed => granted.complete(),
            None => {}
        }
    }

    /// Goes on unread with a tunnel whose inside turned out not to be readable.
    pub(super) async fn go_unread(&self, mut granted: Granted<S>, client: impl Transport) {
        // Asked in any case: it is a miss for who answers from recordings alone.
        let verdict = self.inner.unreadable(&granted.authority);
        if self.common.outside.is_none() || verdict == Unreadable::Close {
            return granted.fail("unreadable");
        }
        granted.note.outcome = TUNNEL;
        match self.dial(&granted.authority, &granted.target).await {
            Ok(origin) => self.pass(granted, client, origin).await,
            Err((_, reason)) => granted.fail(reason),
        }
    }
}

fn nowhere() -> (Problem, &'static str) {
    let detail = "Nothing is fetched here, so that there is nowhere for a tunnel to go.";
    (Problem::new(StatusCode::GATEWAY_TIMEOUT, "no-origin", detail), "no-origin")
}
