//! A request as received, made into the one that goes to the origin.

use crate::route::Route;
use crate::unkeyed;
use millpond_config::FieldRules;
use millpond_exchange::url::normalise_authority;
use millpond_exchange::{Fields, Method, RequestHead, Scheme, Version};
use millpond_policy::{Reason, remove_connection_fields};
use std::net::IpAddr;

/// The facts of the connection a request came over, and what becomes of its answer.
pub(crate) struct Sender<'a> {
    pub peer: Option<IpAddr>,
    /// The peer's own forwarding fields are believed.
    pub trusted: bool,
    /// The scheme the client used: what the key has, and never what an absolute-form target says.
    pub scheme: Scheme,
    pub request_id: &'a str,
    pub accepts_trailers: bool,
    /// The request has content, of a known length or not.
    pub has_content: bool,
    /// The content would be part of the key.
    pub keys_content: bool,
    /// The answer may be given to others.
    pub shareable: bool,
}

impl Sender<'_> {
    /// True when the content is read before the request goes anywhere.
    pub fn is_read_first(&self) -> bool {
        self.shareable && self.keys_content
    }
}

/// The host that only this client names, in normal form: the key of a GET knows nothing of it, and the origin is told of it
/// with requests whose answers are not for others as a rule.
pub(crate) fn client_host(route: &Route, received: &RequestHead) -> Option<Box<str>> {
    if route.forwards || route.preserve_host || received.authority.is_empty() {
        return None;
    }
    let upstream = &route.context.upstream;
    let normal = |authority| normalise_authority(upstream.scheme, authority);
    let told = normal(&received.authority);
    let is_known = route.is_for_just(&told) || told == normal(&upstream.authority);
    (!is_known).then(|| told.into_owned().into())
}

/// Why nothing of the answer is kept for others, where fields of the request may have steered it: a POST whose content is not
/// part of the key is the one whose answer could be.
pub(crate) fn steered(received: &RequestHead, keys_content: bool) -> Option<Reason> {
    let may_be_kept = received.method == Method::POST && !keys_content;
    (may_be_kept && unkeyed::any_steers(&received.fields)).then_some(Reason::Steered)
}

/// The head for the origin. `upgrade` keeps the fields that ask for another protocol.
pub(crate) fn for_origin(
    route: &Route,
    received: &RequestHead,
    sender: &Sender<'_>,
    upgrade: bool,
) -> RequestHead {
    let target = route.target(received, &received.path_and_query);
    let mut head = RequestHead {
        method: received.method.clone(),
        scheme: target.scheme,
        // As the key has it: an origin that writes links from its Host must find every spelling of it the same.
        authority: normalise_authority(target.scheme, target.authority).into_owned(),
        path_and_query: route.context.query.apply(&target.path_and_query).into_owned(),
        version: Version::HTTP_11,
        fields: received.fields.clone(),
    };
    let protocol = received.fields.get("upgrade").map(<[u8]>::to_vec).filter(|_| upgrade);
    remove_connection_fields(&mut head.fields);
    head.fields.remove("content-length");
    if !sender.has_content || sender.is_read_first() {
        // RFC 9110 section 10.1.1: 100-continue is about content; an origin may wait for what never comes.
        head.fields.remove("expect");
    }
    unkeyed::strip(&mut head.fields, route, sender.shareable);
    set(&mut head.fields, "Host", &head.authority);
    if route.forwards {
        private_fields(&mut head.fields, sender);
    } else {
        forwarding_fields(&mut head.fields, route, received, sender);
    }
    append(&mut head.fields, "Via", via(received.version));
    count_forward(&mut head);
    millpond_policy::normalise_request(&mut head);
    apply_rules(&mut head.fields, &route.request_fields);
    if let Some(protocol) = protocol {
        set(&mut head.fields, "Connection", "upgrade");
        set(&mut head.fields, "Upgrade", protocol);
    } else if sender.accepts_trailers {
        set(&mut head.fields, "TE", "trailers");
    }
    head
}

/// RFC 9110 section 7.6.2: Max-Forwards of an OPTIONS request counts down. One that is no number is left alone.
fn count_forward(head: &mut RequestHead) {
    if head.method == Method::OPTIONS
        && let Some(left) = head.fields.get_str("max-forwards").and_then(|value| value.parse::<u64>().ok())
    {
        set(&mut head.fields, "Max-Forwards", left.saturating_sub(1).to_string());
    }
}

/// Fields by which a client would tell an origin who asked, or for what.
const FORWARDING: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];

/// What a forward proxy does to such fields. It stands for its clients, not for the origin: of itself it tells what it must
/// (Via, RFC 9110 section 7.6.3) and of its clients nothing. What they say themselves goes on, unless the answer may be given to
/// others.
fn private_fields(fields: &mut Fields, sender: &Sender<'_>) {
    if sender.shareable {
        fields.retain(|field| !FORWARDING.iter().any(|name| field.is(name)));
    }
}

/// RFC 7239 and its X- forerunners. A client's own are believed only from a trusted proxy.
///
/// A request that may be answered for others carries the client's host only where that is part of the key, and of what earlier
/// proxies have said no more than the chain of addresses in X-Forwarded-For: an origin that builds links from the rest would
/// write one client's words into everyone's copy.
fn forwarding_fields(fields: &mut Fields, route: &Route, received: &RequestHead, sender: &Sender<'_>) {
    if !sender.trusted {
        fields.retain(|field| !FORWARDING.iter().any(|name| field.is(name)));
    }
    let told = !sender.shareable || route.preserve_host;
    let authority = normalise_authority(route.context.upstream.scheme, &received.authority);
    let host = Some(&*authority).filter(|host| told && !host.is_empty());
    if let Some(peer) = sender.peer {
        let before = joined(fields, "x-forwarded-for");
        set(fields, "X-Forwarded-For", format!("{before}{peer}"));
        let before = joined(fields, "forwarded");
        // Behind the elements of others ours is about the connection they came over; alone it speaks for the client.
        let scheme = if before.is_empty() { sender.scheme } else { received.scheme };
        set(fields, "Forwarded", format!("{before}{}", forwarded(peer, scheme.as_str(), host)));
    }
    // One token, the one that is keyed, in place of lists, repeated lines and words nobody knows.
    set(fields, "X-Forwarded-Proto", sender.scheme.as_str());
    if let Some(host) = host.filter(|_| !fields.contains("x-forwarded-host")) {
        set(fields, "X-Forwarded-Host", host);
    }
    set(fields, "X-Request-Id", sender.request_id);
}

/// One element of Forwarded (RFC 7239 section 4); an IPv6 address is bracketed and quoted (section 6).
fn forwarded(peer: IpAddr, proto: &str, host: Option<&str>) -> String {
    let node = match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let host = host.map(|host| format!(";host=\"{host}\"")).unwrap_or_default();
    format!("for={node};proto={proto}{host}")
}

/// What a field already says, ready for one more element.
fn joined(fields: &Fields, name: &str) -> String {
    let lines: Vec<_> = fields.get_all(name).map(String::from_utf8_lossy).collect();
    if lines.is_empty() { String::new() } else { format!("{}, ", lines.join(", ")) }
}

/// Removes, then sets what a route's rules name.
pub(crate) fn apply_rules(fields: &mut Fields, rules: &FieldRules) {
    for name in &rules.remove {
        fields.remove(name.as_str());
    }
    for (name, value) in &rules.set {
        set(fields, name.as_str(), value.as_str());
    }
}

fn set(fields: &mut Fields, name: &str, value: impl AsRef<[u8]>) {
    if let Err(error) = fields.set(name, value) {
        tracing::warn!(name, %error, "field left out of a request");
    }
}

fn append(fields: &mut Fields, name: &str, value: &str) {
    if let Err(error) = fields.append(name, value) {
        tracing::warn!(name, %error, "field left out of a request");
    }
}

/// One member of Via (RFC 9110 section 7.6.3): the version a message was received with, and who received it.
pub(crate) const fn via(received: Version) -> &'static str {
    match received {
        Version::HTTP_10 => "1.0 millpond",
        Version::HTTP_2 => "2.0 millpond",
        _ => "1.1 millpond",
    }
}
