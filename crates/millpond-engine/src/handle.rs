//! One request through the cache: look, judge, and then serve, validate, fetch or pass on.

use crate::answer::{Answer, EngineError, Outcome};
use crate::context::{Asked, Exchange, Target};
use crate::engine::Engine;
use crate::fill::task::{self, Plan};
use crate::fill::{Fill, FillKey};
use crate::hit::{choose, key_of};
use crate::origin::Origin;
use crate::serve::{Story, from_entry};
use crate::told::{self, Forwarded};
use millpond_exchange::{Key, Method, RequestHead, VarySelector};
use millpond_policy::{Forward, Reason, RequestFacts, RequestFlags, Verdict};
use millpond_store::{Entry, Variants};
use std::sync::Arc;

/// What a lookup found for one request.
pub(crate) struct Found {
    pub key: Key,
    pub variants: Variants,
    /// The entry that fits, if one does.
    pub entry: Option<Arc<Entry>>,
    pub verdict: Verdict,
}

impl Found {
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
            return Box::pin(self.bypass(exchange, forwarded)).await;
        }
        let asked = Asked::from(exchange);
        let found = self.find(&asked, &facts);
        match found.verdict {
            Verdict::Fresh { .. } | Verdict::ServeStale { .. } => {
                Ok(self.serve_found(&asked, &facts, &found))
            }
            // In a box: every connection has room for this future, and few are fetching.
            Verdict::Validate(reason) | Verdict::Unusable(reason) => {
                Box::pin(self.fetch_for(asked, &facts, found, reason)).await
            }
        }
    }

    pub(crate) fn find(&self, asked: &Asked, facts: &RequestFacts) -> Found {
        let target = target_of(asked);
        let key = key_of(target, &asked.context).to_key();
        let variants = self.shared.store.lookup(key.as_bytes()).unwrap_or_default();
        let entry = choose(&variants, &asked.head).map(Arc::clone);
        let verdict = match &entry {
            Some(entry) => millpond_policy::reuse(&entry.record, facts, self.now(), &asked.context.profile),
            None if variants.entries.is_empty() => Verdict::Unusable(Reason::NothingStored),
            None => Verdict::Unusable(Reason::VaryMismatch),
        };
        Found { key, variants, entry, verdict }
    }

    /// Answers from the store; a stale entry is refreshed behind the answer.
    pub(crate) fn serve_found(
        self: &Arc<Self>,
        asked: &Asked,
        facts: &RequestFacts,
        found: &Found,
    ) -> Answer {
        let Some(entry) = &found.entry else { unreachable_entry() };
        let counters = &self.shared.counters;
        let (outcome, status) = match found.verdict {
            Verdict::ServeStale { why, ttl, refresh } => {
                // Who asks for no fetch causes none, not even one that nobody waits for.
                if refresh && !facts.only_if_cached() {
                    self.refresh_behind(asked, found);
                }
                counters.stale_hits.add();
                (Outcome::StaleHit, told::stale_hit(ttl, why))
            }
            Verdict::Fresh { ttl } => {
                counters.hits.add();
                (Outcome::Hit, told::hit(ttl))
            }
            _ => unreachable_entry(),
        };
        let age = Some(millpond_policy::current_age(&entry.record, self.now()));
        from_entry(entry, &asked.head, facts, Story { age, outcome, status })
    }

    async fn fetch_for(
        self: &Arc<Self>,
        asked: Asked,
        facts: &RequestFacts,
        found: Found,
        reason: Reason,
    ) -> Result<Answer, EngineError> {
        let forwarded = Forwarded { why: forward_of(&found), reason };
        if facts.only_if_cached() || asked.context.profile.offline {
            self.shared.counters.errors.add();
            return Err(EngineError::NotCached { reason, status: Box::new(forwarded.status()) });
        }
        if asked.head.method == Method::HEAD {
            return self.forward_head(asked, facts, found, forwarded).await;
        }
        // A part of what is not stored is asked of the origin as a part.
        if facts.has(RequestFlags::RANGE) && found.entry.is_none() {
            let forwarded = Forwarded { reason: Reason::RangeNotStored, ..forwarded };
            return self.bypass(asked.into(), forwarded).await;
        }
        self.fetch_shared(asked, facts, found, forwarded).await
    }

    /// Fetches anew without anyone waiting, unless that is under way already.
    fn refresh_behind(self: &Arc<Self>, asked: &Asked, found: &Found) {
        let place = FillKey {
            key: found.key.clone(),
            selectors: found.entry.as_ref().map(|entry| entry.record.vary.clone()).unwrap_or_default(),
        };
        let Some(fill) = self.shared.fills.enter_detached(&place) else { return };
        self.start(fill, self.plan(asked, found, Some(place), false), None);
    }

    /// What a fetch for this request sends: the client's own preconditions and ranges would make the response unfit for
    /// everyone else. They stay where nobody else is to have it and nothing stored could be confirmed by the answer: what
    /// is never stored would otherwise never be a 304 either.
    pub(crate) fn plan(&self, asked: &Asked, found: &Found, place: Option<FillKey>, interim: bool) -> Plan {
        // What is fetched behind the answer to a HEAD is what a GET would get: only that can be stored.
        let mut request = RequestHead { method: Method::GET, ..asked.head.clone() };
        let own_conditions = place.is_none() && found.variants.entries.is_empty();
        if !own_conditions {
            millpond_policy::remove_conditions(&mut request.fields);
        }
        Plan {
            own_conditions: own_conditions && RequestFacts::of(&request).is_conditional(),
            place,
            key: found.key.clone(),
            request,
            stored: found.variants.entries.to_vec(),
            selected: found.selected(),
            context: Arc::clone(&asked.context),
            epoch: millpond_store::Store::epoch(&self.shared.store),
            interim: if interim { asked.interim.clone() } else { None },
        }
    }

    /// Runs `plan` apart from this request.
    pub(crate) fn start(
        self: &Arc<Self>,
        fill: Arc<Fill>,
        plan: Plan,
        leader: Option<tokio::sync::oneshot::Sender<task::Own>>,
    ) {
        tokio::spawn(task::run(Arc::clone(self), fill, plan, leader));
    }
}

/// A verdict that serves comes with the entry it was made for: `find` makes both together.
fn unreachable_entry() -> ! {
    unreachable!("a verdict that serves has an entry")
}

fn target_of(asked: &Asked) -> Target<'_> {
    let head = &asked.head;
    let (authority, path_and_query) = (&head.authority, &head.path_and_query);
    Target { scheme: head.scheme, authority, path_and_query, client_scheme: asked.client_scheme }
}

fn forward_of(found: &Found) -> Forward {
    match (&found.entry, &found.verdict) {
        (None, _) if found.variants.entries.is_empty() => Forward::UriMiss,
        (None, _) => Forward::VaryMiss,
        (Some(_), Verdict::Validate(reason) | Verdict::Unusable(reason)) if is_request_directive(*reason) => {
            Forward::Request
        }
        (Some(_), _) => Forward::Stale,
    }
}

/// True where the stored response would have done, had the request not asked for more.
fn is_request_directive(reason: Reason) -> bool {
    matches!(reason, Reason::RequestNoCache | Reason::RequestMaxAge | Reason::RequestMinFresh)
}

/// Why a request goes past the cache, if it does.
fn bypass_reason(exchange: &Exchange, facts: &RequestFacts) -> Option<Forwarded> {
    if exchange.head.method != Method::GET && exchange.head.method != Method::HEAD {
        return Some(Forwarded { why: Forward::Method, reason: Reason::Method });
    }
    if let Some(reason) = exchange.pass {
        return Some(Forwarded { why: Forward::Bypass, reason });
    }
    if exchange.upgrade {
        return Some(Forwarded { why: Forward::Bypass, reason: Reason::Upgrade });
    }
    if exchange.body.length() != Some(0) {
        return Some(Forwarded { why: Forward::Bypass, reason: Reason::RequestBody });
    }
    facts.is_for_origin().then_some(Forwarded { why: Forward::Bypass, reason: Reason::Precondition })
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
