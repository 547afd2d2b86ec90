//! Which route a request takes.

use crate::hint::Hint;
use crate::profile;
use crate::unkeyed::reads_as;
use millpond_config::{Config, FieldRules, HostPattern, OriginUrl, Pass, PathPattern, PathPrefix};
use millpond_engine::{Context, Target, Upstream};
use millpond_exchange::url::normalise_authority;
use millpond_exchange::{RequestHead, Scheme};
use std::borrow::Cow;
use std::sync::Arc;

/// The request fields every route sets on the way to the origin.
const ALWAYS_REWRITTEN: [&str; 8] = [
    "forwarded",
    "host",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "connection",
];

/// One route, ready for use.
pub(crate) struct Route {
    pub name: Arc<str>,
    /// Its place in the configuration.
    pub place: usize,
    pub hint: Hint,
    host: Option<HostPattern>,
    path_prefix: PathPrefix,
    strip_prefix: bool,
    base_path: String,
    pub preserve_host: bool,
    /// The request's own target is the upstream, as in a forward proxy. That of `context` then stands for every one, and has
    /// nothing but the limits.
    pub forwards: bool,
    /// Cache-Status shows the key.
    pub cache_status_key: bool,
    pub pass: Pass,
    pub request_fields: FieldRules,
    pub response_fields: FieldRules,
    pub request_body: Option<u64>,
    /// How requests are treated. Rules make others of it for some paths, which differ in the profile alone.
    pub context: Arc<Context>,
    rules: Vec<Ruled>,
}

/// What a rule makes of a route's context.
struct Ruled {
    paths: Vec<PathPattern>,
    context: Arc<Context>,
}

impl Route {
    fn new(place: usize, route: &millpond_config::Route, offline: bool, forwards: bool) -> Self {
        let upstream = profile::upstream(route);
        let mut rewritten: Vec<Box<str>> = ALWAYS_REWRITTEN.iter().map(|name| (*name).into()).collect();
        let rules = &route.request_fields;
        rewritten.extend(
            rules.set.keys().chain(&rules.remove).map(|name| name.as_str().to_ascii_lowercase().into()),
        );
        let context = Context {
            profile: profile::profile(&route.policy, offline),
            query: profile::query_rules(&route.query),
            upstream: Arc::new(upstream),
            rewritten,
            object_limit: Some(route.limits.object.bytes()),
            range_fill: profile::range_fill(route.range_fill),
            content_keys: profile::content_keys(route),
        };
        let by_path = route.rule.iter().map(|rule| Ruled {
            paths: rule.paths.clone(),
            context: Arc::new(Context {
                profile: profile::profile(&rule.policy, offline),
                ..context.clone()
            }),
        });
        Self {
            rules: by_path.collect(),
            name: route.label().into(),
            place,
            hint: Hint::default(),
            host: route.host.clone(),
            path_prefix: route.path_prefix.clone(),
            strip_prefix: route.strip_prefix,
            base_path: route.origin.base_path().trim_end_matches('/').to_owned(),
            preserve_host: route.preserve_host,
            forwards,
            cache_status_key: route.cache_status_key,
            pass: route.pass.clone(),
            request_fields: route.request_fields.clone(),
            response_fields: route.response_fields.clone(),
            request_body: route.limits.request_body.bytes(),
            context: Arc::new(context),
        }
    }

    /// True when `name` may be read as a field that this route's rules set, remove, or look for.
    pub fn handles(&self, name: &str) -> bool {
        let rules = &self.request_fields;
        let rewritten = rules.set.keys().chain(&rules.remove).any(|known| reads_as(name, known.as_str()));
        rewritten || self.pass.fields.iter().any(|known| reads_as(name, known.as_str()))
    }

    /// True when `authority`, in normal form, is the one host that it is for. It takes requests that spell it otherwise,
    /// too: with any port, and with a dot at the end.
    pub fn is_for_just(&self, authority: &str) -> bool {
        self.host.as_ref().is_some_and(|host| !host.is_wildcard() && host.name() == authority)
    }

    fn takes(&self, host: &str, path: &str) -> bool {
        self.takes_host(host) && self.path_prefix.matches(path)
    }

    fn takes_host(&self, host: &str) -> bool {
        self.host.as_ref().is_none_or(|pattern| pattern.matches(host))
    }

    /// The most particular first: exact hosts, wildcards by length, any host; then the longest prefix.
    fn rank(&self) -> impl Ord + use<> {
        let host = self.host.as_ref().map(|host| (!host.is_wildcard(), host.name().len()));
        std::cmp::Reverse((host, self.path_prefix.as_str().len()))
    }

    /// The target the origin is asked for, and the key is made of. `path_and_query` is that of `head` in normal form.
    pub fn target<'a>(&'a self, head: &'a RequestHead, path_and_query: &'a str) -> RoutedTarget<'a> {
        let authority = head.authority.as_str();
        if self.forwards {
            let path_and_query = Cow::Borrowed(path_and_query);
            return RoutedTarget { scheme: head.scheme, authority, path_and_query };
        }
        let upstream = &self.context.upstream;
        let authority =
            if self.preserve_host && !authority.is_empty() { authority } else { &upstream.authority };
        RoutedTarget { scheme: upstream.scheme, authority, path_and_query: self.path(path_and_query) }
    }

    /// How requests for `path_and_query`, in normal form, are treated: by the first rule that covers the path, if one does.
    pub fn context_at(&self, path_and_query: &str) -> &Arc<Context> {
        self.rule_at(path_and_query).map_or(&self.context, |number| &self.rules[number].context)
    }

    /// The number of that rule among those of the route.
    pub fn rule_at(&self, path_and_query: &str) -> Option<usize> {
        if self.rules.is_empty() {
            return None;
        }
        let path = path_and_query.split('?').next().unwrap_or_default();
        self.rules.iter().position(|rule| rule.paths.iter().any(|pattern| pattern.matches(path)))
    }

    /// What the engine is told for a request that may have to go to its origin. In a forward proxy it is made for each:
    /// to keep one for every origin that clients think of would take a bound, and they would be found out in turn.
    pub fn context_for(&self, head: &RequestHead) -> Arc<Context> {
        let context = self.context_at(&head.path_and_query);
        if !self.forwards {
            return Arc::clone(context);
        }
        let upstream = Upstream {
            scheme: head.scheme,
            authority: normalise_authority(head.scheme, &head.authority).into_owned(),
            limits: context.upstream.limits,
        };
        Arc::new(Context { upstream: Arc::new(upstream), ..(**context).clone() })
    }

    fn path<'a>(&self, path_and_query: &'a str) -> Cow<'a, str> {
        if path_and_query == "*" {
            return Cow::Borrowed(path_and_query);
        }
        let mut rest = path_and_query;
        if self.strip_prefix {
            rest = rest.strip_prefix(self.path_prefix.as_str().trim_end_matches('/')).unwrap_or(rest);
        }
        if self.base_path.is_empty() && rest.starts_with('/') {
            return Cow::Borrowed(rest);
        }
        let slash = if rest.starts_with('/') { "" } else { "/" };
        Cow::Owned(format!("{}{slash}{rest}", self.base_path))
    }
}

/// A target as a route maps it.
pub(crate) struct RoutedTarget<'a> {
    pub scheme: Scheme,
    pub authority: &'a str,
    pub path_and_query: Cow<'a, str>,
}

impl RoutedTarget<'_> {
    pub fn as_target(&self, client_scheme: Option<Scheme>) -> Target<'_> {
        let (authority, path_and_query) = (self.authority, &*self.path_and_query);
        Target { scheme: self.scheme, authority, path_and_query, client_scheme }
    }
}

/// Why no route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No route serves this host (421).
    Host,
    /// A route serves the host, but none the path (404).
    Path,
}

/// All routes, the most particular first.
pub(crate) struct RouteTable {
    routes: Vec<Route>,
    forwards: bool,
}

/// Stands where a route has no origin of its own. The name is never resolved: RFC 2606 section 2.
const NO_ORIGIN: &str = "http://forward.invalid";

/// The configuration of a forward proxy with a route for every host that it does not name.
pub(crate) fn forwarding(config: &Config) -> Config {
    Config { origin: NO_ORIGIN.parse::<OriginUrl>().ok(), ..config.clone() }
}

impl RouteTable {
    pub fn new(config: &Config) -> Self {
        Self::of(config, false)
    }

    /// The routes of a forward proxy: they say how requests for their hosts and paths are treated, the top level says it for all
    /// others. Where a request goes is its own business.
    pub fn forwarding(config: &Config) -> Self {
        Self::of(&forwarding(config), true)
    }

    fn of(config: &Config, forwards: bool) -> Self {
        let configured = config.routes();
        let made = configured.iter().enumerate();
        let mut routes: Vec<Route> =
            made.map(|(place, route)| Route::new(place, route, config.offline, forwards)).collect();
        routes.sort_by_key(Route::rank);
        Self { routes, forwards }
    }

    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// True when requests name their origins themselves.
    pub fn forwards(&self) -> bool {
        self.forwards
    }

    /// The names of the routes and the upstream of each, for the log.
    pub fn describe(&self) -> impl Iterator<Item = (&str, String)> {
        self.routes.iter().map(|route| {
            let upstream = &route.context.upstream;
            (&*route.name, format!("{}://{}{}", upstream.scheme, upstream.authority, route.base_path))
        })
    }

    /// The route for a request to `authority`, its path in normal form.
    pub fn find(&self, authority: &str, path_and_query: &str) -> Result<&Route, NoRoute> {
        let host = host_of(authority);
        // `OPTIONS *` concerns the server as a whole, hence whoever serves its root.
        let path =
            if path_and_query == "*" { "/" } else { path_and_query.split('?').next().unwrap_or_default() };
        if let Some(route) = self.routes.iter().find(|route| route.takes(host, path)) {
            return Ok(route);
        }
        Err(if self.routes.iter().any(|route| route.takes_host(host)) {
            NoRoute::Path
        } else {
            NoRoute::Host
        })
    }

    /// True when an absolute-form target may name `authority`: a host some route is for, or an origin itself. Anything
    /// else would make this an open proxy.
    pub fn knows(&self, authority: &str) -> bool {
        let host = host_of(authority);
        self.routes.iter().any(|route| {
            route.host.as_ref().is_some_and(|pattern| pattern.matches(host)) || is_upstream(route, authority)
        })
    }
}

/// True when `authority` is the origin's own, however its case and default port are written.
fn is_upstream(route: &Route, authority: &str) -> bool {
    let upstream = &route.context.upstream;
    normalise_authority(upstream.scheme, authority)
        == normalise_authority(upstream.scheme, &upstream.authority)
}

/// The host of an authority, brackets of an IPv6 address kept.
fn host_of(authority: &str) -> &str {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}
