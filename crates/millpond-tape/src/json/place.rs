//! The URL of a request, out of its parts and back.

use crate::RecordedRequest;
use sha2::{Digest as _, Sha256};

/// The parts of an `http` or `https` URL, as a tape has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub scheme: String,
    pub host: String,
    pub port: u16,
    pub path: String,
}

fn default_port(scheme: &[u8]) -> Option<u16> {
    match scheme {
        b"http" => Some(80),
        b"https" => Some(443),
        _ => None,
    }
}

/// `host`, or `host:port` where the port is not that of the scheme.
pub(crate) fn authority(scheme: &[u8], host: &str, port: u16) -> String {
    let (open, close) = if host.contains(':') && !host.starts_with('[') { ("[", "]") } else { ("", "") };
    if default_port(scheme) == Some(port) {
        format!("{open}{host}{close}")
    } else {
        format!("{open}{host}{close}:{port}")
    }
}

/// The URL of `request`, of its host and port; where it is not UTF-8, with U+FFFD.
pub(crate) fn url(request: &RecordedRequest) -> String {
    let authority = authority(&request.scheme, &request.host, request.port);
    let text = String::from_utf8_lossy;
    format!("{}://{authority}{}", text(&request.scheme), text(&request.path))
}

impl Place {
    /// The parts of `url`; its fragment and user information are dropped. `None` where it is no `http` or `https` URL
    /// (`ws` and `wss` pass for those).
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => "http",
            "https" | "wss" => "https",
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            "" => default_port(scheme.as_bytes())?,
            port => port.parse().ok()?,
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self { scheme: scheme.into(), host: host.into(), port, path: format!("{slash}{path}") })
    }

    /// True when these are the parts of `request`.
    pub fn is_of(&self, request: &RecordedRequest) -> bool {
        self.scheme.as_bytes() == request.scheme
            && self.host == request.host
            && self.port == request.port
            && self.path.as_bytes() == request.path
    }
}

/// The host without the brackets of an IPv6 address, and the port, which may be empty.
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return Some((host, port.strip_prefix(':').unwrap_or(port)));
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    (!host.is_empty()).then_some((host, port))
}

/// A name for an exchange whose file gives it none: a UUID made of where it stands, so that it is the same each time.
pub(crate) fn id_of(at: u64, url: &str, started: f64) -> String {
    let mut digest = Sha256::new();
    digest.update(at.to_le_bytes());
    digest.update(started.to_le_bytes());
    digest.update(url);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
