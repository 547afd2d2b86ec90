//! What makes two requests the same.
//!
//! What must not live here: the choice of parts, which is the engine's by route and method. A key in memory is hashed
//! with a seeded fast hash and compared in full; a store that other processes read names objects by
//! [`Key::digest`].
//!
//! The encoding: every part is one kind byte, its length (LEB128), its bytes, and parts come in one fixed order, so
//! that no two different lists of parts have the same encoding.

use crate::url::{UrlError, normalise_authority, normalise_path_and_query, split, split_query};
use crate::{QueryRules, RequestHead, Scheme};
use http::Method;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

/// Kinds of part, in the order they are encoded. A persistent store keeps these values: they must never change.
mod kind {
    pub(super) const METHOD: u8 = b'M';
    pub(super) const SCHEME: u8 = b'S';
    pub(super) const AUTHORITY: u8 = b'A';
    pub(super) const PATH: u8 = b'P';
    pub(super) const FIELD: u8 = b'F';
    pub(super) const ABSENT_FIELD: u8 = b'f';
    pub(super) const BODY: u8 = b'B';
    pub(super) const PARTITION: u8 = b'U';
}

/// A cache key: an unambiguous (length-prefixed) encoding of its parts. Cloning is cheap.
///
/// Maps with `Key` keys can be asked with the `&[u8]` of a [`KeyBuf`], which costs no allocation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The key of a plain GET (or HEAD) for `url`, with no further parts.
    ///
    /// # Errors
    /// [`UrlError`] when `url` is not an absolute http or https URL.
    pub fn get(url: &str) -> Result<Self, UrlError> {
        let (scheme, authority, path_and_query) = split(url)?;
        Ok(KeyParts::new(scheme, authority, path_and_query).to_key())
    }

    /// A key from what [`Key::as_bytes`] gave earlier; `None` when that is not a key's encoding.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut parts = Parts(bytes);
        let valid = [kind::SCHEME, kind::AUTHORITY, kind::PATH].iter().all(|kind| {
            let found = parts.find(|part| part.kind == *kind);
            found.is_some_and(|part| std::str::from_utf8(part.value).is_ok())
        });
        (&mut parts).for_each(drop);
        (valid && parts.0.is_empty()).then(|| Self(bytes.into()))
    }

    /// The encoded key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The SHA-256 of the encoded key, by which stores that several processes share name what belongs to it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        if self.part(kind::SCHEME) == Some(b"https") { Scheme::Https } else { Scheme::Http }
    }

    /// The method class: `GET` for GET and HEAD, else the method itself.
    pub fn method(&self) -> &str {
        self.part(kind::METHOD).map_or("GET", text)
    }

    /// The authority in normal form.
    pub fn authority(&self) -> &str {
        self.part(kind::AUTHORITY).map_or("", text)
    }

    /// The path and query in normal form, after the route's query rules.
    pub fn path_and_query(&self) -> &str {
        self.part(kind::PATH).map_or("", text)
    }

    /// The partition of a private cache, when the key belongs to one.
    pub fn partition(&self) -> Option<&str> {
        self.part(kind::PARTITION).map(text)
    }

    /// `scheme://authority`, with no port when it is the default one.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority())
    }

    /// `scheme://authority/path?query`, in normal form.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority(), self.path_and_query())
    }

    fn part(&self, kind: u8) -> Option<&[u8]> {
        Parts(&self.0).find(|part| part.kind == kind).map(|part| part.value)
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    /// Method and URL only: field values and partitions may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {})", self.method(), self.url())
    }
}

/// An encoded key on the stack, for looking up without allocating. [`KeyBuf::to_key`] makes it one that can be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBuf(SmallVec<[u8; 256]>);

impl KeyBuf {
    /// The encoding, as [`Key::as_bytes`] would give it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key itself: one allocation.
    pub fn to_key(&self) -> Key {
        Key(self.0.as_slice().into())
    }

    /// The path and query in normal form, after the route's query rules.
    pub fn path_and_query(&self) -> &str {
        Parts(&self.0).find(|part| part.kind == kind::PATH).map_or("", |part| text(part.value))
    }

    /// The same key for another path and query, taken as it is: it must be in normal form.
    pub fn with_path_and_query(&self, path_and_query: &str) -> Self {
        let mut other = Self(SmallVec::new());
        for part in Parts(&self.0) {
            let value = if part.kind == kind::PATH { path_and_query.as_bytes() } else { part.value };
            other.push(part.kind, &[value]);
        }
        other
    }

    /// The key of the path alone: method, scheme, authority and path, without query and what comes after it.
    pub fn path_key(&self) -> Self {
        let mut path = Self(SmallVec::new());
        for part in Parts(&self.0) {
            match part.kind {
                kind::METHOD | kind::SCHEME | kind::AUTHORITY => path.push(part.kind, &[part.value]),
                kind::PATH => path.push(part.kind, &[split_query(text(part.value)).0.as_bytes()]),
                _ => {}
            }
        }
        path
    }

    fn push(&mut self, kind: u8, pieces: &[&[u8]]) {
        self.0.push(kind);
        push_length(&mut self.0, pieces.iter().map(|piece| piece.len()).sum());
        for piece in pieces {
            self.0.extend_from_slice(piece);
        }
    }
}

impl From<&Key> for KeyBuf {
    fn from(key: &Key) -> Self {
        Self(SmallVec::from_slice(&key.0))
    }
}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_key().fmt(f)
    }
}

/// A request field's name, and its combined value if the request has it.
type NamedField<'a> = (&'a str, Option<Cow<'a, [u8]>>);

/// The parts a key is made of, before encoding. URL parts are as sent: encoding brings them into normal form.
#[derive(Clone)]
pub struct KeyParts<'a> {
    /// The method; GET and HEAD count as one.
    pub method: &'a str,
    /// Scheme of the target URI.
    pub scheme: Scheme,
    /// Authority of the target URI, as sent.
    pub authority: &'a str,
    /// Path and query, as sent.
    pub path_and_query: &'a str,
    /// What the route does to the query.
    pub query: Option<&'a QueryRules>,
    /// A digest of the body, for methods whose body is part of what is asked.
    pub body_digest: Option<&'a [u8]>,
    /// The partition of a private cache.
    pub partition: Option<&'a str>,
    fields: SmallVec<[NamedField<'a>; 2]>,
}

/// Shows the target URI: values of fields may be secrets.
impl fmt::Debug for KeyParts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, scheme, authority, path_and_query, .. } = self;
        formatter
            .debug_struct("KeyParts")
            .field("method", method)
            .field("scheme", scheme)
            .field("authority", authority)
            .field("path_and_query", path_and_query)
            .finish_non_exhaustive()
    }
}

impl<'a> KeyParts<'a> {
    /// The parts of a GET of a target URI.
    pub fn new(scheme: Scheme, authority: &'a str, path_and_query: &'a str) -> Self {
        Self {
            method: "GET",
            scheme,
            authority,
            path_and_query,
            query: None,
            body_digest: None,
            partition: None,
            fields: SmallVec::new(),
        }
    }

    /// The parts for `head`'s method and target.
    pub fn of(head: &'a RequestHead) -> Self {
        let parts = Self::new(head.scheme, &head.authority, &head.path_and_query);
        parts.with_method(&head.method)
    }

    /// The same parts for `method`.
    pub fn with_method(mut self, method: &'a Method) -> Self {
        self.method = method.as_str();
        self
    }

    /// The same parts with the route's query rules.
    pub fn with_query(mut self, rules: &'a QueryRules) -> Self {
        self.query = Some(rules);
        self
    }

    /// The same parts with a request field the route tells entries apart by: its combined value, `None` when the
    /// request has no such field (which is not the same as an empty one). Calls may come in any order.
    pub fn with_field(mut self, name: &'a str, value: Option<Cow<'a, [u8]>>) -> Self {
        let lower = |name: &'a str| name.bytes().map(|b| b.to_ascii_lowercase());
        let at = self.fields.iter().position(|(other, _)| lower(other).gt(lower(name)));
        self.fields.insert(at.unwrap_or(self.fields.len()), (name, value));
        self
    }

    /// The same parts with a digest of the body.
    pub fn with_body_digest(mut self, digest: &'a [u8]) -> Self {
        self.body_digest = Some(digest);
        self
    }

    /// The same parts within one partition of a private cache.
    pub fn with_partition(mut self, partition: &'a str) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Encodes, without allocating for keys up to 256 bytes whose URL is already in normal form.
    pub fn to_buf(&self) -> KeyBuf {
        let mut buf = KeyBuf(SmallVec::new());
        if self.method != "GET" && self.method != "HEAD" {
            buf.push(kind::METHOD, &[self.method.as_bytes()]);
        }
        buf.push(kind::SCHEME, &[self.scheme.as_str().as_bytes()]);
        buf.push(kind::AUTHORITY, &[normalise_authority(self.scheme, self.authority).as_bytes()]);
        let path_and_query = normalise_path_and_query(self.path_and_query);
        let path_and_query = match self.query {
            Some(rules) => &rules.apply(&path_and_query),
            None => &path_and_query,
        };
        buf.push(kind::PATH, &[path_and_query.as_bytes()]);
        for (name, value) in &self.fields {
            let mut name: SmallVec<[u8; 32]> = name.as_bytes().into();
            name.make_ascii_lowercase();
            // Names are tokens, so that the first colon ends the name.
            match value {
                Some(value) => buf.push(kind::FIELD, &[&name, b":", value]),
                None => buf.push(kind::ABSENT_FIELD, &[&name]),
            }
        }
        if let Some(digest) = self.body_digest {
            buf.push(kind::BODY, &[digest]);
        }
        if let Some(partition) = self.partition {
            buf.push(kind::PARTITION, &[partition.as_bytes()]);
        }
        buf
    }

    /// Encodes into a key that can be kept.
    pub fn to_key(&self) -> Key {
        self.to_buf().to_key()
    }
}

/// One decoded part.
struct Part<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The parts of an encoded key, up to the first that is not well formed.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let (length, rest) = take_length(rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Part { kind: *kind, value })
    }
}

/// LEB128: seven bits a byte, the lowest first.
fn push_length(out: &mut SmallVec<[u8; 256]>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0u64;
    for (at, b) in bytes.iter().take(9).enumerate() {
        length |= u64::from(b & 0x7f) << (7 * at);
        if b & 0x80 == 0 {
            return Some((usize::try_from(length).ok()?, &bytes[at + 1..]));
        }
    }
    None
}

/// The text parts of a key were text when it was built, and [`Key::decode`] checks those it decodes.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
