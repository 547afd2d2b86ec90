//! Keys, and what they are made of.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// What makes two requests the same, as a digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MatchKey([u8; 32]);

impl MatchKey {
    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatchKey({self})")
    }
}

/// The keys under which answers to one request are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchKeys {
    narrow: Option<MatchKey>,
    plain: MatchKey,
}

impl MatchKeys {
    pub(super) const fn new(narrow: Option<MatchKey>, plain: MatchKey) -> Self {
        Self { narrow, plain }
    }

    /// The keys in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &MatchKey> {
        self.narrow.iter().chain([&self.plain])
    }
}

/// Parts of a key on their way into the digest: each is a kind, a length, and so many bytes, so that no two lists of parts
/// are the same bytes.
#[derive(Clone)]
pub(super) struct Parts(Sha256);

impl Parts {
    pub(super) fn new(version: u8) -> Self {
        Self(Sha256::new_with_prefix([version]))
    }

    pub(super) fn text(&mut self, kind: u8, text: &[u8]) {
        self.begin(kind, text.len() as u64);
        self.more(text);
    }

    /// A list, whose number of texts comes first.
    pub(super) fn list<'t>(&mut self, kind: u8, texts: impl ExactSizeIterator<Item = &'t [u8]>) {
        self.text(kind, &(texts.len() as u64).to_be_bytes());
        texts.for_each(|text| self.text(kind, text));
    }

    /// Begins a part of `length` bytes, which follow in pieces.
    pub(super) fn begin(&mut self, kind: u8, length: u64) {
        self.0.update([kind]);
        self.0.update(length.to_be_bytes());
    }

    pub(super) fn more(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub(super) fn key(self) -> MatchKey {
        MatchKey(self.0.finalize().into())
    }
}
