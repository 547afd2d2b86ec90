//! The settings. Their types, comments and defaults are the one table from which checking, the JSON Schema, the starter
//! file and the reference page are made.
//!
//! What must not live here: where values come from (`builder`), and what is done with them (the doors).

use crate::forward::{Forward, Intercept};
use crate::limits::Limits;
use crate::route::{FieldRules, Pass, Query, Route, RouteLimits};
use crate::rule::Rule;
use crate::storage::{Disk, Memory};
use crate::tape::Tape;
use crate::values::{ErrorStatus, IpRange, ListenAddr, OriginUrl, PathPrefix, Period, StoreUrl, Ttl};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The whole configuration. [`Config::default`] is the standards: a shared cache on loopback that does what the RFCs
/// say and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Port 0 picks a free port.
    pub listen: ListenAddr,
    /// The one origin for every request that no `[[route]]` takes.
    pub origin: Option<OriginUrl>,
    /// The preset whose values stand below the configuration file's.
    #[schemars(extend("examples" = ["gateway"]))]
    pub preset: Option<String>,
    /// How many workers serve requests; 0 means one per core.
    #[schemars(range(max = 1024))]
    pub workers: u32,
    /// Send the client's Host to the origin and make it part of the key, instead of the origin's own authority.
    pub preserve_host: bool,
    /// Peers whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed, and on requests that go past the
    /// cache their other forwarding fields too.
    pub trusted_proxies: Vec<IpRange>,
    /// A PEM file of certificates to trust when speaking https to origins, beside the platform's.
    #[schemars(extend("format" = "path", "examples" = ["/etc/ssl/origin-ca.pem"]))]
    pub upstream_ca: Option<PathBuf>,
    /// What keeps responses behind the memory tier: `sqlite` in `cache_dir`, or nothing. Where unset: `sqlite` if there is
    /// a `cache_dir`.
    pub store: Option<StoreUrl>,
    /// The directory for what is kept on disk. Where unset, the command line takes `$XDG_CACHE_HOME/millpond`, else
    /// `$HOME/.cache/millpond`; a program that does not ask for the environment keeps responses in memory only.
    #[schemars(extend("format" = "path", "examples" = ["/var/cache/millpond"]))]
    pub cache_dir: Option<PathBuf>,
    /// Serve what is stored at any age, and fetch nothing.
    pub offline: bool,
    /// Say in Cache-Status which key a request has (RFC 9211 section 2.7). It shows clients what the cache tells requests
    /// apart by.
    pub cache_status_key: bool,
    /// When a request for a part of something not stored brings the whole into the cache: never, with the second such
    /// request, or with the first.
    pub range_fill: RangeFill,
    /// Whether a POST may be answered from the cache, its content being part of the key: never; every POST (`any`), for
    /// paths that answer lookups and nothing else; or those that hold GraphQL queries (`graphql`): mutations, subscriptions
    /// and what cannot be read go to the origin, and invalidate what is stored of their URL, as any POST does.
    pub cache_post: CachePost,
    /// How long responses are kept, and every departure from the standards.
    pub policy: Policy,
    /// Policies for some paths only; the first rule that covers a path counts. What a rule does not write it takes from
    /// `policy`, key by key.
    pub rule: Vec<Rule>,
    /// What is done to the query, for the key and for the origin alike.
    pub query: Query,
    /// Requests that are never answered from the cache nor stored.
    pub pass: Pass,
    /// Changes to requests on their way to the origin.
    pub request_fields: FieldRules,
    /// Changes to responses on their way to the client.
    pub response_fields: FieldRules,
    /// The memory tier.
    pub memory: Memory,
    /// The store on disk, behind the memory tier.
    pub disk: Disk,
    /// Which targets clients of the forward proxy may choose.
    pub forward: Forward,
    /// Which TLS connections through the forward proxy are opened.
    pub intercept: Intercept,
    /// Recording and replay.
    pub tape: Tape,
    /// Every limit and timeout.
    pub limits: Limits,
    /// The log of requests.
    pub access_log: AccessLog,
    /// The log of the program itself.
    pub log: Log,
    /// Which origin serves which host and path. What a route does not write it takes from the top level, table by table
    /// and key by key.
    pub route: Vec<Route>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ListenAddr::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 3000))),
            origin: None,
            preset: None,
            workers: 0,
            preserve_host: false,
            trusted_proxies: Vec::new(),
            upstream_ca: None,
            store: None,
            cache_dir: None,
            offline: false,
            cache_status_key: false,
            range_fill: RangeFill::default(),
            cache_post: CachePost::default(),
            policy: Policy::default(),
            rule: Vec::new(),
            query: Query::default(),
            pass: Pass::default(),
            request_fields: FieldRules::default(),
            response_fields: FieldRules::default(),
            memory: Memory::default(),
            disk: Disk::default(),
            forward: Forward::default(),
            intercept: Intercept::default(),
            tape: Tape::default(),
            limits: Limits::default(),
            access_log: AccessLog::default(),
            log: Log::default(),
            route: Vec::new(),
        }
    }
}

impl Config {
    /// Every route in the order written, and last the one that `origin` stands for, called `default`. Empty when there
    /// is neither.
    pub fn routes(&self) -> Vec<Route> {
        let mut routes = self.route.clone();
        routes.extend(self.origin.clone().map(|origin| Route {
            name: Some("default".to_owned()),
            host: None,
            path_prefix: PathPrefix::default(),
            origin,
            strip_prefix: false,
            preserve_host: self.preserve_host,
            cache_status_key: self.cache_status_key,
            range_fill: self.range_fill,
            cache_post: self.cache_post,
            policy: self.policy.clone(),
            rule: self.rule.clone(),
            query: self.query.clone(),
            pass: self.pass.clone(),
            request_fields: self.request_fields.clone(),
            response_fields: self.response_fields.clone(),
            limits: RouteLimits::from(&self.limits),
        }));
        routes
    }
}

impl Config {
    /// The policy of the top level for the path of `path_and_query`: that of the first rule which covers it.
    pub fn policy_for(&self, path_and_query: &str) -> &Policy {
        let path = path_and_query.split('?').next().unwrap_or_default();
        self.rule.iter().find(|rule| rule.covers(path)).map_or(&self.policy, |rule| &rule.policy)
    }
}

/// How long responses are kept. Everything beyond `heuristic` is a departure from the standards and off by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Lifetime for successful GETs that carry no freshness information at all; `forever` keeps them until purged.
    pub default_ttl: Ttl,
    /// Lifetime for every 2xx and 3xx, whatever the response says.
    pub force_cache: Ttl,
    /// Lifetimes for error statuses without freshness information.
    #[schemars(extend("propertyNames" = {"format": "error-status"}))]
    pub negative_ttl: BTreeMap<ErrorStatus, Ttl>,
    /// Never store a response with Set-Cookie.
    pub refuse_set_cookie: bool,
    /// How long a stale response is served while it is validated in the background, where it does not say so itself.
    pub stale_while_revalidate: Ttl,
    /// How long a stale response is served when the origin fails, where it does not say so itself.
    pub stale_if_error: Ttl,
    /// When the origin is slow, and something stale could answer.
    pub stale_when_slow: StaleWhenSlow,
    /// When a response that varies on Accept-Language answers a request with another list of languages: never (`exact`),
    /// where both name the same ones with the same weights in whatever order (`unordered`), or also where it is in the one
    /// language the request likes best (`preferred`), which is a departure from the standards.
    pub accept_language: AcceptLanguage,
    /// Ignore the request's no-cache, max-age=0 and Pragma (but not no-store), so that clients cannot force a fetch.
    pub ignore_client_reload: bool,
    /// Have every use of what is stored confirmed by the origin, as if each response said no-cache. Where the origin fails,
    /// a stale-if-error, its own or that of this policy, lets what is stored answer all the same.
    pub always_validate: bool,
    /// Freshness guessed from Last-Modified (RFC 9111 section 4.2.2).
    pub heuristic: Heuristic,
}

/// Freshness guessed from Last-Modified.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Heuristic {
    /// The part of the time since Last-Modified for which a response counts as fresh; 0 turns it off.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub fraction: f64,
    /// The longest lifetime that is guessed.
    pub max: Period,
}

impl Default for Heuristic {
    fn default() -> Self {
        Self { fraction: 0.1, max: Period::from_secs(7 * 24 * 3600) }
    }
}

/// When the origin is slow, and something stale could answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StaleWhenSlow {
    /// How long a request waits for the origin before it is answered with what is stored, where its directives do not
    /// forbid that; the fetch goes on behind the answer.
    pub after: Ttl,
    /// How long past its lifetime a response may serve for that reason.
    pub max: Period,
}

impl Default for StaleWhenSlow {
    fn default() -> Self {
        Self { after: Ttl::Off, max: Period::from_secs(24 * 3600) }
    }
}

/// When a response that varies on Accept-Language answers a request with another list of languages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AcceptLanguage {
    /// Never.
    Exact,
    /// Where both name the same languages with the same weights, in whatever order.
    #[default]
    Unordered,
    /// Also where it is in the one language the request likes best.
    Preferred,
}

/// When a request for a part of something not stored brings the whole into the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RangeFill {
    /// Never: only the part is fetched.
    Off,
    /// With the second request for a part of it, unless the whole is too large for that.
    #[default]
    Second,
    /// With the first.
    First,
}

/// Whether a POST may be answered from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CachePost {
    /// Never.
    #[default]
    Off,
    /// Every one.
    Any,
    /// Those that hold GraphQL queries and nothing else.
    Graphql,
}

/// The form of the access log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One line of text for each request.
    #[default]
    Text,
    /// One JSON object for each request.
    Json,
    /// No access log.
    Off,
}

/// The log of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// The form of each line.
    pub format: AccessLogFormat,
    /// Write it to standard error.
    pub console: bool,
    /// Write it to this file, after what is there.
    #[schemars(extend("format" = "path", "examples" = ["/var/log/millpond/access.log"]))]
    pub file: Option<PathBuf>,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { format: AccessLogFormat::Text, console: true, file: None }
    }
}

/// How much the program says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And what happens at start, stop and reload.
    #[default]
    Info,
    /// And each decision.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The level in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of the program's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines of text.
    #[default]
    Text,
    /// JSON objects, one a line.
    Json,
}

/// The log of the program itself, always on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How much is said.
    pub level: LogLevel,
    /// The form of each line.
    pub format: LogFormat,
}
