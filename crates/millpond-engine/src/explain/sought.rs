//! A request as it comes to the store: with its content, where that is part of its key.

use crate::bypass::target_of;
use crate::content::{Content, may_be_kept};
use crate::context::{Asked, Exchange};
use crate::handle::bypass_reason;
use crate::hit::{key_for_host, key_of_asked};
use crate::search;
use crate::told::Forwarded;
use bytes::Bytes;
use millpond_exchange::{Body, Fields, Key, KeyBuf};
use millpond_policy::{Forward, Reason, RequestFacts};
use millpond_store::{Entry, Variants};
use std::sync::Arc;

/// A request, taken up as far as that needs no store: what it is looked up by, or why it goes past.
pub struct Sought {
    pub(super) asked: Asked,
    pub(super) facts: RequestFacts,
    pub(super) bypass: Option<Forwarded>,
    pub(super) key: Key,
    pub(super) pass: Option<Reason>,
}

impl Sought {
    /// Takes up `exchange` as [`crate::Engine::handle`] does. Its content is in memory, or there is none.
    pub fn new(exchange: Exchange) -> Self {
        let facts = RequestFacts::of(&exchange.head);
        let pass = exchange.pass;
        let (bypass, facts, content) = match bypass_reason(&exchange, &facts) {
            Some(forwarded) => (Some(forwarded), facts, None),
            None if !exchange.context.keys_content(&exchange.head.method) => (None, facts, None),
            None => match content_of(&exchange) {
                Ok(content) => (None, facts.keyed_by_content(), Some(Arc::new(content))),
                Err(reason) => (Some(Forwarded { why: Forward::Bypass, reason }), facts, None),
            },
        };
        let asked = Asked { content, ..Asked::from(exchange) };
        let key = key_of_asked(&asked).to_key();
        Self { asked, facts, bypass, key, pass }
    }

    /// What it is looked up by; where it goes past the store, what a GET for its URL is.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The key of answers to POST that are kept for those who name the same host as the client, where that is not the target's
    /// ([`Exchange::client_host`]): looked up last.
    pub fn key_for_host(&self) -> Option<Key> {
        let asked = &self.asked;
        let host =
            asked.client_host.as_deref().filter(|_| self.bypass.is_none() && asked.content.is_none())?;
        Some(key_for_host(target_of(&asked.head, asked.client_scheme), &asked.context, host))
    }

    /// True when its content is part of its key.
    pub fn is_keyed_by_content(&self) -> bool {
        self.asked.content.is_some()
    }

    /// True when it goes past the store.
    pub fn goes_past(&self) -> bool {
        self.bypass.is_some()
    }

    /// True when both keys are of one path, for which one rule of No-Vary-Search counts: the one that was stated last.
    pub fn shares_path_with(&self, stored: &Key) -> bool {
        KeyBuf::from(&self.key).path_key() == KeyBuf::from(stored).path_key()
    }

    /// What the rule of its path makes of the key, as a response with these fields states it: a server that has met the rule
    /// looks there next. `None` where there is no rule, or it changes nothing.
    pub fn equivalent(&self, stated: &Fields) -> Option<Equivalent> {
        search::Equivalent::by(stated, &KeyBuf::from(&self.key)).map(Equivalent)
    }
}

/// The key of the URL that stands for another one by a rule of No-Vary-Search.
pub struct Equivalent(search::Equivalent);

impl Equivalent {
    /// The key.
    pub fn key(&self) -> Key {
        self.0.key.to_key()
    }

    /// Of the `entries` stored under the key, those that state the same rule: no others count.
    pub fn own(&self, entries: Vec<Arc<Entry>>) -> Variants {
        self.0.own(Variants { entries: entries.into(), complete: true })
    }
}

/// The content of `exchange`, or why it cannot be part of a key.
fn content_of(exchange: &Exchange) -> Result<Content, Reason> {
    let bytes = match &exchange.body {
        Body::Empty => Bytes::new(),
        Body::Memory(segments) if segments.len() <= exchange.context.content_keys.limit => {
            segments.to_vec().into()
        }
        Body::Memory(_) | Body::Stream { .. } => return Err(Reason::KeyBody),
    };
    if !may_be_kept(exchange, &bytes) {
        return Err(Reason::NotAGraphqlQuery);
    }
    Ok(Content::unshared(&exchange.head.fields, bytes))
}
