//! What an engine would do with a request, and why, told without doing it.
//!
//! What must not live here: decisions. Everything is asked of the functions that answer requests.

mod change;
mod kept;

pub use change::Change;
pub use kept::{Kept, kept};

use crate::context::{Asked, Context, Exchange};
use crate::fill::task::Plan;
use crate::handle::{self, Found, told_of};
use crate::hit::key_of;
use crate::language;
use crate::part::{Needed, forwarded_for_part, needed, usable_parts, usable_together};
use crate::told::Forwarded;
use millpond_exchange::{Key, Method, RequestHead, Timestamp, VarySelector};
use millpond_policy::{
    CacheStatus, Forward, Lifetime, Reason, RequestFacts, RequestFlags, StaleCause, Verdict,
};
use millpond_store::{Entry, Epoch, Variants};
use std::sync::Arc;
use std::time::Duration;

/// What would become of a request.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The key it is looked up by.
    pub key: Key,
    /// Each response stored under the key, in the order of the list.
    pub variants: Vec<Variant>,
    /// What would be done.
    pub decision: Decision,
    /// What a fetch would send without the validators of what is stored: the answer to it says what would be kept.
    pub plain: RequestHead,
    /// What Cache-Status would say of it, before any answer of the origin.
    pub status: CacheStatus<'static>,
    /// The options of which each by itself would make a stored response answer.
    pub changes: Vec<Change>,
}

/// What would be done with a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A stored response answers.
    Serve {
        /// Its place in [`Explained::variants`].
        index: usize,
        /// Fresh, or stale and why that is allowed.
        verdict: Verdict,
    },
    /// The origin is asked.
    Fetch(Box<Fetch>),
    /// Neither: the client or the operator forbids a fetch, and nothing stored can be used. The answer is 504.
    Refuse(Reason),
}

/// A request to the origin.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// Why, in the words of RFC 9211.
    pub why: Forward,
    /// Why, in full.
    pub reason: Reason,
    /// It goes past the store: nothing of the answer is kept, and nothing stored is looked at.
    pub past: bool,
    /// The head as it would be sent.
    pub sent: RequestHead,
    /// The place in [`Explained::variants`] of the response whose validators are sent.
    pub validates: Option<usize>,
    /// The whole is fetched besides, and nobody waits for it.
    pub whole_behind: bool,
}

/// A stored response, as a request sees it.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The response.
    pub entry: Arc<Entry>,
    /// The request fields it varies on.
    pub selectors: Vec<Matched>,
    /// Its age, seconds (RFC 9111 section 4.2.3).
    pub age: u32,
    /// How long it is fresh, and what that comes from.
    pub lifetime: Lifetime,
    /// Seconds of freshness left; zero or negative when stale.
    pub ttl: i64,
    /// What the policy says of it for this request, were it selected.
    pub verdict: Verdict,
    /// The same at the moment it turns stale; `None` where it is stale, or never will be.
    pub when_stale: Option<Verdict>,
    /// Why it would serve if the origin could not be reached now, if it would.
    pub unreachable: Option<Reason>,
    /// Why it would serve if the origin answered 503 now, if it would.
    pub failing: Option<Reason>,
}

impl Variant {
    /// True when the request has the values of all fields that the response varies on.
    pub fn matches(&self) -> bool {
        self.selectors.iter().all(|selector| selector.matches)
    }
}

/// A request field that a stored response varies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The field, with the normalised value of the request that fetched the response; a digest where that may be a secret.
    pub stored: VarySelector,
    /// Whether this request has the same value.
    pub matches: bool,
}

/// The key by which `exchange` is looked up.
pub fn key_for(exchange: &Exchange) -> Key {
    let head = &exchange.head;
    let target = crate::Target {
        scheme: head.scheme,
        authority: &head.authority,
        path_and_query: &head.path_and_query,
        client_scheme: exchange.client_scheme,
    };
    key_of(target, &exchange.context).to_key()
}

/// What an engine would do with `exchange` at `now`, `stored` being what is stored under its key.
pub fn explain(exchange: Exchange, stored: &Variants, now: Timestamp) -> Explained {
    let key = key_for(&exchange);
    let facts = RequestFacts::of(&exchange.head);
    let bypass = handle::bypass_reason(&exchange, &facts);
    let asked = Asked::from(exchange);
    let question = Question { asked: &asked, facts, key: &key, stored, now };
    let variants = stored.entries.iter().map(|entry| question.variant(entry)).collect();
    let decided = match bypass {
        Some(forwarded) => question.past(forwarded),
        None => question.decide(),
    };
    let Decided { decision, status, plain } = decided;
    let open = !matches!(decision, Decision::Serve { .. }) && bypass.is_none();
    let changes = if open && !stored.entries.is_empty() { question.changes() } else { Vec::new() };
    Explained { key, variants, decision, plain, status, changes }
}

/// A request and what is stored for it.
struct Question<'a> {
    asked: &'a Asked,
    facts: RequestFacts,
    key: &'a Key,
    stored: &'a Variants,
    now: Timestamp,
}

/// A decision, with what is told of it and what a fetch would send.
struct Decided {
    decision: Decision,
    status: CacheStatus<'static>,
    plain: RequestHead,
}

impl Question<'_> {
    /// The way of [`crate::Engine::handle`], for a request that goes past the store.
    fn past(&self, forwarded: Forwarded) -> Decided {
        let plain = self.asked.head.clone();
        if self.asked.context.profile.offline {
            let status = Forwarded { reason: Reason::Offline, ..forwarded }.status();
            return Decided { decision: Decision::Refuse(Reason::Offline), status, plain };
        }
        let Forwarded { why, reason } = forwarded;
        if handle::stays_unanswered(&plain, &self.facts) {
            return Decided { decision: Decision::Refuse(reason), status: forwarded.status(), plain };
        }
        let sent = plain.clone();
        let fetch = Fetch { why, reason, past: true, sent, validates: None, whole_behind: false };
        Decided { decision: Decision::Fetch(Box::new(fetch)), status: forwarded.status(), plain }
    }

    /// The way of [`crate::Engine::handle`], for any other.
    fn decide(&self) -> Decided {
        let Self { asked, facts, stored, now, .. } = self;
        let mut found =
            handle::judged(asked, facts, self.key.clone(), (*stored).clone(), Epoch::default(), *now);
        if let Some((decision, status)) = self.served(&found) {
            return Decided { decision, status, plain: planned(asked, &found).request };
        }
        let forwarded = handle::forwarded(asked, &found);
        if facts.only_if_cached() || asked.context.profile.offline {
            let (decision, status) = (Decision::Refuse(forwarded.reason), forwarded.status());
            return Decided { decision, status, plain: planned(asked, &found).request };
        }
        if asked.head.method == Method::HEAD {
            let Forwarded { why, reason } = forwarded;
            let (sent, plain) = (asked.head.clone(), asked.head.clone());
            let fetch = Fetch { why, reason, past: false, sent, validates: None, whole_behind: false };
            return Decided { decision: Decision::Fetch(Box::new(fetch)), status: forwarded.status(), plain };
        }
        let Needed { wanted, whole_behind } = needed(asked, facts, &found);
        found.wanted = wanted;
        let alone = facts.has(RequestFlags::RANGE) && found.wanted.is_for_one();
        let forwarded = if alone { forwarded_for_part(&found.wanted, forwarded) } else { forwarded };
        self.fetched(&found, forwarded, whole_behind)
    }

    /// The stored response that answers, if one does.
    fn served(&self, found: &Found) -> Option<(Decision, CacheStatus<'static>)> {
        let told = |entry: &Arc<Entry>, verdict: Verdict| {
            let (_, status) = told_of(&verdict)?;
            Some((Decision::Serve { index: self.index(entry), verdict }, status))
        };
        if let Some(served) = found.entry.as_ref().and_then(|entry| told(entry, found.verdict)) {
            return Some(served);
        }
        if let Some((entry, fit)) = language::chosen(self.asked, &self.facts, found, self.now) {
            let ttl = millpond_policy::time_to_live(&entry.record, self.now, &self.asked.context.profile);
            let verdict = Verdict::Fresh { ttl };
            let status = language::told_of_language(ttl, fit);
            return Some((Decision::Serve { index: self.index(&entry), verdict }, status));
        }
        let parts = usable_parts(self.asked, &self.facts, found, self.now);
        // Several parts that have it together answer as the oldest of them would.
        let together = || {
            let parts = usable_together(self.asked, &self.facts, found, self.now)?;
            told(&parts.oldest, parts.verdict)
        };
        parts.iter().find_map(|(part, verdict)| told(part, *verdict)).or_else(together)
    }

    fn fetched(&self, found: &Found, forwarded: Forwarded, whole_behind: bool) -> Decided {
        let plan = planned(self.asked, found);
        let rest = plan.for_rest();
        let conditional = if rest.is_some() { None } else { plan.conditional() };
        let confirmed = plan.selected.filter(|_| conditional.is_some()).map(|index| &plan.stored[index]);
        let validates = confirmed.map(|entry| self.index(entry));
        let sent = rest.or(conditional).unwrap_or_else(|| plan.request.clone());
        let Forwarded { why, reason } = forwarded;
        let fetch = Fetch { why, reason, past: false, sent, validates, whole_behind };
        let (decision, status) = (Decision::Fetch(Box::new(fetch)), forwarded.status());
        Decided { decision, status, plain: plan.request }
    }

    /// The place of an entry of the list.
    fn index(&self, entry: &Arc<Entry>) -> usize {
        self.stored.entries.iter().position(|other| Arc::ptr_eq(other, entry)).unwrap_or_default()
    }

    fn variant(&self, entry: &Arc<Entry>) -> Variant {
        let (record, facts, now) = (&entry.record, &self.facts, self.now);
        let profile = &self.asked.context.profile;
        let ttl = millpond_policy::time_to_live(record, now, profile);
        let lifetime = millpond_policy::freshness_lifetime(record, profile);
        let turns = u64::try_from(ttl).ok().filter(|ttl| *ttl > 0 && lifetime.secs < u32::MAX);
        let at = |secs| now.saturating_add(Duration::from_secs(secs));
        let on_error = |cause| millpond_policy::stale_on_error(record, facts, now, profile, cause);
        Variant {
            selectors: record.vary.iter().map(|selector| self.matched(entry, selector)).collect(),
            age: millpond_policy::current_age(record, now),
            lifetime,
            ttl,
            verdict: millpond_policy::reuse(record, facts, now, profile),
            when_stale: turns.map(|secs| millpond_policy::reuse(record, facts, at(secs), profile)),
            unreachable: on_error(StaleCause::Unreachable),
            failing: on_error(StaleCause::Status(503)),
            entry: Arc::clone(entry),
        }
    }

    /// Whether the request has the value of one selector: that of a record that varies on nothing else.
    fn matched(&self, entry: &Entry, selector: &VarySelector) -> Matched {
        let mut alone = entry.record.clone();
        alone.vary = Box::new([selector.clone()]);
        let matches = millpond_policy::selects(&alone, &self.asked.head.fields);
        Matched { stored: selector.clone(), matches }
    }

    /// The options that would make a stored response answer: each is tried.
    fn changes(&self) -> Vec<Change> {
        let statuses: Vec<u16> = self.stored.entries.iter().map(|entry| entry.record.status).collect();
        change::that_help(&self.asked.context.profile, &statuses, |profile| {
            let context = Context { profile, ..Context::clone(&self.asked.context) };
            let asked = Asked {
                head: self.asked.head.clone(),
                context: Arc::new(context),
                client_scheme: self.asked.client_scheme,
                interim: None,
                content: self.asked.content.clone(),
            };
            let Self { facts, key, stored, now, .. } = *self;
            let other = Question { asked: &asked, facts, key, stored, now };
            matches!(other.decide().decision, Decision::Serve { .. })
        })
    }
}

fn planned(asked: &Asked, found: &Found) -> Plan {
    handle::planned(asked, found, None, false, Epoch::default())
}
