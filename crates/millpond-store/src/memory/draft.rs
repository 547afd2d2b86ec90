//! A body in the making: copied into segments of its own, readable before it is complete.
//!
//! Why it copies: a chunk handed over by the network may be a thin slice of a large buffer, which keeping the slice
//! would keep alive and which nobody would have weighed.

use crate::StoreError;
use bytes::{Bytes, BytesMut};
use millpond_exchange::Segments;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The largest segment, bytes: few pieces for a large body, little slack while it grows.
const SEGMENT: u64 = 256 * 1024;
/// The first segment of a body of unknown length, bytes.
const FIRST_SEGMENT: u64 = 4 * 1024;
/// Up to here an announced length is believed when room is made, bytes.
const BELIEVED: u64 = 64 * 1024;
/// Pieces smaller than this on average are joined when their segment is full, bytes.
const PIECE: u64 = 16 * 1024;

/// Memory held by all drafts of one store, with its limit; both in bytes.
#[derive(Debug)]
pub(super) struct Ledger {
    held: AtomicU64,
    limit: u64,
}

impl Ledger {
    pub(super) fn new(limit: u64) -> Self {
        Self { held: AtomicU64::new(0), limit }
    }

    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> Result<(), StoreError> {
        if self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.limit {
            self.give(bytes);
            return Err(StoreError::Unavailable(
                "writes in progress hold all the memory they may".to_owned(),
            ));
        }
        Ok(())
    }

    fn give(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The body written so far.
#[derive(Debug)]
pub(super) struct Draft {
    /// What readers may have, in order, none empty.
    pieces: Vec<Bytes>,
    /// Where each of `pieces` ends, bytes from the beginning of the body.
    ends: Vec<u64>,
    /// The first of `pieces` that lies in the segment still being filled.
    open: usize,
    /// The rest of that segment: written but not yet asked for, then room.
    tail: BytesMut,
    len: u64,
    announced: Option<u64>,
    ledger: Arc<Ledger>,
    held: u64,
}

impl Draft {
    pub(super) fn new(announced: Option<u64>, ledger: Arc<Ledger>) -> Self {
        Self {
            pieces: Vec::new(),
            ends: Vec::new(),
            open: 0,
            tail: BytesMut::new(),
            len: 0,
            announced,
            ledger,
            held: 0,
        }
    }

    /// Bytes written.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a copy of `chunk`. On an error nothing more should be written.
    pub(super) fn append(&mut self, mut chunk: &[u8]) -> Result<(), StoreError> {
        while !chunk.is_empty() {
            if self.room() == 0 {
                self.close_segment();
                self.open_segment(chunk.len() as u64)?;
            }
            let (now, later) = chunk.split_at(self.room().min(chunk.len()));
            self.tail.extend_from_slice(now);
            self.len += now.len() as u64;
            chunk = later;
        }
        Ok(())
    }

    /// What is written from `offset` on, at most one piece.
    pub(super) fn read_at(&mut self, offset: u64) -> Bytes {
        if offset >= self.len {
            return Bytes::new();
        }
        if self.ends.last().is_none_or(|end| offset >= *end) {
            self.freeze_tail();
        }
        let at = self.ends.partition_point(|end| *end <= offset);
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.pieces[at].slice((offset - begin) as usize..)
    }

    /// The whole body, without slack, in as few pieces as is cheap. From now on it is weighed by who keeps it.
    pub(super) fn finish(&mut self) -> Segments {
        self.freeze_tail();
        if self.len <= SEGMENT {
            self.open = 0;
        }
        if self.room() > 0 {
            self.join_open();
        }
        self.close_segment();
        self.tail = BytesMut::new();
        self.ledger.give(std::mem::take(&mut self.held));
        Segments::new(self.pieces.clone())
    }

    fn room(&self) -> usize {
        self.tail.capacity() - self.tail.len()
    }

    /// Makes room for at least one byte. Room grows with the body, so that neither a wrong announcement nor an early
    /// end costs much.
    fn open_segment(&mut self, wanted: u64) -> Result<(), StoreError> {
        let left = self.announced.and_then(|all| all.checked_sub(self.len)).filter(|left| *left > 0);
        let size = match left {
            Some(left) if left <= BELIEVED => left,
            Some(left) => left.min(self.len.clamp(BELIEVED, SEGMENT)),
            // With no announcement, or one already exceeded, double what there is.
            None => self.len.max(wanted).clamp(FIRST_SEGMENT, SEGMENT),
        };
        self.ledger.take(size)?;
        self.held += size;
        self.tail = BytesMut::with_capacity(size as usize);
        Ok(())
    }

    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
            self.ends.push(self.len);
        }
    }

    fn close_segment(&mut self) {
        self.freeze_tail();
        let pieces = &self.pieces[self.open..];
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if pieces.len() > 1 && (bytes < PIECE * pieces.len() as u64 || self.len <= SEGMENT) {
            self.join_open();
        }
        self.open = self.pieces.len();
    }

    /// Puts the pieces of the open segment into one buffer of exactly their size.
    fn join_open(&mut self) {
        let joined = self.pieces[self.open..].concat();
        self.pieces.truncate(self.open);
        self.ends.truncate(self.open);
        if !joined.is_empty() {
            self.pieces.push(joined.into());
            self.ends.push(self.len);
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.ledger.give(self.held);
    }
}
