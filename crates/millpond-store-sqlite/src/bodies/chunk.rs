//! One chunk: how it is packed, and how it is read back and checked.

use super::table::Row;
use crate::compress;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use thiserror::Error;
use twox_hash::XxHash3_64;

/// Bytes of content in every chunk but the last.
pub(crate) const CHUNK: usize = 256 << 10;

/// Why a body cannot be read.
#[derive(Debug, Error)]
pub(crate) enum BodyFault {
    /// There is no such file.
    #[error("the file of a stored body is gone")]
    Missing,
    /// It is not what was written.
    #[error("a stored body is damaged: {0}")]
    Damaged(&'static str),
    /// The file system fails.
    #[error("cannot read a stored body: {0}")]
    Io(#[from] io::Error),
}

impl From<BodyFault> for io::Error {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Io(error) => error,
            BodyFault::Missing => Self::new(io::ErrorKind::NotFound, fault.to_string()),
            BodyFault::Damaged(_) => Self::new(io::ErrorKind::InvalidData, fault.to_string()),
        }
    }
}

/// Bytes of content in chunk `number` of a body of `len` bytes.
pub(super) fn content_len(number: u64, len: u64) -> usize {
    number.checked_mul(CHUNK as u64).map_or(0, |start| len.saturating_sub(start).min(CHUNK as u64) as usize)
}

/// What stands in the file for `content`, the chunk `number` of the body of entry `id`, and its row but for the place.
pub(super) fn pack(content: &[u8], compress: bool, id: u64, number: u64) -> (Cow<'_, [u8]>, Row) {
    let compressed = if compress { compress::compress(content) } else { None };
    let flag = compressed.is_some();
    let kept = compressed.map_or(Cow::Borrowed(content), Cow::Owned);
    let row = Row { offset: 0, stored: kept.len() as u32, compressed: flag, sum: sum(&kept, id, number) };
    (kept, row)
}

/// Reads the chunk `number` with `len` bytes of content, and checks it. `kept` is where it is put, and may hold anything.
pub(super) fn read(
    file: &File,
    row: &Row,
    number: u64,
    len: usize,
    id: u64,
    mut kept: Vec<u8>,
) -> Result<Vec<u8>, BodyFault> {
    kept.resize(row.stored as usize, 0);
    file.read_exact_at(&mut kept, row.offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => BodyFault::Damaged("the file is shorter than what was written"),
        _ => BodyFault::Io(error),
    })?;
    if sum(&kept, id, number) != row.sum {
        return Err(BodyFault::Damaged("a chunk does not match its checksum"));
    }
    if row.compressed {
        kept = compress::decompress(&kept, len)
            .map_err(|_| BodyFault::Damaged("a compressed chunk does not hold what it should"))?;
    }
    if kept.len() != len {
        return Err(BodyFault::Damaged("a chunk has another length than it should"));
    }
    Ok(kept)
}

/// The checksum of a chunk as kept. Entry and number are part of it, so that neither another body's chunk nor another
/// chunk of this body passes.
fn sum(kept: &[u8], id: u64, number: u64) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot_with_seed(id, &number.to_le_bytes()), kept)
}
