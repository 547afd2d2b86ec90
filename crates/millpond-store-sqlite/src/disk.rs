//! How much of the disk the store may take, and how that is divided.
//!
//! What must not live here: who has to make room (`writer::evict`).
//!
//! Database, log and files together stay below `max_bytes`, and so do damaged files set aside, which leave first, and the
//! files of bodies that left while this process reads them. The log is checked against its limit after every
//! transaction, and a transaction is kept to about half of it; three times that limit are set apart for the log, one
//! transaction more and what the file grows by before room is made, and a little for the day on which the disk is full. Where somebody who reads for long keeps the log from
//! being brought back, nothing is taken from the moment on when it has outgrown that.

use crate::bodies::Held;
use crate::open::PAGE;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a changed row writes to the log, beside what it holds, bytes: about four pages.
pub(crate) const PER_ROW: u64 = 4 * PAGE;

/// How large the log may become before it is brought back into the file, bytes.
fn log_limit(max_bytes: u64) -> u64 {
    (max_bytes / 32).clamp(256 << 10, 64 << 20)
}

/// What the file system holds that `path` lies on, or is to lie on, and what of that is free for this user, bytes. `None`
/// where it does not say.
pub(crate) fn file_system(path: &Path) -> Option<(u64, u64)> {
    let path = std::path::absolute(path).ok()?;
    let found = path.ancestors().find_map(|dir| rustix::fs::statvfs(dir).ok())?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    (found.f_blocks > 0).then(|| (bytes(found.f_blocks), bytes(found.f_bavail)))
}

/// What the store at `path` may take where it may take `max_bytes`, and how large its log may become. The first is less on a
/// small file system, which a sixteenth is left to; the second where there is little room now, since a log that cannot be
/// brought back, or grow, keeps even evictions from being written.
fn bounds(path: &Path, max_bytes: u64) -> (u64, u64) {
    let Some((all, free)) = file_system(path) else { return (max_bytes, log_limit(max_bytes)) };
    let max_bytes = max_bytes.min(all - all / 16);
    let file = std::fs::metadata(path).map_or(0, |file| file.len());
    (max_bytes, log_limit(max_bytes.min(free.saturating_add(file))))
}

/// What the purges kept for other processes may take, bytes.
pub(crate) fn purges(max_bytes: u64) -> u64 {
    (max_bytes / 64).clamp(64 << 10, 1 << 20)
}

/// The most that is kept aside for the day on which the disk is full, bytes.
const RESERVE: u64 = 1 << 20;

/// What is taken of the disk, as last measured.
pub(crate) struct Disk {
    /// What rows and files may take together.
    limit: AtomicU64,
    /// What `limit` is where the disk is as large as it should be.
    most: u64,
    /// What they took after the last transaction.
    used: AtomicU64,
    /// What bodies take that are not in the database yet.
    in_progress: AtomicU64,
    /// What damaged files take that were set aside.
    aside: AtomicU64,
    /// The files of bodies that left and are still being read.
    held: Held,
    /// What the log took after the last transaction.
    log: AtomicU64,
    /// All that database, log and files may take together.
    max_bytes: u64,
    /// How large the log may become before it is brought back into the file.
    log_limit: u64,
}

impl Disk {
    /// That of the store at `path`, which may take `max_bytes`.
    pub(crate) fn new(path: &Path, max_bytes: u64, held: Held) -> Self {
        let (max_bytes, log_limit) = bounds(path, max_bytes);
        let most = max_bytes.saturating_sub(3 * log_limit + log_limit.min(RESERVE));
        Self {
            limit: AtomicU64::new(most),
            most,
            used: AtomicU64::new(0),
            in_progress: AtomicU64::new(0),
            aside: AtomicU64::new(0),
            held,
            log: AtomicU64::new(0),
            max_bytes,
            log_limit,
        }
    }

    /// How large the log may become before it is brought back into the file, bytes.
    pub(crate) fn log_limit(&self) -> u64 {
        self.log_limit
    }

    /// What is kept aside for the day on which the disk is full, bytes.
    pub(crate) fn reserve(&self) -> u64 {
        self.log_limit.min(RESERVE)
    }

    /// What one transaction writes at most: so many entries, and so many bytes of them. See [`PER_ROW`].
    pub(crate) fn transaction(&self, commit_entries: usize) -> (usize, u64) {
        let entries = usize::try_from(self.log_limit / 2 / PER_ROW).unwrap_or(usize::MAX);
        (entries.min(commit_entries).max(1), self.log_limit / 4)
    }

    /// True when more is taken than the limit says: that was lowered, or another process has written.
    pub(crate) fn is_above(&self) -> bool {
        let used = self.used.load(Ordering::Acquire).saturating_add(self.in_progress());
        used.saturating_add(self.useless()) > self.limit()
    }

    /// What rows and files took after the last transaction.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Acquire)
    }

    /// The disk is full although the limit is not reached: a part of what is kept has to go.
    pub(crate) fn squeeze(&self) {
        let used = self.used.load(Ordering::Acquire).saturating_add(self.in_progress());
        self.limit.fetch_min(used - used / 16, Ordering::AcqRel);
    }

    /// The disk has taken something: a little more may be tried, where the file system of `path` has room for that and for
    /// the log. Else the disk would be full again at once.
    pub(crate) fn relax(&self, path: &Path) {
        let limit = self.limit();
        if limit < self.most {
            let needed = limit / 64 + 2 * self.log_limit + self.reserve();
            if file_system(path).is_some_and(|(_, free)| free < needed) {
                return;
            }
            self.limit.store(self.most.min(limit + limit / 64 + PAGE), Ordering::Release);
        }
    }

    pub(crate) fn in_progress(&self) -> u64 {
        self.in_progress.load(Ordering::Acquire)
    }

    /// What is neither in the database nor of any use, and takes room.
    pub(crate) fn useless(&self) -> u64 {
        self.aside().saturating_add(self.held.bytes())
    }

    /// What damaged files take that were set aside.
    pub(crate) fn aside(&self) -> u64 {
        self.aside.load(Ordering::Acquire)
    }

    pub(crate) fn aside_measured(&self, aside: u64) {
        self.aside.store(aside, Ordering::Release);
    }

    pub(crate) fn measured(&self, used: u64) {
        self.used.store(used, Ordering::Release);
    }

    pub(crate) fn log_measured(&self, log: u64) {
        self.log.store(log, Ordering::Release);
    }

    /// True when one more transaction might not fit: the log has outgrown what is set apart for it, since somebody who
    /// reads keeps it from being brought back. Evicting is no help, for that is written to the log as well.
    pub(crate) fn is_over(&self) -> bool {
        let taken = self.used.load(Ordering::Acquire).saturating_add(self.in_progress());
        let taken = taken.saturating_add(self.useless());
        let log = self.log.load(Ordering::Acquire).saturating_add(self.log_limit + self.reserve());
        taken.saturating_add(log) > self.max_bytes
    }

    /// True when it is the log that takes the room: it has outgrown what is set apart for it.
    pub(crate) fn is_log_full(&self) -> bool {
        self.excess() > 0 && self.is_over()
    }

    /// What the log takes beyond what is set apart for it.
    fn excess(&self) -> u64 {
        self.log.load(Ordering::Acquire).saturating_sub(2 * self.log_limit)
    }

    /// Room for `bytes` more of a body, if there is any now.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let in_progress = self.in_progress.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let used = self.used.load(Ordering::Acquire).saturating_add(self.excess());
        let used = used.saturating_add(self.useless());
        if used.saturating_add(in_progress) <= self.limit() {
            return true;
        }
        self.in_progress.fetch_sub(bytes, Ordering::AcqRel);
        false
    }
}

/// What one body in progress holds of the disk; given back when dropped.
pub(crate) struct Lease {
    disk: Arc<Disk>,
    bytes: u64,
}

impl Lease {
    pub(crate) fn new(disk: &Arc<Disk>) -> Self {
        Self { disk: Arc::clone(disk), bytes: 0 }
    }

    /// What it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes `bytes` more, if there is room now.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        let grown = self.disk.take(bytes);
        if grown {
            self.bytes += bytes;
        }
        grown
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.disk.in_progress.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
