//! A story for programs.

use super::Story;
use super::member::{Member, meaning};
use super::origin::Answered;
use super::server::Asked;
use super::store::{Looked, Place};
use super::words;
use crate::commands::cache::{admission, time};
use millpond::engine::explain::{Change, Decision, Explained, Fetch, Variant};
use millpond::exchange::Record;
use millpond::policy::Reason;
use serde_json::{Value, json};

/// The whole story.
pub(super) fn of(story: &Story) -> Value {
    let unrouted = story
        .unrouted
        .as_ref()
        .map(|unrouted| json!({ "status": unrouted.status().as_u16(), "explanation": unrouted.to_string() }));
    json!({
        "url": story.url,
        "method": story.method.as_str(),
        "hit": story.hits(),
        "unrouted": unrouted,
        "route": story.routed.as_ref().map(route),
        "store": story.routed.as_ref().map(store),
        "server": story.server.as_ref().map(server),
        "origin": story.origin.as_ref().map(origin),
    })
}

fn route(looked: &Looked) -> Value {
    let key = &looked.would_be().key;
    json!({
        "name": looked.route,
        "origin": looked.origin,
        "pass": looked.pass.map(Reason::as_str),
        "key": { "method": key.method(), "url": key.url() },
    })
}

fn store(looked: &Looked) -> Value {
    let (kind, path, other_keys, unreadable) = match &looked.place {
        Place::Memory => ("memory", None, 0, 0),
        Place::Missing(path) => ("missing", Some(path), 0, 0),
        Place::File { path, other_keys, unreadable } => ("file", Some(path), *other_keys, *unreadable),
    };
    let mut value = json!({
        "kind": kind,
        "file": path.map(|path| path.display().to_string()),
        "other_keys": other_keys,
        "unreadable": unreadable,
    });
    if let Some(explained) = looked.explained() {
        let told = words::decision(explained);
        let mut status = Vec::new();
        explained.status.write(&mut status);
        value["verdict"] = json!(told.word);
        value["reason"] = json!(told.reason());
        value["explanation"] = json!(told.sentence);
        value["cache_status"] = json!(String::from_utf8_lossy(&status));
        value["variants"] = explained.variants.iter().map(variant).collect();
        value["selected"] = json!(selected(explained));
        value["fetch"] = match &explained.decision {
            Decision::Fetch(fetch) => sent(fetch),
            Decision::Serve { .. } | Decision::Refuse(_) => Value::Null,
        };
        value["changed_by"] = changes(&explained.changes);
    }
    value
}

/// The place of the response that answers, or is to be validated.
fn selected(explained: &Explained) -> Option<usize> {
    match &explained.decision {
        Decision::Serve { index, .. } => Some(*index),
        Decision::Fetch(fetch) => fetch.validates,
        Decision::Refuse(_) => None,
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
        "soft_purged": record.stale_from.is_some(),
        "matches": found.matches(),
        "vary": vary.collect::<Vec<_>>(),
        "part": part,
        "verdict": told.word,
        "reason": told.reason(),
        "when_stale": found.when_stale.map(|verdict| words::verdict(verdict).word),
        "if_503": found.failing.map(Reason::as_str),
        "if_unreachable": found.unreachable.map(Reason::as_str),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
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
    })
}

fn changes(changes: &[Change]) -> Value {
    changes.iter().map(|change| words::option(*change)).collect()
}

fn server(asked: &Asked) -> Value {
    json!({
        "server": asked.server,
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

fn origin(answered: &Answered) -> Value {
    let mut value = json!({
        "status": answered.status,
        "bytes": answered.length,
        "stored": answered.kept.is_ok(),
        "changed_by": changes(&answered.changes),
    });
    match &answered.kept {
        Err(reason) => {
            value["next"] = json!("refused");
            value["reason"] = json!(reason.as_str());
            value["explanation"] = json!(reason.explain());
        }
        Ok(kept) => {
            let told = words::verdict(kept.next);
            let vary: Vec<&str> = kept.record.vary.iter().map(|selector| &*selector.name).collect();
            value["next"] = json!(told.word);
            value["reason"] = json!(told.reason());
            value["explanation"] = json!(told.sentence);
            value["age"] = json!(kept.age);
            value["fresh_for"] = json!(kept.lifetime.secs);
            value["basis"] = json!(kept.lifetime.basis.as_str());
            value["vary"] = json!(vary);
            value["tags"] = json!(kept.record.tags.iter().map(|tag| &**tag).collect::<Vec<_>>());
        }
    }
    value
}
