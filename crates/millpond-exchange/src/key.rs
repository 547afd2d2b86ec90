//! What makes two requests the same.

use crate::{RequestHead, Scheme};
use std::fmt;
use std::sync::Arc;

/// A cache key: an unambiguous (length-prefixed) encoding of its parts. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", String::from_utf8_lossy(&self.0))
    }
}

/// The parts a key is made of, before encoding.
#[derive(Clone, Debug)]
pub struct KeyParts<'a> {
    /// Scheme of the target URI.
    pub scheme: Scheme,
    /// Authority of the target URI, as sent.
    pub authority: &'a str,
    /// Path and query, as sent.
    pub path_and_query: &'a str,
}

impl<'a> KeyParts<'a> {
    /// The parts of a GET or HEAD for `head`'s target.
    pub fn of(head: &'a RequestHead) -> Self {
        Self { scheme: head.scheme, authority: &head.authority, path_and_query: &head.path_and_query }
    }
}
