//! The way of a request through the engine, told for one list of stored responses.

use super::change::{self, Change};
use super::{Decision, Fetch, Matched, Variant};
use crate::context::{Asked, Context};
use crate::fill::task::Plan;
use crate::handle::{self, Found, told_of};
use crate::part::{Needed, forwarded_for_part, needed, usable_parts, usable_together};
use crate::told::Forwarded;
use crate::{language, serve};
use millpond_exchange::{Key, Method, RequestHead, StatusCode, Timestamp, VarySelector};
use millpond_policy::{
    CacheStatus, LanguageFit, MethodClass, Reason, RequestFacts, RequestFlags, StaleCause, Verdict,
};
use millpond_store::{Entry, Epoch, Variants};
use std::sync::Arc;
use std::time::Duration;

/// A request and what is stored for it.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub asked: &'a Asked,
    pub facts: RequestFacts,
    pub key: &'a Key,
    pub stored: &'a Variants,
    /// Why the route has it go past the cache, if it does.
    pub pass: Option<Reason>,
    pub now: Timestamp,
}

/// A decision, with what is told of it and what a fetch would send.
pub(super) struct Decided {
    pub decision: Decision,
    pub status: CacheStatus<'static>,
    pub plain: RequestHead,
}

impl Question<'_> {
    /// True when something stored may answer as it is.
    pub fn serves(&self) -> bool {
        told_of(&self.found().verdict).is_some()
    }

    /// True when something stored fits the request (RFC 9111 section 4.1).
    pub fn selects(&self) -> bool {
        self.found().entry.is_some()
    }

    /// Everything that is stored, as the request sees it.
    pub fn variants(&self) -> Vec<Variant> {
        self.stored.entries.iter().map(|entry| self.variant(entry)).collect()
    }

    fn found(&self) -> Found {
        let Self { asked, facts, stored, now, .. } = self;
        handle::judged(asked, facts, self.key.clone(), (*stored).clone(), Epoch::default(), *now)
    }

    /// The way of [`crate::Engine::handle`], for a request that goes past the store.
    pub fn past(&self, forwarded: Forwarded) -> Decided {
        let plain = self.asked.head.clone();
        if handle::stays_unanswered(&plain, &self.facts) {
            let decision = Decision::Refuse(forwarded.reason);
            return Decided { decision, status: forwarded.status(), plain };
        }
        if self.asked.context.profile.offline {
            let status = Forwarded { reason: Reason::Offline, ..forwarded }.status();
            return Decided { decision: Decision::Refuse(Reason::Offline), status, plain };
        }
        let fetch = Fetch {
            past: true,
            invalidates: MethodClass::of(&plain.method) == MethodClass::Unsafe,
            for_get: plain.method == Method::POST && self.pass.is_none(),
            ..fetch_of(forwarded, plain.clone())
        };
        Decided { decision: Decision::Fetch(Box::new(fetch)), status: forwarded.status(), plain }
    }

    /// The way of [`crate::Engine::handle`], for any other.
    pub fn decide(&self) -> Decided {
        let Self { asked, facts, .. } = self;
        let mut found = self.found();
        if let Some((decision, status)) = self.served(&found) {
            return Decided { decision, status, plain: planned(asked, &found).request };
        }
        let forwarded = handle::forwarded(asked, &found);
        if facts.only_if_cached() || asked.context.profile.offline {
            let offline = asked.context.profile.offline;
            let reason = if offline { Reason::Offline } else { forwarded.reason };
            let forwarded = Forwarded { reason, ..forwarded };
            let (decision, status) = (Decision::Refuse(forwarded.reason), forwarded.status());
            return Decided { decision, status, plain: planned(asked, &found).request };
        }
        if asked.head.method == Method::HEAD {
            let plain = asked.head.clone();
            let fetch = fetch_of(forwarded, plain.clone());
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
            Some((self.serve(entry, verdict, None), status))
        };
        if let Some(served) = found.entry.as_ref().and_then(|entry| told(entry, found.verdict)) {
            return Some(served);
        }
        if let Some((entry, fit)) = language::chosen(self.asked, &self.facts, found, self.now) {
            let ttl = millpond_policy::time_to_live(&entry.record, self.now, &self.asked.context.profile);
            let verdict = Verdict::Fresh { ttl };
            let status = language::told_of_language(ttl, fit);
            return Some((self.serve(&entry, verdict, Some(fit)), status));
        }
        let parts = usable_parts(self.asked, &self.facts, found, self.now);
        // Several parts that have it together answer as the oldest of them would.
        let together = || {
            let parts = usable_together(self.asked, &self.facts, found, self.now)?;
            told(&parts.oldest, parts.verdict)
        };
        parts.iter().find_map(|(part, verdict)| told(part, *verdict)).or_else(together)
    }

    fn serve(&self, entry: &Arc<Entry>, verdict: Verdict, language: Option<LanguageFit>) -> Decision {
        let status = serve::status_of(entry, &self.asked.head, &self.facts);
        // Nothing is lacking but in one of several parts.
        let answer = status.unwrap_or(StatusCode::PARTIAL_CONTENT);
        Decision::Serve { index: self.index(entry), verdict, answer, language }
    }

    fn fetched(&self, found: &Found, forwarded: Forwarded, whole_behind: bool) -> Decided {
        let plan = planned(self.asked, found);
        let rest = plan.for_rest();
        let conditional = if rest.is_some() { None } else { plan.conditional() };
        let confirmed = plan.selected.filter(|_| conditional.is_some()).map(|index| &plan.stored[index]);
        let validates = confirmed.map(|entry| self.index(entry));
        let sent = rest.or(conditional).unwrap_or_else(|| plan.request.clone());
        let fetch = Fetch { validates, whole_behind, ..fetch_of(forwarded, sent) };
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
            slow: profile.stale_when_slow.and_then(|_| on_error(StaleCause::Slow)),
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
    pub fn changes(&self) -> Vec<Change> {
        let statuses: Vec<u16> = self.stored.entries.iter().map(|entry| entry.record.status).collect();
        change::that_help(&self.asked.context.profile, &statuses, |profile| {
            let context = Context { profile, ..Context::clone(&self.asked.context) };
            let asked = Asked {
                head: self.asked.head.clone(),
                context: Arc::new(context),
                client_scheme: self.asked.client_scheme,
                client_host: self.asked.client_host.clone(),
                interim: None,
                content: self.asked.content.clone(),
            };
            let other = Question { asked: &asked, ..*self };
            matches!(other.decide().decision, Decision::Serve { .. })
        })
    }
}

/// A fetch of what nothing stored answers, and that nothing stored has a part in.
fn fetch_of(Forwarded { why, reason }: Forwarded, sent: RequestHead) -> Fetch {
    let (past, invalidates, for_get) = (false, false, false);
    Fetch { why, reason, past, sent, validates: None, whole_behind: false, invalidates, for_get }
}

fn planned(asked: &Asked, found: &Found) -> Plan {
    handle::planned(asked, found, None, false, Epoch::default())
}
