//! Which recorded request is the same as the one that is asked.
//!
//! What lives here: [`MatchRules`] and the [`MatchKey`] they make of a request, and what is nearest when nothing matches
//! ([`nearest()`]). What must not: tapes and where they lie, and the order in which answers are given
//! ([`crate::index::Lookup`]).

mod asked;
mod body;
mod conditions;
mod difference;
mod fields;
mod key;
mod nearest;
pub(crate) mod query;

pub use asked::Asked;
pub use conditions::is_condition;
pub use difference::Difference;
pub use key::{MatchKey, MatchKeys};
pub use nearest::{Candidate, Nearest, nearest};

use crate::Recorded;
use crate::redact;
use key::Parts;
use millpond_exchange::url::normalise_path_and_query;
use std::borrow::Cow;
use std::io;

/// What makes a request the same as a recorded one: method, scheme, host, port, path, query and body, but for what is named
/// here.
///
/// The server replay of mitmproxy matches by these with everything at its default, `ignore_host` for its `ignore_host`,
/// `ignore_query` for `ignore_params`, `ignore_body_params` for `ignore_payload_params`, `ignore_body` for `ignore_content`
/// and `fields` for `use_headers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchRules {
    /// Requests to different hosts may be the same.
    pub ignore_host: bool,
    /// Requests to different ports may be the same.
    pub ignore_port: bool,
    /// Parameters of the query that do not count; `*` stands for all.
    pub ignore_query: Vec<String>,
    /// The body does not count.
    pub ignore_body: bool,
    /// Parameters of a form, parts by name, or members of a JSON body, that do not count: `timestamp`, or `meta.nonce` for
    /// one further inside. Arrays on the way have no name.
    pub ignore_body_params: Vec<String>,
    /// Request fields that count; `*` stands for all but those that belong to the connection or describe the body.
    pub fields: Vec<String>,
    /// Request fields that do not count although `fields` says `*`.
    pub ignore_fields: Vec<String>,
    /// What is taken out of both requests before they are compared, so that a secret counts by its presence.
    pub redact: Option<redact::Rules>,
}

/// Changes when keys of the same request do: an index made with another one is of no use.
const VERSION: u8 = 2;

impl MatchRules {
    /// The key of a request, whatever it says of ranges and conditions: equal for requests that are the same, and for no
    /// others.
    ///
    /// # Errors
    /// What the system says of reading the body.
    pub fn key(&self, asked: &Asked<'_>) -> io::Result<MatchKey> {
        Ok(self.parts(asked, false)?.key())
    }

    /// The keys under which answers to a request are found, the better one first. Where it has a range or conditions, the
    /// first is that of exchanges whose response depends on just these; the other is [`Self::key`], since a whole response
    /// answers such a request as well (RFC 9110 sections 13.2.2 and 14.2).
    ///
    /// # Errors
    /// What the system says of reading the body.
    pub fn keys(&self, asked: &Asked<'_>) -> io::Result<MatchKeys> {
        let parts = self.parts(asked, false)?;
        let mut narrow = parts.clone();
        let depends = conditions::add(asked.fields, &mut narrow);
        Ok(MatchKeys::new(depends.then(|| narrow.key()), parts.key()))
    }

    /// The key of a recorded exchange: that of its request, and where its response would not answer another one (206, 304, 412
    /// or 416), with the range and the conditions of the request in it.
    ///
    /// # Errors
    /// What the system says of reading the body.
    pub fn key_of(&self, exchange: &Recorded) -> io::Result<MatchKey> {
        let mut parts = self.parts(&Asked::from(&exchange.request), redact::is_request_dropped(exchange))?;
        if exchange.response.as_ref().is_some_and(|response| conditions::depends(response.status)) {
            conditions::add(&exchange.request.fields, &mut parts);
        }
        Ok(parts.key())
    }

    /// What makes up a key; `dropped` where there was a body that is not on the tape.
    fn parts(&self, asked: &Asked<'_>, dropped: bool) -> io::Result<Parts> {
        let mut parts = Parts::new(VERSION);
        parts.text(b'M', asked.method);
        parts.text(b'S', &asked.scheme.to_ascii_lowercase());
        if !self.ignore_host {
            parts.text(b'H', asked.plain_host().as_bytes());
        }
        if !self.ignore_port {
            parts.text(b'P', &asked.effective_port().to_be_bytes());
        }
        let target = self.target(asked.path);
        let (path, query) = query::split(&target);
        parts.text(b'U', path);
        for pair in query::pairs(query).filter(|pair| !self.ignores_query(pair)) {
            parts.text(b'Q', pair);
        }
        fields::add(self, asked.fields, &mut parts);
        if !self.ignore_body {
            if dropped {
                body::add_dropped(&mut parts);
            } else {
                body::add(self, asked, &mut parts)?;
            }
        }
        Ok(parts)
    }

    /// A value that differs between rules that make different keys.
    pub fn fingerprint(&self) -> MatchKey {
        let mut parts = Parts::new(VERSION);
        let flags = [self.ignore_host, self.ignore_port, self.ignore_body].map(u8::from);
        parts.text(b'f', &flags);
        let lists = [&self.ignore_query, &self.ignore_body_params, &self.fields, &self.ignore_fields];
        for list in lists {
            parts.list(b'l', list.iter().map(String::as_bytes));
        }
        if let Some(redact) = self.redaction() {
            for names in redact.lists() {
                parts.list(b'r', names.iter());
            }
        }
        parts.key()
    }

    fn redaction(&self) -> Option<&redact::Rules> {
        self.redact.as_ref().filter(|rules| rules.requests)
    }

    /// Path and query in normal form (RFC 3986 section 6.2.2), without secrets.
    fn target<'a>(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        let redacted = self.redaction().and_then(|rules| rules.target(path));
        match redacted {
            None => match std::str::from_utf8(path).map(normalise_path_and_query) {
                Ok(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
                Ok(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
                Err(_) => Cow::Borrowed(path),
            },
            Some(bytes) => Cow::Owned(match String::from_utf8(bytes) {
                Ok(text) => normalise_path_and_query(&text).into_owned().into_bytes(),
                Err(error) => error.into_bytes(),
            }),
        }
    }

    fn ignores_query(&self, pair: &[u8]) -> bool {
        let listed =
            |name: &[u8]| self.ignore_query.iter().any(|known| known == "*" || known.as_bytes() == name);
        !self.ignore_query.is_empty() && listed(&query::decoded(query::name_and_value(pair).0))
    }
}
