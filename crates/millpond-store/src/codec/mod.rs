//! How a persistent store writes down what it keeps of an entry besides key and body: record, head and trailers, in a
//! compact form with a version.
//!
//! What must not live here: where the bytes are kept and what guards them against damage (the backends' checksums).
//!
//! The form, version 1. Numbers are LEB128 in their shortest form, signed ones in zigzag; byte strings have their length
//! before them. The version (one byte), the bits that say what is present (`bit`), then the head: status, reason,
//! fields, trailers; then the record. Times are differences from the response time, which the others lie close to. What
//! the record repeats of the head (entity tag, Last-Modified) is not written twice. A field's name is a number from
//! `names` or its bytes, so that case, order and duplicates are kept.
//!
//! What version 1 says never changes: files with it are on people's disks. Anything new, a name in a table or a flag
//! included, is version 2, and [`decode`] goes on reading version 1.

mod head;
mod names;
mod record;
mod wire;

use millpond_exchange::{Fields, Record, ResponseHead};
use thiserror::Error;
use wire::{Input, put_number};

/// The version [`encode`] writes.
pub const VERSION: u8 = 1;

/// What is kept of an entry besides its key and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The facts the policy needs.
    pub record: Record,
    /// The head as it is replayed.
    pub head: ResponseHead,
    /// The trailer section.
    pub trailers: Fields,
}

/// Why bytes are not the encoding of an entry's facts. Whoever meets this treats the entry as not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// Another version of the program wrote this.
    #[error("stored facts have format {0}; this program reads format {VERSION}")]
    Version(u8),
    /// The bytes end too early.
    #[error("stored facts are cut short")]
    Truncated,
    /// Bytes are left over.
    #[error("stored facts have bytes after their end")]
    Trailing,
    /// Something that [`encode`] never writes.
    #[error("stored facts are damaged: {0}")]
    Invalid(&'static str),
}

/// Bits that say which parts follow. Those that most entries have come first: they cost no second byte.
mod bit {
    pub(super) const MAX_AGE: u32 = 1;
    /// The record's entity tag is the value of the head's first ETag line.
    pub(super) const ETAG_OF_HEAD: u32 = 1 << 1;
    /// The record's Last-Modified is the value of the head's first Last-Modified line.
    pub(super) const MODIFIED_OF_HEAD: u32 = 1 << 2;
    pub(super) const LAST_MODIFIED: u32 = 1 << 3;
    pub(super) const VARY: u32 = 1 << 4;
    pub(super) const S_MAXAGE: u32 = 1 << 5;
    pub(super) const EXPIRES: u32 = 1 << 6;
    pub(super) const STALE_WHILE_REVALIDATE: u32 = 1 << 7;
    pub(super) const STALE_IF_ERROR: u32 = 1 << 8;
    pub(super) const TAGS: u32 = 1 << 9;
    pub(super) const INITIAL_AGE: u32 = 1 << 10;
    pub(super) const PRIVATE: u32 = 1 << 11;
    /// Two bits: which [`millpond_exchange::Admission`].
    pub(super) const ADMISSION_AT: u32 = 12;
    /// Three bits: which version the origin spoke.
    pub(super) const HTTP_AT: u32 = 14;
    pub(super) const STALE_FROM: u32 = 1 << 17;
    pub(super) const PART: u32 = 1 << 18;
    pub(super) const COMPLETE_LEN: u32 = 1 << 19;
    pub(super) const GROUPS: u32 = 1 << 20;
    pub(super) const ETAG: u32 = 1 << 21;
    pub(super) const MODIFIED: u32 = 1 << 22;
    /// The record's status is not the head's.
    pub(super) const STATUS: u32 = 1 << 23;
    pub(super) const REASON: u32 = 1 << 24;
    pub(super) const TRAILERS: u32 = 1 << 25;
    pub(super) const END: u32 = 1 << 26;
}

/// Writes `record`, `head` and `trailers` in the present form.
///
/// [`decode`] gives back the same, provided that the head could be sent: a reason phrase with control bytes cannot.
pub fn encode(record: &Record, head: &ResponseHead, trailers: &Fields) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + head.fields.wire().len() + trailers.wire().len());
    out.push(VERSION);
    let bits = record::bits(record, head) | head::bits(head, trailers);
    put_number(&mut out, u64::from(bits));
    head::put(&mut out, head, trailers);
    record::put(&mut out, bits, record);
    out.shrink_to_fit();
    out
}

/// Reads what [`encode`] wrote. Takes memory in proportion to `bytes`, whatever they say.
///
/// # Errors
/// [`CodecError`] when `bytes` are of another version, or are not what [`encode`] writes.
pub fn decode(bytes: &[u8]) -> Result<Facts, CodecError> {
    let (version, rest) = bytes.split_first().ok_or(CodecError::Truncated)?;
    if *version != VERSION {
        return Err(CodecError::Version(*version));
    }
    let mut input = Input::new(rest);
    let bits: u32 = input.number("presence bits")?;
    if bits >= bit::END {
        return Err(CodecError::Invalid("presence bits"));
    }
    let (head, trailers) = head::take(&mut input, bits)?;
    let record = record::take(&mut input, bits, &head)?;
    if input.is_empty() { Ok(Facts { record, head, trailers }) } else { Err(CodecError::Trailing) }
}
