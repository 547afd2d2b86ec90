//! What the policy needs to know of a request, gathered in one pass over its fields. No judgement lives here.

use crate::directives::each_directive;
use bitflags::bitflags;
use millpond_exchange::{CREDENTIAL_FIELDS, Field, Method, RequestHead};

bitflags! {
    /// Yes-or-no facts of a request.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RequestFlags: u32 {
        /// `no-cache` (RFC 9111 section 5.2.1.4), or `Pragma: no-cache` without Cache-Control (section 5.4).
        const NO_CACHE = 1;
        /// `no-store` (section 5.2.1.5).
        const NO_STORE = 1 << 1;
        /// `only-if-cached` (section 5.2.1.7): answer from the cache or with 504.
        const ONLY_IF_CACHED = 1 << 2;
        /// `no-transform` (section 5.2.1.6).
        const NO_TRANSFORM = 1 << 3;
        /// Authorization is present.
        const AUTHORIZATION = 1 << 4;
        /// Cookie is present.
        const COOKIE = 1 << 5;
        /// Range is present.
        const RANGE = 1 << 6;
        /// If-Range is present.
        const IF_RANGE = 1 << 7;
        /// If-Match is present.
        const IF_MATCH = 1 << 8;
        /// If-None-Match is present.
        const IF_NONE_MATCH = 1 << 9;
        /// If-Modified-Since is present.
        const IF_MODIFIED_SINCE = 1 << 10;
        /// If-Unmodified-Since is present.
        const IF_UNMODIFIED_SINCE = 1 << 11;
        /// A Cache-Control field is present.
        const CACHE_CONTROL = 1 << 12;
        /// Pragma: no-cache is present.
        const PRAGMA = 1 << 13;
        /// One of [`CREDENTIAL_FIELDS`] is present.
        const CREDENTIALS = 1 << 14;
    }
}

/// What a cache may do with a method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MethodClass {
    /// GET: answered from the store, and stored.
    #[default]
    Get,
    /// HEAD: answered from a stored GET, which its response may freshen (RFC 9111 section 4.3.5).
    Head,
    /// Another safe method: forwarded, nothing invalidated.
    Safe,
    /// An unsafe or unknown method: forwarded; a non-error response invalidates (RFC 9111 section 4.4).
    Unsafe,
}

impl MethodClass {
    /// The class of `method`. Safe are those the registry of RFC 9110 section 16.1 calls safe.
    pub fn of(method: &Method) -> Self {
        match method.as_str() {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" => Self::Safe,
            _ => Self::Unsafe,
        }
    }

    /// True for GET and HEAD, which stored responses may answer.
    pub const fn is_answerable(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// The facts of one request. Seconds are delta-seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The class of the method.
    pub method: MethodClass,
    /// Yes-or-no facts.
    pub flags: RequestFlags,
    /// `max-age` (RFC 9111 section 5.2.1.1); zero when malformed, the smallest when repeated.
    pub max_age: Option<u32>,
    /// `max-stale` (section 5.2.1.2); `u32::MAX` when without a limit, absent when malformed.
    pub max_stale: Option<u32>,
    /// `min-fresh` (section 5.2.1.3); `u32::MAX` when malformed, the largest when repeated.
    pub min_fresh: Option<u32>,
    /// `stale-if-error` (RFC 5861 section 4); absent when malformed.
    pub stale_if_error: Option<u32>,
}

impl RequestFacts {
    /// Gathers the facts of `request`. Does not allocate.
    pub fn of(request: &RequestHead) -> Self {
        let mut facts = Self { method: MethodClass::of(&request.method), ..Self::default() };
        for field in request.fields.iter() {
            facts.take(field);
        }
        // RFC 9111 section 5.4: Pragma counts only where Cache-Control is missing.
        if facts.has(RequestFlags::PRAGMA) && !facts.has(RequestFlags::CACHE_CONTROL) {
            facts.flags |= RequestFlags::NO_CACHE;
        }
        facts
    }

    /// The facts of a request whose content is part of its key (RFC 10008 section 2.7): it is looked up and stored as a GET
    /// is, and its ranges and conditions mean what a GET's do (sections 2.6 and 2.8). [`crate::admit`] goes by the method of the
    /// request where POST differs.
    #[must_use]
    pub const fn keyed_by_content(mut self) -> Self {
        self.method = MethodClass::Get;
        self
    }

    /// True when every one of `flags` is set.
    pub const fn has(&self, flags: RequestFlags) -> bool {
        self.flags.contains(flags)
    }

    /// True when the client insists on an answer from the cache (RFC 9111 section 5.2.1.7).
    pub const fn only_if_cached(&self) -> bool {
        self.has(RequestFlags::ONLY_IF_CACHED)
    }

    /// True when the request has a precondition that a cache evaluates (RFC 9111 section 4.3.2).
    pub const fn is_conditional(&self) -> bool {
        self.flags.intersects(RequestFlags::IF_NONE_MATCH.union(RequestFlags::IF_MODIFIED_SINCE))
    }

    /// True when the request has a precondition that only the origin evaluates (RFC 9111 section 4.3.2).
    pub const fn is_for_origin(&self) -> bool {
        self.flags.intersects(RequestFlags::IF_MATCH.union(RequestFlags::IF_UNMODIFIED_SINCE))
    }

    /// True when the request names its user, so that an override may not share its response.
    pub const fn names_user(&self) -> bool {
        const NAMING: RequestFlags =
            RequestFlags::AUTHORIZATION.union(RequestFlags::COOKIE).union(RequestFlags::CREDENTIALS);
        self.flags.intersects(NAMING)
    }

    /// Takes one field line into account. The length comes first: it settles nearly every comparison.
    fn take(&mut self, field: Field<'_>) {
        let flag = match field.name.len() {
            5 if field.is("range") => RequestFlags::RANGE,
            6 if field.is("cookie") => RequestFlags::COOKIE,
            6 if field.is("pragma") => {
                if !has_member(field.value, b"no-cache") {
                    return;
                }
                RequestFlags::PRAGMA
            }
            8 if field.is("if-range") => RequestFlags::IF_RANGE,
            8 if field.is("if-match") => RequestFlags::IF_MATCH,
            13 if field.is("authorization") => RequestFlags::AUTHORIZATION,
            13 if field.is("if-none-match") => RequestFlags::IF_NONE_MATCH,
            13 if field.is("cache-control") => {
                self.take_cache_control(field.value);
                RequestFlags::CACHE_CONTROL
            }
            17 if field.is("if-modified-since") => RequestFlags::IF_MODIFIED_SINCE,
            19 if field.is("if-unmodified-since") => RequestFlags::IF_UNMODIFIED_SINCE,
            _ if is_credential(field) => RequestFlags::CREDENTIALS,
            _ => return,
        };
        self.flags |= flag;
    }

    /// Reads the request directives of RFC 9111 section 5.2.1. What is malformed counts as the stricter
    /// reading.
    fn take_cache_control(&mut self, value: &[u8]) {
        let whole = each_directive(value, |directive| {
            let seconds = || directive.seconds();
            match directive.name.len() {
                7 if directive.is("max-age") => {
                    let found = seconds().unwrap_or(0);
                    self.max_age = Some(self.max_age.map_or(found, |old| old.min(found)));
                }
                8 if directive.is("no-cache") => self.flags |= RequestFlags::NO_CACHE,
                8 if directive.is("no-store") => self.flags |= RequestFlags::NO_STORE,
                9 if directive.is("max-stale") => {
                    let found = if directive.argument.is_none() { Some(u32::MAX) } else { seconds() };
                    self.max_stale = smallest(self.max_stale, found);
                }
                9 if directive.is("min-fresh") => {
                    self.min_fresh = self.min_fresh.max(Some(seconds().unwrap_or(u32::MAX)));
                }
                12 if directive.is("no-transform") => self.flags |= RequestFlags::NO_TRANSFORM,
                14 if directive.is("stale-if-error") => {
                    self.stale_if_error = smallest(self.stale_if_error, seconds());
                }
                14 if directive.is("only-if-cached") => self.flags |= RequestFlags::ONLY_IF_CACHED,
                _ => {}
            }
        });
        if !whole {
            self.flags |= RequestFlags::NO_CACHE;
        }
    }
}

/// True for one of [`CREDENTIAL_FIELDS`]. The last letter settles it for nearly every field.
fn is_credential(field: Field<'_>) -> bool {
    let may_be = matches!(field.name.last(), Some(b'y' | b'Y' | b'n' | b'N'));
    may_be && CREDENTIAL_FIELDS.iter().any(|name| field.is(name))
}

/// The smaller of what was seen before and what was found now; a malformed one leaves the earlier in place.
fn smallest(old: Option<u32>, found: Option<u32>) -> Option<u32> {
    match (old, found) {
        (Some(old), Some(found)) => Some(old.min(found)),
        (old, found) => old.or(found),
    }
}

/// True when the comma-separated `list` has `member`, ignoring case.
fn has_member(list: &[u8], member: &[u8]) -> bool {
    list.split(|b| *b == b',').any(|m| m.trim_ascii().eq_ignore_ascii_case(member))
}
