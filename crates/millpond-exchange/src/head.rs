//! Request and response heads.

use crate::Fields;
use http::{Method, StatusCode, Version};
use std::fmt;

/// The scheme of a target URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// `http`, default port 80.
    Http,
    /// `https`, default port 443.
    Https,
}

impl Scheme {
    /// The scheme in lower case, without the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port meant when the authority names none (RFC 9110 section 4.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request without its body.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method, case-sensitive.
    pub method: Method,
    /// The scheme of the target URI.
    pub scheme: Scheme,
    /// Host and port of the target URI as the client named it (from the absolute-form target or Host).
    pub authority: String,
    /// Path and query as sent, beginning with `/`; `*` for an asterisk-form OPTIONS.
    pub path_and_query: String,
    /// The version the client spoke.
    pub version: Version,
    /// The fields, Host included.
    pub fields: Fields,
}

impl RequestHead {
    /// A GET for `path_and_query` at `authority`, mainly for tests.
    pub fn get(authority: &str, path_and_query: &str) -> Self {
        Self {
            method: Method::GET,
            scheme: Scheme::Http,
            authority: authority.to_owned(),
            path_and_query: path_and_query.to_owned(),
            version: Version::HTTP_11,
            fields: Fields::new(),
        }
    }

    /// The target URI as text.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path_and_query)
    }
}

/// A response without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: StatusCode,
    /// The reason phrase, where it differs from the standard one of the status.
    pub reason: Option<Box<str>>,
    /// The version the origin spoke.
    pub version: Version,
    /// The fields.
    pub fields: Fields,
}

impl ResponseHead {
    /// A head with `status` and no fields.
    pub fn new(status: StatusCode) -> Self {
        Self { status, reason: None, version: Version::HTTP_11, fields: Fields::new() }
    }

    /// The reason phrase to send.
    pub fn reason_phrase(&self) -> &str {
        self.reason.as_deref().or_else(|| self.status.canonical_reason()).unwrap_or("")
    }
}
