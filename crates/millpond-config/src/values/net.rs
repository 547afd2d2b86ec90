//! Addresses: where to listen, whom to trust.

use super::{BadValue, serialize_as_text, text_value};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The address a listener binds: an IP address and a port; port 0 picks a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr(SocketAddr);

impl ListenAddr {
    /// The address to bind.
    pub const fn socket_addr(self) -> SocketAddr {
        self.0
    }
}

impl From<SocketAddr> for ListenAddr {
    fn from(addr: SocketAddr) -> Self {
        Self(addr)
    }
}

impl FromStr for ListenAddr {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
        }
        text.parse().map(Self).map_err(|_| {
            BadValue::new(format!("is not an address with a port: {text:?}")).help(
                "write \"127.0.0.1:3000\" for this machine only, or \"0.0.0.0:3000\" for every interface",
            )
        })
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_value!(ListenAddr, "listen-address", "an IP address with a port", "127.0.0.1:3000");
serialize_as_text!(ListenAddr);

/// One IP address, or a range in CIDR form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpRange(ipnet::IpNet);

impl IpRange {
    /// Whether the range holds `ip`. An IPv4 address mapped into IPv6 counts as the IPv4 address it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl FromStr for IpRange {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self(ipnet::IpNet::from(ip.to_canonical())));
        }
        text.parse().map(Self).map_err(|_| {
            BadValue::new(format!("is not an IP address or range: {text:?}")).help(
                "write an address such as \"192.0.2.7\" or a range such as \"10.0.0.0/8\" or \"fd00::/8\"",
            )
        })
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

text_value!(IpRange, "ip-range", "an IP address or range", "10.0.0.0/8");
serialize_as_text!(IpRange);
