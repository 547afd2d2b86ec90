//! A request as it is looked up and recorded.

use crate::heads::pairs;
use millpond_exchange::{RequestHead, Scheme};
use millpond_tape::{Content, Pairs, matching};

/// A request, where it goes, and its content.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The head as it came.
    pub head: &'a RequestHead,
    /// The host it goes to, without port.
    pub host: &'a str,
    /// The port it goes to.
    pub port: u16,
    /// The target was an absolute URL, as clients of a proxy write it.
    pub absolute: bool,
    /// The content; `None` where it is not at hand and does not count.
    pub content: Option<Content>,
}

impl<'a> Asked<'a> {
    /// A request without content to the authority that its head names, or to that of the `tunnel` it came through.
    pub fn new(head: &'a RequestHead, tunnel: Option<&'a str>) -> Self {
        let (host, port) = host_and_port(head.scheme, tunnel.unwrap_or(&head.authority));
        Self { head, host, port, absolute: false, content: Some(Content::empty()) }
    }

    /// The fields, where `all` count, or where there are some that do in any case: those that describe the content, a range,
    /// conditions.
    pub(crate) fn fields(&self, all: bool) -> Pairs {
        let has_content = self.content.as_ref().is_some_and(|content| !content.is_empty());
        let counts = || self.head.fields.iter().any(|field| matching::is_condition(field.name));
        if all || has_content || counts() { pairs(&self.head.fields) } else { Pairs::new() }
    }

    /// As it is compared with recorded requests.
    pub(crate) fn compared<'b>(&'b self, fields: &'b Pairs) -> matching::Asked<'b> {
        matching::Asked {
            method: self.head.method.as_str().as_bytes(),
            scheme: self.head.scheme.as_str().as_bytes(),
            host: self.host,
            port: self.port,
            path: self.head.path_and_query.as_bytes(),
            fields,
            content: self.content.as_ref(),
        }
    }
}

/// The host, without the brackets of an IPv6 address, and the port.
fn host_and_port(scheme: Scheme, authority: &str) -> (&str, u16) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (bare, port.unwrap_or(scheme.default_port()))
}
