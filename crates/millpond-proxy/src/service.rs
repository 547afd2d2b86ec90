//! What the front asks: routes, guards, the engine, and the reply's own fields.

use crate::access_log::{AccessLog, Line};
use crate::expect;
use crate::limit::{Watched, watched};
use crate::pass::pass_reason;
use crate::problem::Problem;
use crate::reply::{own_reply, reply};
use crate::request_id::RequestIds;
use crate::rewrite::{Sender, for_origin};
use crate::route::{NoRoute, Route, RouteTable};
use millpond_config::IpRange;
use millpond_engine::{Answer, Engine, Exchange, Origin};
use millpond_exchange::{Body, Method, RequestHead, StatusCode, Timestamp};
use millpond_front::{ConnInfo, Finished, Interim, Refusal, Reply, Request, Service, TargetForm};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What goes with a reply until it is logged.
pub(crate) struct Note {
    pub request_id: String,
    pub route: Arc<str>,
    /// The outcome, in one word.
    pub outcome: &'static str,
    /// The reason, where there is one.
    pub reason: Option<&'static str>,
    /// Method and target, where the request itself is no longer at hand when the reply ends.
    pub request: Option<(Method, String)>,
}

/// What all workers have in common.
pub(crate) struct Common {
    pub routes: RouteTable,
    pub trusted: Vec<IpRange>,
}

/// Serves one worker's connections.
pub(crate) struct CacheService<O> {
    pub common: Arc<Common>,
    pub engine: Arc<Engine<O>>,
    pub log: Option<AccessLog>,
    pub ids: RequestIds,
}

impl<O: Origin> CacheService<O> {
    fn note(&self, request: Option<&RequestHead>) -> Note {
        Note {
            request_id: self.ids.next(),
            route: Arc::from(""),
            outcome: "-",
            reason: None,
            request: request.map(|head| (head.method.clone(), head.path_and_query.clone())),
        }
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.common.trusted.iter().any(|range| range.contains(peer)))
    }

    /// Finds the route, or says why there is none.
    fn route(&self, request: &Request) -> Result<&Route, Problem> {
        let head = &request.head;
        if head.method == Method::CONNECT {
            let detail = "This server answers for fixed origins and opens no tunnels.";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-tunnels", detail));
        }
        if head.method == Method::TRACE {
            // It would show the client fields that proxies on the way have added (RFC 9110 section 9.3.8).
            let detail = "TRACE is not forwarded.";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-trace", detail));
        }
        if request.form == TargetForm::Absolute && !self.common.routes.knows(&head.authority) {
            return Err(misdirected(&head.authority));
        }
        self.common.routes.find(&head.authority, &head.path_and_query).map_err(|none| match none {
            NoRoute::Host => misdirected(&head.authority),
            NoRoute::Path => Problem::new(StatusCode::NOT_FOUND, "no-route", "No route is configured for this path."),
        })
    }

    fn problem(&self, problem: &Problem, note: Note) -> Reply<Note> {
        let (head, body) = problem.response(&note.request_id);
        let note = Note { outcome: "error", reason: Some(problem.kind), ..note };
        own_reply(&head, body, problem.cache_status.as_ref(), note)
    }

    async fn answer(&self, request: Request, body: Body, interim: Interim, conn: &ConnInfo, note: &Note)
    -> Result<(Answer, &Route), Problem> {
        let route = self.route(&request)?;
        if let Some(answer) = last_hop(&request.head) {
            return Err(answer);
        }
        let Watched { body, fault } = watched(body, request.body_length, route.request_body)?;
        let upgrade = asks_for_upgrade(&request.head);
        let peer = conn.peer.map(|peer| peer.ip());
        let sender = Sender {
            peer,
            trusted: self.trusts(peer),
            request_id: &note.request_id,
            accepts_trailers: request.accepts_trailers,
        };
        let head = for_origin(route, &request.head, &sender, upgrade);
        let expects = request.head.fields.contains("expect");
        let (gate, opened) = watch::channel(false);
        let body = if expects { expect::gated(body, opened) } else { body };
        let exchange = Exchange {
            head,
            body,
            context: Arc::clone(&route.context),
            pass: pass_reason(route, &request.head),
            upgrade,
            interim: Some(expect::sink(interim, expects.then_some(gate))),
        };
        match self.engine.handle(exchange).await {
            Ok(answer) => Ok((answer, route)),
            Err(error) => Err(fault.problem().unwrap_or_else(|| error.into())),
        }
    }
}

impl<O: Origin> Service for CacheService<O> {
    type Log = Note;

    fn now(&self) -> Timestamp {
        self.engine.now()
    }

    fn ready(&self, request: &Request, _: &ConnInfo) -> Option<Reply<Note>> {
        let head = &request.head;
        if request.form != TargetForm::Origin || request.body_length != Some(0) || asks_for_upgrade(head) {
            return None;
        }
        let route = self.common.routes.find(&head.authority, &head.path_and_query).ok()?;
        if pass_reason(route, head).is_some() {
            return None;
        }
        let target = route.target(head);
        let answer = self.engine.hit(head, target.as_target(), &route.context)?;
        let note = Note {
            route: Arc::clone(&route.name),
            outcome: answer.outcome.as_str(),
            reason: answer.status.detail,
            ..self.note(None)
        };
        Some(reply(answer, route, note))
    }

    async fn call(&self, request: Request, body: Body, interim: Interim, conn: &ConnInfo) -> Reply<Note> {
        let mut note = self.note(Some(&request.head));
        match self.answer(request, body, interim, conn, &note).await {
            Ok((answer, route)) => {
                note.route = Arc::clone(&route.name);
                note.outcome = answer.outcome.as_str();
                note.reason = answer.status.detail;
                route.hint.consider(&answer, &route.name);
                reply(answer, route, note)
            }
            Err(problem) => self.problem(&problem, note),
        }
    }

    fn finished(&self, done: Finished<'_, Note>) {
        let Some(log) = &self.log else { return };
        let (method, target) = match (done.request, &done.log.request) {
            (Some(request), _) => (request.head.method.as_str(), request.head.path_and_query.as_str()),
            (None, Some((method, target))) => (method.as_str(), target.as_str()),
            (None, None) => ("-", "-"),
        };
        let peer = done.conn.peer.map(|peer| peer.ip());
        let time = self.engine.now();
        log.write(&Line { time, peer, method, target, note: &done.log, outcome: done.outcome });
    }

    fn refused(&self, refusal: Refusal, conn: &ConnInfo) {
        tracing::debug!(?refusal, peer = ?conn.peer, "request refused");
    }

    fn request_id(&self) -> Option<String> {
        Some(self.ids.next())
    }
}

fn misdirected(authority: &str) -> Problem {
    let detail = format!("No route is configured for the host {authority:?}.");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "no-route", detail)
}

/// RFC 9110 section 7.8: an Upgrade field counts only when Connection names it.
fn asks_for_upgrade(head: &RequestHead) -> bool {
    head.fields.contains("upgrade")
        && head.fields.get_all("connection").any(|value| {
            value.split(|b| *b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

/// RFC 9110 section 7.6.2: Max-Forwards: 0 makes this the last recipient of an OPTIONS request.
fn last_hop(head: &RequestHead) -> Option<Problem> {
    let left = head.fields.get_str("max-forwards").and_then(|value| value.parse::<u64>().ok());
    let last = head.method == Method::OPTIONS && left == Some(0);
    last.then(|| Problem {
        fields: vec![("Allow", "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE".to_owned())],
        ..Problem::new(StatusCode::OK, "options", "This is a caching proxy; the request asked to go no further.")
    })
}
