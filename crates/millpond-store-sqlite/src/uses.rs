//! Uses of entries, on their way from lookups to the writer.
//!
//! What must not live here: what they are counted for.

use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Locks; lookups of different entries should not meet.
const SHARDS: usize = 16;
/// Entries noted in each until the writer takes them, some ten times a second; uses of more are not counted.
const MOST: usize = 8 << 10;

/// What became known of an entry's use.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    /// The row it was read from.
    pub(crate) seq: i64,
    pub(crate) count: u32,
}

type Shard = HashMap<u64, Use, RandomState>;

/// Uses by the id of the entry.
#[derive(Default)]
pub(crate) struct Uses([Mutex<Shard>; SHARDS]);

impl Uses {
    /// The entry `id` in row `seq` was asked for.
    pub(crate) fn note(&self, id: u64, seq: i64) {
        let mut shard = self.0[id as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= MOST && !shard.contains_key(&id) {
            return;
        }
        let noted = shard.entry(id).or_default();
        noted.seq = seq;
        noted.count = noted.count.saturating_add(1);
    }

    /// Gives each to `each`, and forgets it.
    pub(crate) fn take(&self, mut each: impl FnMut(u64, Use)) {
        for shard in &self.0 {
            let taken = {
                let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
                if shard.is_empty() {
                    continue;
                }
                std::mem::take(&mut *shard)
            };
            for (id, noted) in taken {
                each(id, noted);
            }
        }
    }
}
