//! The write-ahead log: kept short where readers let it, and what happens where they do not.
//!
//! What must not live here: what is written.

use super::Writer;
use crate::heal::with_suffix;
use crate::open::BUSY_WRITER;
use crate::pending::{Numbered, Task};
use crate::shared::Shared;
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// How long the log is left alone after somebody who reads kept it from being brought back: at first, and at most. Most
/// read for a moment; whoever reads for long would have it tried in vain, and each try syncs.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// When the log is brought back into the file next.
pub(super) struct Log {
    next: Instant,
    /// How long it is left alone after the next try, where that comes to nothing.
    pause: Duration,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { next: Instant::now(), pause: PAUSE.0 }
    }

    /// Brings it back into the file where it outgrew its limit: somebody who reads kept SQLite from doing so by itself. Waits for
    /// nobody but the check. Not to be called within a transaction.
    pub(super) fn shorten(&mut self, shared: &Shared, connection: &Connection) -> rusqlite::Result<()> {
        let (now, mut bytes) = (Instant::now(), length(shared));
        if bytes > shared.disk.log_limit() && self.next <= now {
            // The check is done with what it looks at in a few milliseconds.
            let looking = shared.looking();
            connection.busy_timeout(Duration::ZERO)?;
            let kept = connection
                .prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")
                .and_then(|mut statement| statement.query_row([], |row| row.get::<_, bool>(0)));
            connection.busy_timeout(BUSY_WRITER)?;
            drop(looking);
            let pause = self.pause;
            (self.next, self.pause) = match kept {
                Ok(false) => (now, PAUSE.0),
                _ => (Instant::now() + pause, (pause * 2).min(PAUSE.1)),
            };
            kept?;
            bytes = length(shared);
        }
        shared.disk.log_measured(bytes);
        Ok(())
    }
}

/// Bytes of the log.
pub(super) fn length(shared: &Shared) -> u64 {
    let path = with_suffix(&shared.options.path, "-wal");
    std::fs::metadata(path).map_or(0, |log| log.len())
}

impl Writer {
    /// Keeps the log short.
    pub(super) fn shorten_log(&mut self) -> rusqlite::Result<()> {
        let Some(db) = &self.db else { return Ok(()) };
        self.log.shorten(&self.shared, &db.connection)
    }

    /// Divides tasks into those to write and those there is no room for: where the log takes it, all but those that
    /// remove something.
    pub(super) fn admit(&mut self, tasks: Vec<Numbered>) -> (Vec<Numbered>, Vec<Numbered>) {
        if self.shared.disk.is_over()
            && let Err(error) = self.shorten_log()
        {
            tracing::debug!(%error, "the log of the store stays as long as it is");
        }
        if !self.shared.disk.is_over() {
            return (tasks, Vec::new());
        }
        tasks.into_iter().partition(|task| !matches!(task.task, Task::Put(_) | Task::Refresh(_)))
    }
}
