//! One request through the cache: look, judge, and then serve, validate, fetch or pass on.

use crate::answer::{Answer, EngineError, Outcome};
use crate::context::{Asked, Exchange};
use crate::engine::Engine;
use crate::fill::task::{self, Plan};
use crate::fill::{Fill, FillKey};
use crate::hit::{choose, key_of_asked};
use crate::origin::Origin;
use crate::part::{Wanted, has_parts};
use crate::search::{self, Equivalent};
use crate::serve::{Story, from_below, from_entry};
use crate::told::{self, Forwarded};
use millpond_exchange::{Key, Method, RequestHead, ResponseHead, Timestamp, VarySelector};
use millpond_policy::{CacheStatus, Forward, MethodClass, Reason, RequestFacts, RequestFlags, Verdict};
use millpond_store::{Entry, Epoch, Store as _, StoreError, Variants};
use std::sync::Arc;

/// What a lookup found for one request.
#[derive(Clone)]
pub(crate) struct Found {
    /// The request's own key.
    pub key: Key,
    /// The key under which it waits for others: its own, or that of the URL which stands for its own (No-Vary-Search).
    pub place: Key,
    /// The key this was found under, where that is the one of answers kept for those who name a host.
    pub for_host: Option<Key>,
    pub variants: Variants,
    /// The entry that fits, if one does.
    pub entry: Option<Arc<Entry>>,
    pub verdict: Verdict,
    /// What a fetch is to bring.
    pub wanted: Wanted,
    /// The purge epoch from before the lookup.
    pub epoch: Epoch,
}

impl Found {
    /// True when the verdict lets the entry answer as it is.
    pub(crate) fn serves(&self) -> bool {
        told_of(&self.verdict).is_some()
    }

    /// The same request after the store has lost what it had found.
    pub(crate) fn lost(self) -> Self {
        let verdict = Verdict::Unusable(Reason::NothingStored);
        let (variants, wanted) = (Variants::default(), Wanted::Whole);
        Self { variants, entry: None, verdict, wanted, ..self }
    }

    /// True when a response with this head, stored under `stored`, is one for the URL that is asked for.
    pub(crate) fn is_answered_by(&self, stored: &Key, head: &ResponseHead) -> bool {
        self.for_host.as_ref() == Some(stored) || search::answers(stored, head, &self.key)
    }

    fn why_fetched(&self) -> Reason {
        match self.verdict {
            Verdict::Validate(reason) | Verdict::Unusable(reason) => reason,
            // Only `lost` leads here from a verdict that serves, and it changes the verdict.
            Verdict::Fresh { .. } | Verdict::ServeStale { .. } => Reason::NothingStored,
        }
    }

    /// The place of the fitting entry among the variants.
    pub fn selected(&self) -> Option<usize> {
        let entry = self.entry.as_ref()?;
        self.variants.entries.iter().position(|variant| Arc::ptr_eq(variant, entry))
    }
}

impl<O: Origin> Engine<O> {
    /// Answers `exchange`.
    ///
    /// # Errors
    /// [`EngineError`] when the origin brings no response and nothing stored may stand in for it.
    pub async fn handle(self: &Arc<Self>, exchange: Exchange) -> Result<Answer, EngineError> {
        self.shared.counters.requests.add();
        let facts = RequestFacts::of(&exchange.head);
        if let Some(forwarded) = bypass_reason(&exchange, &facts) {
            return self.pass_by(exchange, &facts, forwarded).await;
        }
        if exchange.context.keys_content(&exchange.head.method) {
            return Box::pin(self.handle_with_content(exchange, facts)).await;
        }
        self.look_up(Asked::from(exchange), &facts).await
    }

    pub(crate) async fn pass_by(
        self: &Arc<Self>,
        exchange: Exchange,
        facts: &RequestFacts,
        forwarded: Forwarded,
    ) -> Result<Answer, EngineError> {
        if stays_unanswered(&exchange.head, facts) {
            return Err(self.not_cached(forwarded));
        }
        if exchange.context.profile.offline {
            return Err(self.not_cached(Forwarded { reason: Reason::Offline, ..forwarded }));
        }
        Box::pin(self.bypass(exchange, forwarded)).await
    }

    /// Answers a request that the store may answer.
    pub(crate) async fn look_up(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
    ) -> Result<Answer, EngineError> {
        let found = self.find(&asked, facts).await;
        match self.serve_found(&asked, facts, found).await {
            Ok(answer) => Ok(answer),
            // In a box: every connection has room for this future, and few are fetching.
            Err(found) => Box::pin(self.fetch_for(asked, facts, found)).await,
        }
    }

    /// What is stored for a request: under its own key, else under that of the URL which stands for its own
    /// (No-Vary-Search), else what is for those who name the same host.
    pub(crate) async fn find(&self, asked: &Asked, facts: &RequestFacts) -> Found {
        let key = key_of_asked(asked);
        let found = self.find_under(asked, facts, key.to_key(), None).await;
        if found.serves() {
            return found;
        }
        // Only now: what was found may have brought the rule.
        let found = match self.shared.search.equivalent(&key) {
            Some(equivalent) => {
                let place = equivalent.key.to_key();
                let other = self.find_under(asked, facts, place.clone(), Some(&equivalent)).await;
                let better = other.entry.is_some() || found.variants.entries.is_empty();
                Found { key: key.to_key(), place, ..if better { other } else { found } }
            }
            None => found,
        };
        match self.key_for_host(asked) {
            // In a box: few caches have any.
            Some(key) if !found.serves() => Box::pin(self.find_for_host(asked, facts, found, key)).await,
            _ => found,
        }
    }

    /// What is stored under `key`. The tier below is asked only where memory has nothing that may be used as it is:
    /// what memory lacks of a key is older than what it has.
    pub(crate) async fn find_under(
        &self,
        asked: &Asked,
        facts: &RequestFacts,
        key: Key,
        equivalent: Option<&Equivalent>,
    ) -> Found {
        let store = &self.shared.store;
        let epoch = store.epoch();
        let own = |variants: Variants| match equivalent {
            Some(equivalent) => equivalent.own(variants),
            None => variants,
        };
        let variants = own(store.lookup(key.as_bytes()).unwrap_or_default());
        let found = judged(asked, facts, key, variants, epoch, self.now());
        if store.below().is_none() || found.serves() || found.variants.complete {
            return found;
        }
        match store.variants(&found.key).await {
            Ok(variants) => {
                self.shared.search.learn_stored(&variants);
                judged(asked, facts, found.key, own(variants), epoch, self.now())
            }
            Err(error) => {
                self.shared.store_failed(&error);
                let unavailable = found.entry.is_none();
                let verdict =
                    if unavailable { Verdict::Unusable(Reason::StoreUnavailable) } else { found.verdict };
                Found { verdict, ..found }
            }
        }
    }

    /// Answers from the store; a stale entry is refreshed behind the answer. Gives back what must be fetched: where the
    /// verdict says so, and where the store has lost the body since.
    pub(crate) async fn serve_found(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: Found,
    ) -> Result<Answer, Found> {
        let (Some(entry), Some((outcome, status))) = (&found.entry, told_of(&found.verdict)) else {
            return Err(found);
        };
        let age = Some(millpond_policy::current_age(&entry.record, self.now()));
        let Some(answer) = self.answer_from(entry, asked, facts, Story { age, outcome, status }).await else {
            return Err(found.lost());
        };
        let counters = &self.shared.counters;
        if let Verdict::ServeStale { refresh, .. } = found.verdict {
            // Who asks for no fetch causes none, not even one that nobody waits for.
            if refresh && !facts.only_if_cached() {
                self.refresh_behind(asked, &found);
            }
            counters.stale_hits.add();
        } else {
            counters.hits.add();
        }
        Ok(answer)
    }

    /// The answer that `entry` gives; `None` when its body can no longer be read, or lacks what is asked for.
    pub(crate) async fn answer_from(
        &self,
        entry: &Arc<Entry>,
        asked: &Asked,
        facts: &RequestFacts,
        story: Story,
    ) -> Option<Answer> {
        if entry.body.is_some() {
            return from_entry(entry, &asked.head, facts, story);
        }
        match from_below(&self.shared, entry, &asked.head, facts, story).await {
            Ok(answer) => Some(answer),
            // Evicted or purged between lookup and read.
            Err(StoreError::Gone) => None,
            Err(error) => {
                self.shared.store_failed(&error);
                None
            }
        }
    }

    async fn fetch_for(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
        found: Found,
    ) -> Result<Answer, EngineError> {
        let found = match self.serve_language(&asked, facts, found).await {
            Ok(answer) => return Ok(answer),
            Err(found) => found,
        };
        // Where nothing whole is stored, parts may do.
        let mut found = match self.serve_part(&asked, facts, found).await {
            Ok(answer) => return Ok(answer),
            Err(found) => found,
        };
        let forwarded = forwarded(&asked, &found);
        if asked.context.profile.offline {
            return Err(self.not_cached(Forwarded { reason: Reason::Offline, ..forwarded }));
        }
        if facts.only_if_cached() {
            return Err(self.not_cached(forwarded));
        }
        if asked.head.method == Method::HEAD {
            return self.forward_head(asked, facts, found, forwarded).await;
        }
        found.wanted = self.wanted(&asked, facts, &found);
        if facts.has(RequestFlags::RANGE) && found.wanted.is_for_one() {
            return self.fetch_part(asked, facts, found, forwarded).await;
        }
        self.fetch_shared(asked, facts, found, forwarded).await
    }

    /// The error of a request that would have to be fetched, and must not be.
    fn not_cached(&self, forwarded: Forwarded) -> EngineError {
        self.shared.counters.errors.add();
        EngineError::NotCached { reason: forwarded.reason, status: Box::new(forwarded.status()) }
    }

    /// Fetches the whole without anyone waiting, unless that is under way already.
    pub(crate) fn refresh_behind(self: &Arc<Self>, asked: &Asked, found: &Found) {
        let place = FillKey {
            key: found.place.clone(),
            selectors: found.entry.as_ref().map(|entry| entry.record.vary.clone()).unwrap_or_default(),
        };
        let Some(fill) = self.shared.fills.enter_detached(&place) else { return };
        self.start(fill, self.plan(asked, found, Some(place), false), None);
    }

    /// As [`planned`], with the epoch that a purge must not have overtaken.
    pub(crate) fn plan(&self, asked: &Asked, found: &Found, place: Option<FillKey>, interim: bool) -> Plan {
        // Before the epoch: what is counted later may be in it, but what is not in it is counted later.
        let purges = self.shared.purges();
        // What a stored part becomes a piece of must not be older than a purge that covers the part.
        let epoch = match found.wanted {
            Wanted::Rest { .. } => found.epoch,
            Wanted::Whole | Wanted::Part { .. } => self.shared.store.epoch(),
        };
        Plan { purges, ..planned(asked, found, place, interim, epoch) }
    }

    /// Runs `plan` apart from this request.
    pub(crate) fn start(
        self: &Arc<Self>,
        fill: Arc<Fill>,
        plan: Plan,
        leader: Option<tokio::sync::oneshot::Sender<task::Own>>,
    ) {
        // In a box: a future of several kilobytes would be moved half a dozen times on its way into the runtime.
        tokio::spawn(Box::pin(task::run(Arc::clone(self), fill, plan, leader)));
    }
}

/// What is stored for a request, and the verdict on the entry that fits.
pub(crate) fn judged(
    asked: &Asked,
    facts: &RequestFacts,
    key: Key,
    variants: Variants,
    epoch: Epoch,
    now: Timestamp,
) -> Found {
    let variants = without_withdrawn(variants);
    let chosen = choose(&variants, &asked.head, facts, now, &asked.context.profile);
    let (entry, verdict) =
        chosen.map_or((None, None), |(entry, verdict)| (Some(Arc::clone(entry)), Some(verdict)));
    let verdict = match verdict {
        Some(verdict) => verdict,
        None if variants.entries.is_empty() => Verdict::Unusable(Reason::NothingStored),
        None => Verdict::Unusable(Reason::VaryMismatch),
    };
    let (place, for_host) = (key.clone(), None);
    Found { place, key, for_host, variants, entry, verdict, wanted: Wanted::Whole, epoch }
}

/// `variants` without what the origin has taken back.
fn without_withdrawn(variants: Variants) -> Variants {
    let is_kept = |entry: &&Arc<Entry>| !millpond_policy::is_withdrawn(&entry.record);
    if variants.entries.iter().all(|entry| is_kept(&entry)) {
        return variants;
    }
    let entries = variants.entries.iter().filter(is_kept).cloned().collect();
    Variants { entries, ..variants }
}

/// Why a request that nothing stored answers goes to the origin.
pub(crate) fn forwarded(asked: &Asked, found: &Found) -> Forwarded {
    let why = if has_parts(asked, found) { Forward::Partial } else { forward_of(found) };
    Forwarded { why, reason: found.why_fetched() }
}

/// What a fetch for this request sends: the client's own preconditions and ranges would make the response unfit for
/// everyone else. They stay where nobody else is to have it and nothing stored could be confirmed by the answer: what
/// is never stored would otherwise never be a 304 either.
pub(crate) fn planned(
    asked: &Asked,
    found: &Found,
    place: Option<FillKey>,
    interim: bool,
    epoch: Epoch,
) -> Plan {
    let mut request = asked.head.clone();
    if asked.content.is_none() {
        // What is fetched behind the answer to a HEAD is what a GET would get: only that can be stored.
        request.method = Method::GET;
    }
    let nothing_to_confirm = found.variants.entries.is_empty() || found.wanted.is_new_part();
    let own_conditions = place.is_none() && nothing_to_confirm;
    if !own_conditions {
        found.wanted.remove_conditions(&mut request.fields);
    }
    let (stored, selected) = match &found.wanted {
        Wanted::Part { validate: Some(part) } => (vec![Arc::clone(part)], Some(0)),
        Wanted::Part { validate: None } => (Vec::new(), None),
        Wanted::Whole | Wanted::Rest { .. } => (found.variants.entries.to_vec(), found.selected()),
    };
    Plan {
        own_conditions: own_conditions && RequestFacts::of(&request).is_conditional(),
        place,
        key: found.key.clone(),
        request,
        content: asked.content.clone(),
        stored,
        selected,
        wanted: found.wanted.clone(),
        context: Arc::clone(&asked.context),
        epoch,
        purges: 0,
        interim: if interim { asked.interim.clone() } else { None },
    }
}

/// What is told of an answer by a verdict that lets an entry answer.
pub(crate) fn told_of(verdict: &Verdict) -> Option<(Outcome, CacheStatus<'static>)> {
    match *verdict {
        Verdict::ServeStale { why, ttl, .. } => Some((Outcome::StaleHit, told::stale_hit(ttl, why))),
        Verdict::Fresh { ttl } => Some((Outcome::Hit, told::hit(ttl))),
        Verdict::Validate(_) | Verdict::Unusable(_) => None,
    }
}

pub(crate) fn forward_of(found: &Found) -> Forward {
    match (&found.entry, &found.verdict) {
        (None, _) if found.variants.entries.is_empty() => Forward::UriMiss,
        (None, _) => Forward::VaryMiss,
        (Some(_), Verdict::Validate(reason) | Verdict::Unusable(reason)) => Forward::because_of(*reason),
        (Some(_), _) => Forward::Stale,
    }
}

/// True for a request that goes past the cache and is to be answered from it alone (RFC 9111 section 5.2.1.7). One that is not
/// safe is meant for the origin whatever it says.
pub(crate) fn stays_unanswered(head: &RequestHead, facts: &RequestFacts) -> bool {
    // QUERY, too, is safe (RFC 10008 section 2).
    facts.only_if_cached() && MethodClass::of(&head.method) != MethodClass::Unsafe
}

/// Why a request goes past the cache, if it does.
pub(crate) fn bypass_reason(exchange: &Exchange, facts: &RequestFacts) -> Option<Forwarded> {
    let method = &exchange.head.method;
    let keyed = exchange.context.keys_content(method);
    if !keyed && *method != Method::GET && *method != Method::HEAD {
        return Some(Forwarded { why: Forward::Method, reason: Reason::Method });
    }
    if let Some(reason) = exchange.pass {
        return Some(Forwarded { why: Forward::Bypass, reason });
    }
    if exchange.upgrade {
        return Some(Forwarded { why: Forward::Bypass, reason: Reason::Upgrade });
    }
    if !keyed && exchange.body.length() != Some(0) {
        return Some(Forwarded { why: Forward::Bypass, reason: Reason::RequestBody });
    }
    // What a condition or a range means in a POST, only the origin knows (RFC 9110 sections 13.1.2 and 14.2).
    let own_meaning = facts.is_conditional() || facts.has(RequestFlags::RANGE);
    let posted = *method == Method::POST && own_meaning;
    (posted || facts.is_for_origin())
        .then_some(Forwarded { why: Forward::Bypass, reason: Reason::Precondition })
}

/// The values of the fields the stored responses of a key vary on: requests that agree on these share a fetch.
pub(crate) fn selectors(request: &RequestHead, names: &[Box<str>]) -> Box<[VarySelector]> {
    names
        .iter()
        .map(|name| VarySelector {
            value: millpond_policy::normalise_vary(name, &request.fields).map(|value| value.as_ref().into()),
            name: name.clone(),
        })
        .collect()
}
