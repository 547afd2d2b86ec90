//! The hit path: one key, one lookup in each tier that need not be waited for, one comparison of facts. No await, no
//! parsing of what memory holds.

use crate::answer::{Answer, Outcome};
use crate::bypass::target_of;
use crate::context::{Asked, Context, Target};
use crate::engine::Engine;
use crate::handle::told_of;
use crate::origin::Origin;
use crate::search::Equivalent;
use crate::serve::{Story, from_entry};
use crate::told;
use millpond_exchange::{Key, KeyBuf, KeyParts, Method, Record, RequestHead, Timestamp};
use millpond_policy::{Profile, RequestFacts, Verdict};
use millpond_store::{Entry, Variants};
use std::sync::Arc;

/// The key of a GET or HEAD for `target` on a route.
pub(crate) fn key_of(target: Target<'_>, context: &Context) -> KeyBuf {
    key_parts(target, context).to_buf()
}

/// The key of a request: with its method and its content, where these belong to it (RFC 10008 section 2.7).
pub(crate) fn key_of_asked(asked: &Asked) -> KeyBuf {
    let parts = key_parts(target_of(&asked.head, asked.client_scheme), &asked.context);
    match &asked.content {
        Some(content) => parts.with_method(&asked.head.method).with_body_digest(&content.digest).to_buf(),
        None => parts.to_buf(),
    }
}

/// The key under which an answer to POST lies that is kept for those who name `host` (see [`crate::Exchange::client_host`]).
pub(crate) fn key_for_host(target: Target<'_>, context: &Context, host: &str) -> Key {
    key_parts(target, context).with_field("x-forwarded-host", Some(host.as_bytes().into())).to_key()
}

fn key_parts<'a>(target: Target<'a>, context: &'a Context) -> KeyParts<'a> {
    let parts =
        KeyParts::new(target.scheme, target.authority, target.path_and_query).with_query(&context.query);
    match target.client_scheme {
        Some(scheme) => parts.with_field("x-forwarded-proto", Some(scheme.as_str().as_bytes().into())),
        None => parts,
    }
}

/// The entry of `variants` that fits the request (RFC 9111 section 4.1), and the verdict on it.
///
/// "When more than one suitable response is stored", the most recent is to be used (section 4), and what must be validated
/// first is not suitable: the newest is passed over where an older one answers without asking the origin.
pub(crate) fn choose<'a>(
    variants: &'a Variants,
    request: &RequestHead,
    facts: &RequestFacts,
    now: Timestamp,
    profile: &Profile,
) -> Option<(&'a Arc<Entry>, Verdict)> {
    let entries = &variants.entries;
    let records = || entries.iter().map(|entry| &entry.record);
    let newest = &entries[millpond_policy::select(records(), &request.fields, None)?];
    let verdict = |entry: &Entry| millpond_policy::reuse(&entry.record, facts, now, profile);
    let found = (newest, verdict(newest));
    if entries.len() == 1 || told_of(&found.1).is_some() {
        return Some(found);
    }
    let usable: Vec<&Arc<Entry>> =
        entries.iter().filter(|entry| told_of(&verdict(entry)).is_some()).collect();
    let other = millpond_policy::select(usable.iter().map(|entry| &entry.record), &request.fields, None);
    Some(other.map_or(found, |index| (usable[index], verdict(usable[index]))))
}

/// What a list of entries does for a request on the fast path.
enum Judged {
    Answer(Answer),
    /// An entry answers, but not without waiting, or not before the route has changed the request.
    Slow,
    Nothing,
}

impl<O: Origin> Engine<O> {
    /// The answer, if a fresh entry has it that can be read without waiting; `None` leaves the request to
    /// [`Engine::handle`].
    ///
    /// `head` is the request as received: what the route would change on the way to the origin has not been changed.
    pub fn hit(&self, head: &RequestHead, target: Target<'_>, context: &Context) -> Option<Answer> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        let facts = RequestFacts::of(head);
        if facts.is_for_origin() {
            return None;
        }
        let store = &self.shared.store;
        let key = key_of(target, context);
        let found = store.lookup(key.as_bytes());
        let mut judged =
            found.as_ref().map_or(Judged::Nothing, |found| self.judge_hit(found, head, &facts, context));
        // The tier below is asked under the same condition as in [`Engine::find`].
        if matches!(judged, Judged::Nothing)
            && !found.is_some_and(|found| found.complete)
            && let Some(below) = store.lookup_below(&key.to_key())
        {
            self.shared.search.learn_stored(&below);
            judged = self.judge_hit(&below, head, &facts, context);
        }
        if matches!(judged, Judged::Nothing)
            && let Some(equivalent) = self.shared.search.equivalent(&key)
        {
            judged = self.judge_equivalent(&equivalent, head, &facts, context);
        }
        let Judged::Answer(answer) = judged else { return None };
        self.shared.counters.requests.add();
        self.shared.counters.hits.add();
        Some(answer)
    }

    /// As for the request's own key, under that of the URL which stands for its own (No-Vary-Search).
    fn judge_equivalent(
        &self,
        equivalent: &Equivalent,
        head: &RequestHead,
        facts: &RequestFacts,
        context: &Context,
    ) -> Judged {
        let store = &self.shared.store;
        let below = || store.lookup_below(&equivalent.key.to_key());
        let found = store.lookup(equivalent.key.as_bytes()).or_else(below);
        found.map_or(Judged::Nothing, |found| self.judge_hit(&equivalent.own(found), head, facts, context))
    }

    fn judge_hit(
        &self,
        variants: &Variants,
        head: &RequestHead,
        facts: &RequestFacts,
        context: &Context,
    ) -> Judged {
        let now = self.now();
        let Some((entry, verdict)) = choose(variants, head, facts, now, &context.profile) else {
            return Judged::Nothing;
        };
        if varies_on_rewritten(&entry.record, context) {
            return Judged::Slow;
        }
        let Verdict::Fresh { ttl } = verdict else { return Judged::Nothing };
        // A body further down is not there without waiting.
        if entry.body.is_none() {
            return Judged::Slow;
        }
        let story = Story {
            age: Some(millpond_policy::current_age(&entry.record, now)),
            outcome: Outcome::Hit,
            status: told::hit(ttl),
        };
        from_entry(entry, head, facts, story).map_or(Judged::Slow, Judged::Answer)
    }
}

fn varies_on_rewritten(record: &Record, context: &Context) -> bool {
    !record.vary.is_empty() && record.vary.iter().any(|selector| context.rewritten.contains(&selector.name))
}
