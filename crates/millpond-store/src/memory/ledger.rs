//! Who holds how many bytes: every buffer with content carries a lease, which ends when the last holder lets go of it,
//! be that the tier, a write in progress or a reader that is slower than both.
//!
//! What must not live here: what is kept in the tier and what leaves it.

use crate::StoreError;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of one store, with their limits.
///
/// Content is live while anybody holds it; the tier weighs its content and some bookkeeping, together never more than its
/// capacity. So `live + bookkeeping` is what the tier, the writes in progress and the readers of what is neither take
/// together, and no room is given that would bring it above `capacity + max_in_flight`. Only the head of one entry may
/// come on top, as its body is live before it is let in. While nobody holds anything that left the tier, this forbids
/// nothing: tier and writes in progress are each within their own part.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Bytes of all buffers with content that somebody holds.
    live: AtomicU64,
    /// Those of them that were made room for by writes still in progress.
    in_flight: AtomicU64,
    /// Weight of the tier without content.
    bookkeeping: AtomicU64,
    max_in_flight: u64,
    limit: u64,
}

impl Ledger {
    /// For a tier that weighs at most `capacity`, and writes in progress of at most `max_in_flight`; both in bytes.
    pub(super) fn new(capacity: u64, max_in_flight: u64) -> Self {
        Self {
            live: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            bookkeeping: AtomicU64::new(0),
            max_in_flight,
            limit: capacity.saturating_add(max_in_flight),
        }
    }

    pub(super) fn live(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Notes what the tier weighs beside content.
    pub(super) fn set_bookkeeping(&self, bytes: u64) {
        self.bookkeeping.store(bytes, Ordering::Relaxed);
    }

    /// Room for a write in progress, which gives it back by [`Ledger::landed`]. The lease goes on as long as the buffer.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Result<Lease, StoreError> {
        let in_flight = self.in_flight.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if in_flight > self.max_in_flight {
            self.landed(bytes);
            return Err(StoreError::Unavailable(
                "writes in progress hold all the memory they may".to_owned(),
            ));
        }
        self.copy(bytes).ok_or_else(|| {
            self.landed(bytes);
            StoreError::Unavailable(
                "readers of bodies that left the tier hold the memory for writes".to_owned(),
            )
        })
    }

    /// `bytes` of room are no longer those of a write in progress.
    pub(super) fn landed(&self, bytes: u64) {
        self.in_flight.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Room for another copy of what has a lease already, if there is any.
    pub(super) fn copy(self: &Arc<Self>, bytes: u64) -> Option<Lease> {
        let lease = self.replace(bytes);
        self.bears(0).then_some(lease)
    }

    /// Room for a copy of what is let go of at once.
    pub(super) fn replace(self: &Arc<Self>, bytes: u64) -> Lease {
        self.live.fetch_add(bytes, Ordering::Relaxed);
        Lease { ledger: Arc::clone(self), bytes }
    }

    /// True when `more` bytes would not be too many.
    pub(super) fn bears(&self, more: u64) -> bool {
        let all = self.live().saturating_add(self.bookkeeping.load(Ordering::Relaxed));
        all.saturating_add(more) <= self.limit
    }

    /// True when content that is not in the tier, where `in_tier` bytes are, is no more than writes in progress may be.
    pub(super) fn outside_is_modest(&self, in_tier: u64) -> bool {
        self.live().saturating_sub(in_tier) <= self.max_in_flight
    }
}

/// A number of live bytes, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl Lease {
    /// Gives back what is over `bytes`.
    fn shrink(&mut self, bytes: u64) {
        let over = self.bytes.saturating_sub(bytes);
        self.ledger.live.fetch_sub(over, Ordering::Relaxed);
        self.bytes -= over;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ledger.live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Content, and the lease (or a share in it) that ends with its last holder. The order of the fields is that of their
/// end: the memory first.
struct Leased<C, L> {
    content: C,
    _lease: L,
}

impl<C: AsRef<[u8]>, L> AsRef<[u8]> for Leased<C, L> {
    fn as_ref(&self) -> &[u8] {
        self.content.as_ref()
    }
}

/// A buffer with a lease of its own, of exactly its size.
pub(super) fn whole(content: Box<[u8]>, mut lease: Lease) -> Bytes {
    lease.shrink(content.len() as u64);
    Bytes::from_owner(Leased { content, _lease: lease })
}

/// A part of a buffer, on the lease of the whole.
pub(super) fn part(content: Bytes, lease: &Arc<Lease>) -> Bytes {
    Bytes::from_owner(Leased { content, _lease: Arc::clone(lease) })
}
