//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the tapes were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests answered from a tape.
    pub hits: u64,
    /// Requests that no tape had an answer to.
    pub misses: u64,
    /// Times an origin was to be asked, whatever came of it.
    pub upstream_attempts: u64,
    /// Whole exchanges that are on the tape.
    pub recorded: u64,
    /// Exchanges that broke off, on the tape with what came of them.
    pub aborted: u64,
    /// Exchanges from which secrets were taken before they reached the tape.
    pub redacted: u64,
    /// Exchanges that could not be recorded.
    pub failed: u64,
}

impl Totals {
    /// Each total with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("hits", self.hits),
            ("misses", self.misses),
            ("upstream_attempts", self.upstream_attempts),
            ("recorded", self.recorded),
            ("aborted", self.aborted),
            ("redacted", self.redacted),
            ("failed", self.failed),
        ]
        .into_iter()
    }
}

/// The totals in the making.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub hits: Counter,
    pub misses: Counter,
    pub upstream_attempts: Counter,
    pub recorded: Counter,
    pub aborted: Counter,
    pub redacted: Counter,
    pub failed: Counter,
}

impl Counters {
    pub fn totals(&self) -> Totals {
        Totals {
            hits: self.hits.get(),
            misses: self.misses.get(),
            upstream_attempts: self.upstream_attempts.get(),
            recorded: self.recorded.get(),
            aborted: self.aborted.get(),
            redacted: self.redacted.get(),
            failed: self.failed.get(),
        }
    }
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
