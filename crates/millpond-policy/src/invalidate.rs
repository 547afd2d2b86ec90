//! Invalidation by unsafe requests (RFC 9111 section 4.4, RFC 9875 section 3). What is removed from which
//! store is the engine's business.

use crate::request::MethodClass;
use millpond_exchange::{RequestHead, ResponseHead, url};

/// True when a response to `request` invalidates stored responses: an unsafe or unknown method, and a
/// non-error status (RFC 9111 section 4.4).
pub fn invalidates(request: &RequestHead, response: &ResponseHead) -> bool {
    MethodClass::of(&request.method) == MethodClass::Unsafe && matches!(response.status.as_u16(), 200..=399)
}

/// The absolute URLs whose stored responses `response` invalidates: the target URI, and Location and
/// Content-Location where they are of the same origin. Empty when it invalidates nothing.
pub fn invalidated_by(request: &RequestHead, response: &ResponseHead) -> Vec<String> {
    if !invalidates(request, response) {
        return Vec::new();
    }
    let mut urls = vec![request.url()];
    for name in ["location", "content-location"] {
        let reference = response.fields.get_str(name);
        let url = reference.and_then(|reference| resolve_same_origin(request, reference));
        urls.extend(url.filter(|url| !urls.contains(url)));
    }
    urls
}

/// `reference` as an absolute URL without its fragment, if it leads to the origin of `request`: "a cache MUST
/// NOT trigger an invalidation if the origin of the URI to be invalidated differs" (RFC 9111 section 4.4).
pub fn resolve_same_origin(request: &RequestHead, reference: &str) -> Option<String> {
    let resolved = url::resolve(request.scheme, &request.authority, &request.path_and_query, reference)?;
    url::same_origin(&resolved, &request.url()).then_some(resolved)
}

/// True when `reference` leads to the target of `request` itself, compared in normal form (RFC 3986 section
/// 6.2.2).
pub(crate) fn is_target(request: &RequestHead, reference: &str) -> bool {
    let resolved = resolve_same_origin(request, reference).and_then(|url| url::normalise(&url).ok());
    resolved.is_some() && resolved == url::normalise(&request.url()).ok()
}
