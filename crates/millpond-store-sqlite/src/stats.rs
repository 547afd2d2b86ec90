//! What a store counts.
//!
//! What must not live here: the names under which figures are exported.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Figures of a [`crate::SqliteStore`]: counts since it was opened; sizes in bytes, of now.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct SqliteStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl SqliteStats {
            /// Names and values, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }

        /// The running figures behind [`SqliteStats`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> SqliteStats {
                SqliteStats { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Entries in the file, those of other processes included.
    entries,
    /// What database, log and bodies take on the disk, with damaged files that were set aside and bodies that left and are
    /// still being read.
    disk_bytes,
    /// Bodies in files, as kept.
    file_bytes,
    /// Bodies on their way into files.
    in_progress_bytes,
    /// Entries accepted and not yet written.
    waiting,
    /// Purges accepted and not yet written; they hide what they cover from this process meanwhile.
    waiting_purges,
    /// Bytes of memory that these entries and purges hold.
    waiting_bytes,
    /// Transactions committed.
    commits,
    /// Entries written.
    written,
    /// Entries whose record was refreshed.
    refreshed,
    /// Entries that had to make room.
    evicted,
    /// Entries that were given another chance in a queue.
    moved,
    /// Entries removed because nobody would miss them.
    swept,
    /// Entries removed or marked by purges of this process.
    purged,
    /// Purges of other processes that were seen.
    foreign_purges,
    /// Lookups that needed no read: the filter in memory knew that the key is not stored.
    excluded,
    /// Lookups that found the file locked, and missed.
    busy_reads,
    /// Transactions put off because another process held the lock.
    busy_writes,
    /// Lookups that failed for another reason, and missed.
    failed_reads,
    /// Entries dropped because they did not match their checksums.
    corrupt_entries,
    /// Entries refused because too many waited, or there was no room on the disk.
    refused,
    /// Entries accepted and then lost because they could not be written.
    lost,
    /// Times a damaged file was set aside.
    healed,
    /// Times the file or its directory was found gone or replaced.
    reopened,
    /// Files of bodies nobody knew, removed.
    orphans,
    /// Full checks of the file that came to their end.
    checks,
    /// What these found wrong.
    check_findings,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// `many` more.
pub(crate) fn add(counter: &AtomicU64, many: u64) {
    counter.fetch_add(many, Ordering::Relaxed);
}

/// A figure of now.
pub(crate) fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}
