//! The forward proxy: clients name the origin, in the target of a request or of a tunnel (CONNECT).
//!
//! What lives here: which targets they may choose, connections to these, tunnels, TLS opened on request. What must not:
//! answers, which come from the service behind ([`Inner`]); certificates (`millpond-intercept`).

mod common;
mod connect;
mod counters;
mod dialer;
mod granted;
mod guard;
mod inner;
mod intercept;
mod resolver;
mod target;

pub(crate) use common::{Common, is_chosen};
pub(crate) use counters::Tunnels;
pub use dialer::Names;
pub(crate) use dialer::{DialError, Dialer};
pub(crate) use guard::{Guard, Refused};
pub(crate) use inner::{Inner, Unreadable};
pub(crate) use target::{Target, without_dot};

use crate::access_log::AccessLog;
use crate::note::Note;
use crate::problem::Problem;
use crate::reply::own_reply;
use millpond_exchange::{Body, Method, StatusCode, Timestamp, Version};
use millpond_front::{ConnInfo, Finished, Interim, Refusal, Reply, Request, Service, TargetForm};
use std::sync::Arc;

/// A forward proxy in front of the service `S`. Clones are the same one.
pub(crate) struct Forward<S> {
    common: Arc<Common>,
    inner: Arc<S>,
}

impl<S> Clone for Forward<S> {
    fn clone(&self) -> Self {
        Self { common: Arc::clone(&self.common), inner: Arc::clone(&self.inner) }
    }
}

impl<S: Inner> Forward<S> {
    pub fn new(common: &Arc<Common>, inner: S) -> Self {
        Self { common: Arc::clone(common), inner: Arc::new(inner) }
    }

    /// Where requests are logged.
    pub fn log(&self) -> Option<&AccessLog> {
        self.inner.log()
    }

    /// True when `request` names a target that this connection may ask for, as far as names go. Cheap: every hit passes here.
    fn admits(&self, request: &Request, conn: &ConnInfo) -> bool {
        let head = &request.head;
        match &conn.tunnel {
            Some(authority) => {
                head.scheme == conn.scheme && target::is_same(head.scheme, &head.authority, authority)
            }
            None => names_its_target(request) && self.common.allows(&head.authority),
        }
    }

    /// Why `request` is not for this connection, or its target not for clients to choose.
    fn check(&self, request: &Request, conn: &ConnInfo) -> Result<(), Problem> {
        let head = &request.head;
        if let Some(authority) = &conn.tunnel {
            return if self.admits(request, conn) { Ok(()) } else { Err(elsewhere(authority, conn)) };
        }
        if !names_its_target(request) {
            return Err(not_for_a_proxy(conn));
        }
        let target = Target::of_url(head.scheme, &head.authority).ok_or(Refused::Malformed)?;
        match &self.common.guard {
            Some(guard) => Ok(guard.check(&target)?),
            None => Ok(()),
        }
    }

    /// What is logged of `request`.
    fn note(&self, request: &Request) -> Note {
        let head = &request.head;
        let shown = match request.form {
            TargetForm::Authority => head.authority.clone(),
            _ => format!("{}://{}{}", head.scheme, head.authority, head.path_and_query),
        };
        let id = self.inner.request_id().unwrap_or_default();
        Note { request: Some((head.method.clone(), shown)), ..Note::new(id, &self.common.no_route) }
    }
}

impl<S: Inner> Service for Forward<S> {
    type Log = Note;

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn ready(&self, request: &Request, conn: &ConnInfo) -> Option<Reply<Note>> {
        if !self.admits(request, conn) {
            return None;
        }
        self.inner.ready(request, conn)
    }

    async fn call(&self, mut request: Request, body: Body, interim: Interim, conn: &ConnInfo) -> Reply<Note> {
        if request.head.method == Method::CONNECT {
            return self.connect(request, conn).await;
        }
        if let Some(authority) = &conn.tunnel {
            target::complete(&mut request.head, authority);
        }
        if let Err(problem) = self.check(&request, conn) {
            self.inner.turned_away();
            return report(&problem, problem.kind, self.note(&request));
        }
        self.inner.call(request, body, interim, conn).await
    }

    fn finished(&self, done: Finished<'_, Note>) {
        // A tunnel is logged when it ends, by whoever has it then.
        if !(connect::is_opened(&done.log) && done.outcome.complete) {
            self.inner.finished(done);
        }
    }

    fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>) {
        self.inner.refused(refusal, conn, request_id);
    }

    fn request_id(&self) -> Option<String> {
        self.inner.request_id()
    }
}

/// A reply made here.
fn report(problem: &Problem, reason: &'static str, note: Note) -> Reply<Note> {
    let (head, body) = problem.response(&note.request_id);
    let outcome = if problem.status.is_client_error() { "refused" } else { "error" };
    own_reply(&head, body, None, Note { outcome, reason: Some(reason), ..note })
}

/// True for an absolute-form target (RFC 9112 section 3.2.2). In HTTP/2 every request names its origin (RFC 9113 section 8.3.1).
fn names_its_target(request: &Request) -> bool {
    request.form == TargetForm::Absolute
        || request.head.version == Version::HTTP_2 && request.form == TargetForm::Origin
}

/// RFC 9110 section 7.4: what comes through a tunnel is for the origin that the tunnel leads to.
fn elsewhere(authority: &str, conn: &ConnInfo) -> Problem {
    let detail =
        format!("This connection leads to {}://{authority}; the request is for another origin.", conn.scheme);
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-tunnel", detail)
}

fn not_for_a_proxy(conn: &ConnInfo) -> Problem {
    let address = conn.local.map_or_else(|| "ADDRESS".to_owned(), |local| local.to_string());
    let detail = format!(
        "This is a forward proxy, and the request does not say which origin it is for. Set it as the proxy of your client, as \
         in http_proxy=http://{address} and https_proxy=http://{address}; to stand in front of one origin there is millpond \
         serve."
    );
    Problem::new(StatusCode::BAD_REQUEST, "not-a-proxy-request", detail)
}
