//! From configuration to what the engine and the front take.

use crate::explain::Door;
use crate::route::RouteTable;
use crate::upstream::PoolLimits;
use millpond_config::{AcceptLanguage, Config, Limits, Policy, Query, Route};
use millpond_engine::{CachePost, ContentKeys, FetchLimits, RangeFill, Upstream};
use millpond_exchange::url::normalise_path_and_query;
use millpond_exchange::{Key, KeyParts, QueryRules, RequestHead};
use millpond_front::FrontLimits;
use millpond_policy::{LanguageMatch, Profile};

/// The profile a route's policy stands for.
pub(crate) fn profile(policy: &Policy, offline: bool) -> Profile {
    Profile {
        heuristic_fraction: policy.heuristic.fraction as f32,
        heuristic_max: policy.heuristic.max.duration(),
        default_ttl: policy.default_ttl.duration(),
        force_cache: policy.force_cache.duration(),
        negative_ttl: policy
            .negative_ttl
            .iter()
            .filter_map(|(status, ttl)| Some((status.status().as_u16(), ttl.duration()?)))
            .collect(),
        refuse_set_cookie: policy.refuse_set_cookie,
        stale_while_revalidate: policy.stale_while_revalidate.duration(),
        stale_if_error: policy.stale_if_error.duration(),
        stale_when_slow: policy.stale_when_slow.after.duration(),
        stale_when_slow_max: policy.stale_when_slow.max.duration(),
        languages: match policy.accept_language {
            AcceptLanguage::Exact => LanguageMatch::Exact,
            AcceptLanguage::Unordered => LanguageMatch::Unordered,
            AcceptLanguage::Preferred => LanguageMatch::Preferred,
        },
        ignore_client_reload: policy.ignore_client_reload,
        always_validate: policy.always_validate,
        offline,
        ..Profile::default()
    }
}

/// The key under which a server with `config` looks for the answer to a GET of `request`, as a client sends it to `door`, and
/// the profile by which it judges it; `None` where no route takes the request. Guards are not asked.
pub fn key_for(config: &Config, door: Door, request: &RequestHead) -> Option<(Key, Profile)> {
    let table = match door {
        Door::Serve => RouteTable::new(config),
        Door::Forward => RouteTable::forwarding(config),
    };
    let path_and_query = normalise_path_and_query(&request.path_and_query);
    let route = table.find(&request.authority, &path_and_query).ok()?;
    let (context, target) = (route.context_at(&path_and_query), route.target(request, &path_and_query));
    let parts = KeyParts::new(target.scheme, target.authority, &target.path_and_query);
    Some((parts.with_query(&context.query).to_key(), context.profile.clone()))
}

/// The query rules of a route.
pub(crate) fn query_rules(query: &Query) -> QueryRules {
    let names =
        |list: &[millpond_config::NamePattern]| list.iter().map(|name| name.as_str().to_owned()).collect();
    QueryRules { sort: query.sort, drop: names(&query.drop), keep: query.keep.as_deref().map(names) }
}

/// When a request for a part brings the whole.
pub(crate) fn range_fill(setting: millpond_config::RangeFill) -> RangeFill {
    match setting {
        millpond_config::RangeFill::Off => RangeFill::Off,
        millpond_config::RangeFill::Second => RangeFill::Second,
        millpond_config::RangeFill::First => RangeFill::First,
    }
}

/// Which requests of a route have their content in the key.
pub(crate) fn content_keys(route: &Route) -> ContentKeys {
    let post = match route.cache_post {
        millpond_config::CachePost::Off => CachePost::Off,
        millpond_config::CachePost::Any => CachePost::Any,
        millpond_config::CachePost::Graphql => CachePost::Graphql,
    };
    ContentKeys { post, limit: route.limits.key_body.bytes() }
}

/// Where a route's requests go.
pub(crate) fn upstream(route: &Route) -> Upstream {
    Upstream {
        scheme: route.origin.scheme(),
        authority: route.origin.authority(),
        limits: FetchLimits {
            connect: route.limits.connect_timeout.duration(),
            first_byte: route.limits.first_byte_timeout.duration(),
            between_reads: route.limits.between_reads_timeout.duration(),
        },
    }
}

/// The limits of the pool of connections to origins.
pub(crate) fn pool_limits(limits: &Limits) -> PoolLimits {
    PoolLimits {
        idle: limits.origin_idle_connections as usize,
        idle_timeout: limits.origin_idle_timeout.duration(),
        head_bytes: limits.head_bytes.bytes() as usize,
        head_fields: limits.head_fields as usize,
    }
}

/// The limits of the listening side.
pub(crate) fn front_limits(limits: &Limits) -> FrontLimits {
    FrontLimits {
        head_bytes: limits.head_bytes.bytes() as usize,
        fields: limits.head_fields as usize,
        head_timeout: limits.head_timeout.duration(),
        idle_timeout: limits.idle_timeout.duration(),
        body_read_timeout: limits.between_reads_timeout.duration(),
        write_timeout: limits.write_timeout.duration(),
        streams: limits.http2_streams,
        ..FrontLimits::default()
    }
}

/// Workers to start: as configured, or one for each core this process may use.
pub(crate) fn workers(config: &Config) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers as usize,
    }
}
