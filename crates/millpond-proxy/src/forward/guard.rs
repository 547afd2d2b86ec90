//! Which targets clients may choose.
//!
//! What must not live here: resolving names, connecting.

use super::target::{Target, split};
use crate::problem::Problem;
use millpond_config::{Forward, HostPattern, IpRange};
use millpond_exchange::StatusCode;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use thiserror::Error;

/// The rules of a forward proxy.
#[derive(Debug)]
pub(crate) struct Guard {
    allow: Vec<HostPattern>,
    refused: Vec<IpRange>,
    private: bool,
    ports: Vec<u16>,
    /// Where we listen ourselves.
    own: SocketAddr,
}

/// Why a target is not for clients to choose. Each says which setting decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("its host is neither a name nor an address in its usual form, or its port is none")]
    Malformed,
    #[error("its host is not among those that may be asked for (forward.allow)")]
    Host,
    #[error("its port is not among those that tunnels may go to (forward.tunnel_ports)")]
    Port,
    #[error("its address is among those that are never connected to (forward.refuse_addresses)")]
    Address,
    #[error(
        "its name, one of the internet, leads to an address of a private network; name the host itself in forward.allow, or \
         set forward.private_addresses, if it may"
    )]
    Private,
    #[error(
        "it is this machine itself, which others that reach this proxy are not to reach through it; name the host itself in \
         forward.allow, or set forward.private_addresses, if they may"
    )]
    Loopback,
    #[error("it is this proxy itself")]
    Ourselves,
}

impl Refused {
    /// The name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "target-malformed",
            Self::Host => "target-not-allowed",
            Self::Port => "port-not-allowed",
            Self::Address => "address-refused",
            Self::Private => "private-address",
            Self::Loopback => "loopback-address",
            Self::Ourselves => "loop",
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, kind) = match refused {
            Refused::Malformed => (StatusCode::BAD_REQUEST, "target-malformed"),
            Refused::Ourselves => (StatusCode::LOOP_DETECTED, "loop"),
            _ => (StatusCode::FORBIDDEN, "target-refused"),
        };
        Self::new(status, kind, format!("This target is refused: {refused}."))
    }
}

impl Guard {
    /// The rules of `settings`, for a proxy that listens on `own`.
    pub fn new(settings: &Forward, own: SocketAddr) -> Self {
        Self {
            allow: settings.allow.clone(),
            refused: settings.refuse_addresses.clone(),
            private: settings.private_addresses,
            ports: settings.tunnel_ports.clone(),
            own,
        }
    }

    /// True when the host of `authority` may be asked for: what can be said without taking it apart.
    pub fn allows(&self, authority: &str) -> bool {
        self.allow.is_empty() || self.allows_host(split(authority).0)
    }

    fn allows_host(&self, host: &str) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.matches(host))
    }

    /// What can be said of a target before its name is resolved.
    pub fn check(&self, target: &Target) -> Result<(), Refused> {
        if !self.allows_host(&target.host) {
            return Err(Refused::Host);
        }
        target.ip.map_or(Ok(()), |ip| self.check_address(target, ip))
    }

    /// The same of the target of a tunnel.
    pub fn check_tunnel(&self, target: &Target) -> Result<(), Refused> {
        if !self.ports.is_empty() && !self.ports.contains(&target.port) {
            return Err(Refused::Port);
        }
        self.check(target)
    }

    /// Of the addresses that the name of `target` led to, those that may be connected to; an error when there were some
    /// and none may.
    pub fn pick(&self, target: &Target, addresses: &[IpAddr]) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let mut picked = Vec::with_capacity(addresses.len());
        for &ip in addresses {
            match self.check_address(target, ip) {
                Ok(()) => picked.push(SocketAddr::new(ip, target.port)),
                Err(why) => refused = refused.or(Some(why)),
            }
        }
        match refused {
            Some(why) if picked.is_empty() => Err(why),
            _ => Ok(picked),
        }
    }

    /// Whether `target` may be connected to at `ip`.
    fn check_address(&self, target: &Target, ip: IpAddr) -> Result<(), Refused> {
        let ip = ip.to_canonical();
        let forms = || std::iter::once(ip).chain(embedded(ip));
        let any = |holds: fn(IpAddr) -> bool| forms().any(holds);
        if forms().any(|ip| self.refused.iter().any(|range| range.contains(ip))) {
            return Err(Refused::Address);
        }
        // Nobody listens at these.
        if any(|ip| ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)) {
            return Err(Refused::Address);
        }
        let own = self.own.ip().to_canonical();
        if target.port == self.own.port() && (ip == own || is_this_machine(ip)) {
            return Err(Refused::Ourselves);
        }
        if self.private || self.names(&target.host) {
            return Ok(());
        }
        if any(is_this_machine) && !own.is_loopback() {
            return Err(Refused::Loopback);
        }
        if target.ip.is_none() && is_public(&target.host) && any(is_private) {
            return Err(Refused::Private);
        }
        Ok(())
    }

    /// True when `forward.allow` has the very host, not just a domain above it.
    fn names(&self, host: &str) -> bool {
        self.allow.iter().any(|pattern| !pattern.is_wildcard() && pattern.matches(host))
    }
}

/// The IPv4 addresses that an IPv6 address stands for, or may: which one it is can depend on how a network is set up. (A mapped
/// address is canonical by now.)
///
/// NAT64 with the well-known prefix (RFC 6052) and with one of a network's own (RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380: the server,
/// and the client, written inverted), SIIT (RFC 2765), ISATAP (RFC 5214), and the old compatible form.
fn embedded(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let found = match ip {
        IpAddr::V4(_) => [None; 4],
        IpAddr::V6(ip) => forms(ip),
    };
    found.into_iter().flatten().map(IpAddr::V4)
}

fn forms(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let segments = ip.segments();
    let at = |first: usize| u32::from(segments[first]) << 16 | u32::from(segments[first + 1]);
    let one = |address: u32| [Some(Ipv4Addr::from(address)), None, None, None];
    match segments {
        [0x64, 0xff9b, 1, ..] => translated(ip),
        [0x2001, 0, ..] => [Some(Ipv4Addr::from(at(2))), Some(Ipv4Addr::from(!at(6))), None, None],
        [0x2002, ..] => one(at(1)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => one(at(6)),
        [0, 0, 0, 0, 0, 0, ..] if !is_this_machine(ip.into()) => one(at(6)),
        _ => [None; 4],
    }
}

/// What an address under `64:ff9b:1::/48` stands for, whichever length the network's prefix has (RFC 6052 section 2.2). The zeros
/// that one length leaves are no address under another.
fn translated(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let bytes = ip.octets();
    let places = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]];
    places.map(|places| Some(Ipv4Addr::from(places.map(|at| bytes[at]))).filter(|ip| ip.octets()[0] != 0))
}

/// Loopback, and the address that means "this host" (RFC 1122 section 3.2.1.3), at which loopback answers too.
fn is_this_machine(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
    }
}

/// True for addresses that are not of the internet at large: RFC 1918, RFC 6598 (CGNAT), RFC 4193 (ULA), link-local, site-local,
/// IETF and benchmarking assignments, reserved ones, and this machine's own.
fn is_private(ip: IpAddr) -> bool {
    if is_this_machine(ip) {
        return true;
    }
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            ip.is_private()
                || ip.is_link_local()
                || matches!((a, b), (100, 64..=127) | (198, 18..=19))
                || (a, b, c) == (192, 0, 0)
                || a >= 240
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 || first & 0xffc0 == 0xfec0
        }
    }
}

/// Domains that are not of the internet at large: RFC 6761, RFC 6762, RFC 8375, RFC 9476, ICANN's `internal`, and what networks have used
/// for themselves without asking (RFC 6762 appendix G).
const INSIDE: [&str; 12] = [
    "alt",
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "private",
    "test",
];

/// True when `name` is one of the internet: not a single label, not under one of [`INSIDE`].
fn is_public(name: &str) -> bool {
    let under =
        |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !INSIDE.into_iter().any(under)
}
