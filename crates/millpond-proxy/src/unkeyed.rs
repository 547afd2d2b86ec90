//! Request fields that an origin may act on although the key has nothing of them, and spellings that an origin reads as
//! another field. What lives here: which they are. What must not: what we write into requests ourselves (`rewrite`).
//!
//! Many origins get fields by way of CGI (RFC 3875 section 4.1.18) or WSGI, where `X_Forwarded_Host` and `X-Forwarded-Host` are
//! one variable. So names are compared with everything but letters and digits taken for a hyphen, and a second spelling of a
//! field that is handled here never travels on.

use crate::route::Route;
use millpond_exchange::Fields;

/// Fields by which frameworks and servers let a proxy tell them another URL, host, scheme, method or client than the
/// request has. A request that may be answered for others does not carry them: whoever writes one would choose what others
/// get (decision 8). Together with all of [`STEERING_PREFIXES`], but for the two that we write on every request.
const STEERING: [&str; 15] = [
    "forwarded",
    "front-end-https",
    "x-forwarded",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// `X-Forwarded-Port`, `X-Forwarded-Prefix`, `X-Forwarded-Ssl`, `Forwarded-For` and whatever comes next.
const STEERING_PREFIXES: [&str; 2] = ["x-forwarded-", "forwarded-"];

/// Written anew on every request, from what trusted peers say and the connection.
const WRITTEN: [&str; 2] = ["x-forwarded-for", "x-forwarded-proto"];

/// Fields with a hyphen that a request is framed by, or that are set, stripped or compared on the way: no other spelling
/// of them goes on.
const HANDLED: [&str; 7] = [
    "cache-control",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "transfer-encoding",
    "user-agent",
    "x-request-id",
];

/// The like, in families: content framing and codings, preconditions, negotiation, proxy authentication.
const HANDLED_PREFIXES: [&str; 4] = ["accept-", "content-", "if-", "proxy-"];

/// Takes off what must not reach the origin of `route`; `shareable` when the answer may be given to others.
pub(crate) fn strip(fields: &mut Fields, route: &Route, shareable: bool) {
    fields.retain(|field| {
        let name = field.name_str();
        let hidden = is_respelled(name) && (is_handled(name) || is_steering(name) || route.handles(name));
        // A CGI program would take `Proxy` for the variable HTTP_PROXY: "httpoxy", CVE-2016-5385.
        let steers = shareable && is_steering(name) && !WRITTEN.iter().any(|kept| reads_as(name, kept));
        !hidden && !steers && !field.is("proxy")
    });
}

/// True when a field among these steers origins.
pub(crate) fn any_steers(fields: &Fields) -> bool {
    fields.iter().any(|field| {
        let name = field.name_str();
        is_steering(name) && !WRITTEN.iter().any(|kept| reads_as(name, kept))
    })
}

/// True when an origin may read `name` as `other`.
pub(crate) fn reads_as(name: &str, other: &str) -> bool {
    name.len() == other.len() && starts_as(name, other)
}

fn starts_as(name: &str, prefix: &str) -> bool {
    let plain = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(a, b)| plain(a) == plain(b))
}

fn is_steering(name: &str) -> bool {
    STEERING.iter().any(|known| reads_as(name, known))
        || STEERING_PREFIXES.iter().any(|known| starts_as(name, known))
}

fn is_handled(name: &str) -> bool {
    HANDLED.iter().any(|known| reads_as(name, known))
        || HANDLED_PREFIXES.iter().any(|known| starts_as(name, known))
}

/// True when a name has a byte that only some recipients tell from a hyphen.
fn is_respelled(name: &str) -> bool {
    name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'-')
}
