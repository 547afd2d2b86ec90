//! A story for programs.

use super::Story;
use super::content::Content;
use super::member::{Member, meaning};
use super::origin::Answered;
use super::server::Asked;
use super::store::{Looked, Place};
use super::words::{self, Told};
use crate::client::Unanswered;
use crate::commands::cache::{admission, time};
use millpond::engine::explain::{Change, Decision, Explained, Fetch, Variant};
use millpond::exchange::{Key, Record};
use millpond::policy::{LanguageFit, Reason, stale_since};
use millpond::proxy::explain::{Door, Ruled, Unrouted};
use serde_json::{Value, json};

/// Of the form below. It changes where a member goes, or means something else; new ones may come at any time.
const VERSION: u32 = 1;

/// The whole story.
pub(super) fn of(story: &Story) -> Value {
    let door = match story.door {
        Door::Serve => "serve",
        Door::Forward => "proxy",
    };
    json!({
        "version": VERSION,
        "url": story.url,
        "method": story.method.as_str(),
        "door": door,
        "hit": story.hits(),
        "content": story.content.as_ref().map(|read| content(story, read)),
        "unrouted": story.unrouted.as_ref().map(unrouted),
        "route": story.routed.as_ref().map(route),
        "store": story.routed.as_ref().map(store),
        "server": story.server.as_ref().map(server),
        "origin": story.origin.as_ref().map(|asked| origin(story, asked)),
    })
}

fn content(story: &Story, content: &Content) -> Value {
    json!({
        "bytes": content.len(),
        "cut": content.is_cut(),
        "assumed_type": content.assumed_type(),
        "keyed": story.routed.as_ref().is_some_and(|looked| looked.keyed_by_content),
    })
}

fn unrouted(unrouted: &Unrouted) -> Value {
    json!({
        "kind": unrouted.kind(),
        "status": unrouted.status().map(|status| status.as_u16()),
        "explanation": unrouted.to_string(),
        "changed_by": words::opening(unrouted).into_iter().collect::<Vec<_>>(),
    })
}

fn route(looked: &Looked) -> Value {
    let would_be = looked.would_be();
    json!({
        "name": looked.route,
        "origin": looked.origin,
        "in_tunnel": looked.in_tunnel,
        "pass": looked.pass.map(Reason::as_str),
        "rule": looked.rule.as_ref().map(rule),
        "key": { "method": would_be.key.method(), "url": would_be.key.url() },
        "equivalent": would_be.equivalent.as_ref().map(Key::url),
        "for_host": would_be.for_host,
    })
}

fn rule(ruled: &Ruled) -> Value {
    let changes = ruled.changes.iter().map(|change| {
        json!({ "setting": change.setting, "value": toml(change.value.as_deref()), "otherwise": toml(change.otherwise.as_deref()) })
    });
    json!({
        "number": ruled.number,
        "rules": ruled.rules,
        "path": ruled.pattern,
        "changes": changes.collect::<Vec<_>>(),
    })
}

fn store(looked: &Looked) -> Value {
    let (kind, path, error) = match &looked.place {
        Place::Memory => ("memory", None, None),
        Place::Missing(path) => ("missing", Some(path), None),
        Place::Unreadable(path, error) => ("unreadable", Some(path), Some(error.to_string())),
        Place::File { path, .. } => ("file", Some(path), None),
    };
    let (other_keys, unreadable) = match &looked.place {
        Place::File { other_keys, unreadable, .. } => (*other_keys, *unreadable),
        Place::Memory | Place::Missing(_) | Place::Unreadable(..) => (0, 0),
    };
    let mut value = json!({
        "kind": kind,
        "file": path.map(|path| path.display().to_string()),
        "error": error,
        "other_keys": other_keys,
        "unreadable": unreadable,
    });
    add(&mut value, verdict(looked.explained()));
    value
}

/// Every member is there whether anything is known of the store or not.
fn verdict(explained: Option<&Explained>) -> Value {
    let told = explained.map(words::decision);
    let status = explained.map(|explained| {
        let mut status = Vec::new();
        explained.status.write(&mut status);
        String::from_utf8_lossy(&status).into_owned()
    });
    let fetch = explained.and_then(|explained| match &explained.decision {
        Decision::Fetch(fetch) => Some(sent(fetch)),
        Decision::Serve { .. } | Decision::Refuse(_) => None,
    });
    json!({
        "verdict": told.as_ref().map(|told| told.word),
        "reason": told.as_ref().and_then(Told::reason),
        "explanation": told.as_ref().map(|told| &told.sentence),
        "cache_status": status,
        "variants": explained.map(|explained| explained.variants.iter().map(variant).collect::<Vec<_>>()),
        "selected": explained.and_then(selected),
        "answer": explained.and_then(answer),
        "language": explained.and_then(language),
        "fetch": fetch,
        "changed_by": changes(explained.map_or(&[], |explained| &explained.changes)),
    })
}

/// Adds the members of `more` to those of `value`.
fn add(value: &mut Value, more: Value) {
    if let (Value::Object(all), Value::Object(more)) = (value, more) {
        all.extend(more);
    }
}

/// A value as it is rather than as its text: numbers, booleans and strings are the same in TOML and JSON.
fn toml(text: Option<&str>) -> Option<Value> {
    text.map(|text| serde_json::from_str(text).unwrap_or_default())
}

/// The place of the response that answers, or is to be validated.
fn selected(explained: &Explained) -> Option<usize> {
    match &explained.decision {
        Decision::Serve { index, .. } => Some(*index),
        Decision::Fetch(fetch) => fetch.validates,
        Decision::Refuse(_) => None,
    }
}

/// The status of an answer that needs no origin.
fn answer(explained: &Explained) -> Option<u16> {
    match &explained.decision {
        Decision::Serve { answer, .. } => Some(answer.as_u16()),
        Decision::Refuse(_) => Some(504),
        Decision::Fetch(_) => None,
    }
}

/// How a response suits that was fetched for another Accept-Language.
fn language(explained: &Explained) -> Option<&'static str> {
    match &explained.decision {
        Decision::Serve { language, .. } => language.map(|fit| match fit {
            LanguageFit::SameLanguages => "same",
            LanguageFit::Preferred => "preferred",
        }),
        Decision::Fetch(_) | Decision::Refuse(_) => None,
    }
}

fn variant(found: &Variant) -> Value {
    let (entry, record) = (&found.entry, &found.entry.record);
    let told = words::verdict(found.verdict);
    let vary = found.selectors.iter().map(|selector| {
        let stored = words::selecting_value(&selector.stored);
        json!({ "name": selector.stored.name, "matches": selector.matches, "stored": stored })
    });
    let part = words::part(record, entry.body_len)
        .map(|(first, last, complete)| json!({ "first": first, "last": last, "complete": complete }));
    let mut value = facts(record);
    let more = json!({
        "bytes": entry.body_len,
        "stored": time(record.response_time),
        "age": found.age,
        "fresh_for": found.lifetime.secs,
        "basis": found.lifetime.basis.as_str(),
        "ttl": found.ttl,
        "soft_purged": record.stale_from.is_some() && stale_since(record) == Reason::SoftPurged,
        "matches": found.matches(),
        "vary": vary.collect::<Vec<_>>(),
        "part": part,
        "verdict": told.word,
        "reason": told.reason(),
        "when_stale": found.when_stale.map(|verdict| words::verdict(verdict).word),
        "if_503": found.failing.map(Reason::as_str),
        "if_unreachable": found.unreachable.map(Reason::as_str),
        "if_slow": found.slow.map(Reason::as_str),
    });
    add(&mut value, more);
    value
}

fn facts(record: &Record) -> Value {
    json!({
        "status": record.status,
        "kept_by": admission(record),
        "stale_while_revalidate": record.stale_while_revalidate,
        "stale_if_error": record.stale_if_error,
        "tags": record.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(),
        "groups": record.groups.iter().map(|group| &**group).collect::<Vec<_>>(),
        "validators": words::validators(record),
    })
}

fn sent(fetch: &Fetch) -> Value {
    let (told, others) = words::fields(&fetch.sent);
    json!({
        "why": fetch.why.as_str(),
        "past": fetch.past,
        "method": fetch.sent.method.as_str(),
        "url": fetch.sent.url(),
        "conditional": fetch.validates.is_some(),
        "fields": told,
        "other_fields": others,
        "whole_behind": fetch.whole_behind,
        "invalidates": fetch.invalidates,
        "for_get": fetch.for_get,
    })
}

fn changes(changes: &[Change]) -> Value {
    changes.iter().map(|change| words::option(*change)).collect()
}

fn server(asked: &Asked) -> Value {
    json!({
        "server": asked.server,
        "as_proxy": asked.as_proxy,
        "only_if_cached": !asked.fetch,
        "status": asked.status,
        "bytes": asked.length,
        "age": asked.age,
        "hit": asked.hits(),
        "cache_status": asked.members.iter().map(member).collect::<Vec<_>>(),
        "problem": asked.problem,
    })
}

fn member(member: &Member) -> Value {
    let parameters = member.parameters.iter().map(|(name, value)| {
        json!({ "name": name, "value": value, "explanation": meaning(name, value.as_deref()) })
    });
    json!({
        "cache": member.name,
        "own": member.is_own(),
        "parameters": parameters.collect::<Vec<_>>(),
    })
}

fn origin(story: &Story, asked: &Result<Answered, Unanswered>) -> Value {
    let (answered, unanswered) = (asked.as_ref().ok(), asked.as_ref().err());
    let mut value = json!({
        "status": answered.map(|answered| answered.status),
        "bytes": answered.map(|answered| answered.length),
        "stored": answered.is_some_and(|answered| answered.kept.is_ok()),
        "error": unanswered.map(|unanswered| &unanswered.message),
        "refused": unanswered.is_some_and(|unanswered| unanswered.refused),
        "instead": story.stands_in().map(Reason::as_str),
        "changed_by": changes(answered.map_or(&[], |answered| &answered.changes)),
    });
    add(&mut value, next(answered));
    value
}

/// What the next request gets from an answer.
fn next(answered: Option<&Answered>) -> Value {
    let kept = answered.and_then(|answered| answered.kept.as_ref().ok());
    let refused = answered.and_then(|answered| answered.kept.as_ref().err());
    let told = kept.map(|kept| words::verdict(kept.next));
    let explanation = told.as_ref().map(|told| &*told.sentence).or(refused.map(|reason| reason.explain()));
    let names = |list: &[Box<str>]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "next": told.as_ref().map(|told| told.word).or(refused.map(|_| "refused")),
        "reason": told.as_ref().and_then(Told::reason).or(refused.map(|reason| reason.as_str())),
        "explanation": explanation,
        "age": kept.map(|kept| kept.age),
        "fresh_for": kept.map(|kept| kept.lifetime.secs),
        "basis": kept.map(|kept| kept.lifetime.basis.as_str()),
        "vary": kept.map(|kept| kept.record.vary.iter().map(|vary| vary.name.to_string()).collect::<Vec<_>>()),
        "tags": kept.map(|kept| names(&kept.record.tags)),
    })
}
