//! The table of chunks: what the database keeps of a body in a file.
//!
//! One byte that says which version of this layout it is, then twelve bytes a chunk, little endian: the length in the
//! file (31 bits) with the flag "compressed" above it, and the checksum. Where a chunk begins follows from the lengths
//! before it.

use super::chunk::{BodyFault, CHUNK, content_len};

/// The layout: the one written, and the only one there has been.
const VERSION: u8 = 1;
const ROW: usize = 12;
const COMPRESSED: u32 = 1 << 31;

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its bytes in the file.
    pub(super) stored: u32,
    pub(super) compressed: bool,
    /// The checksum of those bytes.
    pub(super) sum: u64,
}

/// All chunks of a body, in order.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Bytes of content.
    pub(super) len: u64,
}

pub(super) fn encode(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + rows.len() * ROW);
    bytes.push(VERSION);
    for row in rows {
        let flag = if row.compressed { COMPRESSED } else { 0 };
        bytes.extend_from_slice(&(row.stored | flag).to_le_bytes());
        bytes.extend_from_slice(&row.sum.to_le_bytes());
    }
    bytes
}

impl Table {
    /// The table of a body of `len` bytes. Every row is one that [`encode`] could have been given.
    pub(super) fn decode(bytes: &[u8], len: u64) -> Result<Self, BodyFault> {
        let Some((&VERSION, rows)) = bytes.split_first() else {
            return Err(BodyFault::Damaged("its table is of an unknown version"));
        };
        let (rows, rest) = rows.as_chunks::<ROW>();
        if !rest.is_empty() || rows.len() as u64 != len.div_ceil(CHUNK as u64) {
            return Err(BodyFault::Damaged("its table is not of the right length"));
        }
        let mut offset = 0;
        let rows = (0..).zip(rows).map(|(number, row)| {
            let row = decode_row(row, offset, content_len(number, len))?;
            offset += u64::from(row.stored);
            Ok(row)
        });
        Ok(Self { rows: rows.collect::<Result<_, BodyFault>>()?, len })
    }

    /// Bytes of the file.
    pub(super) fn stored_len(&self) -> u64 {
        self.rows.last().map_or(0, |row| row.offset + u64::from(row.stored))
    }
}

fn decode_row(bytes: &[u8; ROW], offset: u64, len: usize) -> Result<Row, BodyFault> {
    let [a, b, c, d, sum @ ..] = *bytes;
    let word = u32::from_le_bytes([a, b, c, d]);
    let (stored, compressed) = (word & !COMPRESSED, word & COMPRESSED != 0);
    let fits = if compressed { (stored as usize) < len } else { stored as usize == len };
    if !fits {
        return Err(BodyFault::Damaged("its table holds an impossible length"));
    }
    Ok(Row { offset, stored, compressed, sum: u64::from_le_bytes(sum) })
}
