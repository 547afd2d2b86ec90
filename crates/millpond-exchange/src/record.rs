//! The facts the policy needs about a stored response at hit time, parsed once when it was admitted.

use crate::Timestamp;
use bitflags::bitflags;
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

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
        /// The request carried Cookie, or another field by which APIs tell their users apart.
        const COOKIE = 1 << 15;
        /// The key names the user of the request, so that an override may keep responses meant for one user.
        const USER_KEY = 1 << 16;
        /// The targeted field is the one for this cache alone, which is not kept in the stored head.
        const OWN_TARGET = 1 << 17;
        /// `stale_from` stands because an answer of the origin does not agree with what is stored; otherwise a soft purge set
        /// it.
        const DISAGREES = 1 << 18;
        /// An answer of the origin has taken it back: it is kept for nobody, until something else takes its place.
        const WITHDRAWN = 1 << 19;
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
///
/// Very many of these are held in memory. What few responses have stands in [`RareFacts`] and is read as if it stood here.
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
    /// `max-age`, seconds.
    pub max_age: Option<u32>,
    /// Expires minus Date, seconds; zero when Expires is invalid or in the past.
    pub expires: Option<u32>,
    /// Last-Modified as a time, when it is a valid date. Its text: [`Record::last_modified_text`].
    pub last_modified: Option<Timestamp>,
    /// From when on the entry counts as stale whatever its lifetime: a soft purge.
    pub stale_from: Option<Timestamp>,
    /// Yes-or-no facts.
    pub flags: RecordFlags,
    /// What admitted it.
    pub admission: Admission,
    /// The ETag field value as received, quotes and weakness included.
    pub etag: Option<Box<[u8]>>,
    /// The request fields it varies on, sorted by name.
    pub vary: Box<[VarySelector]>,
    /// What few responses have.
    pub rare: Rare,
}

/// The facts that few responses have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RareFacts {
    /// Who may have it.
    pub audience: Audience,
    /// `s-maxage`, seconds.
    pub s_maxage: Option<u32>,
    /// `stale-while-revalidate` (RFC 5861), seconds.
    pub stale_while_revalidate: Option<u32>,
    /// `stale-if-error` (RFC 5861), seconds.
    pub stale_if_error: Option<u32>,
    /// Tags (Cache-Tag, Surrogate-Key), for purging.
    pub tags: Vec<Box<str>>,
    /// Cache groups (RFC 9875), for purging.
    pub groups: Vec<Box<str>>,
    /// Set where the body is a part of the representation.
    pub part: Option<Part>,
    /// The Last-Modified field value as received, where it is not `last_modified` as an IMF-fixdate.
    odd_last_modified: Option<Box<[u8]>>,
}

/// Rare facts, in one word where there are none. They are changed by [`Record::set_rare`].
#[derive(Clone, Default)]
pub struct Rare(Option<Box<RareFacts>>);

/// What is read where there are none.
static NONE: RareFacts = RareFacts {
    audience: Audience::Shared,
    s_maxage: None,
    stale_while_revalidate: None,
    stale_if_error: None,
    tags: Vec::new(),
    groups: Vec::new(),
    part: None,
    odd_last_modified: None,
};

impl Deref for Rare {
    type Target = RareFacts;

    fn deref(&self) -> &RareFacts {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl From<RareFacts> for Rare {
    fn from(facts: RareFacts) -> Self {
        Self((facts != NONE).then(|| Box::new(facts)))
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Rare {}

impl fmt::Debug for Rare {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        RareFacts::fmt(self, formatter)
    }
}

impl Deref for Record {
    type Target = RareFacts;

    fn deref(&self) -> &RareFacts {
        &self.rare
    }
}

impl Record {
    /// Changes what few responses have.
    pub fn set_rare(&mut self, change: impl FnOnce(&mut RareFacts)) {
        let mut facts = self.rare.0.take().map_or_else(RareFacts::default, |facts| *facts);
        change(&mut facts);
        self.rare = facts.into();
    }

    /// The same record with a change to what few responses have.
    pub fn with_rare(mut self, change: impl FnOnce(&mut RareFacts)) -> Self {
        self.set_rare(change);
        self
    }

    /// The Last-Modified field value as received. It is kept only where it is not the usual form of its time.
    pub fn last_modified_text(&self) -> Option<Cow<'_, [u8]>> {
        match &self.odd_last_modified {
            Some(text) => Some(Cow::Borrowed(text)),
            None => self.last_modified?.http_date().map(|text| Cow::Owned(text.into())),
        }
    }

    /// True when the response had a Last-Modified.
    pub fn has_last_modified(&self) -> bool {
        self.last_modified.is_some() || self.odd_last_modified.is_some()
    }

    /// Sets Last-Modified: the field value as received, and the time it says, when it is a valid date.
    pub fn set_last_modified(&mut self, text: Option<&[u8]>, time: Option<Timestamp>) {
        let usual = time.and_then(Timestamp::http_date);
        let odd = text.filter(|text| usual.is_none_or(|usual| usual != **text));
        self.last_modified = time;
        if odd != self.odd_last_modified.as_deref() {
            self.set_rare(|rare| rare.odd_last_modified = odd.map(Into::into));
        }
    }

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
        let text = |text: &Option<Box<[u8]>>| text.as_ref().map_or(0, |text| text.len());
        let vary = self.vary.iter().map(|one| size_of_val(one) + one.name.len() + text(&one.value));
        text(&self.etag) + vary.sum::<usize>() + self.rare.0.as_ref().map_or(0, |rare| rare.memory())
    }
}

impl RareFacts {
    /// Bytes of memory held, the struct included.
    fn memory(&self) -> usize {
        let audience = if let Audience::Private(partition) = &self.audience { partition.len() } else { 0 };
        let odd = self.odd_last_modified.as_ref().map_or(0, |text| text.len());
        let labels = |all: &Vec<Box<str>>| {
            all.capacity() * size_of::<Box<str>>() + all.iter().map(|label| label.len()).sum::<usize>()
        };
        size_of::<Self>() + audience + odd + labels(&self.tags) + labels(&self.groups)
    }
}
