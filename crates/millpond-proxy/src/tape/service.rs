//! What the front asks of recording and replay.

use super::content::{self, Unread, Whole};
use super::{fetch, lookup, playback, replies};
use crate::access_log::AccessLog;
use crate::expect;
use crate::forward::{Inner, Unreadable};
use crate::limit::{Watched, watched};
use crate::note::Note;
use crate::problem::Problem;
use crate::reply::own_reply;
use crate::request_id::RequestIds;
use crate::service::asks_for_upgrade;
use crate::tunnel::{Patience, switch};
use millpond_config::Config;
use millpond_engine::{Clock, FetchLimits, Origin, OriginResponse};
use millpond_exchange::{Body, Method, RequestHead, Scheme, StatusCode, Timestamp};
use millpond_front::{ConnInfo, Finished, Interim, Refusal, Reply, Request, Service, TargetForm};
use millpond_policy::Forward;
use millpond_recorder::{Asked, Found, Recording, Tapes};
use std::sync::Arc;
use tokio::sync::watch;

/// One worker's part of recording and replay. Replay is built over `NoOrigin`.
pub(crate) struct TapeService<O> {
    tapes: Arc<Tapes>,
    origin: O,
    clock: Arc<dyn Clock>,
    log: Option<AccessLog>,
    ids: RequestIds,
    /// There are no routes here; shared, because a hit has no time for it.
    no_route: Arc<str>,
    limits: FetchLimits,
    patience: Patience,
    /// The largest request body, bytes.
    request_body: Option<u64>,
}

/// A request that is to be answered, with what was found out about it.
struct Pending<'a> {
    request: &'a Request,
    conn: &'a ConnInfo,
    /// Without what belongs to one connection.
    head: RequestHead,
    upgrade: bool,
}

/// What a look at the tapes gave.
enum Looked {
    /// A reply.
    Answered(Reply<Note>),
    /// Nothing: an origin is to be asked. With the content where it was read, and the body that goes on.
    Ask(Option<Whole>, Body, Note),
    /// The request's content did not come to its end.
    Failed(Problem, Note),
}

impl Pending<'_> {
    fn asked(&self, content: Option<&Whole>) -> Asked<'_> {
        let mut asked = Asked::new(&self.head, self.conn.tunnel.as_deref());
        asked.absolute = self.request.form == TargetForm::Absolute;
        if let Some(whole) = content {
            asked.content = Some(whole.content.clone());
        }
        asked
    }
}

impl<O: Origin> TapeService<O> {
    /// One for each worker: `log` and `origin` are its own, the rest is shared.
    pub fn new(
        tapes: &Arc<Tapes>,
        config: &Config,
        origin: O,
        clock: Arc<dyn Clock>,
        log: Option<AccessLog>,
        patience: Patience,
    ) -> Self {
        let limits = &config.limits;
        Self {
            tapes: Arc::clone(tapes),
            origin,
            clock,
            log,
            ids: RequestIds::new(),
            no_route: Arc::from(""),
            limits: FetchLimits {
                connect: limits.connect_timeout.duration(),
                first_byte: limits.first_byte_timeout.duration(),
                between_reads: limits.between_reads_timeout.duration(),
            },
            patience,
            request_body: limits.request_body.bytes(),
        }
    }

    fn note(&self) -> Note {
        Note::new(self.ids.next(), &self.no_route)
    }

    /// What tapes have for the request; where they have nothing and an origin may be asked, the content that was read to
    /// find out, and what is left of the body.
    async fn look_up(&self, pending: &Pending<'_>, body: Body, note: Note) -> Looked {
        let (mode, options) = (self.tapes.mode(), self.tapes.options());
        // What follows a change of protocol is on no tape: such a request goes on where it may.
        if !mode.reads() || pending.upgrade && mode.fetches() {
            return Looked::Ask(None, body, note);
        }
        let mut body = body;
        let mut whole = None;
        if pending.request.body_length != Some(0) && self.tapes.matches_content() {
            whole = match content::read(std::mem::take(&mut body), self.tapes.spool()).await {
                Ok(read) => Some(read),
                Err(unread) => return Looked::Failed(unread_problem(unread), note),
            };
        }
        let asked = pending.asked(whole.as_ref());
        match lookup::find(&self.tapes, &asked).await {
            Found::Hit(answer) => {
                let note = Note { outcome: "hit", ..note };
                Looked::Answered(replies::recorded(&answer, options.timing, note))
            }
            Found::Miss(reason) if mode.fetches() => {
                self.tapes.count_miss();
                tracing::debug!(reason = reason.explain(), "not on a tape");
                if let Some(whole) = &whole {
                    body = playback::body(whole.content.clone());
                }
                Looked::Ask(whole, body, note)
            }
            Found::Miss(reason) => match lookup::miss(&self.tapes, &asked, reason).await {
                Some(miss) => Looked::Answered(replies::missed(&miss, options, note)),
                None => Looked::Failed(stopping(), note),
            },
        }
    }

    async fn answer(
        &self,
        pending: &Pending<'_>,
        body: Body,
        interim: Interim,
        note: Note,
    ) -> Result<Reply<Note>, (Problem, Note)> {
        let Watched { body, fault } = match watched(body, pending.request.body_length, self.request_body) {
            Ok(watched) => watched,
            Err(problem) => return Err((problem, note)),
        };
        let answered = match self.look_up(pending, body, note).await {
            Looked::Answered(reply) => Ok(reply),
            Looked::Failed(problem, note) => Err((problem, note)),
            Looked::Ask(whole, body, note) => self.fetch(pending, whole, body, interim, note).await,
        };
        // A body that failed is the client's doing, whatever came of it behind.
        answered.map_err(|(problem, note)| (fault.problem().unwrap_or(problem), note))
    }

    /// Asks the origin, and records what it answers where the mode says so.
    async fn fetch(
        &self,
        pending: &Pending<'_>,
        whole: Option<Whole>,
        body: Body,
        interim: Interim,
        note: Note,
    ) -> Result<Reply<Note>, (Problem, Note)> {
        let Pending { request, conn, .. } = *pending;
        let mut recording = self.begin(pending, whole.as_ref());
        let expects =
            whole.is_none() && request.body_length != Some(0) && pending.head.fields.contains("expect");
        let (gate, opened) = watch::channel(false);
        let mut body = if expects { expect::gated(body, opened) } else { body };
        if let (Some(recording), None) = (&mut recording, &whole) {
            body = recording.request_body(body);
        }
        let interim = expect::sink(interim, expects.then_some(gate));
        let sent = fetch::origin_request(pending.head.clone(), (request, conn), body, self.limits, interim);
        self.tapes.count_upstream_attempt();
        match self.origin.fetch(sent).await {
            Ok(response) => Ok(self.pass(&request.head.method, response, recording, note).await),
            Err(error) => {
                if let Some(recording) = recording {
                    recording.fail(error.fault.as_str());
                }
                Err((fetch::failed(error), note))
            }
        }
    }

    fn begin(&self, pending: &Pending<'_>, whole: Option<&Whole>) -> Option<Recording> {
        let asked = pending.asked(whole);
        let conn = pending.conn;
        let mut recording = self.tapes.begin(&asked, self.clock.now())?;
        recording.from_client(conn.peer, conn.local, conn.scheme == Scheme::Https);
        if let Some(trailers) = whole.and_then(|whole| whole.trailers.as_ref()) {
            recording.request_trailers(trailers);
        }
        Some(recording)
    }

    /// The origin's response on its way to the client, and to the tape.
    async fn pass(
        &self,
        method: &Method,
        response: OriginResponse,
        recording: Option<Recording>,
        note: Note,
    ) -> Reply<Note> {
        let OriginResponse { head, body, upgrade } = response;
        let stored = recording.is_some();
        let body = match recording {
            None => body,
            Some(mut recording) => {
                recording.response_head(&head);
                if body.length() == Some(0) || is_bodiless(method, head.status) {
                    recording.finish().await;
                    Body::Empty
                } else {
                    recording.response_body(body)
                }
            }
        };
        let fwd = if self.tapes.mode().reads() { Forward::UriMiss } else { Forward::Bypass };
        let note = Note { outcome: if stored { "recorded" } else { "miss" }, ..note };
        let reply = replies::fetched(&head, body, fwd, stored, note);
        match upgrade.filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS) {
            Some(upgrade) => Reply { upgrade: Some(switch(upgrade, &self.patience)), ..reply },
            None => reply,
        }
    }
}

/// RFC 9110 section 6.4.1: the front sends no content whatever there is, and would drop it unread.
fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    let none =
        matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED);
    *method == Method::HEAD || none || status.is_informational()
}

fn stopping() -> Problem {
    let detail = "The request was not looked up to the end. The server's log has more.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail)
}

fn unread_problem(unread: Unread) -> Problem {
    match unread {
        Unread::Client(error) => millpond_engine::EngineError::Request(error).into(),
        Unread::Disk(error) => {
            tracing::error!(%error, "a request's content cannot be kept to be looked up");
            let detail =
                "The request's content cannot be kept here to be looked up. The server's log has more.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-room", detail)
        }
    }
}

impl<O: Origin> Inner for TapeService<O> {
    fn log(&self) -> Option<&AccessLog> {
        self.log.as_ref()
    }

    fn unreadable(&self, _: &str) -> Unreadable {
        if self.tapes.mode().fetches() {
            self.tapes.count_upstream_attempt();
            return Unreadable::Tunnel;
        }
        self.tapes.count_miss();
        Unreadable::Close
    }

    fn turned_away(&self) {
        if !self.tapes.mode().fetches() {
            self.tapes.count_miss();
        }
    }
}

impl<O: Origin> Service for TapeService<O> {
    type Log = Note;

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ready(&self, request: &Request, conn: &ConnInfo) -> Option<Reply<Note>> {
        if !self.tapes.mode().reads() || request.body_length != Some(0) || asks_for_upgrade(&request.head) {
            return None;
        }
        let asked = Asked::new(&request.head, conn.tunnel.as_deref());
        let Found::Hit(answer) = self.tapes.find(&asked) else { return None };
        let note = Note { outcome: "hit", ..self.note() };
        Some(replies::recorded(&answer, self.tapes.options().timing, note))
    }

    async fn call(&self, request: Request, body: Body, interim: Interim, conn: &ConnInfo) -> Reply<Note> {
        let shown = (request.head.method.clone(), request.head.url());
        let note = Note { request: Some(shown), ..self.note() };
        let upgrade = asks_for_upgrade(&request.head);
        let head = fetch::without_connection_fields(&request.head, upgrade);
        let pending = Pending { request: &request, conn, head, upgrade };
        match self.answer(&pending, body, interim, note).await {
            Ok(reply) => reply,
            Err((problem, note)) => {
                let (head, body) = problem.response(&note.request_id);
                let note = Note { outcome: "error", reason: Some(problem.kind), ..note };
                own_reply(&head, body, None, note)
            }
        }
    }

    fn finished(&self, done: Finished<'_, Note>) {
        if let Some(log) = &self.log {
            log.finished(&done, self.now(), true);
        }
    }

    fn refused(&self, refusal: Refusal, conn: &ConnInfo, request_id: Option<&str>) {
        if let Some(log) = &self.log {
            log.refused(refusal, conn, request_id, self.now());
        }
    }

    fn request_id(&self) -> Option<String> {
        Some(self.ids.next())
    }
}
