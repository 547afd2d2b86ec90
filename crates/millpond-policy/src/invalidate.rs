//! Invalidation by unsafe requests (RFC 9111 section 4.4, RFC 9875 section 3). What is removed from which
//! store is the engine's business.

use crate::request::MethodClass;
use fluent_uri::{Uri, UriRef};
use millpond_exchange::{RequestHead, ResponseHead, Scheme};

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
    let base_text = request.url();
    let base = Uri::parse(base_text.as_str()).ok()?;
    let mut resolved = UriRef::parse(reference).ok()?.resolve_against(&base).ok()?;
    resolved.set_fragment(None);
    let scheme = match resolved.scheme().as_str() {
        s if s.eq_ignore_ascii_case("http") => Scheme::Http,
        s if s.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return None,
    };
    let authority = resolved.authority()?.as_str();
    let same = scheme == request.scheme && same_authority(scheme, authority, &request.authority);
    same.then(|| resolved.into_string())
}

/// True when `reference` leads to the target of `request` itself, compared in normal form (RFC 3986 section
/// 6.2.2).
pub(crate) fn is_target(request: &RequestHead, reference: &str) -> bool {
    let target = resolve_same_origin(request, "").and_then(normal_form);
    target.is_some() && target == resolve_same_origin(request, reference).and_then(normal_form)
}

fn normal_form(url: String) -> Option<String> {
    Uri::parse(url).ok().map(|uri| uri.normalize().into_string())
}

/// True when both name the same host and port; a missing port is the default one.
fn same_authority(scheme: Scheme, a: &str, b: &str) -> bool {
    let (host_a, port_a) = split_port(a);
    let (host_b, port_b) = split_port(b);
    let default = Some(scheme.default_port());
    host_a.eq_ignore_ascii_case(host_b)
        && port_a.map_or(default, |p| p.parse().ok()) == port_b.map_or(default, |p| p.parse().ok())
}

/// Host and port of an authority; an empty port is none (RFC 3986 section 3.2.3).
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            (host, Some(port).filter(|p| !p.is_empty()))
        }
        _ => (authority, None),
    }
}
