//! Pass rules: requests that go past the cache because the route says so.

use crate::route::Route;
use millpond_exchange::RequestHead;
use millpond_policy::Reason;

/// Why `head`, whose target is `path_and_query` in normal form, goes past the cache on `route`, if it does.
pub(crate) fn pass_reason(route: &Route, head: &RequestHead, path_and_query: &str) -> Option<Reason> {
    let pass = &route.pass;
    if pass.paths.is_empty() && pass.cookies.is_empty() && pass.fields.is_empty() {
        return None;
    }
    let path = path_and_query.split('?').next().unwrap_or_default();
    if pass.paths.iter().any(|pattern| pattern.matches(path)) {
        return Some(Reason::PassPath);
    }
    if pass.fields.iter().any(|name| head.fields.contains(name.as_str())) {
        return Some(Reason::PassField);
    }
    let names_cookie = |cookie: &str| pass.cookies.iter().any(|pattern| pattern.matches(cookie));
    (!pass.cookies.is_empty() && cookie_names(head).any(|name| names_cookie(&name)))
        .then_some(Reason::PassCookie)
}

fn cookie_names(head: &RequestHead) -> impl Iterator<Item = String> {
    head.fields.get_all("cookie").flat_map(|value| value.split(|b| *b == b';')).map(|pair| {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        String::from_utf8_lossy(name.trim_ascii()).into_owned()
    })
}
