//! The facts the policy needs about a stored response at hit time, parsed once when it was admitted.

use crate::Timestamp;
use bitflags::bitflags;
use std::fmt;

bitflags! {
    /// Yes-or-no facts of a [`Record`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RecordFlags: u32 {
        /// Unqualified `no-cache` (RFC 9111 section 5.2.2.4).
        const NO_CACHE = 1;
        /// `must-revalidate` (section 5.2.2.2).
        const MUST_REVALIDATE = 1 << 1;
        /// `proxy-revalidate` (section 5.2.2.8).
        const PROXY_REVALIDATE = 1 << 2;
        /// `public` (section 5.2.2.9).
        const PUBLIC = 1 << 3;
        /// `immutable` (RFC 8246).
        const IMMUTABLE = 1 << 4;
        /// The request carried Authorization (RFC 9111 section 3.5).
        const AUTHORIZED = 1 << 5;
        /// The status is heuristically cacheable (RFC 9110 section 15.1).
        const HEURISTIC_STATUS = 1 << 6;
        /// A targeted field (RFC 9213) replaced Cache-Control and Expires.
        const TARGETED = 1 << 7;
        /// The response carried Set-Cookie.
        const SET_COOKIE = 1 << 8;
        /// The body is a part of the representation (206).
        const PARTIAL = 1 << 9;
        /// The entity tag is a strong validator (RFC 9110 section 8.8.1).
        const STRONG_ETAG = 1 << 10;
        /// The response carried a Date field; otherwise `date` is the time of receipt.
        const HAS_DATE = 1 << 11;
        /// Freshness information or Age is malformed or contradictory: the response counts as stale on arrival
        /// (RFC 9111 section 4.2.1).
        const INVALID_FRESHNESS = 1 << 12;
        /// `private` (RFC 9111 section 5.2.2.7): only for the one user, so kept by private caches alone.
        const PRIVATE = 1 << 13;
        /// `no-store` that an override or `must-understand` disregarded.
        const NO_STORE = 1 << 14;
        /// The request carried Cookie.
        const COOKIE = 1 << 15;
        /// The key names the user of the request, so that an override may keep responses meant for one user.
        const USER_KEY = 1 << 16;
        /// The targeted field is the one for this cache alone, which is not kept in the stored head.
        const OWN_TARGET = 1 << 17;
    }
}

/// What admitted a response into the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Admission {
    /// RFC 9111 alone.
    #[default]
    Standards,
    /// `default_ttl`: no freshness information was present.
    DefaultTtl,
    /// `force_cache`: response directives were overridden.
    ForceCache,
    /// `negative_ttl`: an error status was kept by configuration.
    NegativeTtl,
}

/// Who may be given an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Anyone.
    #[default]
    Shared,
    /// The clients of one partition of a private cache.
    Private(Box<str>),
}

/// One request field a response varies on, with the (normalised) value of the request that fetched it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VarySelector {
    /// The field name, in lower case.
    pub name: Box<str>,
    /// The normalised value; `None` when the request had no such field.
    pub value: Option<Box<[u8]>>,
}

/// Shows the name only: values may be secrets.
impl fmt::Debug for VarySelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("VarySelector").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which bytes of a representation a stored part (206, RFC 9110 section 15.3.7) begins with. Where it ends follows from the
/// length of the stored body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The offset of its first byte in the representation.
    pub first: u64,
    /// Bytes of the whole representation, where Content-Range said so.
    pub complete_len: Option<u64>,
}

/// The facts of one stored response. Durations are whole seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The status code.
    pub status: u16,
    /// When the request that fetched it was sent.
    pub request_time: Timestamp,
    /// When its head arrived.
    pub response_time: Timestamp,
    /// The Date field, or the time of receipt.
    pub date: Timestamp,
    /// `corrected_initial_age` of RFC 9111 section 4.2.3, seconds.
    pub initial_age: u32,
    /// `s-maxage`, seconds.
    pub s_maxage: Option<u32>,
    /// `max-age`, seconds.
    pub max_age: Option<u32>,
    /// Expires minus Date, seconds; zero when Expires is invalid or in the past.
    pub expires: Option<u32>,
    /// Last-Modified as a time, when it is a valid date.
    pub last_modified: Option<Timestamp>,
    /// `stale-while-revalidate` (RFC 5861), seconds.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861), seconds.
    pub stale_if_error: Option<u32>,
    /// From when on the entry counts as stale whatever its lifetime: a soft purge.
    pub stale_from: Option<Timestamp>,
    /// Yes-or-no facts.
    pub flags: RecordFlags,
    /// What admitted it.
    pub admission: Admission,
    /// Who may have it.
    pub audience: Audience,
    /// The ETag field value as received, quotes and weakness included.
    pub etag: Option<Box<[u8]>>,
    /// The Last-Modified field value as received.
    pub last_modified_text: Option<Box<[u8]>>,
    /// The request fields it varies on, sorted by name.
    pub vary: Box<[VarySelector]>,
    /// Tags (Cache-Tag, Surrogate-Key), for purging.
    pub tags: Box<[Box<str>]>,
    /// Cache groups (RFC 9875), for purging.
    pub groups: Box<[Box<str>]>,
    /// Set where the body is a part of the representation.
    pub part: Option<Part>,
}

impl Record {
    /// True when `other` is for the same selecting request fields and the same audience.
    pub fn same_selectors(&self, other: &Self) -> bool {
        self.vary == other.vary && self.audience == other.audience
    }

    /// True when this response, stored now, takes the place of `other`: both are for the same request fields, and `other`
    /// is no more than this one is. A whole response replaces whole ones and parts alike; a part replaces only parts that
    /// begin with the same byte.
    pub fn replaces(&self, other: &Self) -> bool {
        let as_much = match (self.part, other.part) {
            (None, _) => true,
            (Some(part), Some(other)) => part.first == other.first,
            (Some(_), None) => false,
        };
        as_much && self.same_selectors(other)
    }

    /// Bytes of memory held beyond the struct itself.
    pub fn memory(&self) -> usize {
        let text = |t: &Option<Box<[u8]>>| t.as_ref().map_or(0, |t| t.len());
        text(&self.etag)
            + text(&self.last_modified_text)
            + self
                .vary
                .iter()
                .map(|v| size_of::<VarySelector>() + v.name.len() + text(&v.value))
                .sum::<usize>()
            + self.tags.iter().chain(&self.groups).map(|t| size_of::<Box<str>>() + t.len()).sum::<usize>()
    }
}
