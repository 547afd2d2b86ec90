//! Updating a stored response with the fields of a newer one (RFC 9111 sections 3.2 and 4.3.4). Which stored
//! response is updated is decided in `validate`.

use crate::admit::judge;
use crate::combine::set_part;
use crate::freshness::standard_lifetime;
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::{RequestFacts, RequestFlags};
use crate::stored::{Origin, ResponseFacts, Times, record_of, remove_unstorable, stored_head};
use crate::tags::is_tag_field;
use crate::targeted::OWN_TARGET;
use crate::validate::Stored;
use crate::vary::vary_selectors;
use millpond_exchange::{Audience, Fields, Record, RecordFlags, RequestHead, ResponseHead};

/// What is to become of the stored response once the update has served its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Store the updated record and head.
    Store,
    /// Leave what is stored as it is: this request may not change it.
    Keep(Reason),
    /// Remove it: with its new fields it may not be stored.
    Remove(Reason),
}

/// A stored response as a newer one updates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshened {
    /// The index of the stored response.
    pub index: usize,
    /// Its new facts.
    pub record: Record,
    /// Its new head.
    pub head: ResponseHead,
    /// What to do with them.
    pub fate: Fate,
}

/// The flags that directives set, and a targeted field therefore.
const DIRECTIVE_FLAGS: RecordFlags = RecordFlags::NO_CACHE
    .union(RecordFlags::MUST_REVALIDATE)
    .union(RecordFlags::PROXY_REVALIDATE)
    .union(RecordFlags::PUBLIC)
    .union(RecordFlags::PRIVATE)
    .union(RecordFlags::NO_STORE)
    .union(RecordFlags::IMMUTABLE)
    .union(RecordFlags::TARGETED)
    .union(RecordFlags::OWN_TARGET);

/// Updates `stored` with `response`, a 304, a response to HEAD or a part, to the request `sent`.
pub(crate) fn freshen(
    index: usize,
    stored: Stored<'_>,
    sent: &RequestHead,
    request: &RequestFacts,
    response: &ResponseHead,
    times: Times,
    profile: &Profile,
) -> Freshened {
    let newer = ResponseFacts::of(&response.fields, profile);
    let update = stored_head(response, &newer, times.response_time, profile);
    let mut head = stored.head.clone();
    merge(&mut head.fields, &update.fields);
    // What is not kept in the head, but says something about this response.
    let mut said = head.fields.clone();
    for field in response.fields.iter() {
        if field.is(OWN_TARGET) || field.is("age") || is_tag_field(field) {
            let _ = said.append(field.name, field.value);
        }
    }
    let facts = ResponseFacts::of(&said, profile);
    // The stored directives may name a field that only the update brought.
    remove_unstorable(&mut head.fields, &facts.directives, profile);
    let vary = if response.fields.contains("vary") {
        vary_selectors(&said, &sent.fields)
    } else {
        Ok(stored.record.vary.clone())
    };
    let refused = vary.as_ref().err().copied();
    let partition = match &stored.record.audience {
        Audience::Private(owner) => Some(&**owner),
        Audience::Shared => None,
    };
    let vary = vary.unwrap_or_else(|_| stored.record.vary.clone());
    let origin = Origin { request, times, partition, vary };
    let mut record = record_of(&said, &head, &facts, origin, profile);
    keep_what_was_not_said(&mut record, stored.record, response);
    let verdict = judge(&record, facts.directives.must_understand, profile);
    record.admission = verdict.unwrap_or(stored.record.admission);
    let fate = match fate(&record, request, refused.or(verdict.err()), profile) {
        Fate::Store if keeps_cookie_out(response, &update, &newer, request, times, profile) => {
            Fate::Keep(Reason::SetCookie)
        }
        fate => fate,
    };
    head.fields.shrink();
    Freshened { index, record, head, fate }
}

/// True when the update sets a cookie that may be for one user: the rule for storing a response with Set-Cookie, applied to
/// the update by itself, and stricter, since its request may carry the cookie that this one renews.
fn keeps_cookie_out(
    response: &ResponseHead,
    update: &ResponseHead,
    said: &ResponseFacts,
    request: &RequestFacts,
    times: Times,
    profile: &Profile,
) -> bool {
    let sets_cookie = response.fields.contains("set-cookie") || response.fields.contains("set-cookie2");
    if !sets_cookie || !profile.is_shared() {
        return false;
    }
    let origin = Origin { request, times, partition: None, vary: Box::default() };
    let lifetime = standard_lifetime(&record_of(&response.fields, update, said, origin, profile), profile);
    request.names_user() || !lifetime.basis.is_explicit() || lifetime.secs == 0
}

/// RFC 9111 section 3.2: adds every field of `update` to `stored`, replacing what is there, except the fields
/// that stored bytes depend on. The tag stays too: it names the bytes that are stored.
fn merge(stored: &mut Fields, update: &Fields) {
    const DEPENDED_UPON: [&str; 5] =
        ["content-encoding", "content-range", "content-md5", "content-digest", "etag"];
    let mut update = update.clone();
    update.retain(|field| !DEPENDED_UPON.iter().any(|name| field.is(name)));
    stored.retain(|old| !update.iter().any(|new| new.name.eq_ignore_ascii_case(old.name)));
    stored.extend_from(&update);
}

/// Facts whose source is not in the stored head, and which the newer response did not state anew.
fn keep_what_was_not_said(record: &mut Record, old: &Record, response: &ResponseHead) {
    let user = RecordFlags::AUTHORIZED | RecordFlags::COOKIE | RecordFlags::USER_KEY;
    // The stored bytes answer the request that fetched them, whoever asked for this validation.
    record.flags = (record.flags - user) | (old.flags & user);
    if !response.fields.iter().any(is_tag_field) {
        record.set_rare(|rare| rare.tags.clone_from(&old.tags));
    }
    set_part(record, old.part);
    let own_target = |record: &Record| record.flags.contains(RecordFlags::OWN_TARGET);
    if own_target(old) && !own_target(record) {
        record.flags = (record.flags - DIRECTIVE_FLAGS) | (old.flags & DIRECTIVE_FLAGS);
        record.max_age = old.max_age;
        record.expires = old.expires;
        record.set_rare(|rare| {
            rare.s_maxage = old.s_maxage;
            rare.stale_while_revalidate = old.stale_while_revalidate;
            rare.stale_if_error = old.stale_if_error;
        });
    }
}

/// Whether the update may be stored. `refused` is why the updated response as such may not.
fn fate(record: &Record, request: &RequestFacts, refused: Option<Reason>, profile: &Profile) -> Fate {
    if let Some(reason) = refused {
        return Fate::Remove(reason);
    }
    if request.has(RequestFlags::NO_STORE) {
        return Fate::Keep(Reason::RequestNoStore);
    }
    // RFC 9111 section 3.5 for the update itself: its fields were meant for whoever sent Authorization.
    let shareable = record.flags.intersects(RecordFlags::PUBLIC | RecordFlags::MUST_REVALIDATE)
        || record.s_maxage.is_some()
        || record.flags.contains(RecordFlags::USER_KEY);
    if request.has(RequestFlags::AUTHORIZATION) && profile.is_shared() && !shareable {
        return Fate::Keep(Reason::Authorization);
    }
    Fate::Store
}
