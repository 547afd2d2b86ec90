//! Freshness lifetime and age (RFC 9111 section 4.2), computed from recorded facts so that a changed option
//! acts on stored responses too. What is done with a stale response is decided in `reuse`.

use crate::profile::Profile;
use millpond_exchange::{Record, RecordFlags, Timestamp};
use std::time::Duration;

/// What a freshness lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// `s-maxage` (RFC 9111 section 5.2.2.10).
    SMaxage,
    /// `max-age` (section 5.2.2.1).
    MaxAge,
    /// Expires minus Date (section 5.3).
    Expires,
    /// A fraction of the time since Last-Modified (section 4.2.2).
    Heuristic,
    /// Nothing: stale at once.
    None,
    /// Malformed or contradictory information: stale at once (section 4.2.1).
    Invalid,
    /// `default_ttl`.
    DefaultTtl,
    /// `force_cache`.
    ForceCache,
    /// `negative_ttl`.
    NegativeTtl,
}

impl Basis {
    /// The name in kebab case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SMaxage => "s-maxage",
            Self::MaxAge => "max-age",
            Self::Expires => "expires",
            Self::Heuristic => "heuristic",
            Self::None => "none",
            Self::Invalid => "invalid",
            Self::DefaultTtl => "default-ttl",
            Self::ForceCache => "force-cache",
            Self::NegativeTtl => "negative-ttl",
        }
    }

    /// True for lifetimes that the response itself states.
    pub const fn is_explicit(self) -> bool {
        matches!(self, Self::SMaxage | Self::MaxAge | Self::Expires)
    }
}

/// How long a response is fresh, counted from when the origin made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Seconds.
    pub secs: u32,
    /// Where they come from.
    pub basis: Basis,
}

impl Lifetime {
    fn of(basis: Basis, ttl: Duration) -> Self {
        Self { secs: u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX), basis }
    }
}

/// The freshness lifetime of `record` under `profile` (RFC 9111 section 4.2.1).
pub fn freshness_lifetime(record: &Record, profile: &Profile) -> Lifetime {
    if let Some(ttl) = forced(record, profile) {
        return Lifetime::of(Basis::ForceCache, ttl);
    }
    let standard = standard_lifetime(record, profile);
    if standard.basis.is_explicit() || standard.basis == Basis::Invalid {
        return standard;
    }
    override_lifetime(record, profile).unwrap_or(standard)
}

/// The lifetime by the RFC alone: the clauses of section 4.2.1 in their order, then the heuristic of section
/// 4.2.2.
pub(crate) fn standard_lifetime(record: &Record, profile: &Profile) -> Lifetime {
    if record.flags.contains(RecordFlags::INVALID_FRESHNESS) {
        return Lifetime { secs: 0, basis: Basis::Invalid };
    }
    if let Some(secs) = record.s_maxage.filter(|_| profile.is_shared()) {
        return Lifetime { secs, basis: Basis::SMaxage };
    }
    if let Some(secs) = record.max_age {
        return Lifetime { secs, basis: Basis::MaxAge };
    }
    if let Some(secs) = record.expires {
        return Lifetime { secs, basis: Basis::Expires };
    }
    match heuristic(record, profile) {
        Some(secs) => Lifetime { secs, basis: Basis::Heuristic },
        None => Lifetime { secs: 0, basis: Basis::None },
    }
}

/// RFC 9111 section 4.2.2: only for a status that is heuristically cacheable, or a response marked `public`.
fn heuristic(record: &Record, profile: &Profile) -> Option<u32> {
    if !record.flags.intersects(RecordFlags::HEURISTIC_STATUS | RecordFlags::PUBLIC) {
        return None;
    }
    let unchanged = record.date.saturating_since(record.last_modified?).as_secs_f64();
    let fraction = f64::from(profile.heuristic_fraction);
    // The cast drops the fraction of a second; it saturates, and what is not a number becomes zero.
    let secs = (unchanged * fraction) as u64;
    let secs = u32::try_from(secs.min(profile.heuristic_max.as_secs())).unwrap_or(u32::MAX);
    (secs > 0).then_some(secs)
}

/// The lifetime an option gives where the response states none.
fn override_lifetime(record: &Record, profile: &Profile) -> Option<Lifetime> {
    if !overridable(record) {
        return None;
    }
    if let Some(ttl) = profile.negative_ttl(record.status) {
        return Some(Lifetime::of(Basis::NegativeTtl, ttl));
    }
    profile.default_ttl.filter(|_| is_success(record.status)).map(|ttl| Lifetime::of(Basis::DefaultTtl, ttl))
}

/// The lifetime `force_cache` gives `record`, whatever the response says.
pub(crate) fn forced(record: &Record, profile: &Profile) -> Option<Duration> {
    profile.force_cache.filter(|_| is_forceable(record.status) && overridable(record))
}

/// True when a lifetime from an option may apply: not where a cookie is set, nor where the request named its
/// user while the key does not.
pub(crate) fn overridable(record: &Record) -> bool {
    let user = record.flags.intersects(RecordFlags::AUTHORIZED | RecordFlags::COOKIE);
    !record.flags.contains(RecordFlags::SET_COOKIE) && (!user || record.flags.contains(RecordFlags::USER_KEY))
}

/// 2xx, but not 206.
pub(crate) const fn is_success(status: u16) -> bool {
    matches!(status, 200..=299) && status != 206
}

/// 2xx and 3xx, but neither 206 nor 304.
pub(crate) const fn is_forceable(status: u16) -> bool {
    matches!(status, 200..=399) && status != 206 && status != 304
}

/// The current age of `record` in seconds (RFC 9111 section 4.2.3); at least its initial age, when the clock
/// stands before the time of receipt.
pub fn current_age(record: &Record, now: Timestamp) -> u32 {
    let resident = now.saturating_since(record.response_time).as_secs();
    record.initial_age.saturating_add(u32::try_from(resident).unwrap_or(u32::MAX))
}

/// `corrected_initial_age` in seconds (RFC 9111 section 4.2.3). `age` is the Age field.
pub(crate) fn initial_age(
    age: u32,
    date: Timestamp,
    request_time: Timestamp,
    response_time: Timestamp,
) -> u32 {
    let apparent_age = response_time.saturating_since(date).as_secs();
    let response_delay = response_time.saturating_since(request_time).as_secs();
    let corrected_age_value = u64::from(age).saturating_add(response_delay);
    u32::try_from(apparent_age.max(corrected_age_value)).unwrap_or(u32::MAX)
}
