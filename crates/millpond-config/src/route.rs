//! Routes: which origin serves which requests, and what is done to them on the way.

use crate::config::{CachePost, Policy, RangeFill};
use crate::limits::Limits;
use crate::rule::Rule;
use crate::values::field;
use crate::values::{
    ByteSize, FieldName, FieldValue, HostPattern, NamePattern, OriginUrl, PathPattern, PathPrefix, Period,
    RewrittenField, SizeLimit,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// One route. In a resolved configuration it is whole: what its table leaves out has been taken from the top level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The route's name in logs and metrics; by default its host and prefix.
    #[serde(default)]
    #[schemars(extend("examples" = ["api"]))]
    pub name: Option<String>,
    /// The host it takes: a name, or `*.example.com` for every host below one. Without it: any host.
    #[serde(default)]
    pub host: Option<HostPattern>,
    /// The beginning of the paths it takes. Of several routes the one with the most particular host wins, then the one
    /// with the longest prefix.
    #[serde(default)]
    pub path_prefix: PathPrefix,
    /// The origin that answers.
    pub origin: OriginUrl,
    /// Take the prefix off the path before the origin sees it.
    #[serde(default)]
    pub strip_prefix: bool,
    /// Send the client's Host to the origin and make it part of the key, instead of the origin's own authority.
    #[serde(default)]
    pub preserve_host: bool,
    /// Say in Cache-Status which key a request has (RFC 9211 section 2.7). It shows clients what the cache tells requests
    /// apart by.
    #[serde(default)]
    pub cache_status_key: bool,
    /// When a request for a part of something not stored brings the whole into the cache: never, with the second such
    /// request, or with the first.
    #[serde(default)]
    pub range_fill: RangeFill,
    /// Whether a POST may be answered from the cache, its content being part of the key: never; every POST (`any`), for
    /// paths that answer lookups and nothing else; or those that hold GraphQL queries (`graphql`): mutations, subscriptions
    /// and what cannot be read go to the origin, and invalidate what is stored of their URL, as any POST does.
    #[serde(default)]
    pub cache_post: CachePost,
    /// How long responses are kept, and every departure from the standards.
    #[serde(default)]
    pub policy: Policy,
    /// Policies for some paths only, in place of the top level's; the first rule that covers a path counts. What a rule
    /// does not write it takes from the route's `policy`, key by key.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// What is done to the query, for the key and for the origin alike.
    #[serde(default)]
    pub query: Query,
    /// Requests that are never answered from the cache nor stored.
    #[serde(default)]
    pub pass: Pass,
    /// Changes to requests on their way to the origin.
    #[serde(default)]
    pub request_fields: FieldRules,
    /// Changes to responses on their way to the client.
    #[serde(default)]
    pub response_fields: FieldRules,
    /// The limits that a route may have for itself.
    #[serde(default)]
    pub limits: RouteLimits,
}

impl Route {
    /// The name in logs and metrics: as set, or host and prefix.
    pub fn label(&self) -> String {
        match (&self.name, &self.host) {
            (Some(name), _) => name.clone(),
            (None, Some(host)) => format!("{host}{}", self.path_prefix),
            (None, None) => format!("*{}", self.path_prefix),
        }
    }
}

/// The limits that a route may have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteLimits {
    /// The largest request body passed on; more is answered 413.
    pub request_body: SizeLimit,
    /// The longest content of a request that is part of its key (QUERY, and POST with `cache_post`); a request with more
    /// goes past the cache.
    pub key_body: ByteSize,
    /// The largest response body that is stored; a larger one passes through.
    pub object: ByteSize,
    /// To connect to the origin, TLS included.
    pub connect_timeout: Period,
    /// For the origin to begin its response, once it has the request.
    pub first_byte_timeout: Period,
    /// Between two reads of a body, from the origin or a client.
    pub between_reads_timeout: Period,
}

impl From<&Limits> for RouteLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            request_body: limits.request_body,
            key_body: limits.key_body,
            object: limits.object,
            connect_timeout: limits.connect_timeout,
            first_byte_timeout: limits.first_byte_timeout,
            between_reads_timeout: limits.between_reads_timeout,
        }
    }
}

impl Default for RouteLimits {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// What is done to the query of a request, before its key is made and before the origin sees it: what is left out of
/// the key is left out of the request too, so that nothing a client writes there can get into a response that others
/// are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Sort the parameters by name, keeping the order of those with the same name.
    pub sort: bool,
    /// Parameters to drop; `*` at the end covers every name with that beginning.
    pub drop: Vec<NamePattern>,
    /// Parameters to keep, dropping all others; an empty list drops the whole query. Not together with `drop`.
    pub keep: Option<Vec<NamePattern>>,
}

/// Requests that are never answered from the cache nor stored. One match is enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pass {
    /// Paths: `/private` and all below it, or with `*` for any run of characters.
    pub paths: Vec<PathPattern>,
    /// Names of cookies; `*` at the end covers every name with that beginning.
    pub cookies: Vec<NamePattern>,
    /// Names of request fields.
    pub fields: Vec<FieldName>,
}

/// Changes to the fields of a message. Removing comes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FieldRules {
    /// Fields to set, in place of any of the same name. Values that look secret by their field's name are never shown.
    #[serde(serialize_with = "serialize_hiding_secrets")]
    #[schemars(extend("propertyNames" = {"format": "rewritten-field"}))]
    pub set: BTreeMap<RewrittenField, FieldValue>,
    /// Fields to remove.
    pub remove: Vec<RewrittenField>,
}

impl FieldRules {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

/// A configuration that is printed must not give secrets away, so this is the one value that does not come back as it
/// was.
fn serialize_hiding_secrets<S: Serializer>(
    set: &BTreeMap<RewrittenField, FieldValue>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(set.iter().map(|(name, value)| {
        (name, if field::is_secretive(name.as_str()) { field::HIDDEN } else { value.as_str() })
    }))
}
