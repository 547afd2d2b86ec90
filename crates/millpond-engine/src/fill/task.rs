//! Runs a fill: one fetch, apart from the client that caused it.

use super::state::{End, Fill, FillHead, Stage};
use super::table::FillKey;
use crate::context::Context;
use crate::engine::Engine;
use crate::origin::{InterimSink, Origin, OriginError, OriginFault, OriginRequest, OriginResponse};
use futures_util::StreamExt as _;
use millpond_exchange::{
    Body, BodyError, BodyErrorKind, Fields, Frame, Key, PurgeMode, Record, RequestHead, ResponseHead, Selector, Timestamp,
};
use millpond_policy::{Admitted, Fate, Freshened, Reason, RequestFacts, Stored, Times, Validated};
use millpond_store::{Entry, Epoch, NewEntry, Store, StoreError, Writer};
use std::sync::Arc;
use tokio::sync::oneshot;

/// With no reader left, a fill goes on when at most this many bytes are missing...
const WORTH_FINISHING: u64 = 16 * 1024 * 1024;
/// ...or at most one part in this many of the body.
const WORTH_FINISHING_PART: u64 = 5;

/// What a fill is to do.
pub(crate) struct Plan {
    /// Where in the table the fill stands; `None` when nobody may join it.
    pub place: Option<FillKey>,
    pub key: Key,
    /// The request as the cache sees it, without the client's preconditions and ranges.
    pub request: RequestHead,
    /// What is stored under the key: its validators go along.
    pub stored: Vec<Arc<Entry>>,
    /// The one of them the request selects.
    pub selected: Option<usize>,
    pub context: Arc<Context>,
    /// The purge epoch before the fetch.
    pub epoch: Epoch,
    pub interim: Option<InterimSink>,
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
    let guard = Guard { engine: Arc::clone(&engine), fill: Arc::clone(&fill), place: plan.place.clone() };
    Task { engine, fill, plan, leader, guard }.run().await;
}

/// Leaves the table when the task ends, also when it is dropped half-way.
struct Guard<O: Origin> {
    engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    place: Option<FillKey>,
}

impl<O: Origin> Guard<O> {
    fn leave(&self) {
        if let Some(place) = &self.place {
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

struct Task<O: Origin> {
    engine: Arc<Engine<O>>,
    fill: Arc<Fill>,
    plan: Plan,
    leader: Option<oneshot::Sender<Own>>,
    guard: Guard<O>,
}

impl<O: Origin> Task<O> {
    async fn run(self) {
        let conditional = self.conditional();
        let was_conditional = conditional.is_some();
        let request_time = self.engine.now();
        let mut sent = conditional.unwrap_or_else(|| self.plan.request.clone());
        let mut fetched = self.fetch(&sent).await;
        let mut times = Times { request_time, response_time: self.engine.now() };
        if was_conditional && let Ok(response) = &fetched {
            let verdict = self.judge(&sent, &response.head, times);
            if let Validated::Freshen(updates) = verdict {
                let entry = self.freshen(updates).await;
                self.guard.leave();
                self.fill.advance(Stage::Refreshed(entry));
                return;
            }
            if let Validated::Refetch(reason) = verdict {
                tracing::debug!(url = %self.plan.key.url(), %reason, "fetching again without conditions");
                sent = self.plan.request.clone();
                fetched = self.fetch(&sent).await;
                times.response_time = self.engine.now();
            }
        }
        match fetched {
            Ok(response) => self.respond(response, times).await,
            Err(error) => {
                self.guard.leave();
                self.fill.advance(Stage::Failed(error));
            }
        }
    }

    /// The request with the validators of what is stored, if there are any.
    fn conditional(&self) -> Option<RequestHead> {
        let records = self.plan.stored.iter().map(|entry| &entry.record);
        let selected = self.plan.selected.map(|index| &self.plan.stored[index].record);
        let fields = millpond_policy::conditional_request(records, selected, &self.plan.request.fields)?;
        Some(RequestHead { fields, ..self.plan.request.clone() })
    }

    async fn fetch(&self, head: &RequestHead) -> Result<OriginResponse, OriginError> {
        let request = OriginRequest {
            upstream: Arc::clone(&self.plan.context.upstream),
            head: head.clone(),
            body: Body::Empty,
            interim: self.plan.interim.clone(),
        };
        self.engine.fetch(request).await
    }

    fn judge(&self, sent: &RequestHead, response: &ResponseHead, times: Times) -> Validated {
        let stored: Vec<_> =
            self.plan.stored.iter().map(|entry| Stored { record: &entry.record, head: &entry.head }).collect();
        let facts = RequestFacts::of(&self.plan.request);
        let profile = &self.plan.context.profile;
        millpond_policy::validated(&stored, self.plan.selected, sent, &facts, response, times, profile)
    }

    /// Applies a 304 to the entries it confirms (RFC 9111 section 4.3.4); the first of them is the answer.
    async fn freshen(&self, updates: Vec<Freshened>) -> Arc<Entry> {
        let mut answer = None;
        for update in updates {
            let entry = self.update(update).await;
            answer.get_or_insert(entry);
        }
        // The policy promises at least one.
        answer.unwrap_or_else(|| Arc::clone(&self.plan.stored[0]))
    }

    async fn update(&self, update: Freshened) -> Arc<Entry> {
        let Freshened { index, record, head, fate } = update;
        let entry = &self.plan.stored[index];
        let shared = &self.engine.shared;
        let kept = match fate {
            Fate::Store => shared.store.refresh(entry, record.clone(), head.clone(), self.plan.epoch).await.map(Some),
            Fate::Keep(_) => Ok(None),
            Fate::Remove(_) => {
                let selector = Selector::Key(self.plan.key.clone());
                shared.store.remove(&selector, PurgeMode::Hard, self.engine.now()).await.map(|_| None)
            }
        };
        match kept {
            Ok(Some(refreshed)) => refreshed,
            // Not to be kept, or purged or evicted meanwhile: good for those who wait all the same.
            Ok(None) | Err(StoreError::Gone | StoreError::Superseded) => reborn(entry, record, head),
            Err(error) => {
                shared.store_failed(&error);
                reborn(entry, record, head)
            }
        }
    }

    async fn respond(mut self, response: OriginResponse, times: Times) {
        let facts = RequestFacts::of(&self.plan.request);
        let profile = &self.plan.context.profile;
        let admitted =
            millpond_policy::admit(&self.plan.request, &facts, &response.head, times, None, profile);
        let (admitted, writer) = match admitted {
            Ok(admitted) => match self.open(&admitted, response.body.length()).await {
                Ok(writer) => (admitted, writer),
                Err(reason) => return self.release(response, reason, times.response_time),
            },
            Err(reason) => return self.release(response, reason, times.response_time),
        };
        self.engine.shared.fills.forget_unshared(&self.plan.key);
        let head = Arc::new(FillHead {
            head: admitted.head,
            record: admitted.record,
            origin_head: for_client(response.head),
            reader: writer.reader(),
            announced_len: response.body.length(),
        });
        // The leader reads the fill like everyone else.
        drop(self.leader.take());
        self.fill.advance(Stage::Streaming(Arc::clone(&head)));
        self.stream(response.body, writer, &head).await;
    }

    async fn open(&self, admitted: &Admitted, announced_len: Option<u64>) -> Result<Box<dyn Writer>, Reason> {
        let new = NewEntry {
            key: self.plan.key.clone(),
            record: admitted.record.clone(),
            head: admitted.head.clone(),
            announced_len,
            epoch: self.plan.epoch,
        };
        self.engine.shared.store.writer(new).await.map_err(|error| match error {
            StoreError::TooLarge { .. } => Reason::ObjectTooLarge,
            error => {
                self.engine.shared.store_failed(&error);
                Reason::StoreUnavailable
            }
        })
    }

    /// The response is not stored: its leader gets it as it comes, everyone else is let go at once.
    fn release(mut self, response: OriginResponse, reason: Reason, now: Timestamp) {
        let shared = &self.engine.shared;
        shared.counters.refused.add();
        let status = response.head.status.as_u16();
        if status < 500 {
            shared.fills.remember_unshared(&self.plan.key, now);
        }
        self.guard.leave();
        if let Some(leader) = self.leader.take() {
            // A leader that has gone takes the response with it; the connection to the origin closes.
            let head = for_client(response.head);
            let _ = leader.send(Own { response: OriginResponse { head, ..response }, reason });
        }
        self.fill.advance(Stage::Released { status });
    }

    async fn stream(self, body: Body, writer: Box<dyn Writer>, head: &FillHead) {
        let mut frames = body.into_stream();
        let mut sink = Sink { fill: Arc::clone(&self.fill), writer: Some(writer), received: 0 };
        let mut trailers = Fields::new();
        let end = loop {
            match frames.next().await {
                Some(Ok(Frame::Data(piece))) => {
                    let was_storing = sink.writer.is_some();
                    let goes_on = sink.take(piece).await;
                    if was_storing && sink.writer.is_none() {
                        // Newcomers could not read the beginning any more.
                        self.guard.leave();
                    }
                    if !goes_on || !self.worth_going_on(sink.received, head.announced_len) {
                        let message = "nobody reads this response any more".to_owned();
                        break Err(BodyError::new(BodyErrorKind::Cut, message));
                    }
                }
                Some(Ok(Frame::Trailers(fields))) => trailers = fields,
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        match end {
            Ok(()) => self.complete(sink.writer, trailers).await,
            Err(error) => {
                self.engine.shared.counters.fills_cut.add();
                tracing::debug!(url = %self.plan.key.url(), %error, "fill ended early");
                self.guard.leave();
                self.fill.end(End::Cut(error));
            }
        }
    }

    /// RFC 9111 section 3.3 has only complete responses stored; one without readers is finished when little is missing.
    fn worth_going_on(&self, received: u64, announced: Option<u64>) -> bool {
        if self.fill.detached || self.fill.has_members() {
            return true;
        }
        announced.map_or(received <= WORTH_FINISHING, |length| {
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

/// Where the body goes: into the store while it takes it, then through the window.
struct Sink {
    fill: Arc<Fill>,
    writer: Option<Box<dyn Writer>>,
    received: u64,
}

impl Sink {
    /// Takes one piece. Answers false when there is nobody left to take it for.
    async fn take(&mut self, piece: bytes::Bytes) -> bool {
        let len = piece.len() as u64;
        self.received += len;
        if let Some(writer) = &mut self.writer {
            match writer.write(piece.clone()).await {
                Ok(()) => {
                    self.fill.stored(len);
                    return true;
                }
                Err(error) => {
                    tracing::debug!(%error, "not stored; the body goes on to its present readers");
                    self.writer = None;
                }
            }
        }
        self.fill.pipe(piece).await
    }
}

/// The head without what is meant for this cache alone.
fn for_client(mut head: ResponseHead) -> ResponseHead {
    millpond_policy::remove_own_fields(&mut head.fields);
    head
}

/// An entry like `old` with a new record and head, known to nobody but its holder.
fn reborn(old: &Arc<Entry>, record: Record, head: ResponseHead) -> Arc<Entry> {
    Arc::new(Entry {
        key: old.key.clone(),
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
        message: "the fetch was given up because this process is stopping".into(),
    }
}
