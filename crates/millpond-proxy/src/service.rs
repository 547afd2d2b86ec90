//! What the front asks: routes, guards, the engine, and the reply's own fields.

use crate::access_log::AccessLog;
use crate::expect;
use crate::forward::{Inner, Unreadable};
use crate::limit::{Watched, watched};
use crate::note::Note;
use crate::pass::pass_reason;
use crate::problem::Problem;
use crate::reply::{own_reply, reply, shown_key};
use crate::request_id::RequestIds;
use crate::rewrite::{Sender, client_host, for_origin, steered};
use crate::route::{NoRoute, Route, RouteTable};
use crate::tunnel::Patience;
use millpond_config::IpRange;
use millpond_engine::{Answer, Engine, Exchange, Origin};
use millpond_exchange::url::normalise_path_and_query;
use millpond_exchange::{Body, Method, RequestHead, Scheme, StatusCode, Timestamp};
use millpond_front::{ConnInfo, Finished, Interim, Refusal, Reply, Request, Service, TargetForm};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// The longest request identifier taken from a trusted peer, bytes.
const MAX_GIVEN_ID: usize = 128;
/// A request that passed here more often than this goes in a circle.
const MAX_PASSES: usize = 8;

/// Methods that are forwarded; others that are not CONNECT and TRACE are too, but nobody needs to be told.
pub(crate) const ALLOWED: &str = "GET, HEAD, OPTIONS, QUERY, POST, PUT, PATCH, DELETE";

/// What all workers have in common.
pub(crate) struct Common {
    pub routes: RouteTable,
    pub trusted: Vec<IpRange>,
    pub patience: Patience,
    /// The name logged where no route was found; shared, because a hit has no time for it.
    pub no_route: Arc<str>,
}

/// Serves one worker's connections.
pub(crate) struct CacheService<O> {
    pub common: Arc<Common>,
    pub engine: Arc<Engine<O>>,
    pub log: Option<AccessLog>,
    pub ids: RequestIds,
}

impl<O: Origin> CacheService<O> {
    /// `log` keeps method and target too, for where the request is not at hand any more when the reply ends.
    fn note(&self, request: &RequestHead, conn: &ConnInfo, log: bool) -> Note {
        let request_id = self.given_id(request, conn).unwrap_or_else(|| self.ids.next());
        let shown = log.then(|| (request.method.clone(), self.shown_target(request)));
        Note { request: shown, ..Note::new(request_id, &self.common.no_route) }
    }

    /// True when clients choose the origin.
    fn forwards(&self) -> bool {
        self.common.routes.forwards()
    }

    fn shown_target(&self, head: &RequestHead) -> String {
        if self.forwards() {
            return format!("{}://{}{}", head.scheme, head.authority, head.path_and_query);
        }
        head.path_and_query.clone()
    }

    /// The identifier a trusted peer gave the request, so that both logs name it alike.
    fn given_id(&self, request: &RequestHead, conn: &ConnInfo) -> Option<String> {
        if self.common.trusted.is_empty() || !self.trusts(conn.peer.map(|peer| peer.ip())) {
            return None;
        }
        let given = request.fields.get_str("x-request-id")?;
        let usable = (1..=MAX_GIVEN_ID).contains(&given.len()) && given.bytes().all(|b| b.is_ascii_graphic());
        usable.then(|| given.to_owned())
    }

    /// The scheme that a trusted proxy in front says its client used, where it is not this connection's.
    fn client_scheme(&self, request: &RequestHead, conn: &ConnInfo) -> Option<Scheme> {
        if self.common.trusted.is_empty() || self.forwards() || !self.trusts(conn.peer.map(|peer| peer.ip()))
        {
            return None;
        }
        said_scheme(request)
    }

    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        peer.is_some_and(|peer| self.common.trusted.iter().any(|range| range.contains(peer)))
    }

    async fn answer(
        &self,
        mut request: Request,
        body: Body,
        interim: Interim,
        conn: &ConnInfo,
        note: &Note,
    ) -> Result<(Answer, &Route, Option<String>), Problem> {
        // Routes, pass rules, the key and the origin must all mean the same resource: a path that only the key takes to
        // be another's would store one resource under the other's name.
        if let Cow::Owned(normal) = normalise_path_and_query(&request.head.path_and_query) {
            request.head.path_and_query = normal;
        }
        // An absolute-form target names a scheme of its own. What the connection is decides what origins are told.
        let named = request.form == TargetForm::Absolute && !self.forwards();
        if named && request.head.scheme != conn.scheme {
            return Err(wrong_scheme(request.head.scheme, conn.scheme));
        }
        let route = find_route(&self.common.routes, &request.head, request.form)?;
        if let Some(answer) = last_hop(&request.head) {
            return Err(answer);
        }
        let Watched { body, fault } = watched(body, request.body_length, route.request_body)?;
        let upgrade = asks_for_upgrade(&request.head);
        let peer = conn.peer.map(|peer| peer.ip());
        let client_scheme = self.client_scheme(&request.head, conn);
        let method = &request.head.method;
        let keys_content = route.context.keys_content(method);
        let pass = pass_reason(route, &request.head, &request.head.path_and_query)
            .or_else(|| steered(&request.head, keys_content));
        let has_content = request.body_length != Some(0);
        let sender = Sender {
            peer,
            trusted: self.trusts(peer),
            scheme: client_scheme.unwrap_or(conn.scheme),
            request_id: &note.request_id,
            accepts_trailers: request.accepts_trailers,
            has_content,
            keys_content,
            shareable: pass.is_none() && (keys_content || matches!(*method, Method::GET | Method::HEAD)),
        };
        let key = if sender.shareable && !keys_content {
            let target = route.target(&request.head, &request.head.path_and_query);
            shown_key(target.as_target(client_scheme), route)
        } else {
            None
        };
        let head = for_origin(route, &request.head, &sender, upgrade);
        // Content that is part of the key is read before anyone is asked, which tells the client to go on.
        let expects = has_content && !sender.is_read_first() && head.fields.contains("expect");
        let (gate, opened) = watch::channel(false);
        let body = if expects { expect::gated(body, opened) } else { body };
        let exchange = Exchange {
            head,
            body,
            context: route.context_for(&request.head),
            pass,
            upgrade,
            client_scheme,
            client_host: client_host(route, &request.head),
            interim: Some(expect::sink(interim, expects.then_some(gate))),
        };
        match self.engine.handle(exchange).await {
            Ok(answer) => Ok((answer, route, key)),
            Err(error) => Err(fault.problem().unwrap_or_else(|| error.into())),
        }
    }
}

impl<O: Origin> Inner for CacheService<O> {
    fn log(&self) -> Option<&AccessLog> {
        self.log.as_ref()
    }

    fn unreadable(&self, _: &str) -> Unreadable {
        Unreadable::Tunnel
    }
}

impl<O: Origin> Service for CacheService<O> {
    type Log = Note;

    fn now(&self) -> Timestamp {
        self.engine.now()
    }

    fn ready(&self, request: &Request, conn: &ConnInfo) -> Option<Reply<Note>> {
        let head = &request.head;
        let plain = request.form == TargetForm::Origin || self.forwards();
        if !plain || request.body_length != Some(0) || asks_for_upgrade(head) {
            return None;
        }
        let path = normalise_path_and_query(&head.path_and_query);
        let route = self.common.routes.find(&head.authority, &path).ok()?;
        if pass_reason(route, head, &path).is_some() {
            return None;
        }
        let target = route.target(head, &path);
        let target = target.as_target(self.client_scheme(head, conn));
        let answer = self.engine.hit(head, target, route.context_at(&path))?;
        let note = Note {
            route: Arc::clone(&route.name),
            outcome: answer.outcome.as_str(),
            reason: answer.status.detail,
            key: shown_key(target, route),
            ..self.note(head, conn, false)
        };
        Some(reply(answer, route, &self.common.patience, note))
    }

    async fn call(&self, request: Request, body: Body, interim: Interim, conn: &ConnInfo) -> Reply<Note> {
        let mut note = self.note(&request.head, conn, true);
        match self.answer(request, body, interim, conn, &note).await {
            Ok((answer, route, key)) => {
                note.key = key;
                note.route = Arc::clone(&route.name);
                note.outcome = answer.outcome.as_str();
                note.reason = answer.status.detail;
                route.hint.consider(&answer, &route.name);
                reply(answer, route, &self.common.patience, note)
            }
            Err(problem) => report(&problem, note),
        }
    }

    fn finished(&self, done: Finished<'_, Note>) {
        if let Some(log) = &self.log {
            log.finished(&done, self.engine.now(), self.forwards());
        }
    }

    fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>) {
        if let Some(log) = &self.log {
            log.refused(refusal, conn, request_id, self.engine.now());
        }
    }

    fn request_id(&self) -> Option<String> {
        Some(self.ids.next())
    }
}

/// The route for a request whose path is in normal form, or what its client is told where there is none.
pub(crate) fn find_route<'a>(
    routes: &'a RouteTable,
    head: &RequestHead,
    form: TargetForm,
) -> Result<&'a Route, Problem> {
    if head.method == Method::CONNECT {
        let detail = "This server answers for fixed origins and opens no tunnels.";
        return Err(not_allowed("no-tunnels", detail));
    }
    if head.method == Method::TRACE {
        // It would show the client fields that proxies on the way have added (RFC 9110 section 9.3.8).
        let detail = "TRACE is not forwarded.";
        return Err(not_allowed("no-trace", detail));
    }
    if passes(head) > MAX_PASSES {
        let detail = "The request came by here again and again: the origin leads back to this server.";
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "loop", detail));
    }
    let absolute = form == TargetForm::Absolute && !routes.forwards();
    if absolute && !routes.knows(&head.authority) {
        return Err(misdirected(&head.authority));
    }
    routes.find(&head.authority, &head.path_and_query).map_err(|none| match none {
        NoRoute::Host => misdirected(&head.authority),
        NoRoute::Path => {
            Problem::new(StatusCode::NOT_FOUND, "no-route", "No route is configured for this path.")
        }
    })
}

/// The scheme that a proxy in front says its client used, where it is another than this connection's.
pub(crate) fn said_scheme(request: &RequestHead) -> Option<Scheme> {
    let said = request.fields.get("x-forwarded-proto")?;
    let schemes = [Scheme::Http, Scheme::Https];
    let scheme = schemes.into_iter().find(|scheme| said.eq_ignore_ascii_case(scheme.as_str().as_bytes()))?;
    (scheme != request.scheme).then_some(scheme)
}

fn report(problem: &Problem, note: Note) -> Reply<Note> {
    let (head, body) = problem.response(&note.request_id);
    let note = Note { outcome: "error", reason: Some(problem.kind), ..note };
    own_reply(&head, body, problem.cache_status.as_deref(), note)
}

/// 405 with the Allow it must have (RFC 9110 section 15.5.6).
fn not_allowed(kind: &'static str, detail: &str) -> Problem {
    Problem {
        fields: vec![("Allow", ALLOWED.to_owned())],
        ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, kind, detail)
    }
}

fn wrong_scheme(named: Scheme, used: Scheme) -> Problem {
    let detail =
        format!("The target is an {named} URL, but this connection is {used}; ask for it over {named}.");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "scheme", detail)
}

fn misdirected(authority: &str) -> Problem {
    let detail = format!("No route is configured for the host {authority:?}.");
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "no-route", detail)
}

/// RFC 9110 section 7.8: an Upgrade field counts only when Connection names it. `h2c` never does: behind it a client could
/// send requests past every check made here, and RFC 9113 section 3.1 has given it up.
pub(crate) fn asks_for_upgrade(head: &RequestHead) -> bool {
    let is_h2c = |token: &[u8]| token.trim_ascii().to_ascii_lowercase().starts_with(b"h2c");
    head.fields.contains("upgrade")
        && !head.fields.get_all("upgrade").any(|value| value.split(|b| *b == b',').any(is_h2c))
        && head.fields.get_all("connection").any(|value| {
            value.split(|b| *b == b',').any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

/// How often a millpond stands in Via (RFC 9110 section 7.6.3). Some may rightly stand behind one another.
fn passes(head: &RequestHead) -> usize {
    let members = head.fields.get_all("via").flat_map(|value| value.split(|b| *b == b','));
    members.filter(|member| member.trim_ascii().ends_with(b" millpond")).count()
}

/// RFC 9110 section 7.6.2: Max-Forwards: 0 makes this the last recipient of an OPTIONS request.
pub(crate) fn last_hop(head: &RequestHead) -> Option<Problem> {
    let left = head.fields.get_str("max-forwards").and_then(|value| value.parse::<u64>().ok());
    let last = head.method == Method::OPTIONS && left == Some(0);
    last.then(|| Problem {
        fields: vec![("Allow", ALLOWED.to_owned())],
        ..Problem::new(
            StatusCode::OK,
            "options",
            "This is a caching proxy; the request asked to go no further.",
        )
    })
}
