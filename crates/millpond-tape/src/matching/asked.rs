//! A request as it is compared.

use crate::{Content, Pairs, RecordedRequest};
use std::borrow::Cow;

/// A request that is asked, or one that was recorded.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a [u8],
    /// The host, without port.
    pub host: &'a str,
    /// The port; 0 for that of the scheme.
    pub port: u16,
    /// Path and query.
    pub path: &'a [u8],
    /// The fields.
    pub fields: &'a Pairs,
    /// The body, with its content codings. None is the same as an empty one.
    pub content: Option<&'a Content>,
}

impl<'a> From<&'a RecordedRequest> for Asked<'a> {
    fn from(request: &'a RecordedRequest) -> Self {
        Self {
            method: &request.method,
            scheme: &request.scheme,
            host: &request.host,
            port: request.port,
            path: &request.path,
            fields: &request.fields,
            content: request.content.as_ref(),
        }
    }
}

impl Asked<'_> {
    pub(super) fn effective_port(&self) -> u16 {
        match self.port {
            0 => self.default_port(),
            port => port,
        }
    }

    fn default_port(&self) -> u16 {
        if self.scheme.eq_ignore_ascii_case(b"https") { 443 } else { 80 }
    }

    /// The host in lower case; an IPv6 address without its brackets.
    pub(super) fn plain_host(&self) -> Cow<'_, str> {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(self.host);
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }
    }

    /// The whole URL, for people: secrets are still in it.
    pub fn url(&self) -> String {
        let host = self.plain_host();
        let host = if host.contains(':') { format!("[{host}]") } else { host.into_owned() };
        let port = self.effective_port();
        let port = if port == self.default_port() { String::new() } else { format!(":{port}") };
        let scheme = String::from_utf8_lossy(self.scheme).to_ascii_lowercase();
        format!("{scheme}://{host}{port}{}", String::from_utf8_lossy(self.path))
    }
}
