//! The forward proxy: which targets clients may choose, and which TLS connections are opened.
//!
//! What must not live here: the checks themselves, certificates.

use crate::values::{HostPattern, IpRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which targets clients of a forward proxy may choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forward {
    /// The only hosts that may be asked for, such as `example.com` or `*.example.com`; all where the list is empty.
    #[schemars(extend("examples" = [["deb.debian.org", "*.example.com"]]))]
    pub allow: Vec<HostPattern>,
    /// Addresses that are never connected to, whatever name led there: by default link-local ones and those at which
    /// clouds tell machines their credentials. IPv6 addresses that stand for one of these are refused too.
    pub refuse_addresses: Vec<IpRange>,
    /// Connect to private and loopback addresses although a public name (one that is not `localhost`, a single label, or
    /// under `local`, `internal`, `test`, `lan`, `home.arpa` and the like) led there. Without this, names of the internet cannot
    /// be pointed at the inside of a network. With a listener beyond loopback it also decides about this machine's own
    /// addresses (`127.0.0.1`, `localhost`): without it they are refused, whatever the name. Hosts that `forward.allow` names
    /// in full, without a wildcard, are free of both.
    pub private_addresses: bool,
    /// The only ports a tunnel (CONNECT) may go to; all where the list is empty.
    #[schemars(inner(range(min = 1)), extend("examples" = [[443]]))]
    pub tunnel_ports: Vec<u16>,
    /// Listen beyond loopback although no list in `forward.allow` keeps strangers from using this as their own.
    pub open_to_all: bool,
}

impl Default for Forward {
    fn default() -> Self {
        // IPv4 and IPv6 link-local; the metadata services of AWS (IPv6), Alibaba and Oracle, and Azure's WireServer. That of
        // nearly every other cloud is 169.254.169.254.
        let refused = [
            "169.254.0.0/16",
            "fe80::/10",
            "fd00:ec2::254/128",
            "100.100.100.200/32",
            "192.0.0.192/32",
            "168.63.129.16/32",
        ];
        Self {
            allow: Vec::new(),
            refuse_addresses: refused.iter().filter_map(|range| range.parse().ok()).collect(),
            private_addresses: false,
            tunnel_ports: Vec::new(),
            open_to_all: false,
        }
    }
}

/// Which TLS connections through a forward proxy are opened, so that what is said in them can be cached and recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Intercept {
    /// The hosts whose connections are opened, such as `example.com` or `*.example.com`.
    pub hosts: Vec<HostPattern>,
    /// Open those of every host.
    pub all: bool,
    /// The hosts whose connections stay closed in any case: clients that accept one certificate only, say.
    pub tunnel: Vec<HostPattern>,
    /// The directory of the certificate authority, created with first use; that of mitmproxy (`~/.mitmproxy`) may be named
    /// as well. Where unset: `ca` in `cache_dir`; where `store` is `memory`, the command line takes `ca` in the directory that would
    /// be its default.
    #[schemars(extend("format" = "path", "examples" = ["~/.mitmproxy"]))]
    pub ca_dir: Option<PathBuf>,
}
