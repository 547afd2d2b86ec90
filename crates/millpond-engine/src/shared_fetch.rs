//! Fetching what others may want too: lead a fill or join one, and see at its head whether the response fits.

use crate::answer::{Answer, AnswerHead, EngineError, Outcome};
use crate::context::Asked;
use crate::engine::Engine;
use crate::fill::task::Own;
use crate::fill::{Fill, FillHead, FillKey, FillReader, Membership, Role, Stage};
use crate::handle::{Found, selectors};
use crate::hit::choose;
use crate::origin::{Origin, OriginError, OriginFault};
use crate::serve::{Story, from_fill};
use crate::slow::InTime;
use crate::told::{self, Forwarded};
use millpond_exchange::{Key, Record, RecordFlags};
use millpond_policy::{CacheStatus, RequestFacts, RequestFlags, StaleCause, Verdict};
use millpond_store::Entry;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How often a request looks for a better fill to join after one that does not fit, before it fetches alone.
const ROUNDS: usize = 3;

/// What a waiter makes of a fill.
pub(crate) enum Waited {
    Answer(Box<Answer>),
    /// The response varies on these fields, and this request's values are others.
    OtherVariant(Vec<Box<str>>),
    /// The response is not one for this request's URL (No-Vary-Search).
    OtherUrl,
    /// Nothing here for anyone but the leader.
    Alone,
    /// Nothing here for anyone but the leader because of who that is; another one may do better.
    Again,
    Failed(OriginError),
}

impl<O: Origin> Engine<O> {
    pub(crate) async fn fetch_shared(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
        mut found: Found,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let mut names = vary_names(found.variants.entries.iter().map(|entry| &entry.record));
        // The answer to a request that forbids storing is for that request, whatever it says.
        let rounds = if facts.has(RequestFlags::NO_STORE) { 0 } else { ROUNDS };
        let mut forgiven = false;
        // What came for an equivalent URL was not for this one, so this one waits by itself.
        let mut own_url = false;
        for _ in 0..rounds {
            if own_url {
                found.place = found.key.clone();
            }
            let place = FillKey { key: found.place.clone(), selectors: selectors(&asked.head, &names) };
            let rules = self.shared.search.changes();
            // A rule that came meanwhile has brought it to another place.
            let moved = !own_url && self.shared.search.meeting_place(&found.key) != found.place;
            let unchanged = || {
                !moved && self.shared.search.changes() == rules && self.has_not_changed(&asked, facts, &found)
            };
            match self.shared.fills.enter(&place, facts.names_user(), self.now(), unchanged) {
                Role::Alone => break,
                Role::Changed => {
                    let now = self.find(&asked, facts).await;
                    match self.serve_found(&asked, facts, now).await {
                        Ok(answer) => return Ok(answer),
                        Err(now) => found = now,
                    }
                }
                Role::Leader(fill, member) => {
                    return self.lead(&asked, facts, &found, forwarded, fill, member, Some(place)).await;
                }
                Role::Waiter(member) => match self.wait(&asked, facts, &found, forwarded, member).await {
                    Waited::Answer(answer) => return Ok(*answer),
                    // The leader's own request may have made the origin fail: once, another one tries.
                    Waited::Failed(error) if !forgiven && may_be_the_requests_fault(&error) => {
                        forgiven = true;
                    }
                    Waited::Failed(error) => {
                        return self.failed(&asked, facts, &found, forwarded, error).await;
                    }
                    Waited::OtherVariant(more) => {
                        names.extend(more);
                        names.sort_unstable();
                        names.dedup();
                    }
                    Waited::OtherUrl => own_url = true,
                    Waited::Again => {}
                    Waited::Alone => break,
                },
            }
        }
        let fill = Fill::new(false);
        let member = fill.join();
        self.lead(&asked, facts, &found, forwarded, fill, member, None).await
    }

    /// False when another fill has brought something for this request since `found` was looked up.
    fn has_not_changed(&self, asked: &Asked, facts: &RequestFacts, found: &Found) -> bool {
        let now = |key: &Key| {
            let variants = self.shared.store.lookup(key.as_bytes())?;
            let chosen = choose(&variants, &asked.head, facts, self.now(), &asked.context.profile);
            chosen.map(|(entry, _)| Arc::clone(entry))
        };
        let elsewhere = || if found.place == found.key { None } else { now(&found.key) };
        match (now(&found.place).or_else(elsewhere), &found.entry) {
            // What came up from below is another copy of the same.
            (Some(now), Some(then)) => {
                Arc::ptr_eq(&now, then) || (now.id == then.id && now.record == then.record)
            }
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request's state, used once")]
    pub(crate) async fn lead(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        forwarded: Forwarded,
        fill: Arc<Fill>,
        mut member: Membership,
        place: Option<FillKey>,
    ) -> Result<Answer, EngineError> {
        let (own, owned) = oneshot::channel();
        let shared = place.is_some();
        self.start(fill, self.plan(asked, found, place, true), Some(own));
        let came = match self.in_time(asked, facts, found, &mut member).await {
            InTime::Stage(stage) => stage,
            InTime::Stale(answer) => {
                // One that others cannot join ends with its request: nobody bounds how many there are.
                if shared {
                    member.detach();
                }
                return Ok(*answer);
            }
        };
        match came {
            Stage::Streaming(head) => match self.lead_stream(asked, facts, forwarded, &head, member) {
                Some(answer) => Ok(answer),
                None => Box::pin(self.fetch_anew(asked, facts, found, forwarded)).await,
            },
            Stage::Refreshed { entry, .. } => {
                match self.validated(asked, facts, forwarded.status(), &entry).await {
                    Some(answer) => Ok(answer),
                    None => Box::pin(self.fetch_anew(asked, facts, found, forwarded)).await,
                }
            }
            Stage::Released { status, .. } => {
                let cause = StaleCause::Status(status);
                if let Some(answer) = self.stale_instead(asked, facts, found, cause).await {
                    return Ok(answer);
                }
                match owned.await {
                    Ok(own) => Ok(self.own(forwarded, own)),
                    Err(_) => Err(self.error(crate::fill::task::abandoned(), forwarded)),
                }
            }
            Stage::Failed(error) => self.failed(asked, facts, found, forwarded, error).await,
            Stage::Waiting => Err(self.error(crate::fill::task::abandoned(), forwarded)),
        }
    }

    /// The origin confirmed what the store has lost meanwhile: it is asked once more, without conditions.
    async fn fetch_anew(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        let nothing = found.clone().lost();
        let fill = Fill::new(false);
        let member = fill.join();
        self.lead(asked, facts, &nothing, forwarded, fill, member, None).await
    }

    /// The leader gets what the origin sent, while it is being stored; `None` where that lacks what was asked for.
    fn lead_stream(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        forwarded: Forwarded,
        head: &Arc<FillHead>,
        member: Membership,
    ) -> Option<Answer> {
        let status = forwarded.stored(head.status.as_u16());
        let derived = !head.verbatim && (facts.is_conditional() || facts.has(RequestFlags::RANGE));
        // The stored head has no Age (RFC 9111 section 5.1); what the origin sent may have.
        let aged = derived && head.origin_head.fields.contains("age");
        let age = aged.then(|| millpond_policy::current_age(&head.record, self.now()));
        let story = Story { age, outcome: Outcome::Miss, status };
        let answer = if derived {
            from_fill(head, member, &asked.head, facts, story)?
        } else {
            let body = FillReader::body(member, head, None);
            let Story { age, outcome, status } = story;
            let head = AnswerHead::Own(head.origin_head.clone());
            Answer { head, body, announce: None, age, outcome, status, upgrade: None }
        };
        self.shared.counters.misses.add();
        Some(answer)
    }

    /// A 304 confirmed `entry`, and the request gets it; `None` when its body can no longer be read.
    async fn validated(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        told: CacheStatus<'static>,
        entry: &Arc<Entry>,
    ) -> Option<Answer> {
        let status = CacheStatus { fwd_status: Some(304), ..told };
        let age = Some(millpond_policy::current_age(&entry.record, self.now()));
        let story = Story { age, outcome: Outcome::Validated, status };
        let answer = self.answer_from(entry, asked, facts, story).await?;
        self.shared.counters.validated.add();
        Some(answer)
    }

    /// A response that is not stored: for its leader alone.
    fn own(&self, forwarded: Forwarded, own: Own) -> Answer {
        self.shared.counters.misses.add();
        let status = forwarded.refused(own.response.head.status.as_u16(), own.reason);
        let head = AnswerHead::Own(own.response.head);
        Answer {
            head,
            body: own.response.body,
            announce: None,
            age: None,
            outcome: Outcome::Miss,
            status,
            upgrade: None,
        }
    }

    pub(crate) async fn wait(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        forwarded: Forwarded,
        mut member: Membership,
    ) -> Waited {
        let came = match self.in_time(asked, facts, found, &mut member).await {
            InTime::Stage(stage) => stage,
            InTime::Stale(answer) => {
                member.detach();
                return Waited::Answer(answer);
            }
        };
        match came {
            Stage::Streaming(head) if !found.is_answered_by(&head.key, &head.head) => Waited::OtherUrl,
            Stage::Streaming(head) => match self.misfit(&head.record, asked, facts) {
                None => {
                    let age = Some(millpond_policy::current_age(&head.record, self.now()));
                    let status = forwarded.collapsed();
                    let story = Story { age, outcome: Outcome::Collapsed, status };
                    match from_fill(&head, member, &asked.head, facts, story) {
                        Some(answer) => {
                            self.shared.counters.collapsed.add();
                            Waited::Answer(Box::new(answer))
                        }
                        None => Waited::Alone,
                    }
                }
                Some(other) => other,
            },
            Stage::Refreshed { shared: false, .. } => Waited::Again,
            Stage::Refreshed { entry, .. } if !found.is_answered_by(&entry.key, &entry.head) => {
                Waited::OtherUrl
            }
            Stage::Refreshed { entry, .. } => match self.misfit(&entry.record, asked, facts) {
                None => match self.validated(asked, facts, forwarded.collapsed(), &entry).await {
                    Some(answer) => Waited::Answer(Box::new(answer)),
                    None => Waited::Alone,
                },
                Some(other) => other,
            },
            Stage::Released { status, personal } => {
                let otherwise = if personal && !facts.names_user() { Waited::Again } else { Waited::Alone };
                let stale = self.stale_instead(asked, facts, found, StaleCause::Status(status)).await;
                stale.map_or(otherwise, |answer| Waited::Answer(Box::new(answer)))
            }
            Stage::Failed(error) => Waited::Failed(error),
            Stage::Waiting => Waited::Alone,
        }
    }

    /// The test a stored response would have to pass: a waiter is no better than someone who comes later. `None` when it
    /// passes.
    fn misfit(&self, record: &Record, asked: &Asked, facts: &RequestFacts) -> Option<Waited> {
        if millpond_policy::select(std::iter::once(record), &asked.head.fields, None).is_none() {
            return Some(Waited::OtherVariant(vary_names(std::iter::once(record))));
        }
        match millpond_policy::reuse(record, facts, self.now(), &asked.context.profile) {
            Verdict::Fresh { .. } | Verdict::ServeStale { .. } => None,
            Verdict::Validate(_) | Verdict::Unusable(_) => Some(Waited::Alone),
        }
    }

    /// The origin failed: what is stored may stand in (RFC 9111 section 4.2.4, RFC 5861 section 4).
    pub(crate) async fn failed(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        forwarded: Forwarded,
        error: OriginError,
    ) -> Result<Answer, EngineError> {
        if let Some(answer) = self.stale_instead(asked, facts, found, StaleCause::Unreachable).await {
            return Ok(answer);
        }
        let forbidding = RecordFlags::MUST_REVALIDATE | RecordFlags::PROXY_REVALIDATE | RecordFlags::NO_CACHE;
        let must_validate =
            found.entry.as_ref().is_some_and(|entry| entry.record.flags.intersects(forbidding));
        let error = self.error(error, forwarded);
        Err(if must_validate { error.for_want_of_validation() } else { error })
    }

    pub(crate) async fn stale_instead(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
        cause: StaleCause,
    ) -> Option<Answer> {
        let entry = found.entry.as_ref().or_else(|| found.wanted.confirmable())?;
        let now = self.now();
        let profile = &asked.context.profile;
        let why = millpond_policy::stale_on_error(&entry.record, facts, now, profile, cause)?;
        let age = millpond_policy::current_age(&entry.record, now);
        let ttl = millpond_policy::time_to_live(&entry.record, now, profile);
        let story = Story { age: Some(age), outcome: Outcome::StaleHit, status: told::stale_hit(ttl, why) };
        let answer = self.answer_from(entry, asked, facts, story).await?;
        self.shared.counters.stale_hits.add();
        Some(answer)
    }

    pub(crate) fn error(&self, error: OriginError, forwarded: Forwarded) -> EngineError {
        self.shared.counters.errors.add();
        EngineError::Origin { error, must_validate: false, status: Box::new(forwarded.status()) }
    }
}

/// True where the origin was there and ended the exchange without a proper answer.
fn may_be_the_requests_fault(error: &OriginError) -> bool {
    matches!(error.fault, OriginFault::Closed | OriginFault::Malformed)
}

/// The names of the fields these responses vary on, sorted, each once.
pub(crate) fn vary_names<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> =
        records.flat_map(|record| record.vary.iter().map(|selector| selector.name.clone())).collect();
    names.sort_unstable();
    names.dedup();
    names
}
