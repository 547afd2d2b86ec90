//! Reading a finished body, chunk by chunk.

use super::chunk::{self, BodyFault, CHUNK, content_len};
use super::held::Holding;
use super::table::Table;
use std::fs::File;
use std::ops::Range;

/// A finished body. It stays readable when its file is removed.
#[derive(Debug)]
pub(crate) struct BodyReader {
    file: File,
    table: Table,
    id: u64,
    _holding: Holding,
}

impl BodyReader {
    pub(super) fn new(file: File, holding: Holding, table: Table, id: u64) -> Result<Self, BodyFault> {
        // Told before anything is given out, where each chunk would tell only when its turn comes.
        if file.metadata()?.len() != table.stored_len() {
            return Err(BodyFault::Damaged("the file has another length than what was written"));
        }
        Ok(Self { file, table, id, _holding: holding })
    }

    /// Bytes of content.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.table.len
    }

    /// The content of chunk `number`, checked.
    ///
    /// # Errors
    /// [`BodyFault::Damaged`] when it is not what was written, [`BodyFault::Io`] when it cannot be read.
    pub(crate) fn chunk(&self, number: u64) -> Result<Vec<u8>, BodyFault> {
        self.chunk_into(number, Vec::new())
    }

    /// Does as [`BodyReader::chunk`] and puts it into `buffer`, which may hold anything.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn chunk_into(&self, number: u64, buffer: Vec<u8>) -> Result<Vec<u8>, BodyFault> {
        let row = usize::try_from(number).ok().and_then(|number| self.table.rows.get(number));
        let row = row.ok_or(BodyFault::Damaged("it has no such chunk"))?;
        chunk::read(&self.file, row, number, content_len(number, self.table.len), self.id, buffer)
    }

    /// The chunks that make up the bytes `range` of the content, clamped to its length: the number of each, and which
    /// part of it.
    pub(crate) fn chunks_for(&self, range: Range<u64>) -> ChunkSlices {
        let end = range.end.min(self.table.len);
        ChunkSlices { range: range.start.min(end)..end }
    }
}

/// What [`BodyReader::chunks_for`] gives.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSlices {
    range: Range<u64>,
}

impl Iterator for ChunkSlices {
    type Item = (u64, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.range.is_empty() {
            return None;
        }
        let size = CHUNK as u64;
        let (number, start) = (self.range.start / size, self.range.start % size);
        let take = (size - start).min(self.range.end - self.range.start);
        self.range.start += take;
        Some((number, start as usize..(start + take) as usize))
    }
}
