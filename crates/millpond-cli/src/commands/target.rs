//! From a URL as typed to the request that a client would make for it.

use crate::failure::Failure;
use millpond::config::Route;
use millpond::exchange::{RequestHead, url};

/// The request that a client would make for `line`: a path, or a URL, either the one clients use or the one at the
/// origin, which is how the cache names what it stores.
pub(crate) fn request(line: &str, routes: &[Route]) -> Result<RequestHead, Failure> {
    let wrong = |why: String| Failure::Usage(format!("{line}: {why}"));
    let (host, path) = if line.starts_with('/') {
        ("localhost".to_owned(), line.to_owned())
    } else {
        let (_, authority, path) = url::split(line).map_err(|error| wrong(error.to_string()))?;
        let own = routes.iter().filter(|route| !route.preserve_host).find_map(|route| below(line, route));
        own.unwrap_or_else(|| (authority.to_owned(), path.to_owned()))
    };
    let path = if path.starts_with('/') { path } else { format!("/{path}") };
    let mut head = RequestHead::get(&host, &path);
    head.fields.append("Host", &host).map_err(|error| wrong(error.to_string()))?;
    Ok(head)
}

/// The same, where `line` is a path, a URL of the origin of a route, or one that clients of a route use.
pub(crate) fn request_of_route(line: &str, routes: &[Route]) -> Result<RequestHead, Failure> {
    let head = request(line, routes)?;
    if line.starts_with('/') || routes.iter().any(|route| takes(line, &head.authority, route)) {
        return Ok(head);
    }
    Err(Failure::Usage(format!("{line}: it is a URL of no origin and of no route that is configured")))
}

/// True when clients ask `route` for `line`, or its origin has it. `authority` is that of the request for it.
fn takes(line: &str, authority: &str, route: &Route) -> bool {
    let host = match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    match &route.host {
        Some(pattern) => pattern.matches(host),
        // Whatever host clients name is then the origin's.
        None if route.preserve_host => true,
        None => below(line, route).is_some(),
    }
}

/// Host and path by which a client reaches a URL of the origin of `route`, if it is one.
fn below(line: &str, route: &Route) -> Option<(String, String)> {
    let base = url::normalise(&route.origin.to_string()).ok()?;
    let line = url::normalise(line).ok()?;
    let rest = line.strip_prefix(base.trim_end_matches('/'))?;
    if !rest.starts_with(['/', '?']) && !rest.is_empty() {
        return None;
    }
    // Any name does for a pattern.
    let host = route.host.as_ref().map(|host| host.to_string().replacen('*', "any", 1));
    let prefix = if route.strip_prefix { route.path_prefix.as_str().trim_end_matches('/') } else { "" };
    let path = format!("{prefix}{rest}");
    // A route's requests are those that the route takes.
    let taken = route.strip_prefix || path.starts_with(route.path_prefix.as_str());
    taken.then(|| (host.unwrap_or_else(|| "localhost".to_owned()), path))
}
