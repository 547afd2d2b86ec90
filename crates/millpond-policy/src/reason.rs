//! Every reason the policy can give, once: the Cache-Status detail, the log field, the metric label and the
//! sentence of `explain` all come from here.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal, $explanation:literal;)*) => {
        /// Why the policy judged as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $explanation] $(#[$doc])* $name,)*
        }

        impl Reason {
            /// All reasons, in the order of their declaration: for metric labels and documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in kebab case; a valid token (RFC 9110 section 5.6.2).
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// One plain sentence, with the RFC section, and the option that would change the verdict where
            /// there is one.
            pub const fn explain(self) -> &'static str {
                match self {
                    $(Self::$name => $explanation,)*
                }
            }
        }
    };
}

reasons! {
    // Refusals to store, in the order of RFC 9111 section 3.
    Method = "method", "Only responses to GET and QUERY are stored, those to POST where the setting cache_post says so, and those to POST that state a lifetime and have a Content-Location equal to their target (RFC 9111 section 3, RFC 9110 section 9.3.3).";
    RequestNoStore = "request-no-store", "The request says no-store (RFC 9111 section 5.2.1.5).";
    NotFinal = "not-final", "The status is not a final one (RFC 9111 section 3).";
    Partial = "partial", "The origin sent a part of the representation (206) to a request that asked for none, so it is not stored (RFC 9111 section 3.3).";
    Multipart = "multipart", "The response holds several parts of the representation (multipart/byteranges, RFC 9110 section 14.6), which are passed on and not stored.";
    ContentRange = "content-range", "The response is a part (206), but has no valid Content-Range in bytes or another Content-Length than that implies, so it is not known which part (RFC 9110 section 14.4).";
    IfRangeHead = "if-range-head", "The response is a part (206) that answers If-Range and states no Content-Type: it leaves out what the client has already, so it cannot be stored for others (RFC 9110 section 15.3.7).";
    NotModified = "not-modified", "A 304 response updates what is stored and is not stored itself (RFC 9111 section 3).";
    RequestSpecific = "request-specific", "The status answers a precondition or range of this one request (RFC 9110 sections 15.5.13 and 15.5.17), so it says nothing to others.";
    StatusNeverStored = "status-never-stored", "RFC 6585 forbids storing responses with this status; the setting negative_ttl can name it.";
    StatusNotUnderstood = "status-not-understood", "The response says must-understand and has a status this cache does not understand (RFC 9111 section 5.2.2.3).";
    NoStore = "no-store", "The response says no-store (RFC 9111 section 5.2.2.5); the setting force_cache overrides that.";
    Private = "private", "The response says private, and this cache is shared (RFC 9111 section 5.2.2.7); the setting force_cache overrides that.";
    Authorization = "authorization", "The request carried Authorization, and the response has none of public, s-maxage and must-revalidate (RFC 9111 section 3.5).";
    NoPartition = "no-partition", "The response is for one user, and the request names no partition of this private cache (RFC 9111 section 3).";
    VaryAny = "vary-any", "The response says Vary: *, so no other request can select it (RFC 9111 section 4.1).";
    VaryMalformed = "vary-malformed", "The Vary field is not a list of field names (RFC 9110 section 12.5.5), so no request is known to select the response.";
    SetCookie = "set-cookie", "The response sets a cookie and is not explicitly fresh by its own directives, so it may be meant for one user (RFC 9111 section 7.3).";
    SetCookieRefused = "set-cookie-refused", "The response sets a cookie, and refuse_set_cookie, which every TTL given by an option implies, keeps such responses out.";
    UserRequest = "user-request", "The request carries Authorization, Cookie or another field that names its user, such as X-Api-Key, and a TTL given by configuration does not apply to those unless the key names the user.";
    ErrorStatus = "error-status", "With the setting force_cache, statuses of 400 and above are stored only where negative_ttl names them.";
    NoFreshness = "no-freshness", "The response has neither freshness information nor a validator (RFC 9111 section 4.2.2); --default-ttl 60s would keep it for 60 seconds, or negative_ttl where the status is 400 or above.";
    StatusNotDefault = "status-not-default", "The status is not cacheable by default and the response is not explicitly fresh (RFC 9110 section 15.1); the setting negative_ttl can name it.";
    NeverFresh = "never-fresh", "The response is stale at once and has no validator, so it could never be used again (RFC 9111 section 4.2).";

    // Why a stored response may not be used as it is.
    Stale = "stale", "The stored response is no longer fresh (RFC 9111 section 4.2).";
    InvalidFreshness = "invalid-freshness", "Freshness information or Age is malformed or contradictory, so the stored response counts as stale (RFC 9111 section 4.2.1).";
    ResponseNoCache = "response-no-cache", "The stored response says no-cache and must be validated each time (RFC 9111 section 5.2.2.4); the setting force_cache overrides that.";
    AlwaysValidate = "always-validate", "The setting always_validate has every use of what is stored confirmed by the origin, as if each response said no-cache (RFC 9111 section 5.2.2.4).";
    RequestNoCache = "request-no-cache", "The request says no-cache (RFC 9111 section 5.2.1.4); the setting ignore_client_reload would disregard that.";
    RequestMaxAge = "request-max-age", "The stored response is older than the request's max-age allows (RFC 9111 section 5.2.1.1); the setting ignore_client_reload would disregard max-age=0.";
    RequestMinFresh = "request-min-fresh", "The stored response will not stay fresh as long as the request's min-fresh asks (RFC 9111 section 5.2.1.3).";
    SoftPurged = "soft-purged", "A soft purge marked the stored response as stale.";
    Withdrawn = "withdrawn", "The origin has taken the stored response back: its answer to a later request, or what that says of the stored response, may not be stored (RFC 9111 sections 4.3.3 and 4.3.4).";
    ClockWentBack = "clock-went-back", "The clock stands before the time the response was received, so its age is not known.";
    OverrideOff = "override-off", "The response was stored only because of an option that is no longer set.";
    PrivateEntry = "private-entry", "The stored response belongs to one user, and this cache is shared (RFC 9111 section 5.2.2.7).";

    // Why a stale response may be used all the same.
    StaleMaxStale = "stale-max-stale", "The stored response is stale, within what the request's max-stale accepts (RFC 9111 section 5.2.1.2).";
    StaleWhileRevalidate = "stale-while-revalidate", "The stored response is stale, within stale-while-revalidate, and is refreshed in the background (RFC 5861 section 3).";
    StaleIfError = "stale-if-error", "The origin failed, and the stored response is stale within stale-if-error (RFC 5861 section 4).";
    StaleUnreachable = "stale-unreachable", "The origin cannot be reached, and nothing forbids the stale response (RFC 9111 section 4.2.4).";
    StaleWhenSlow = "stale-when-slow", "The origin takes longer than the setting stale_when_slow allows, and nothing forbids the stale response (RFC 9111 section 4.2.4); the fetch goes on behind it.";
    StaleOffline = "stale-offline", "The cache is offline and serves what it has at any age.";

    // What became of a validation, and why a request was not answered from the store.
    Unmatched = "unmatched-304", "The origin answered 304, but its validators fit no stored response (RFC 9111 section 4.3.4).";
    NoStrongValidator = "no-strong-validator", "The stored part or the one that came has no strong validator, so they are not combined (RFC 9110 section 15.3.7.3).";
    PartChanged = "part-changed", "The part that came is of another representation than the stored one: its validator, its coding or the complete length differ, so they are not combined (RFC 9110 section 15.3.7.3).";
    NotContiguous = "not-contiguous", "The part that came does not lie next to the stored one, so they are not combined.";
    Precondition = "precondition", "If-Match and If-Unmodified-Since are for the origin to evaluate (RFC 9111 section 4.3.2).";
    HeadMismatch = "head-mismatch", "A response to HEAD does not agree with the stored response, or a later answer states another No-Vary-Search; it therefore counts as stale (RFC 9111 section 4.3.5).";
    Offline = "offline", "The cache is offline, and nothing that it has stored answers this request.";

    LanguagePreferred = "language-preferred", "The stored response was fetched for other languages, and is in the one this request likes best; the setting accept_language allows that.";

    // What the engine and the routes add: why a request went past the store, or a response was not kept.
    NothingStored = "nothing-stored", "No response is stored for this URL.";
    VaryMismatch = "vary-mismatch", "Responses are stored for this URL, but for other values of the request fields they vary on (RFC 9111 section 4.1).";
    RangeNotStored = "range-not-stored", "The request asks for a part of something that is not stored, so the origin is asked for that part.";
    RequestBody = "request-body", "The request has content, whose meaning for a GET is not defined (RFC 9110 section 9.3.1).";
    KeyBody = "key-body", "The content of the request would be part of its key, and is longer than limits.key_body, or those of other requests fill limits.key_bodies, or it has trailers.";
    Steered = "steered", "The request has fields that steer origins, of which the key knows nothing; its answer is kept for nobody else.";
    NotAGraphqlQuery = "not-a-graphql-query", "The content is not known to hold GraphQL queries and nothing else, and cache_post = \"graphql\" keeps answers to queries only.";
    Upgrade = "upgrade", "The client asks to switch protocols (RFC 9110 section 7.8).";
    PassPath = "pass-path", "A pass rule of the route names this path.";
    PassCookie = "pass-cookie", "A pass rule of the route names a cookie of this request.";
    PassField = "pass-field", "A pass rule of the route names a field of this request.";
    ObjectTooLarge = "object-too-large", "The body is larger than the store takes (limits.object, memory.max_object).";
    StoreUnavailable = "store-unavailable", "The store could not take the response; it was passed on without being kept.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
