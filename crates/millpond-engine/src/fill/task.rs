//! Runs a fill: one fetch, apart from the client that caused it.

use super::bounded::bounded;
use super::rest::{Joined, Nothing, Together};
use super::state::{End, Fill, FillHead, Stage};
use super::table::{Concerns, FillKey};
use crate::content::Content;
use crate::context::Context;
use crate::engine::Engine;
use crate::origin::{InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse};
use crate::part::Wanted;
use bytes::Bytes;
use futures_util::StreamExt as _;
use millpond_exchange::{
    Body, BodyError, BodyErrorKind, Fields, Frame, Key, Method, Record, RecordFlags, RequestHead,
    ResponseHead, StatusCode, Timestamp,
};
use millpond_policy::{Admitted, Fate, Freshened, Reason, RequestFacts, Stored, Times, Validated, Verdict};
use millpond_store::{Entry, Epoch, NewEntry, Store, StoreError, Writer};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// With no reader left, a fill goes on when at most this many bytes are missing...
const WORTH_FINISHING: u64 = 16 * 1024 * 1024;
/// ...or at most one part in this many of the body.
const WORTH_FINISHING_PART: u64 = 5;

/// How long a fetch goes on without anyone waiting for its head: a client that reloads comes back within that time.
const GRACE: Duration = Duration::from_secs(1);

/// What a fill is to do.
pub(crate) struct Plan {
    /// Where in the table the fill stands; `None` when nobody may join it.
    pub place: Option<FillKey>,
    pub key: Key,
    /// The request as the cache sees it, as a rule without the client's preconditions and ranges.
    pub request: RequestHead,
    /// Its content, where that is part of the key.
    pub content: Option<Arc<Content>>,
    /// It has the client's own preconditions, so that a 304 is for that client.
    pub own_conditions: bool,
    /// What is stored under the key: its validators go along.
    pub stored: Vec<Arc<Entry>>,
    /// The one of them the request selects.
    pub selected: Option<usize>,
    /// What the fetch is to bring.
    pub wanted: Wanted,
    pub context: Arc<Context>,
    /// The purge epoch before the fetch.
    pub epoch: Epoch,
    /// Purges before the fetch, counted before the epoch was read.
    pub purges: u64,
    pub interim: Option<InterimSink>,
}

impl Plan {
    /// The request with the validators of the response that Vary selects, if there are any.
    ///
    /// Without such a response nothing is asked about the others (RFC 9111 section 4.3.1 allows it): a server that
    /// compresses on the fly answers 304 to the tag of the compressed form also where the client cannot read that.
    ///
    /// Nor is a POST made conditional, which RFC 9110 section 13.1.2 would have answered with 412.
    pub(crate) fn conditional(&self) -> Option<RequestHead> {
        if self.request.method == Method::POST {
            return None;
        }
        let selected = &self.stored[self.selected?].record;
        let fields = &self.request.fields;
        let fields = match self.wanted {
            Wanted::Part { .. } => millpond_policy::conditional_part_request(selected, fields)?,
            _ => millpond_policy::conditional_request(std::iter::once(selected), Some(selected), fields)?,
        };
        Some(RequestHead { fields, ..self.request.clone() })
    }

    /// The facts of the request.
    pub(super) fn facts(&self) -> RequestFacts {
        let facts = RequestFacts::of(&self.request);
        if self.content.is_some() { facts.keyed_by_content() } else { facts }
    }

    /// The key under which others wait for this, or would.
    fn meeting_place(&self) -> &Key {
        self.place.as_ref().map_or(&self.key, |place| &place.key)
    }

    /// The request for what is missing behind a stored part, where that is what the fill is to bring.
    pub(crate) fn for_rest(&self) -> Option<RequestHead> {
        let Wanted::Rest { fetch, .. } = &self.wanted else { return None };
        Some(RequestHead { fields: fetch.fields(&self.request.fields), ..self.request.clone() })
    }
}

/// A response for the leader alone.
pub(crate) struct Own {
    pub response: OriginResponse,
    pub reason: Reason,
}

/// Runs `plan`; whatever happens, the readers are told and the table is left.
pub(crate) async fn run<O: Origin>(
    engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    plan: Plan,
    leader: Option<oneshot::Sender<Own>>,
) {
    let guard = Guard::new(&engine, &fill, &plan);
    Task { engine, fill, plan, leader, guard }.run().await;
}

/// Stores a response that has come by another way, and for another method, under the key of `plan`.
pub(crate) async fn store<O: Origin>(
    engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    plan: Plan,
    leader: oneshot::Sender<Own>,
    response: OriginResponse,
    times: Times,
) {
    let guard = Guard::new(&engine, &fill, &plan);
    Task { engine, fill, plan, leader: Some(leader), guard }.respond(response, times).await;
}

/// Leaves the table when the task ends, also when it is dropped half-way.
struct Guard<O: Origin> {
    engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    place: Option<FillKey>,
    /// A second place: where requests for equivalent URLs look.
    moved: Option<FillKey>,
}

impl<O: Origin> Guard<O> {
    fn new(engine: &Arc<Engine<O>>, fill: &Arc<Fill>, plan: &Plan) -> Self {
        Self { engine: Arc::clone(engine), fill: Arc::clone(fill), place: plan.place.clone(), moved: None }
    }

    /// Lets those join whose key is `key` by the rule that the response has brought. After a purge nobody does who was not
    /// there before.
    fn join_at(&mut self, key: &Key, purges: u64) {
        let Some(place) = self.place.as_ref().filter(|place| place.key != *key) else { return };
        let moved = FillKey { key: key.clone(), selectors: place.selectors.clone() };
        let shared = &self.engine.shared;
        shared.fills.join_at(&moved, &self.fill, || shared.purges() != purges);
        self.moved = Some(moved);
    }

    fn leave(&self) {
        for place in self.place.iter().chain(&self.moved) {
            self.engine.shared.fills.leave(place, &self.fill);
        }
    }
}

impl<O: Origin> Drop for Guard<O> {
    fn drop(&mut self) {
        self.leave();
        self.fill.abandon();
    }
}

pub(super) struct Task<O: Origin> {
    pub(super) engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    pub(super) plan: Plan,
    leader: Option<oneshot::Sender<Own>>,
    guard: Guard<O>,
}

impl<O: Origin> Task<O> {
    async fn run(self) {
        let request_time = self.engine.now();
        let mut rest = self.rest();
        let conditional = rest.as_ref().map(|rest| rest.request.clone()).or_else(|| self.plan.conditional());
        let mut has_conditions = conditional.is_some();
        let mut sent = conditional.unwrap_or_else(|| self.plan.request.clone());
        loop {
            let mut response = match self.fetch(&sent).await {
                Ok(response) => response,
                Err(error) => return self.fail(error),
            };
            let times = Times { request_time, response_time: self.engine.now() };
            if let Some(rest) = rest.take() {
                response = match self.joined(&rest, response, times).await {
                    Joined::Together(together) => return self.store_together(*together).await,
                    Joined::Instead(response) => *response,
                    Joined::Refetch(reason) => {
                        tracing::debug!(url = %self.plan.key.url(), %reason, "fetching again without the stored part");
                        has_conditions = false;
                        sent = self.plan.request.clone();
                        continue;
                    }
                };
            }
            if !has_conditions && response.head.status == StatusCode::NOT_MODIFIED {
                if self.plan.own_conditions {
                    return self.release(response, Reason::NotModified, times.response_time);
                }
                return self.fail(self.not_asked_for());
            }
            match self.judge(&sent, &response.head, times) {
                Validated::Freshen(updates) => return self.refreshed(updates, times.response_time).await,
                Validated::ServeStale(reason) => return self.release(response, reason, times.response_time),
                Validated::Replace => return self.respond(response, times).await,
                Validated::Refetch(reason) => {
                    tracing::debug!(url = %self.plan.key.url(), %reason, "fetching again without conditions");
                    has_conditions = false;
                    sent = self.plan.request.clone();
                }
            }
        }
    }

    fn fail(&self, error: OriginError) {
        self.guard.leave();
        self.fill.advance(Stage::Failed(error));
    }

    /// A 304 says that what the request names is up to date; this request named nothing.
    fn not_asked_for(&self) -> OriginError {
        let upstream = &self.plan.context.upstream;
        OriginError {
            fault: OriginFault::Malformed,
            upstream: format!("{}://{}", upstream.scheme, upstream.authority),
            message: "the answer to a request without conditions is a 304".into(),
        }
    }

    async fn fetch(&self, head: &RequestHead) -> Result<OriginResponse, OriginError> {
        let request = OriginRequest {
            upstream: Arc::clone(&self.plan.context.upstream),
            head: head.clone(),
            body: self.plan.content.as_ref().map_or(Body::Empty, |content| content.body()),
            interim: self.plan.interim.clone(),
        };
        tokio::select! {
            fetched = self.engine.fetch(request) => fetched,
            () = self.given_up() => Err(abandoned()),
        }
    }

    /// Returns when nobody has waited for the head for a while: fetches that nobody wants would let a client that leaves
    /// at once keep as many connections to the origin as it likes.
    async fn given_up(&self) {
        loop {
            self.fill.deserted().await;
            tokio::time::sleep(GRACE).await;
            if self.fill.has_members() || self.fill.is_detached() {
                continue;
            }
            // Whoever came before the place was given up is still here to be counted.
            self.guard.leave();
            if !self.fill.has_members() {
                return;
            }
        }
    }

    fn judge(&self, sent: &RequestHead, response: &ResponseHead, times: Times) -> Validated {
        let stored: Vec<_> = self
            .plan
            .stored
            .iter()
            .map(|entry| Stored { record: &entry.record, head: &entry.head })
            .collect();
        let facts = self.plan.facts();
        let profile = &self.plan.context.profile;
        millpond_policy::validated(&stored, self.plan.selected, sent, &facts, response, times, profile)
    }

    /// Applies a 304 to the entries it confirms (RFC 9111 section 4.3.4); the first of them is the answer.
    async fn refreshed(&self, updates: Vec<Freshened>, now: Timestamp) {
        let mut answer = None;
        for update in updates {
            // What may not be stored is not for those who wait either: its new fields may be meant for one user.
            let shared = update.fate == Fate::Store;
            let entry = self.update(update).await;
            answer.get_or_insert((entry, shared));
        }
        // The policy promises at least one.
        let (entry, shared) = answer.unwrap_or_else(|| (Arc::clone(&self.plan.stored[0]), true));
        if shared {
            self.remember(&entry.record, now);
        } else if self.plan.facts().names_user() {
            self.engine.shared.fills.remember_unshared(self.plan.meeting_place(), Concerns::Named, now);
        }
        self.guard.leave();
        self.fill.advance(Stage::Refreshed { entry, shared });
    }

    /// Notes whether a response answers more than the request that brought it. One that each request must validate for
    /// itself is not worth waiting for.
    fn remember(&self, record: &Record, now: Timestamp) {
        let fills = &self.engine.shared.fills;
        let profile = &self.plan.context.profile;
        match millpond_policy::reuse(record, &RequestFacts::default(), now, profile) {
            Verdict::Fresh { .. } | Verdict::ServeStale { .. } => {
                fills.forget_unshared(self.plan.meeting_place());
            }
            Verdict::Validate(_) | Verdict::Unusable(_) => {
                fills.remember_unshared(self.plan.meeting_place(), Concerns::Everyone, now);
            }
        }
    }

    async fn update(&self, update: Freshened) -> Arc<Entry> {
        let Freshened { index, record, head, fate } = update;
        let entry = &self.plan.stored[index];
        let shared = &self.engine.shared;
        // Its new rule is not the one it was stored by: it is an answer to this request, and stays as what it was.
        let moved = match fate {
            Fate::Store => shared.search.moved(entry, &head.fields, &self.plan.key),
            Fate::Keep(_) | Fate::Remove(_) => None,
        };
        let kept = match fate {
            Fate::Store if moved.is_none() => {
                let until = self.fresh_until(&record);
                shared
                    .store
                    .refresh(entry, record.clone(), head.clone(), until, self.plan.epoch)
                    .await
                    .map(Some)
            }
            Fate::Keep(_) => Ok(None),
            // It may only be used once the origin has spoken again.
            Fate::Store => {
                let now = self.engine.now();
                let mut stale = Record { stale_from: Some(now), ..entry.record.clone() };
                stale.flags |= RecordFlags::DISAGREES;
                let head = entry.head.clone();
                shared.store.refresh(entry, stale, head, now, self.plan.epoch).await.map(|_| None)
            }
            Fate::Remove(_) => {
                self.withdraw(entry).await;
                Ok(None)
            }
        };
        match kept {
            Ok(Some(refreshed)) => refreshed,
            // Not to be kept, or purged or evicted meanwhile: good for those who wait all the same.
            Ok(None) | Err(StoreError::Gone | StoreError::Superseded) => reborn(entry, moved, record, head),
            Err(error) => {
                shared.store_failed(&error);
                reborn(entry, moved, record, head)
            }
        }
    }

    /// What the origin has been asked about, if that is something stored which this request might be answered with.
    fn asked_about(&self) -> Option<&Arc<Entry>> {
        let Plan { wanted, selected, stored, context, .. } = &self.plan;
        let entry = match wanted {
            Wanted::Rest { part, .. } => part,
            Wanted::Whole | Wanted::Part { .. } => stored.get((*selected)?)?,
        };
        let now = self.engine.now();
        let verdict = millpond_policy::reuse(&entry.record, &self.plan.facts(), now, &context.profile);
        (!matches!(verdict, Verdict::Unusable(_))).then_some(entry)
    }

    /// An answer with `status` is not stored for `reason`: what it came in place of may be nobody's any more.
    async fn refused(&self, status: StatusCode, reason: Reason) {
        if millpond_policy::withdraws(status, reason)
            && let Some(entry) = self.asked_about()
        {
            self.withdraw(entry).await;
        }
    }

    /// Nobody is given `entry` from now on. The other variants of its key are not concerned.
    async fn withdraw(&self, entry: &Arc<Entry>) {
        let shared = &self.engine.shared;
        let now = self.engine.now();
        let record = millpond_policy::withdrawn(&entry.record, now);
        match shared.store.refresh(entry, record, entry.head.clone(), now, self.plan.epoch).await {
            // Purged, evicted or replaced meanwhile.
            Ok(_) | Err(StoreError::Gone | StoreError::Superseded) => {}
            Err(error) => shared.store_failed(&error),
        }
    }

    /// The key to store a response under whose fields these are, where those who ask for it by that may join from now on.
    fn key_by_rule(&mut self, response: &Fields) -> Key {
        let Plan { key: own, place, purges, .. } = &self.plan;
        let shared = &self.engine.shared;
        let key = shared.search.learn(own, response);
        let expected = key == *own || place.as_ref().is_some_and(|place| place.key == key);
        // A purge that came before the rule was known did not cover that key, and the epoch would not tell.
        if !expected && shared.purges() != *purges {
            return own.clone();
        }
        self.guard.join_at(&key, *purges);
        key
    }

    async fn respond(mut self, response: OriginResponse, times: Times) {
        let facts = self.plan.facts();
        let profile = &self.plan.context.profile;
        let admitted =
            millpond_policy::admit(&self.plan.request, &facts, &response.head, times, None, profile);
        let Admitted { record, head, exact_len } = match admitted {
            Ok(admitted) => admitted,
            Err(reason) => {
                self.refused(response.head.status, reason).await;
                return self.release(response, reason, times.response_time);
            }
        };
        let announced_len = response.body.length().or(exact_len);
        if exact_len.is_some() && exact_len != announced_len {
            return self.release(response, Reason::ContentRange, times.response_time);
        }
        self.remember(&record, times.response_time);
        let key = self.key_by_rule(&head.fields);
        if record.part.is_some()
            && let Some((joined, stretches)) = self.beside(&key, &response.head, times).await
            && let Ok(writer) = self.open(&joined).await
        {
            return self.start(joined, writer, stretches.with(response.body)).await;
        }
        let OriginResponse { head: origin_head, body, upgrade } = response;
        let status = origin_head.status;
        let verbatim = status == StatusCode::PARTIAL_CONTENT;
        let origin_head = for_client(origin_head);
        let head = FillHead { key, head, record, origin_head, status, announced_len, verbatim };
        match self.open(&head).await {
            Ok(writer) => self.start(head, writer, body).await,
            Err(reason) => {
                self.refused(status, reason).await;
                let response = OriginResponse { head: head.origin_head, body, upgrade };
                self.release(response, reason, times.response_time);
            }
        }
    }

    /// Stores what a stored part and its continuation are together. Where there is no place for it, it goes by: neither of
    /// the two is an answer by itself.
    async fn store_together(mut self, together: Together) {
        let Together { head, body } = together;
        self.remember(&head.record, self.engine.now());
        if let Ok(writer) = self.open(&head).await {
            return self.start(head, writer, body).await;
        }
        self.guard.leave();
        drop(self.leader.take());
        let announced_len = head.announced_len;
        self.fill.start(Arc::new(head), Arc::new(Nothing));
        self.stream(body, None, announced_len).await;
    }

    async fn start(mut self, head: FillHead, writer: Box<dyn Writer>, body: Body) {
        // The leader reads the fill like everyone else.
        drop(self.leader.take());
        let announced_len = head.announced_len;
        self.fill.start(Arc::new(head), writer.reader());
        self.stream(body, Some(writer), announced_len).await;
    }

    async fn open(&self, head: &FillHead) -> Result<Box<dyn Writer>, Reason> {
        let announced_len = head.announced_len;
        let new = NewEntry {
            key: head.key.clone(),
            record: head.record.clone(),
            head: head.head.clone(),
            announced_len,
            epoch: self.plan.epoch,
            fresh_until: self.fresh_until(&head.record),
        };
        let opened = self.engine.shared.store.writer(new).await;
        let bounded =
            opened.and_then(|writer| bounded(writer, announced_len, self.plan.context.object_limit));
        bounded.map_err(|error| match error {
            StoreError::TooLarge { .. } => Reason::ObjectTooLarge,
            error => {
                self.engine.shared.store_failed(&error);
                Reason::StoreUnavailable
            }
        })
    }

    fn fresh_until(&self, record: &Record) -> Timestamp {
        self.engine.fresh_until(record, &self.plan.context)
    }

    /// The response is not stored: its leader gets it as it comes, everyone else is let go at once.
    fn release(mut self, response: OriginResponse, reason: Reason, now: Timestamp) {
        let shared = &self.engine.shared;
        shared.counters.refused.add();
        let status = response.head.status.as_u16();
        let personal = matches!(reason, Reason::Authorization | Reason::UserRequest | Reason::NoPartition);
        if personal {
            shared.fills.remember_unshared(self.plan.meeting_place(), Concerns::Named, now);
        } else if status < 500 && !says_nothing_to_others(reason) {
            shared.fills.remember_unshared(self.plan.meeting_place(), Concerns::Everyone, now);
        }
        self.guard.leave();
        if let Some(leader) = self.leader.take() {
            // A leader that has gone takes the response with it; the connection to the origin closes.
            let head = for_client(response.head);
            let _ = leader.send(Own { response: OriginResponse { head, ..response }, reason });
        }
        self.fill.advance(Stage::Released { status, personal });
    }

    async fn stream(self, body: Body, mut writer: Option<Box<dyn Writer>>, announced: Option<u64>) {
        match self.receive(body, &mut writer, announced).await {
            Ok(trailers) => self.complete(writer, trailers).await,
            Err(error) => {
                self.engine.shared.counters.fills_cut.add();
                tracing::debug!(url = %self.plan.key.url(), %error, "fill ended early");
                self.guard.leave();
                self.fill.end(End::Cut(error));
            }
        }
    }

    /// Passes the body on until it ends, in good order or not. `writer` is gone when the store would not have it all.
    async fn receive(
        &self,
        body: Body,
        writer: &mut Option<Box<dyn Writer>>,
        announced: Option<u64>,
    ) -> Result<Fields, BodyError> {
        let mut frames = body.into_stream();
        let mut received = 0;
        let mut trailers = Fields::new();
        loop {
            if !self.worth_going_on(received, announced, writer.is_some()) {
                return Err(BodyError::new(BodyErrorKind::Cut, "nobody reads this response any more"));
            }
            let frame = tokio::select! {
                frame = frames.next() => frame,
                () = self.fill.deserted() => continue,
            };
            match frame {
                Some(Ok(Frame::Data(piece))) => {
                    received += piece.len() as u64;
                    if announced.is_some_and(|length| received > length) {
                        return Err(BodyError::new(
                            BodyErrorKind::Malformed,
                            "the body is longer than announced",
                        ));
                    }
                    self.take(piece, writer).await;
                }
                Some(Ok(Frame::Trailers(fields))) => trailers = fields,
                Some(Err(error)) => return Err(error),
                // RFC 9112 section 8: shorter than announced is incomplete, whatever the connection says.
                None if announced.is_some_and(|length| received < length) => {
                    return Err(BodyError::new(BodyErrorKind::Cut, "the body is shorter than announced"));
                }
                None => return Ok(trailers),
            }
        }
    }

    /// Takes one piece: into the store while that takes it, then through the window.
    async fn take(&self, piece: Bytes, writer: &mut Option<Box<dyn Writer>>) {
        if let Some(storing) = writer {
            match storing.write(piece.clone()).await {
                Ok(()) => return self.fill.stored(piece.len() as u64),
                Err(error) => {
                    self.stop_storing(&error);
                    if matches!(error, StoreError::TooLarge { .. }) {
                        self.refused(StatusCode::OK, Reason::ObjectTooLarge).await;
                    }
                }
            }
            *writer = None;
        }
        self.fill.pipe(piece).await;
    }

    /// From here on the body is for the present readers only: newcomers could not read all of it any more, so the table
    /// is left before the first piece goes by.
    fn stop_storing(&self, error: &StoreError) {
        self.guard.leave();
        if matches!(error, StoreError::TooLarge { .. }) {
            tracing::debug!(url = %self.plan.key.url(), %error, "not stored; the body goes on to its present readers");
        } else {
            self.engine.shared.store_failed(error);
        }
    }

    /// RFC 9111 section 3.3 has only complete responses stored; one without readers is finished when little is missing.
    fn worth_going_on(&self, received: u64, announced: Option<u64>, storing: bool) -> bool {
        if self.fill.has_members() || (self.fill.is_detached() && storing) {
            return true;
        }
        storing
            && announced.map_or(received <= WORTH_FINISHING, |length| {
                let missing = length.saturating_sub(received);
                missing <= WORTH_FINISHING || missing <= length / WORTH_FINISHING_PART
            })
    }

    async fn complete(self, writer: Option<Box<dyn Writer>>, trailers: Fields) {
        let shared = &self.engine.shared;
        if let Some(writer) = writer {
            match writer.commit(trailers.clone()).await {
                Ok(_) => shared.counters.stored.add(),
                Err(StoreError::Superseded) => {
                    tracing::debug!(url = %self.plan.key.url(), "not stored: a purge overtook the fetch");
                }
                Err(error) => shared.store_failed(&error),
            }
        }
        // Only now: whoever finds no fill any more finds the entry.
        self.guard.leave();
        self.fill.end(End::Complete(Arc::new(trailers)));
    }
}

/// True where a response is not stored because of how it was asked for, or of which bytes it has.
fn says_nothing_to_others(reason: Reason) -> bool {
    let of_the_bytes = matches!(reason, Reason::Multipart | Reason::ContentRange | Reason::IfRangeHead);
    of_the_bytes || matches!(reason, Reason::RequestNoStore | Reason::NotModified | Reason::RequestSpecific)
}

/// The head without what is meant for this cache alone.
fn for_client(mut head: ResponseHead) -> ResponseHead {
    millpond_policy::remove_own_fields(&mut head.fields);
    head
}

/// An entry like `old` with a new record and head, and perhaps another key, known to nobody but its holder.
fn reborn(old: &Arc<Entry>, key: Option<Key>, record: Record, head: ResponseHead) -> Arc<Entry> {
    Arc::new(Entry {
        key: key.unwrap_or_else(|| old.key.clone()),
        record,
        head,
        body: old.body.clone(),
        body_len: old.body_len,
        trailers: old.trailers.clone(),
        id: old.id,
    })
}

/// The error readers get when a task was dropped before it could tell them more.
pub(crate) fn abandoned() -> OriginError {
    OriginError {
        fault: OriginFault::Closed,
        upstream: String::new(),
        message: "the fetch was given up".into(),
    }
}
