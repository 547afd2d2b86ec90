//! A request as received, made into the one that goes to the origin.

use crate::route::Route;
use millpond_config::FieldRules;
use millpond_exchange::{Fields, Method, RequestHead, Version};
use millpond_policy::remove_connection_fields;
use std::net::IpAddr;

/// The facts of the connection a request came over.
pub(crate) struct Sender<'a> {
    pub peer: Option<IpAddr>,
    /// The peer's own forwarding fields are believed.
    pub trusted: bool,
    pub request_id: &'a str,
    pub accepts_trailers: bool,
}

/// The head for the origin. `upgrade` keeps the fields that ask for another protocol.
pub(crate) fn for_origin(
    route: &Route,
    received: &RequestHead,
    sender: &Sender<'_>,
    upgrade: bool,
) -> RequestHead {
    let target = route.target(&received.authority, &received.path_and_query);
    let mut head = RequestHead {
        method: received.method.clone(),
        scheme: target.scheme,
        authority: target.authority.to_owned(),
        path_and_query: route.context.query.apply(&target.path_and_query).into_owned(),
        version: Version::HTTP_11,
        fields: received.fields.clone(),
    };
    let protocol = received.fields.get("upgrade").map(<[u8]>::to_vec).filter(|_| upgrade);
    remove_connection_fields(&mut head.fields);
    head.fields.remove("content-length");
    set(&mut head.fields, "Host", &head.authority);
    forwarding_fields(&mut head.fields, route, received, sender);
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

/// RFC 7239 and its X- forerunners. A client's own are believed only from a trusted proxy.
///
/// A request that may be answered for others carries X-Forwarded-Host only where the client's host is part of the key: an
/// origin that builds links from it would otherwise write one client's host into everyone's copy.
fn forwarding_fields(fields: &mut Fields, route: &Route, received: &RequestHead, sender: &Sender<'_>) {
    const NAMES: [&str; 4] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
    if !sender.trusted {
        fields.retain(|field| !NAMES.iter().any(|name| field.is(name)));
    }
    let shareable = received.method == Method::GET || received.method == Method::HEAD;
    let host = (!shareable || route.preserve_host).then_some(received.authority.as_str());
    if host.is_none() {
        forget_hosts(fields);
    }
    if let Some(peer) = sender.peer {
        let before = joined(fields, "x-forwarded-for");
        set(fields, "X-Forwarded-For", format!("{before}{peer}"));
        let before = joined(fields, "forwarded");
        set(fields, "Forwarded", format!("{before}{}", forwarded(peer, received.scheme.as_str(), host)));
    }
    if !fields.contains("x-forwarded-proto") {
        set(fields, "X-Forwarded-Proto", received.scheme.as_str());
    }
    if let Some(host) = host.filter(|host| !host.is_empty() && !fields.contains("x-forwarded-host")) {
        set(fields, "X-Forwarded-Host", host);
    }
    set(fields, "X-Request-Id", sender.request_id);
}

/// Takes the hosts out of what earlier proxies have added.
fn forget_hosts(fields: &mut Fields) {
    fields.remove("x-forwarded-host");
    let Some(before) = fields.get("forwarded").map(|_| joined(fields, "forwarded")) else { return };
    let without = |element: &str| -> Option<String> {
        let kept = |pair: &&str| !pair.trim_start().to_ascii_lowercase().starts_with("host=");
        let pairs: Vec<&str> = element.trim().split(';').filter(kept).collect();
        (!pairs.concat().is_empty()).then(|| pairs.join(";"))
    };
    let elements: Vec<String> = before.split(',').filter_map(without).collect();
    fields.remove("forwarded");
    if !elements.is_empty() {
        set(fields, "Forwarded", elements.join(", "));
    }
}

/// One element of Forwarded (RFC 7239 section 4); an IPv6 address is bracketed and quoted (section 6).
fn forwarded(peer: IpAddr, proto: &str, host: Option<&str>) -> String {
    let node = match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    let host =
        host.filter(|host| !host.is_empty()).map(|host| format!(";host=\"{host}\"")).unwrap_or_default();
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
