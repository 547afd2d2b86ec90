//! The write-ahead log: kept short where readers let it, and what happens where they do not.
//!
//! What must not live here: what is written.

use super::Writer;
use crate::heal::with_suffix;
use crate::open::BUSY_WRITER;
use crate::pending::{Numbered, Task};
use std::time::{Duration, Instant};

/// How long the log is left alone after somebody who reads kept it from being brought back: at first, and at most. Most
/// read for a moment; whoever reads for long would have it tried in vain, and each try syncs.
pub(super) const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

impl Writer {
    /// Brings the log back into the file where it outgrew its limit: somebody who reads kept SQLite from doing so by
    /// itself. Waits for nobody.
    pub(super) fn shorten_log(&mut self) -> rusqlite::Result<()> {
        let Some(db) = &self.db else { return Ok(()) };
        let now = Instant::now();
        if self.log_len() > self.shared.disk.log_limit() && self.next_shortening.0 <= now {
            // The check is done with what it looks at in a few milliseconds.
            let looking = self.shared.looking();
            db.connection.busy_timeout(Duration::ZERO)?;
            let kept = db
                .connection
                .prepare_cached("PRAGMA wal_checkpoint(TRUNCATE)")
                .and_then(|mut statement| statement.query_row([], |row| row.get::<_, bool>(0)));
            db.connection.busy_timeout(BUSY_WRITER)?;
            drop(looking);
            let pause = self.next_shortening.1;
            self.next_shortening = match kept {
                Ok(false) => (now, PAUSE.0),
                _ => (Instant::now() + pause, (pause * 2).min(PAUSE.1)),
            };
            kept?;
        }
        self.shared.disk.log_measured(self.log_len());
        Ok(())
    }

    /// Bytes of the log.
    pub(super) fn log_len(&self) -> u64 {
        let path = with_suffix(&self.shared.options.path, "-wal");
        std::fs::metadata(path).map_or(0, |log| log.len())
    }

    /// Divides tasks into those to write and those there is no room for: where the log takes it, all but those that
    /// remove something.
    pub(super) fn admit(&self, tasks: Vec<Numbered>) -> (Vec<Numbered>, Vec<Numbered>) {
        if !self.shared.disk.is_over() {
            return (tasks, Vec::new());
        }
        tasks.into_iter().partition(|task| !matches!(task.task, Task::Put(_) | Task::Refresh(_)))
    }
}
