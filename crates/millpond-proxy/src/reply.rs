//! An answer of the engine in the form the front sends: its head, and the fields that tell what the cache did.

use crate::note::Note;
use crate::rewrite::via;
use crate::route::Route;
use crate::tunnel::{Patience, switch};
use millpond_engine::{Answer, AnswerHead, Target};
use millpond_exchange::{Body, Field, KeyParts, ResponseHead, StatusCode};
use millpond_front::{Reply, WireHead};
use millpond_policy::CacheStatus;

/// The reply for `answer`. Where that changes the protocol, `patience` is had with what follows.
pub(crate) fn reply(answer: Answer, route: &Route, patience: &Patience, note: Note) -> Reply<Note> {
    let Answer { head, body, announce, age, outcome, status, upgrade } = answer;
    let mut wire = wire_head(&head, age.is_some(), route);
    if let Some(age) = age {
        push_number(&mut wire, "Age", u64::from(age));
    }
    push(&mut wire, "X-Cache", if outcome.is_hit() { "HIT" } else { "MISS" });
    push_status(&mut wire, &CacheStatus { key: note.key.as_deref(), ..status });
    push(&mut wire, "Via", via(head.head().version));
    push(&mut wire, "X-Request-Id", &note.request_id);
    if let Some(upgrade) = upgrade.filter(|_| head.head().status == StatusCode::SWITCHING_PROTOCOLS) {
        return Reply { upgrade: Some(switch(upgrade, patience)), ..Reply::new(wire, Body::Empty, note) };
    }
    Reply { announce, ..Reply::new(wire, body, note) }
}

/// What Cache-Status says of the key of a request for `target`, where the route has it shown.
pub(crate) fn shown_key(target: Target<'_>, route: &Route) -> Option<String> {
    if !route.cache_status_key {
        return None;
    }
    let Target { scheme, authority, path_and_query, client_scheme } = target;
    let parts = KeyParts::new(scheme, authority, path_and_query).with_query(&route.context.query);
    let url = parts.to_key().url();
    Some(match client_scheme {
        Some(client_scheme) => format!("{url} x-forwarded-proto={client_scheme}"),
        None => url,
    })
}

/// A reply made here, with no answer behind it.
pub(crate) fn own_reply(
    head: &ResponseHead,
    body: Body,
    status: Option<&CacheStatus<'_>>,
    note: Note,
) -> Reply<Note> {
    let mut wire = WireHead::of(head);
    push(&mut wire, "X-Cache", "MISS");
    if let Some(status) = status {
        push_status(&mut wire, status);
    }
    push(&mut wire, "X-Request-Id", &note.request_id);
    Reply::new(wire, body, note)
}

fn wire_head(head: &AnswerHead, replace_age: bool, route: &Route) -> WireHead {
    let stored = head.head();
    let rules = &route.response_fields;
    let mut wire = WireHead::with_reason(stored.status, stored.reason_phrase());
    if let (AnswerHead::Stored(_), true) = (head, rules.is_empty()) {
        wire.copy(&stored.fields);
        return wire;
    }
    let replaced =
        |field: Field<'_>| rules.remove.iter().chain(rules.set.keys()).any(|name| field.is(name.as_str()));
    wire.copy_where(&stored.fields, |field| !(replaced(field) || replace_age && field.is("age")));
    for (name, value) in &rules.set {
        push(&mut wire, name.as_str(), value.as_str());
    }
    wire
}

/// Appends our member of Cache-Status (RFC 9211).
pub(crate) fn push_status(wire: &mut WireHead, status: &CacheStatus<'_>) {
    let mut text = Vec::with_capacity(64);
    status.write(&mut text);
    push(wire, "Cache-Status", &text);
}

/// Appends a field; one that cannot be sent is left out, and told of.
pub(crate) fn push(wire: &mut WireHead, name: &str, value: impl AsRef<[u8]>) {
    if let Err(error) = wire.push(name, value) {
        tracing::warn!(name, %error, "field left out of a reply");
    }
}

fn push_number(wire: &mut WireHead, name: &str, value: u64) {
    push(wire, name, value.to_string());
}
