//! What a leaf certificate is made for: a host name or an address.

use rustls_pki_types::DnsName;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use thiserror::Error;

/// The one subject of a leaf certificate (RFC 5280 section 4.2.1.6), in the form by which it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertName {
    /// A host name in lower case, without a final dot; internationalised labels as `xn--…`.
    Dns(Box<str>),
    /// An address.
    Ip(IpAddr),
}

/// No certificate can be made for this: it is neither a host name nor an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is neither a host name nor an address, so no certificate can be made for it")]
pub struct InvalidName(String);

/// How much of an invalid name is repeated in messages.
const SHOWN: usize = 80;

impl CertName {
    /// The subject for `host`: a server name as a client sends it (SNI), or the host of a CONNECT, without its port. An IPv6
    /// address may stand in brackets.
    ///
    /// Underscores are let through, as clients and origins do; wildcards are not: nobody connects to `*.example.com`.
    ///
    /// # Errors
    /// [`InvalidName`] when no client would accept a certificate for `host`: a label of over 63 or a name of over 253
    /// bytes (RFC 1035 section 2.3.4), other characters than letters, digits, hyphens and underscores.
    pub fn parse(host: &str) -> Result<Self, InvalidName> {
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_| invalid(host))?;
            return Ok(Self::Ip(address.into()));
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Self::Ip(address));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        // The check allows a final dot itself, so that two of them must be refused here.
        if name.ends_with('.') || DnsName::try_from(name).is_err() {
            return Err(invalid(host));
        }
        Ok(Self::Dns(name.to_ascii_lowercase().into()))
    }
}

fn invalid(host: &str) -> InvalidName {
    InvalidName(host.chars().take(SHOWN).collect())
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}
