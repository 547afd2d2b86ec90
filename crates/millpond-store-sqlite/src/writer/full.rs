//! A full disk: what is kept aside for it, and how entries leave where there is no room even to write that they do.
//!
//! What must not live here: which entry is worth more (`crate::evict`), what the store may take (`crate::disk`).

use super::transaction::{Failure, Outcome};
use super::{Writer, log};
use crate::disk;
use crate::heal::{self, OpenLock, with_suffix};
use crate::open::PAGE;
use crate::shared::Shared;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Rows that leave, or pages that are given back, in one transaction where the log has next to no room.
const FEW: usize = 8;
/// How many such transactions are made in a row.
const ROUNDS: usize = 64;
/// How often in a row nothing may be evicted, before the file is given up where it is what fills the disk.
const HOPELESS: u32 = 3;
/// A file system with less free than this is full, bytes.
const FULL: u64 = 16 * PAGE;
/// A file with no more than this in use is written anew when everything was purged, bytes.
const LITTLE: u64 = 1 << 20;
/// How long what is kept aside is not made again after it was given up.
const PAUSE: Duration = Duration::from_secs(5);
/// How often, and how long apart, a new file is tried while others still hold the old one open.
const ATTEMPTS: (usize, Duration) = (20, Duration::from_millis(100));

/// A file that takes a little room, for the day on which the disk is full: it is removed then, so that evictions and
/// purges can be written.
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    wanted: bool,
    there: bool,
    /// When it may be made.
    next: Instant,
}

impl Reserve {
    pub(super) fn of(shared: &Shared) -> Self {
        Self {
            path: with_suffix(&shared.options.path, "-reserve"),
            bytes: shared.disk.reserve(),
            wanted: shared.options.upkeep,
            there: false,
            next: Instant::now(),
        }
    }

    /// Makes it where it is not there and the disk has room for it several times over.
    pub(super) fn make(&mut self) {
        if self.there || !self.wanted || Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + PAUSE;
        if disk::file_system(&self.path).is_some_and(|(_, free)| free < 4 * self.bytes) {
            return;
        }
        match self.fill() {
            Ok(()) => self.there = true,
            Err(error) => {
                tracing::debug!(%error, "no room is kept aside for a full disk");
                let _ = fs::remove_file(&self.path);
            }
        }
    }

    fn fill(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| file.is_file() && file.len() == self.bytes) {
            return Ok(());
        }
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        let length = usize::try_from(self.bytes).unwrap_or_default();
        file.write_all(&vec![0; length])
    }

    /// Gives the room back. False where there was none.
    pub(super) fn give_up(&mut self) -> bool {
        self.there = false;
        self.next = Instant::now() + PAUSE;
        fs::remove_file(&self.path).is_ok()
    }
}

impl Writer {
    /// Whether the file system has no room left.
    pub(super) fn is_disk_full(&self) -> bool {
        disk::file_system(&self.shared.options.path).is_some_and(|(_, free)| free < FULL)
    }

    /// The disk is full before the limit is reached: makes room with what was kept aside, a few rows at a time, and has the
    /// next transactions keep less. Where not even that works, and the store is what fills the disk, it is begun anew.
    pub(super) fn squeeze(&mut self) {
        self.shared.disk.squeeze();
        self.reserve.give_up();
        self.empty_log();
        if !self.shared.options.upkeep {
            return;
        }
        let enough = 2 * self.shared.disk.log_limit();
        for round in 0..ROUNDS {
            let more = self.evict_few();
            self.empty_log();
            match more {
                Ok(more) => {
                    self.wedged = 0;
                    let free = disk::file_system(&self.shared.options.path).map_or(0, |(_, free)| free);
                    if !more || free >= enough {
                        break;
                    }
                }
                Err(failure) => {
                    tracing::debug!(?failure, "nothing can be evicted on a full disk");
                    self.wedged += u32::from(round == 0 && self.is_disk_full());
                    break;
                }
            }
        }
        if self.wedged >= HOPELESS && self.fills_disk() {
            self.begin_anew();
        }
    }

    /// Whether the store takes the larger part of what is taken of its file system.
    fn fills_disk(&self) -> bool {
        let taken = self.shared.disk.used().saturating_add(log::length(&self.shared));
        let system = disk::file_system(&self.shared.options.path);
        system.is_some_and(|(all, free)| taken > all.saturating_sub(free) / 2)
    }

    /// Evicts a few rows, in a transaction of their own. True when there is more to do.
    fn evict_few(&mut self) -> Result<bool, Failure> {
        let mut outcome = Outcome::default();
        let Some(mut transaction) = self.begin(&mut outcome, usize::MAX)? else { return Ok(false) };
        let more = transaction.make_a_little_room(FEW)?;
        let (taken, totals) = (transaction.taken()?, transaction.totals);
        transaction.commit()?;
        drop(transaction);
        self.count(&outcome);
        self.measured(taken, &totals);
        Ok(more)
    }

    /// Next to nothing is left after a purge of everything: writes the file anew, which takes a moment, where giving its
    /// pages back one by one takes the longer the more there are.
    pub(super) fn give_all_back(&self) {
        let Some(db) = &self.db else { return };
        let pages = |sql| db.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let written = pages("PRAGMA page_count").and_then(|all| {
            let free = pages("PRAGMA freelist_count")?;
            let left = (all - free).max(0) as u64;
            if free > 0 && left * PAGE <= LITTLE { db.connection.execute_batch("VACUUM") } else { Ok(()) }
        });
        if let Err(error) = written {
            tracing::debug!(%error, "the file keeps its free pages for what comes");
        }
        self.empty_log();
    }

    /// Brings the log back into the file, which gives room for one transaction.
    fn empty_log(&self) {
        let Some(db) = &self.db else { return };
        let checkpoint = db.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpoint {
            tracing::debug!(%error, "the log stays as it is on a full disk");
        }
    }

    /// Removes the file and begins another: a cache may forget. Others see that it was exchanged, and hear in the old one
    /// what was purged there.
    pub(super) fn begin_anew(&mut self) {
        let path = self.shared.options.path.clone();
        tracing::warn!(path = %path.display(), "the disk is full and the store cannot make room in it; beginning it anew");
        self.wedged = 0;
        self.reserve.give_up();
        self.remove_bodies();
        let removed = OpenLock::take(&path).and_then(|_lock| {
            let here = self.db.as_ref().is_some_and(|db| db.file.is_at(&path));
            if here { heal::set_aside(&path, self.shared.now()).map(drop) } else { Ok(()) }
        });
        if let Err(error) = removed {
            tracing::debug!(%error, "the file stays");
        }
        heal::forget_old(&path, 0);
        self.shared.pool.renew();
        // What is open takes its room until it is closed, here and in other processes.
        if let Some(old) = self.db.take() {
            self.remaining_purges(&old, self.last_purge);
        }
        for attempt in 1..=ATTEMPTS.0 {
            match self.open(None) {
                Ok(()) => return,
                Err(error) if attempt == ATTEMPTS.0 => return self.down(error.to_string()),
                Err(_) => std::thread::sleep(ATTEMPTS.1),
            }
        }
    }

    /// Removes the bodies that the rows of this file name. They go with it.
    fn remove_bodies(&self) {
        let Some(db) = &self.db else { return };
        let removed = db.connection.prepare_cached("SELECT file FROM entry WHERE file IS NOT NULL").and_then(
            |mut statement| {
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    if let Ok(name) = row.get_ref(0)?.as_str() {
                        crate::file::remove(&self.shared.bodies, name);
                    }
                }
                Ok(())
            },
        );
        if let Err(error) = removed {
            tracing::debug!(%error, "bodies stay until the next sweep");
        }
    }
}
