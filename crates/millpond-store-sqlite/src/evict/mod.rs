//! Which entry leaves when there is no more room: S3-FIFO (Yang et al., SOSP 2023), as answers to a driver that walks
//! the rows.
//!
//! What must not live here: SQL, clocks, files. The queues themselves are rows; what is in memory is only what was used.
//!
//! New entries are on *probation*, a tenth of the bytes. What has been used more than once when its turn comes moves to
//! the *main* queue, the rest leaves: one scan of things nobody asks for again costs a tenth of the store. In the main
//! queue an entry that was used goes round once more for each use. An entry evicted on probation is remembered for a
//! while; when it comes back it goes straight to the main queue.
//!
//! Departures from the paper: entries in use in the tier above count as used, since that tier keeps their uses from
//! being seen here; and since going round costs writing a row, patience ends ([`PATIENCE`]).

mod ghost;
mod uses;

#[cfg(test)]
mod tests;

use ghost::Ghost;
use uses::Uses;

/// One part in how many of the bytes is for entries on probation.
const PROBATION_PART: u64 = 10;

/// How often an entry on probation must have been used to be kept.
const USES_TO_STAY: u8 = 2;

/// After so many rows moved within the main queue without an eviction, one use less than before is enough to be evicted.
/// Where nearly every request is a hit all rows have been used, and looking for one that was not would write a row for
/// each hit; which of them leaves then matters little.
const PATIENCE: u32 = 32;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Queue {
    /// New, and not yet known to be used again.
    Probation,
    /// Has been used.
    Main,
}

/// What happens to the oldest row of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It leaves.
    Evict,
    /// It goes to the end of this queue.
    Move(Queue),
}

/// Decides who leaves. Holds what was used, and whom it sent away lately; see the module's documentation.
///
/// Nothing of it survives a restart: the rows know their queue, and all of them count as not used since.
pub(crate) struct Evictor {
    uses: Uses,
    ghost: Ghost,
    /// Rows moved within the main queue since the last eviction from it.
    moved: u32,
}

impl Evictor {
    pub(crate) fn new() -> Self {
        Self { uses: Uses::new(), ghost: Ghost::new(), moved: 0 }
    }

    /// The entry `id` was used. Told of one that has left, it keeps the id until it is forgotten as all are in time.
    pub(crate) fn used(&mut self, id: u64) {
        self.uses.add(id);
    }

    /// The entry `old` makes way for `new`, of the same variant. That is a use: somebody asked for it. The new one
    /// belongs into the queue of the old one, whatever [`Evictor::place`] would say. To be told before
    /// [`Evictor::gone`] is told of `old`.
    pub(crate) fn replaced(&mut self, old: u64, new: u64) {
        self.uses.rename(old, new);
        self.uses.add(new);
    }

    /// Which queue a new entry goes to. `fingerprint` stands for its key: any eight bytes of a good hash.
    pub(crate) fn place(&mut self, fingerprint: u64) -> Queue {
        if self.ghost.take(fingerprint) { Queue::Main } else { Queue::Probation }
    }

    /// How many entries the store holds: as many evicted ones are remembered, up to [`ghost::MOST`].
    pub(crate) fn holds(&mut self, entries: u64) {
        self.ghost.limit(entries);
    }

    /// Which queue to evict from, given the bytes of both. An empty queue is not named, unless both are.
    #[expect(clippy::unused_self, reason = "a question to the evictor, whatever it looks at for an answer")]
    pub(crate) fn next(&self, probation_bytes: u64, main_bytes: u64) -> Queue {
        let total = probation_bytes.saturating_add(main_bytes);
        if main_bytes == 0 || probation_bytes > total / PROBATION_PART {
            Queue::Probation
        } else {
            Queue::Main
        }
    }

    /// What happens to the entry `id`, the oldest row of `queue`. `used_above` tells that it is in use in the tier above.
    ///
    /// However often it is asked, some row leaves in the end: a row leaves probation once, and after three times
    /// [`PATIENCE`] moves within the main queue the next one there is evicted whatever its uses.
    pub(crate) fn judge(&mut self, id: u64, fingerprint: u64, queue: Queue, used_above: bool) -> Verdict {
        match queue {
            Queue::Probation if used_above || self.uses.of(id) >= USES_TO_STAY => {
                self.uses.forget(id);
                Verdict::Move(Queue::Main)
            }
            Queue::Probation => {
                self.gone(id);
                self.ghost.add(fingerprint);
                Verdict::Evict
            }
            Queue::Main => self.judge_main(id, used_above),
        }
    }

    /// A use above is one more, and is not used up by going round.
    fn judge_main(&mut self, id: u64, used_above: bool) -> Verdict {
        let uses = u32::from(self.uses.of(id)) + u32::from(used_above);
        if uses.min(u32::from(uses::MOST)) <= self.moved / PATIENCE {
            self.moved = 0;
            self.gone(id);
            return Verdict::Evict;
        }
        self.moved += 1;
        self.uses.take_one(id);
        Verdict::Move(Queue::Main)
    }

    /// The entry `id` left in another way.
    pub(crate) fn gone(&mut self, id: u64) {
        self.uses.forget(id);
    }
}
