//! The bytes an index is kept as.
//!
//! A head, then segments, each with its entries, the tape's length they reach to, and a checksum: appending exchanges to a
//! tape appends a segment to its index. Numbers are little-endian.

use super::{Index, Row, Silent};
use crate::matching::{MatchKey, MatchRules};
use crate::{ReadAt, Stamp};
use sha2::{Digest as _, Sha256};
use std::io;
use thiserror::Error;

const MAGIC: [u8; 8] = *b"millidx\x02";
/// Magic and fingerprint.
const HEAD: usize = 8 + 32;
/// A segment's checksum, bytes.
const SUM: usize = 16;
/// An entry without its texts, bytes.
const ROW: usize = 8 + 32 + 8 + 2 + 1 + 1 + 2;
/// How much of a tape's end is checked, bytes.
const TAIL: u64 = 4096;

/// Why bytes are no index. It is made anew from the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IndexError {
    /// They do not begin like one, or another version wrote them.
    #[error("this is no index of a tape, or one of another version")]
    Unknown,
    /// They are damaged, or end too early.
    #[error("the index is damaged")]
    Damaged,
}

/// A value that tells whether the end of the first `len` bytes is still the same, without reading them all.
///
/// # Errors
/// What the system says of reading.
pub fn tail_check(source: &dyn ReadAt, len: u64) -> io::Result<[u8; 16]> {
    let mut hash = Sha256::new();
    hash.update(len.to_le_bytes());
    for from in [0, len.saturating_sub(TAIL)] {
        let mut at = from;
        let end = (from + TAIL).min(len);
        let mut buf = [0; TAIL as usize];
        while at < end {
            let want = (end - at) as usize;
            let read = source.read_at(&mut buf[..want], at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hash.update(&buf[..read]);
            at += read as u64;
        }
    }
    Ok(first(&hash))
}

fn first(hash: &Sha256) -> [u8; SUM] {
    let all: [u8; 32] = hash.clone().finalize().into();
    let mut some = [0; SUM];
    some.copy_from_slice(&all[..SUM]);
    some
}

impl Index {
    /// All of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + 64 + self.rows.len() * ROW + self.text.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(self.fingerprint.as_bytes());
        self.write_segment(0, &mut out);
        out
    }

    /// The entries from number `from` on, to be appended to what [`Self::to_bytes`] gave when there were so many.
    pub fn segment(&self, from: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.write_segment(from, &mut out);
        out
    }

    fn write_segment(&self, from: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&self.tape_len.to_le_bytes());
        out.extend_from_slice(&self.tail);
        write_stamp(self.stamp, out);
        for at in from..self.rows.len() {
            let (Some(row), Some(entry)) = (self.rows.get(at), self.get(at)) else { continue };
            out.extend_from_slice(&row.offset.to_le_bytes());
            out.extend_from_slice(row.key.as_bytes());
            out.extend_from_slice(&row.created.to_le_bytes());
            out.extend_from_slice(&row.status.to_le_bytes());
            out.push(Silent::number(row.silent));
            out.push(entry.method.len() as u8);
            // At most `URL_AT_MOST`.
            out.extend_from_slice(&(entry.url.len() as u16).to_le_bytes());
            out.extend_from_slice(entry.method.as_bytes());
            out.extend_from_slice(entry.url.as_bytes());
        }
        let length = (out.len() - start - 8) as u64;
        out[start..start + 8].copy_from_slice(&length.to_le_bytes());
        let mut hash = Sha256::new_with_prefix(self.fingerprint.as_bytes());
        hash.update((from as u64).to_le_bytes());
        hash.update(&out[start..]);
        out.extend_from_slice(&first(&hash));
    }

    /// Reads what [`Self::to_bytes`] and [`Self::segment`] gave.
    ///
    /// # Errors
    /// When one byte of it is not as it was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let mut bytes = Bytes(bytes);
        if bytes.array::<8>().ok() != Some(MAGIC) {
            return Err(IndexError::Unknown);
        }
        let fingerprint = MatchKey::from_bytes(bytes.array()?);
        let mut index = Self { fingerprint, ..Self::new(&MatchRules::default()) };
        index.rows.reserve(bytes.0.len() / (ROW + 64));
        index.text.reserve(bytes.0.len() / 2);
        loop {
            index.read_segment(&mut bytes)?;
            if bytes.0.is_empty() {
                return Ok(index);
            }
        }
    }

    fn read_segment(&mut self, bytes: &mut Bytes<'_>) -> Result<(), IndexError> {
        let all = bytes.0;
        let length = usize::try_from(u64::from_le_bytes(bytes.array()?)).map_err(|_| IndexError::Damaged)?;
        let mut inner = Bytes(bytes.take(length)?);
        let mut hash = Sha256::new_with_prefix(self.fingerprint.as_bytes());
        hash.update((self.rows.len() as u64).to_le_bytes());
        hash.update(&all[..8 + length]);
        if bytes.array::<SUM>()? != first(&hash) {
            return Err(IndexError::Damaged);
        }
        self.tape_len = u64::from_le_bytes(inner.array()?);
        self.tail = inner.array()?;
        self.stamp = read_stamp(&mut inner)?;
        while !inner.0.is_empty() {
            self.read_row(&mut inner)?;
        }
        Ok(())
    }

    fn read_row(&mut self, bytes: &mut Bytes<'_>) -> Result<(), IndexError> {
        let offset = u64::from_le_bytes(bytes.array()?);
        let key = MatchKey::from_bytes(bytes.array()?);
        let created = f64::from_le_bytes(bytes.array()?);
        let status = u16::from_le_bytes(bytes.array()?);
        let [silent, method_len] = bytes.array()?;
        let url_len = u16::from_le_bytes(bytes.array()?);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| IndexError::Damaged);
        let method = text(bytes.take(usize::from(method_len))?)?;
        let url = text(bytes.take(usize::from(url_len))?)?;
        self.add(Row::new(offset, key, created, status, Silent::numbered(silent)), method, url);
        Ok(())
    }
}

/// All zero where there is none: no file has that number.
fn write_stamp(stamp: Option<Stamp>, out: &mut Vec<u8>) {
    let Stamp { inode, seconds, nanoseconds } =
        stamp.unwrap_or(Stamp { inode: 0, seconds: 0, nanoseconds: 0 });
    out.extend_from_slice(&inode.to_le_bytes());
    out.extend_from_slice(&seconds.to_le_bytes());
    out.extend_from_slice(&nanoseconds.to_le_bytes());
}

fn read_stamp(bytes: &mut Bytes<'_>) -> Result<Option<Stamp>, IndexError> {
    let inode = u64::from_le_bytes(bytes.array()?);
    let seconds = i64::from_le_bytes(bytes.array()?);
    let nanoseconds = i64::from_le_bytes(bytes.array()?);
    Ok((inode != 0).then_some(Stamp { inode, seconds, nanoseconds }))
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], IndexError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(IndexError::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], IndexError> {
        self.take(N).map(|taken| *taken.first_chunk().unwrap_or(&[0; N]))
    }
}
