//! Host and port of a target, and whether the host is written as hosts are.

use millpond_exchange::url::normalise_authority;
use millpond_exchange::{RequestHead, Scheme};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a client wants to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The host in lower case, without a dot at its end; an IPv6 address has its brackets.
    pub host: String,
    pub port: u16,
    /// The host, where it is an address.
    pub ip: Option<IpAddr>,
}

impl Target {
    /// Takes an authority apart. `None` when its host is neither a name nor an address in its usual form: what resolvers make
    /// of `2130706433`, `0x7f.1` and `0177.0.0.1` is not what people read.
    pub fn parse(authority: &str, default_port: Option<u16>) -> Option<Self> {
        let (host, port) = split(authority);
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => default_port?,
        };
        if port == 0 {
            return None;
        }
        if let Some(inside) = host.strip_prefix('[') {
            let ip: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
            return Some(Self { host: format!("[{ip}]"), port, ip: Some(ip.into()) });
        }
        if let Ok(ip) = host.parse::<Ipv4Addr>() {
            return Some(Self { host: host.to_owned(), port, ip: Some(ip.into()) });
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let usual = !name.is_empty() && !name.starts_with('.') && !ends_in_number(&name);
        usual.then_some(Self { host: name, port, ip: None })
    }

    /// Takes the authority of a URL apart.
    pub fn of_url(scheme: Scheme, authority: &str) -> Option<Self> {
        Self::parse(authority, Some(scheme.default_port()))
    }

    /// The host as TLS and resolvers want it: without brackets.
    pub fn bare_host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }
}

/// Host, brackets kept, and what is behind its colon.
pub(crate) fn split(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// `authority` without a dot at the end of its host. The dot says that a name is whole (RFC 1034 section 3.1): that matters to who
/// looks it up, and certificates are made out without (RFC 6066 section 3).
pub(crate) fn without_dot(authority: &str) -> Cow<'_, str> {
    let (host, port) = split(authority);
    match (host.strip_suffix('.'), port) {
        (None, _) => Cow::Borrowed(authority),
        (Some(host), None) => Cow::Borrowed(host),
        (Some(host), Some(port)) => Cow::Owned(format!("{host}:{port}")),
    }
}

/// Completes the head of a request that names no origin, as HTTP/1.0 lets clients do: one that came through a tunnel is for
/// where that leads to, which is `authority`.
pub(crate) fn complete(head: &mut RequestHead, authority: &str) {
    if !head.authority.is_empty() {
        return;
    }
    head.authority = normalise_authority(head.scheme, authority).into_owned();
    if let Err(error) = head.fields.set("Host", &head.authority) {
        tracing::warn!(%error, "Host left out of a request");
    }
}

/// True when both name the same host and port. `written` may leave out the port of `scheme`; a dot at the end of a host makes
/// no difference.
pub(crate) fn is_same(scheme: Scheme, written: &str, with_port: &str) -> bool {
    let ((host, port), (expected, expected_port)) = (split(written), split(with_port));
    let (host, expected) =
        (host.strip_suffix('.').unwrap_or(host), expected.strip_suffix('.').unwrap_or(expected));
    let number = |port: Option<&str>| port.map_or(Some(scheme.default_port()), |port| port.parse().ok());
    host.eq_ignore_ascii_case(expected) && number(port) == number(expected_port)
}

/// True when the last label of `name` is a number, of whatever base: the rule by which browsers take a host for an IPv4
/// address (WHATWG URL, "ends in a number").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())
}
