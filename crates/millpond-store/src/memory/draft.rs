//! A body in the making: copied into segments of its own, readable before it is complete.
//!
//! Why it copies: a chunk handed over by the network may be a thin slice of a large buffer, which keeping the slice
//! would keep alive and which nobody would have weighed.

use super::ledger::{Lease, Ledger, part, whole};
use crate::StoreError;
use bytes::{Bytes, BytesMut};
use millpond_exchange::Segments;
use std::sync::Arc;

/// The largest segment, bytes: few pieces for a large body, little slack while it grows.
const SEGMENT: u64 = 256 * 1024;
/// The first segment of a body of unknown length, bytes.
const FIRST_SEGMENT: u64 = 4 * 1024;
/// Up to here an announced length is believed when room is made, bytes.
const BELIEVED: u64 = 64 * 1024;
/// Pieces smaller than this on average are joined when their segment is full, bytes.
const PIECE: u64 = 16 * 1024;

/// The body written so far.
#[derive(Debug)]
pub(super) struct Draft {
    /// What readers may have, in order, none empty. Those of full segments carry their lease.
    pieces: Vec<Bytes>,
    /// Where each of `pieces` ends, bytes from the beginning of the body.
    ends: Vec<u64>,
    /// The first of `pieces` that lies in the segment still being filled.
    open: usize,
    /// The rest of that segment: written but not yet asked for, then room.
    tail: BytesMut,
    /// The lease of that segment, shared with readers of its pieces; none when there is no such segment.
    lease: Option<Arc<Lease>>,
    /// True when some reader was given a piece of this or an earlier segment, and may hold it.
    lent: bool,
    len: u64,
    announced: Option<u64>,
    ledger: Arc<Ledger>,
    /// Room taken as a write in progress, bytes.
    taken: u64,
}

impl Draft {
    pub(super) fn new(announced: Option<u64>, ledger: Arc<Ledger>) -> Self {
        Self {
            pieces: Vec::new(),
            ends: Vec::new(),
            open: 0,
            tail: BytesMut::new(),
            lease: None,
            lent: false,
            len: 0,
            announced,
            ledger,
            taken: 0,
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
                self.close_segment(self.open);
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
        let piece = self.pieces[at].slice((offset - begin) as usize..);
        self.lent = true;
        match &self.lease {
            Some(lease) if at >= self.open => part(piece, lease),
            _ => piece,
        }
    }

    /// The whole body, in as few pieces as is cheap, and without slack where there is room for a copy. From now on it is
    /// no write in progress, but live as long as anybody holds it.
    pub(super) fn finish(&mut self) -> Segments {
        // A body no larger than a segment becomes one piece.
        let from = if self.len <= SEGMENT { 0 } else { self.open };
        self.close_segment(from);
        self.ledger.landed(std::mem::take(&mut self.taken));
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
        self.lease = Some(Arc::new(self.ledger.take(size)?));
        self.taken += size;
        self.tail = BytesMut::with_capacity(size as usize);
        Ok(())
    }

    fn freeze_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
            self.ends.push(self.len);
        }
    }

    /// Ends the segment being filled. The pieces since `from` become one buffer of exactly their size, where they are
    /// small or there is slack.
    fn close_segment(&mut self, from: usize) {
        let Some(lease) = self.lease.take() else { return };
        let slack = self.room() > 0;
        if from == self.pieces.len() && !self.tail.is_empty() {
            self.close_unread(lease);
        } else {
            self.freeze_tail();
            self.tail = BytesMut::new();
            let pieces = &self.pieces[from..];
            let bytes = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
            let small = bytes < PIECE * pieces.len() as u64 || self.len <= SEGMENT;
            let join = slack || (pieces.len() > 1 && small);
            if !(join && self.join(from, bytes, &lease)) {
                for piece in &mut self.pieces[self.open..] {
                    *piece = part(std::mem::take(piece), &lease);
                }
            }
        }
        self.open = self.pieces.len();
    }

    /// The segment becomes one piece as it is: nobody has asked for any of it.
    fn close_unread(&mut self, lease: Arc<Lease>) {
        let content = Vec::from(std::mem::take(&mut self.tail)).into_boxed_slice();
        self.ends.push(self.len);
        self.pieces.push(match Arc::try_unwrap(lease) {
            Ok(lease) => whole(content, lease),
            Err(lease) => part(content.into(), &lease),
        });
    }

    /// Puts the pieces since `from`, of `bytes` together, into one buffer of exactly their size. False where readers may
    /// hold on to the old buffers and there is no room for both.
    fn join(&mut self, from: usize, bytes: u64, lease: &Arc<Lease>) -> bool {
        let unread = Arc::strong_count(lease) == 1 && (from == self.open || !self.lent);
        let lease = if unread { Some(self.ledger.replace(bytes)) } else { self.ledger.copy(bytes) };
        let Some(lease) = lease else { return false };
        let joined = self.pieces[from..].concat();
        self.pieces.truncate(from);
        self.ends.truncate(from);
        self.pieces.push(whole(joined.into(), lease));
        self.ends.push(self.len);
        true
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.ledger.landed(self.taken);
    }
}
