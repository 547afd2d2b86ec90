//! Patterns for hosts, paths and names. `*` is the only special character.

use super::{BadValue, serialize_as_text, text_value};
use std::fmt;
use std::str::FromStr;

/// A host name, or `*.` and a name for every host below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern {
    wildcard: bool,
    name: String,
}

impl HostPattern {
    /// Whether the pattern covers `host` (without its port). `*.example.com` covers `a.example.com` and
    /// `a.b.example.com` but not `example.com`.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        if !self.wildcard {
            return host.eq_ignore_ascii_case(&self.name);
        }
        let Some(at) = host.len().checked_sub(self.name.len()) else { return false };
        at > 1
            && host.as_bytes()[at - 1] == b'.'
            && host.as_bytes()[at..].eq_ignore_ascii_case(self.name.as_bytes())
    }

    /// Whether the pattern begins with `*.`.
    pub const fn is_wildcard(&self) -> bool {
        self.wildcard
    }

    /// The name in lower case, without the `*.`. Among wildcards the longest is the most specific.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for HostPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let v6 = bare.is_some_and(|v6| !wildcard && v6.parse::<std::net::Ipv6Addr>().is_ok());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !v6 && (name.is_empty() || name.starts_with('.') || !name.bytes().all(plain)) {
            let help = if name.contains(':') {
                "write the host without its scheme and port"
            } else {
                "write a host such as \"www.example.com\", or \"*.example.com\" for every host below it"
            };
            return Err(BadValue::new(format!("is not a host: {text:?}")).help(help));
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        Ok(Self { wildcard, name })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.wildcard { "*." } else { "" }, self.name)
    }
}

text_value!(HostPattern, "host-pattern", "a host, or `*.` and a domain", "www.example.com");
serialize_as_text!(HostPattern);

/// The beginning of a path, cut at segments: `/api` covers `/api` and `/api/users`, not `/apis`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// The prefix as written; it begins with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the prefix covers `path`.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(self.0.as_str()) else { return false };
        self.0.ends_with('/') || rest.is_empty() || rest.starts_with(['/', '?'])
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for PathPrefix {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        check_path(text)?;
        if text.contains('*') {
            return Err(BadValue::new(format!("has a `*`: {text:?}"))
                .help("leave it out: a prefix covers everything below it"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(PathPrefix, "path-prefix", "the beginning of a path", "/api");
serialize_as_text!(PathPrefix);

/// Which paths a rule covers: without `*`, that path and all below it; with `*`, the whole path must match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers `path` (without its query).
    pub fn matches(&self, path: &str) -> bool {
        if self.0.contains('*') {
            return wildcard(self.0.as_bytes(), path.as_bytes());
        }
        let Some(rest) = path.strip_prefix(self.0.as_str()) else { return false };
        self.0.ends_with('/') || rest.is_empty() || rest.starts_with('/')
    }
}

impl FromStr for PathPattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if !text.starts_with('*') {
            check_path(text)?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(PathPattern, "path-pattern", "a path, perhaps with `*`", "/private/*");
serialize_as_text!(PathPattern);

/// A name, case-sensitive; `*` at its end stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern covers `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.0.strip_suffix('*').map_or(self.0 == name, |beginning| name.starts_with(beginning))
    }
}

impl FromStr for NamePattern {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(BadValue::new(format!("is not a name: {text:?}"))
                .help("write a name such as \"session\", or one with `*` such as \"utm_*\""));
        }
        if text.strip_suffix('*').unwrap_or(text).contains('*') {
            return Err(BadValue::new(format!("has a `*` before its end: {text:?}"))
                .help("write `*` at the end only"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_value!(NamePattern, "name-pattern", "a name, perhaps with `*` at its end", "utm_*");
serialize_as_text!(NamePattern);

fn check_path(text: &str) -> Result<(), BadValue> {
    let bad = if !text.starts_with('/') {
        "does not begin with `/`"
    } else if text.contains(['?', '#']) {
        "has a query or fragment"
    } else if text.split('/').any(|segment| segment == "." || segment == "..") {
        "has `.` or `..` in it"
    } else if text.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        "has a character that no path has"
    } else {
        return Ok(());
    };
    Err(BadValue::new(format!("{bad}: {text:?}")).help("write a path such as \"/api\""))
}

/// Matches with `*` for any run of bytes, in time proportional to the product of the lengths: it goes back only to the
/// latest star, because an earlier one could not match more.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}
