//! The head of a response as it is stored and replayed (RFC 9111 section 3.1), and the record that goes with
//! it. Whether it is stored at all is decided in `admit`.

use crate::connection::remove_connection_fields;
use crate::dates::{format_date, parse_date, parse_delta_seconds};
use crate::directives::{Qualified, ResponseDirectives, Seconds};
use crate::etag::EntityTag;
use crate::freshness::initial_age;
use crate::lists::Members;
use crate::profile::Profile;
use crate::request::{RequestFacts, RequestFlags};
use crate::tags::{cache_groups, cache_tags, is_tag_field};
use crate::targeted::{OWN_TARGET, targeted_directives};
use millpond_exchange::{
    Admission, Audience, Field, Fields, Rare, Record, RecordFlags, ResponseHead, Timestamp, VarySelector,
};

/// When the request was sent and when the response head arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent.
    pub request_time: Timestamp,
    /// When the response head arrived.
    pub response_time: Timestamp,
}

/// Removes the response fields that are for this cache and not for its clients: its own targeted field (RFC
/// 9213) and tags for purging.
pub fn remove_own_fields(fields: &mut Fields) {
    fields.retain(|field| !is_own(field));
}

fn is_own(field: Field<'_>) -> bool {
    field.is(OWN_TARGET) || is_tag_field(field)
}

/// What the fields of a response say, read once.
pub(crate) struct ResponseFacts {
    pub(crate) directives: ResponseDirectives,
    target: RecordFlags,
    date: Option<Timestamp>,
    expires: Option<Timestamp>,
    has_expires: bool,
    age: Result<u32, ()>,
    pragma_no_cache: bool,
}

impl ResponseFacts {
    pub(crate) fn of(fields: &Fields, profile: &Profile) -> Self {
        let mut target = RecordFlags::empty();
        let directives = if let Some((directives, own)) = targeted_directives(fields, profile) {
            target |= RecordFlags::TARGETED;
            target.set(RecordFlags::OWN_TARGET, own);
            directives
        } else {
            ResponseDirectives::parse(fields.get_all("cache-control"))
        };
        let targeted = !target.is_empty();
        Self {
            date: fields.get("date").and_then(parse_date),
            // RFC 9213 section 2.2: with a targeted field, Expires is ignored as well.
            has_expires: !targeted && fields.contains("expires"),
            expires: single(fields, "expires").and_then(parse_date),
            age: age(fields),
            pragma_no_cache: !directives.present
                && fields.get("pragma").is_some_and(|v| v.trim_ascii().eq_ignore_ascii_case(b"no-cache")),
            target,
            directives,
        }
    }

    /// The date to count from: Date, or the time of receipt where it is missing or invalid (RFC 9110 section
    /// 6.6.1).
    fn date_or(&self, received: Timestamp) -> Timestamp {
        self.date.unwrap_or(received)
    }

    /// Expires minus Date in seconds; zero for a time in the past, and for an invalid or contradictory field
    /// (RFC 9111 sections 4.2.1 and 5.3).
    fn expires_after(&self, received: Timestamp) -> Option<u32> {
        if !self.has_expires {
            return None;
        }
        let after = self.expires.map_or(0, |at| at.saturating_since(self.date_or(received)).as_secs());
        Some(u32::try_from(after).unwrap_or(u32::MAX).min(crate::dates::DELTA_SECONDS_MAX))
    }

    fn flags(&self) -> RecordFlags {
        let directives = &self.directives;
        let mut flags = self.target;
        flags.set(RecordFlags::NO_CACHE, directives.no_cache == Qualified::Whole || self.pragma_no_cache);
        flags.set(RecordFlags::MUST_REVALIDATE, directives.must_revalidate);
        flags.set(RecordFlags::PROXY_REVALIDATE, directives.proxy_revalidate);
        flags.set(RecordFlags::PUBLIC, directives.public);
        flags.set(RecordFlags::PRIVATE, directives.private == Qualified::Whole);
        flags.set(RecordFlags::NO_STORE, directives.no_store);
        flags.set(RecordFlags::IMMUTABLE, directives.immutable);
        flags.set(RecordFlags::HAS_DATE, self.date.is_some());
        flags.set(RecordFlags::INVALID_FRESHNESS, directives.malformed || self.age.is_err());
        flags
    }
}

/// The value of the field `name` when all its lines agree.
pub(crate) fn single<'a>(fields: &'a Fields, name: &'a str) -> Option<&'a [u8]> {
    let mut lines = fields.get_all(name);
    let first = lines.next()?;
    lines.all(|line| line == first).then_some(first)
}

/// The Age field (RFC 9111 section 5.1), zero when absent. Of a list in one line the first member counts, as that
/// section says. Several lines, lines that were combined (which is done with a comma and a space, RFC 9110 section
/// 5.3), and anything but digits are an error: one cache's word against another's, or nobody's. That section would
/// have the first used or the field ignored, which makes old responses look new; see docs/decisions/0003.
fn age(fields: &Fields) -> Result<u32, ()> {
    let mut lines = fields.get_all("age");
    let line = match (lines.next(), lines.next()) {
        (None, _) => return Ok(0),
        (Some(line), None) => line,
        _ => return Err(()),
    };
    let mut members = line.split(|b| *b == b',').map(parse_delta_seconds);
    let first = members.next().flatten().ok_or(())?;
    if members.all(|member| member.is_some()) { Ok(first) } else { Err(()) }
}

/// The head as it is stored: without what must not be stored (RFC 9111 section 3.1), what `no-cache` and
/// `private` name (sections 5.2.2.4 and 5.2.2.7), what is for this cache alone, and what is computed anew for
/// each reply (Content-Length, Age); with a Date.
pub(crate) fn stored_head(
    response: &ResponseHead,
    facts: &ResponseFacts,
    received: Timestamp,
    profile: &Profile,
) -> ResponseHead {
    let mut head = response.clone();
    remove_unstorable(&mut head.fields, &facts.directives, profile);
    if facts.date.is_none() {
        // A formatted date is a valid value.
        let _ = head.fields.set("Date", format_date(received));
    }
    head.fields.shrink();
    head
}

/// Removes from `fields` whatever is not kept with a stored response.
pub(crate) fn remove_unstorable(fields: &mut Fields, directives: &ResponseDirectives, profile: &Profile) {
    const NEVER: [&str; 5] =
        ["proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "content-length", "age"];
    let no_cache = directives.no_cache.fields();
    let private = if profile.is_shared() { directives.private.fields() } else { &[] };
    remove_connection_fields(fields);
    fields.retain(|field| {
        !NEVER.iter().any(|name| field.is(name))
            // Without Date, whoever hands a reply on would put the present in its place (RFC 9110 section 6.6.1).
            && (field.is("date") || !no_cache.iter().chain(private).any(|name| field.is(name)))
            && !is_own(field)
    });
}

/// What a record is made of besides the fields of the response.
pub(crate) struct Origin<'a> {
    pub(crate) request: &'a RequestFacts,
    pub(crate) times: Times,
    pub(crate) partition: Option<&'a str>,
    pub(crate) vary: Box<[VarySelector]>,
}

/// The record of a response. `received` are its fields as they came, `head` the head as it is stored.
pub(crate) fn record_of(
    received: &Fields,
    head: &ResponseHead,
    facts: &ResponseFacts,
    origin: Origin<'_>,
    profile: &Profile,
) -> Record {
    let Times { request_time, response_time } = origin.times;
    let date = facts.date_or(response_time);
    let etag = head.fields.get("etag").filter(|value| !value.is_empty());
    let last_modified_text = single(&head.fields, "last-modified");
    let mut flags = facts.flags() | request_flags(origin.request, origin.partition);
    flags.set(RecordFlags::SET_COOKIE, head.fields.contains("set-cookie"));
    flags.set(RecordFlags::HEURISTIC_STATUS, is_heuristically_cacheable(head.status.as_u16()));
    flags.set(RecordFlags::STRONG_ETAG, etag.is_some_and(|value| EntityTag::parse(value).is_strong()));
    let directives = &facts.directives;
    let mut record = Record {
        status: head.status.as_u16(),
        request_time,
        response_time,
        date,
        initial_age: initial_age(facts.age.unwrap_or(0), date, request_time, response_time),
        max_age: directives.max_age.recorded(),
        expires: facts.expires_after(response_time),
        last_modified: None,
        stale_from: None,
        flags,
        admission: Admission::Standards,
        etag: etag.map(Into::into),
        vary: origin.vary,
        rare: Rare::default(),
    };
    record.set_rare(|rare| {
        if let Some(owner) = origin.partition.filter(|_| !profile.is_shared()) {
            rare.audience = Audience::Private(owner.into());
        }
        rare.s_maxage = directives.s_maxage.recorded();
        rare.stale_while_revalidate = window(directives.stale_while_revalidate);
        rare.stale_if_error = window(directives.stale_if_error);
        rare.tags = cache_tags(received).into();
        rare.groups = cache_groups(received).into();
    });
    record.set_last_modified(last_modified_text, last_modified_text.and_then(parse_date));
    record
}

/// A malformed window for serving stale is none at all.
fn window(seconds: Seconds) -> Option<u32> {
    if let Seconds::Value(secs) = seconds { Some(secs) } else { None }
}

fn request_flags(request: &RequestFacts, partition: Option<&str>) -> RecordFlags {
    let mut flags = RecordFlags::empty();
    flags.set(RecordFlags::AUTHORIZED, request.has(RequestFlags::AUTHORIZATION));
    flags
        .set(RecordFlags::COOKIE, request.flags.intersects(RequestFlags::COOKIE | RequestFlags::CREDENTIALS));
    flags.set(RecordFlags::USER_KEY, partition.is_some());
    flags
}

/// RFC 9110 section 15.1.
pub(crate) const fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Members of a comma-separated field, over all its lines, without empty ones.
pub(crate) fn members<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.get_all(name).flat_map(Members::new).filter(|member| !member.is_empty())
}
