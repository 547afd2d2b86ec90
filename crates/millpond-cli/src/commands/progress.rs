//! How far long work has got: a line on standard error, where that is a terminal, from the second second on.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// Shorter work needs no line.
const PATIENCE: Duration = Duration::from_secs(1);
/// The least time between two changes of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// The line; taken away when dropped.
pub(crate) struct Progress {
    what: &'static str,
    next: Instant,
    terminal: bool,
    shown: bool,
}

impl Progress {
    /// Work called `what` begins.
    pub fn new(what: &'static str) -> Self {
        let terminal = stderr().is_terminal();
        Self { what, next: Instant::now() + PATIENCE, terminal, shown: false }
    }

    /// `done` of `all` is done.
    pub fn at(&mut self, done: u64, all: u64) {
        if !self.terminal || Instant::now() < self.next {
            return;
        }
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        // A terminal that cannot be written to misses nothing that matters.
        let _ = write!(stderr(), "\r\x1b[K{}: {done} of {all} ({percent} %)", self.what);
        self.next = Instant::now() + INTERVAL;
        self.shown = true;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
