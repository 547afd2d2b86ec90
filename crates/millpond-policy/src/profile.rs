//! The profile: which cache this is, and every deviation from the RFC, by name.

use std::time::Duration;

/// Shared or private (RFC 9111 section 1.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheKind {
    /// Used by more than one user.
    #[default]
    Shared,
    /// Dedicated to one user.
    Private,
}

/// When a response that varies on Accept-Language answers a request with another list of languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LanguageMatch {
    /// Never.
    Exact,
    /// Where the two name the same languages with the same weights, in whatever order: "reordering field values when
    /// order is not significant" (RFC 9111 section 4.1), which it is not by RFC 9110 section 12.5.4. Where the response says
    /// its language, and an origin that goes by the order all the same could have chosen another one, it does not answer.
    #[default]
    Unordered,
    /// Also where the response is in the one language the request likes best. A deviation: RFC 9111 section 4.1 wants
    /// the fields to match.
    Preferred,
}

/// How a cache judges. [`Profile::default`] is the standards for a shared cache; every other value is a
/// deviation that a verdict's reason names.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Shared or private.
    pub kind: CacheKind,
    /// Targeted fields this cache obeys, in lower case, the most specific first (RFC 9213 section 2.2).
    pub targets: Vec<String>,
    /// Heuristic freshness as a fraction of the time since Last-Modified (RFC 9111 section 4.2.2); zero turns
    /// it off.
    pub heuristic_fraction: f32,
    /// The longest heuristic lifetime.
    pub heuristic_max: Duration,
    /// Lifetime for successful GETs that carry no freshness information at all; `Duration::MAX` keeps until
    /// purged.
    pub default_ttl: Option<Duration>,
    /// Lifetime for every 2xx and 3xx, whatever the response says.
    pub force_cache: Option<Duration>,
    /// Lifetimes for error statuses without freshness information.
    pub negative_ttl: Vec<(u16, Duration)>,
    /// Never store a response with Set-Cookie.
    pub refuse_set_cookie: bool,
    /// Stale-while-revalidate where the response names none.
    pub stale_while_revalidate: Option<Duration>,
    /// Stale-if-error where the response names none.
    pub stale_if_error: Option<Duration>,
    /// How long past its lifetime a response may serve while the origin cannot be reached, where neither the
    /// response nor `stale_if_error` sets a limit (RFC 9111 section 4.2.4); zero never, `Duration::MAX`
    /// without limit.
    pub stale_if_unreachable: Duration,
    /// How long a request waits for the origin before a stale response answers it, where nothing forbids that (RFC 9111
    /// section 4.2.4); `None` as long as it takes.
    pub stale_when_slow: Option<Duration>,
    /// How long past its lifetime a response may serve because of `stale_when_slow`.
    pub stale_when_slow_max: Duration,
    /// How lists of languages are compared.
    pub languages: LanguageMatch,
    /// Ignore the request's no-cache, max-age=0 and Pragma (but not no-store): clients may not force a fetch.
    pub ignore_client_reload: bool,
    /// Use nothing before the origin has confirmed it, as if every response said no-cache (RFC 9111 section 5.2.2.4). Where
    /// the origin fails, a stale-if-error, whoever names it, lets what is stored answer all the same.
    pub always_validate: bool,
    /// Serve stored responses at any age and never fetch.
    pub offline: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            kind: CacheKind::Shared,
            targets: vec!["millpond-cache-control".into(), "cdn-cache-control".into()],
            heuristic_fraction: 0.1,
            heuristic_max: Duration::from_secs(7 * 24 * 3600),
            default_ttl: None,
            force_cache: None,
            negative_ttl: Vec::new(),
            refuse_set_cookie: false,
            stale_while_revalidate: None,
            stale_if_error: None,
            stale_if_unreachable: Duration::MAX,
            stale_when_slow: None,
            stale_when_slow_max: Duration::from_secs(24 * 3600),
            languages: LanguageMatch::default(),
            ignore_client_reload: false,
            always_validate: false,
            offline: false,
        }
    }
}

impl Profile {
    /// True for a shared cache.
    pub fn is_shared(&self) -> bool {
        self.kind == CacheKind::Shared
    }

    /// The lifetime `negative_ttl` gives an error `status`.
    pub fn negative_ttl(&self, status: u16) -> Option<Duration> {
        self.negative_ttl.iter().find(|(named, _)| *named == status && status >= 400).map(|(_, ttl)| *ttl)
    }
}
