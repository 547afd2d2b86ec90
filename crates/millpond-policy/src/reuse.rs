//! Constructing responses from caches (RFC 9111 section 4): may this stored response answer this request,
//! now? The hit path: no stored field is parsed here and nothing is allocated.

use crate::freshness::{Basis, Lifetime, current_age, forced, freshness_lifetime};
use crate::profile::Profile;
use crate::reason::Reason;
use crate::request::{RequestFacts, RequestFlags};
use crate::withdraw::is_withdrawn;
use millpond_exchange::{Admission, Audience, Record, RecordFlags, Timestamp};
use std::time::Duration;

/// How far the clock may stand before the time of receipt until the age of a response counts as unknown: more
/// than clock adjustment moves it, seconds.
const CLOCK_TOLERANCE: i64 = 60;

/// What the policy says of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fresh: answer with it.
    Fresh {
        /// Seconds of freshness left; always positive.
        ttl: i64,
    },
    /// Stale, but answer with it.
    ServeStale {
        /// Why that is allowed.
        why: Reason,
        /// Seconds of freshness left; zero or negative.
        ttl: i64,
        /// Also fetch a new one in the background.
        refresh: bool,
    },
    /// Answer with it only after the origin has validated it (RFC 9111 section 4.3).
    Validate(Reason),
    /// Treat it as not there.
    Unusable(Reason),
}

/// Why the origin gave no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleCause {
    /// No connection, no answer in time, or an answer that broke off.
    Unreachable,
    /// An answer with this status.
    Status(u16),
    /// None yet, and it has taken as long as `stale_when_slow` allows.
    Slow,
}

/// Judges whether `record`, which the request selects, may answer it at `now`. The clauses of RFC 9111
/// section 4 in their order; target and method are matched by the key, Vary by [`crate::select`].
pub fn reuse(record: &Record, facts: &RequestFacts, now: Timestamp, profile: &Profile) -> Verdict {
    if let Some(reason) = unusable(record, profile) {
        return Verdict::Unusable(reason);
    }
    let state = State::of(record, now, profile);
    if state.is_not_for(record, facts) {
        return Verdict::Unusable(Reason::UserRequest);
    }
    if profile.offline {
        return state.offline();
    }
    // "the stored response does not contain the no-cache directive, unless it is successfully validated"
    if record.flags.contains(RecordFlags::NO_CACHE) && !state.forced {
        return Verdict::Validate(Reason::ResponseNoCache);
    }
    if profile.always_validate {
        return Verdict::Validate(Reason::AlwaysValidate);
    }
    if facts.has(RequestFlags::NO_CACHE) && !profile.ignore_client_reload {
        return Verdict::Validate(Reason::RequestNoCache);
    }
    if clock_went_back(record, now) {
        return Verdict::Validate(Reason::ClockWentBack);
    }
    if let Some(reason) = request_refuses(record, facts, &state, profile) {
        return Verdict::Validate(reason);
    }
    // "the stored response is one of the following: fresh, allowed to be served stale, or successfully
    // validated"
    if state.ttl > 0 {
        return Verdict::Fresh { ttl: state.ttl };
    }
    match allowed_stale(record, facts, &state, profile) {
        Some((why, refresh)) => Verdict::ServeStale { why, ttl: state.ttl, refresh },
        None => Verdict::Validate(state.why_stale(record, now)),
    }
}

/// Judges whether `record` may answer although the origin gave no usable answer for `cause` (RFC 9111 section 4.2.4, RFC
/// 5861 section 4); the reason why, or `None` when it may not.
pub fn stale_on_error(
    record: &Record,
    facts: &RequestFacts,
    now: Timestamp,
    profile: &Profile,
    cause: StaleCause,
) -> Option<Reason> {
    if unusable(record, profile).is_some() {
        return None;
    }
    let state = State::of(record, now, profile);
    if state.prohibits_stale(record, profile) || state.is_not_for(record, facts) {
        return None;
    }
    // no-cache is the client's word that it would rather have no answer than an unvalidated one, unless it
    // says itself what to do on an error.
    let insists = facts.has(RequestFlags::NO_CACHE) && !profile.ignore_client_reload;
    if insists && facts.stale_if_error.is_none() {
        return None;
    }
    match cause {
        StaleCause::Slow => while_slow(record, facts, now, &state, profile),
        StaleCause::Status(status) if !matches!(status, 500 | 502 | 503 | 504) => None,
        StaleCause::Status(_) | StaleCause::Unreachable => {
            on_failure(record, facts, &state, profile, cause == StaleCause::Unreachable)
        }
    }
}

/// RFC 5861 section 4; and with no window from anyone, for an origin that is not there, RFC 9111 section 4.2.4 alone, unless
/// `always_validate` asks for the origin's word.
fn on_failure(
    record: &Record,
    facts: &RequestFacts,
    state: &State,
    profile: &Profile,
    unreachable: bool,
) -> Option<Reason> {
    let configured = profile.stale_if_error.map(|d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX));
    let staleness = state.staleness();
    if let Some(window) = record.stale_if_error.max(facts.stale_if_error).or(configured) {
        return (staleness <= i64::from(window)).then_some(Reason::StaleIfError);
    }
    let limit = seconds(profile.stale_if_unreachable);
    (unreachable && !profile.always_validate && limit > 0 && staleness <= limit)
        .then_some(Reason::StaleUnreachable)
}

/// `stale_when_slow`. The origin has not failed, so a request that asks for something newer (RFC 9111 section 5.2.1) goes
/// on waiting, and so does one for a response whose age is not known.
fn while_slow(
    record: &Record,
    facts: &RequestFacts,
    now: Timestamp,
    state: &State,
    profile: &Profile,
) -> Option<Reason> {
    let unknown = state.lifetime.basis == Basis::Invalid || clock_went_back(record, now);
    let client_insists = facts.has(RequestFlags::NO_CACHE) && !profile.ignore_client_reload;
    let insists = client_insists || profile.always_validate || wants_fresh(facts, profile);
    if unknown || insists || request_refuses(record, facts, state, profile).is_some() {
        return None;
    }
    let accepted = facts.max_stale.map_or(i64::MAX, i64::from).min(seconds(profile.stale_when_slow_max));
    (state.staleness() <= accepted).then_some(Reason::StaleWhenSlow)
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn clock_went_back(record: &Record, now: Timestamp) -> bool {
    record.response_time.as_secs().saturating_sub(now.as_secs()) > CLOCK_TOLERANCE
}

/// Seconds of freshness left at `now`, negative when stale: what Cache-Status says as `ttl`. A soft purge
/// counts.
pub fn time_to_live(record: &Record, now: Timestamp, profile: &Profile) -> i64 {
    State::of(record, now, profile).ttl
}

/// Why `record`, which has a `stale_from`, is stale since then.
pub const fn stale_since(record: &Record) -> Reason {
    if record.flags.contains(RecordFlags::WITHDRAWN) {
        Reason::Withdrawn
    } else if record.flags.contains(RecordFlags::DISAGREES) {
        Reason::HeadMismatch
    } else {
        Reason::SoftPurged
    }
}

/// Why a stored response is out of bounds for this cache altogether.
fn unusable(record: &Record, profile: &Profile) -> Option<Reason> {
    if is_withdrawn(record) {
        return Some(Reason::Withdrawn);
    }
    if profile.is_shared() && !matches!(record.audience, Audience::Shared) {
        return Some(Reason::PrivateEntry);
    }
    let still_admitted = match record.admission {
        Admission::Standards => true,
        Admission::DefaultTtl => profile.default_ttl.is_some() || forced(record, profile).is_some(),
        Admission::ForceCache => forced(record, profile).is_some(),
        Admission::NegativeTtl => profile.negative_ttl(record.status).is_some(),
    };
    (!still_admitted).then_some(Reason::OverrideOff)
}

/// Where a stored response stands at one moment.
struct State {
    lifetime: Lifetime,
    age: u32,
    /// Seconds until it is stale.
    ttl: i64,
    /// `force_cache` applies, and what the response forbids does not.
    forced: bool,
}

impl State {
    fn of(record: &Record, now: Timestamp, profile: &Profile) -> Self {
        let lifetime = freshness_lifetime(record, profile);
        let age = current_age(record, now);
        let natural = i64::from(lifetime.secs) - i64::from(age);
        let ttl = match record.stale_from {
            Some(from) if from <= now => natural.min(from.as_secs().saturating_sub(now.as_secs())),
            _ => natural,
        };
        Self { forced: lifetime.basis == Basis::ForceCache, lifetime, age, ttl }
    }

    /// What only an option keeps fresh is not given to a request that names its user, unless the key names that user too: the
    /// origin never said that users share it.
    fn is_not_for(&self, record: &Record, facts: &RequestFacts) -> bool {
        let by_option =
            matches!(self.lifetime.basis, Basis::DefaultTtl | Basis::ForceCache | Basis::NegativeTtl);
        by_option && facts.names_user() && !record.flags.contains(RecordFlags::USER_KEY)
    }

    fn staleness(&self) -> i64 {
        self.ttl.saturating_neg().max(0)
    }

    /// RFC 9111 section 4.2.4: "a cache MUST NOT generate a stale response if it is prohibited by an explicit
    /// in-protocol directive".
    fn prohibits_stale(&self, record: &Record, profile: &Profile) -> bool {
        let always = RecordFlags::NO_CACHE | RecordFlags::MUST_REVALIDATE;
        let shared = RecordFlags::PROXY_REVALIDATE;
        let by_directive = record.flags.intersects(always)
            || (profile.is_shared() && (record.flags.contains(shared) || record.s_maxage.is_some()));
        by_directive && !self.forced
    }

    fn offline(&self) -> Verdict {
        if self.ttl > 0 {
            Verdict::Fresh { ttl: self.ttl }
        } else {
            Verdict::ServeStale { why: Reason::StaleOffline, ttl: self.ttl, refresh: false }
        }
    }

    fn why_stale(&self, record: &Record, now: Timestamp) -> Reason {
        if self.lifetime.basis == Basis::Invalid {
            Reason::InvalidFreshness
        } else if record.stale_from.is_some_and(|from| from <= now) {
            stale_since(record)
        } else {
            Reason::Stale
        }
    }
}

/// RFC 9111 sections 5.2.1.1 and 5.2.1.3: `max-age` and `min-fresh` of the request.
fn request_refuses(
    record: &Record,
    facts: &RequestFacts,
    state: &State,
    profile: &Profile,
) -> Option<Reason> {
    if let Some(max_age) = facts.max_age {
        // max-age=0 is what browsers send on a reload. RFC 8246 section 2: for an immutable response that is
        // fresh it is no signal that validation is necessary; no-cache is.
        let reload = max_age == 0;
        let immutable = record.flags.contains(RecordFlags::IMMUTABLE) && state.ttl > 0;
        let disregarded = reload && (profile.ignore_client_reload || immutable);
        // A response of age zero satisfies max-age=0 literally, but within one second that would make a
        // reload do nothing.
        let too_old = state.age > max_age || reload;
        if too_old && !disregarded {
            return Some(Reason::RequestMaxAge);
        }
    }
    if facts.min_fresh.is_some_and(|min_fresh| state.ttl < i64::from(min_fresh)) {
        return Some(Reason::RequestMinFresh);
    }
    None
}

/// RFC 9111 section 5.2.1.1: with max-age, "unless the max-stale request directive is also present, the client does not wish
/// to receive a stale response", however young it is.
fn wants_fresh(facts: &RequestFacts, profile: &Profile) -> bool {
    let disregarded = facts.max_age == Some(0) && profile.ignore_client_reload;
    facts.max_age.is_some() && facts.max_stale.is_none() && !disregarded
}

/// Whether a stale response may be served at once, and whether a refresh goes with it.
fn allowed_stale(
    record: &Record,
    facts: &RequestFacts,
    state: &State,
    profile: &Profile,
) -> Option<(Reason, bool)> {
    // Without a known age or lifetime, no window can be measured.
    let unknown = state.lifetime.basis == Basis::Invalid;
    if unknown || wants_fresh(facts, profile) || state.prohibits_stale(record, profile) {
        return None;
    }
    let staleness = state.staleness();
    let configured = profile.stale_while_revalidate.map(|d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX));
    let window = record.stale_while_revalidate.or(configured);
    if window.is_some_and(|window| window > 0 && staleness <= i64::from(window)) {
        return Some((Reason::StaleWhileRevalidate, true));
    }
    let accepted = facts.max_stale.is_some_and(|max_stale| staleness <= i64::from(max_stale));
    accepted.then_some((Reason::StaleMaxStale, false))
}
