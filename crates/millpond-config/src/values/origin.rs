//! The URL of an origin.

use super::{BadValue, serialize_as_text, text_value};
use http::Uri;
use millpond_exchange::Scheme;
use std::fmt;
use std::str::FromStr;

/// An origin: `http` or `https`, a host, perhaps a port, perhaps a path that is put before every request's path.
/// It carries no user name, password, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    base_path: String,
}

impl OriginUrl {
    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default where none was written.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as they stand in a URL and in Host: the port only when it is not the scheme's default
    /// (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The path that is put before every request's path: empty, or beginning with `/` and not ending with one.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }
}

impl FromStr for OriginUrl {
    type Err = BadValue;

    // No message repeats the text: what somebody put in a URL may hold a password.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        if text.contains('#') {
            return Err(BadValue::new("has a fragment").help("write the URL without `#` and what follows it"));
        }
        let uri: Uri = text.parse().map_err(|_| not_a_url())?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => {
                return Err(BadValue::new("is neither http nor https")
                    .help("write a URL such as \"https://example.com\""));
            }
            None => return Err(not_a_url()),
        };
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if authority.as_str().contains('@') {
            return Err(BadValue::new("has a user name or password in it").help(
                "write the URL without them; set Authorization with `request_fields.set` where the origin needs it",
            ));
        }
        if uri.query().is_some() {
            return Err(BadValue::new("has a query").help("write the URL without `?` and what follows it"));
        }
        let host = host_of(authority.host())?;
        let port = port_of(authority, scheme)?;
        let base_path = base_path_of(uri.path())?;
        Ok(Self { scheme, host, port, base_path })
    }
}

impl fmt::Display for OriginUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority(), self.base_path)
    }
}

text_value!(OriginUrl, "origin", "an http or https URL", "https://example.com");
serialize_as_text!(OriginUrl);

fn not_a_url() -> BadValue {
    BadValue::new("is not a URL")
        .help("write a whole URL such as \"http://127.0.0.1:8000\" or \"https://example.com\"")
}

fn host_of(host: &str) -> Result<String, BadValue> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = bare {
        return match v6.parse::<std::net::Ipv6Addr>() {
            Ok(ip) => Ok(ip.to_string()),
            Err(_) => Err(BadValue::new("has a bad IPv6 address in brackets")),
        };
    }
    if host.is_empty() {
        return Err(BadValue::new("has no host").help("write a whole URL such as \"https://example.com\""));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !host.bytes().all(plain) {
        return Err(BadValue::new("has a character in its host that no host name has")
            .help("write an international name in its ASCII form (xn--...)"));
    }
    Ok(host.to_ascii_lowercase())
}

fn port_of(authority: &http::uri::Authority, scheme: Scheme) -> Result<u16, BadValue> {
    // Not `Authority::port`, which is none for a port out of range, too.
    let rest = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    match rest.strip_prefix(':').unwrap_or_default() {
        // RFC 3986 section 3.2.3: an empty port is the default one.
        "" => Ok(scheme.default_port()),
        port => match port.parse::<u16>() {
            Ok(0) | Err(_) => Err(BadValue::new("has a bad port").help("write a port from 1 to 65535")),
            Ok(port) => Ok(port),
        },
    }
}

fn base_path_of(path: &str) -> Result<String, BadValue> {
    let path = path.trim_end_matches('/');
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(BadValue::new("has `.` or `..` in its path").help("write the path that is meant"));
    }
    Ok(path.to_owned())
}
