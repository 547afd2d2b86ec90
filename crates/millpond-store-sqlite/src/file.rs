//! Bodies in files as the store uses them: the room they take is leased before they grow, and one that never gets into
//! the database is removed.
//!
//! What must not live here: what a file looks like (`bodies`).

use crate::bodies::{Bodies, BodyHandle, BodyWriter, StoredBody};
use crate::disk::Lease;
use crate::open::bodies_dir;
use crate::rows::coding;
use crate::shared::Shared;
use crate::stats::add;
use millpond_exchange::Timestamp;
use rusqlite::Connection;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How old a file nobody knows must be to be removed: a body of another process is finished a moment before it is in
/// the database.
const YOUNG: Duration = Duration::from_secs(300);
/// How long rounds through all files lie apart.
const PAUSE: Duration = Duration::from_secs(600);
/// Files looked at in one go: in the first round, which may have much to remove, and later.
const BUDGETS: (usize, usize) = (2_000, 100);

/// A finished body that waits to be noted in the database. Its file goes with it, unless it was.
pub(crate) struct Kept {
    bodies: Bodies,
    stored: StoredBody,
    written: AtomicBool,
    /// Ends when the file is counted with the others, or gone.
    lease: Mutex<Option<Lease>>,
}

impl Kept {
    /// Finishes `file`. May block.
    pub(crate) fn finish(bodies: Bodies, file: BodyWriter, lease: Lease) -> io::Result<Self> {
        let stored = file.finish()?;
        Ok(Self { bodies, stored, written: AtomicBool::new(false), lease: Mutex::new(Some(lease)) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.stored.name
    }

    /// The column `coding`: whether any chunk is compressed; which ones, the table tells.
    pub(crate) fn coding(&self) -> u8 {
        if self.stored.stored_len < self.stored.len { coding::ZSTD } else { coding::NONE }
    }

    pub(crate) fn table(&self) -> &[u8] {
        &self.stored.table
    }

    pub(crate) fn stored_len(&self) -> u64 {
        self.stored.stored_len
    }

    /// What it holds of the disk as a body in progress.
    pub(crate) fn leased(&self) -> u64 {
        self.lease().as_ref().map_or(0, Lease::bytes)
    }

    /// It is counted with the others from now on.
    pub(crate) fn land(&self) {
        *self.lease() = None;
    }

    fn lease(&self) -> MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the database knows the file by now.
    pub(crate) fn set_written(&self, written: bool) {
        self.written.store(written, Ordering::Release);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.written.load(Ordering::Acquire) {
            remove(&self.bodies, self.name());
        }
    }
}

/// Removes a body nobody needs. What cannot be removed now the sweep of orphans finds.
pub(crate) fn remove(bodies: &Bodies, name: &str) {
    if let Err(error) = bodies.remove(name) {
        tracing::debug!(name, %error, "the file of a body stays until the next sweep");
    }
}

/// Makes the directory of the database `path`, and removes what processes that ended have left unfinished there.
pub(crate) fn prepare(path: &Path) -> io::Result<()> {
    Bodies::open(bodies_dir(path)).map(drop)
}

/// What was written so far of a body, for reading early.
pub(crate) type Partial = BodyHandle;

/// Removes the files no row and nothing that waits knows, some at a time.
pub(crate) struct OrphanSweep {
    next: Instant,
    first_round: bool,
    /// When the store was opened.
    opened: Timestamp,
}

impl OrphanSweep {
    /// That of a store opened at `opened`.
    pub(crate) fn new(opened: Timestamp) -> Self {
        Self { next: Instant::now(), first_round: true, opened }
    }

    /// Files that nobody knows and that were last written before this are removed. Where no other process has anything on
    /// its way, all that lay there when the store was opened was left by one that was killed, however young.
    fn older_than(&self, shared: &Shared) -> io::Result<SystemTime> {
        let young = shared.now().saturating_sub(YOUNG);
        let alone = self.first_round && !shared.bodies.are_others_writing()?;
        let before = if alone { young.max(self.opened) } else { young };
        Ok(UNIX_EPOCH + Duration::from_millis(u64::try_from(before.as_millis()).unwrap_or(0)))
    }

    /// Looks at the next files, if it is time to.
    pub(crate) fn step(&mut self, shared: &Shared, connection: &Connection) -> io::Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let older_than = self.older_than(shared)?;
        let budget = if self.first_round { BUDGETS.0 } else { BUDGETS.1 };
        // What waits first: then nothing can get from there into the database between the two looks.
        let known = |name: &str| Ok(shared.awaits_file(name) || in_database(connection, name)?);
        let swept = shared.bodies.sweep_orphans(budget, older_than, known)?;
        add(&shared.counters.orphans, swept.removed as u64);
        if swept.removed > 0 {
            tracing::info!(
                path = %shared.options.path.display(),
                files = swept.removed, bytes = swept.removed_bytes, "removed bodies no entry refers to"
            );
        }
        if swept.round {
            self.next = Instant::now() + PAUSE;
            self.first_round = false;
        }
        Ok(())
    }
}

fn in_database(connection: &Connection, name: &str) -> io::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE file = ?)")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(io::Error::other)
}
