//! The thread that writes the tape, and the way to it.

use crate::redaction::Redaction;
use crate::replay::Catalogue;
use crate::session::Session;
use crate::spool::Spool;
use crate::totals::Counters;
use millpond_tape::index::Index;
use millpond_tape::mitm::MitmWriter;
use millpond_tape::{Content, Recorded, TapeError};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Resolves when the exchange is on the tape, or cannot get there.
pub(crate) type Done = oneshot::Receiver<()>;

/// Exchanges written at once, so that the first of them does not wait for all others.
const BATCH: usize = 64;
/// Content of this size is written by itself: it is likelier to fill the disk, and what fails shall fail alone.
const LARGE: u64 = 64 * 1024;
/// Exchanges that broke off and wait to be written. Nobody waits for these, so that only this bounds them.
const MOST_ABORTED: usize = 10_000;

/// What the writer is asked.
pub(crate) enum Job {
    /// Write this.
    Exchange { recorded: Box<Recorded>, done: oneshot::Sender<()> },
    /// Write what there is, and end.
    Close,
}

/// The way to the writer.
pub(crate) struct Recorder {
    jobs: Sender<Job>,
    spools: Arc<Path>,
    timing: bool,
    waiting: Arc<AtomicUsize>,
    trouble: Arc<Trouble>,
}

/// What went wrong, told once.
pub(crate) struct Trouble {
    counters: Arc<Counters>,
    told: AtomicBool,
}

impl Trouble {
    pub fn new(counters: Arc<Counters>) -> Self {
        Self { counters, told: AtomicBool::new(false) }
    }

    /// An exchange is not recorded.
    fn failed(&self, error: &dyn Display) {
        self.counters.failed.count();
        self.tell(error);
    }

    /// Tells that exchanges are not recorded, the first time.
    fn tell(&self, error: &dyn Display) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                %error,
                "exchanges are not recorded; clients are served all the same. This is told once; the totals count them as failed"
            );
        }
    }
}

impl Recorder {
    pub fn new(jobs: Sender<Job>, spools: Arc<Path>, timing: bool, trouble: Arc<Trouble>) -> Self {
        Self { jobs, spools, timing, waiting: Arc::default(), trouble }
    }

    pub fn spool(&self) -> Spool {
        Spool::new(Arc::clone(&self.spools))
    }

    pub const fn timing(&self) -> bool {
        self.timing
    }

    /// An exchange cannot be recorded because of `error`; it is counted when it ends.
    pub fn tell_failure(&self, error: &dyn Display) {
        self.trouble.tell(error);
    }

    pub fn count_failed(&self) {
        self.trouble.counters.failed.count();
    }

    /// Hands `recorded` to the writer.
    pub fn record(&self, recorded: Recorded) -> Option<Done> {
        let waiting = self.waiting.fetch_add(1, Ordering::Relaxed);
        if recorded.aborted && waiting >= MOST_ABORTED {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.trouble.failed(&"the tape is written too slowly for all that breaks off");
            return None;
        }
        let (done, written) = oneshot::channel();
        let job = Job::Exchange { recorded: Box::new(recorded), done };
        if self.jobs.send(job).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.trouble.failed(&"the tape is closed");
            return None;
        }
        Some(written)
    }

    /// Asks the writer to end.
    pub fn close(&self) {
        // One that has ended needs no asking.
        let _ = self.jobs.send(Job::Close);
    }
}

/// An exchange that is gathered but not committed.
struct Gathered {
    done: oneshot::Sender<()>,
    aborted: bool,
    redacted: bool,
    /// Where it begins.
    at: u64,
    recorded: Box<Recorded>,
}

/// The writing side.
pub(crate) struct Writer {
    jobs: Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    session: Session,
    redaction: Option<Redaction>,
    catalogue: Catalogue,
    trouble: Arc<Trouble>,
    sync_interval: Duration,
    gathered: Vec<Gathered>,
    /// Since when something is committed that a power cut could lose.
    unsynced: Option<Instant>,
}

impl Writer {
    pub fn new(
        jobs: Receiver<Job>,
        recorder: &Recorder,
        session: Session,
        (redaction, catalogue): (Option<Redaction>, Catalogue),
        sync_interval: Duration,
    ) -> Self {
        Self {
            jobs,
            waiting: Arc::clone(&recorder.waiting),
            session,
            redaction,
            catalogue,
            trouble: Arc::clone(&recorder.trouble),
            sync_interval,
            gathered: Vec::new(),
            unsynced: None,
        }
    }

    /// Writes what comes until there is no more; answers the finished tape with its index.
    pub fn run(mut self) -> (Session, Option<Index>) {
        while let Some(job) = self.next() {
            let mut closing = self.take(job);
            for _ in 1..BATCH {
                let Ok(job) = self.jobs.try_recv() else { break };
                closing |= self.take(job);
            }
            self.commit();
            if closing {
                break;
            }
        }
        self.sync();
        (self.session, self.catalogue.index())
    }

    /// The next job. While there is none, the disk gets what it has not got yet, when that is due.
    fn next(&mut self) -> Option<Job> {
        loop {
            let Some(since) = self.unsynced else { return self.jobs.recv().ok() };
            match self.jobs.recv_timeout(self.sync_interval.saturating_sub(since.elapsed())) {
                Ok(job) => {
                    if since.elapsed() >= self.sync_interval {
                        self.sync();
                    }
                    return Some(job);
                }
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Gathers an exchange; true when there will be no further one.
    fn take(&mut self, job: Job) -> bool {
        let Job::Exchange { mut recorded, done } = job else { return true };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let large = content_len(&recorded) > LARGE;
        if large {
            self.commit();
        }
        let (aborted, at) = (recorded.aborted, self.session.position());
        match self.write(&mut recorded) {
            Ok(redacted) => {
                self.gathered.push(Gathered { done, aborted, redacted, at, recorded });
            }
            Err(error) => {
                self.trouble.failed(&error);
                // A client that is gone does not wait any more.
                let _ = done.send(());
                if self.session.position() != at {
                    self.fail(&error);
                }
            }
        }
        if large {
            self.commit();
        }
        false
    }

    /// Gathers an exchange without its secrets; true when it had any.
    fn write(&mut self, recorded: &mut Recorded) -> Result<bool, TapeError> {
        let redacted = match &self.redaction {
            Some(redaction) => redaction.apply(recorded)?,
            None => false,
        };
        MitmWriter::new(&mut self.session).append(recorded)?;
        Ok(redacted)
    }

    /// Brings what is gathered onto the tape, and tells those who wait for it.
    fn commit(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        if let Err(error) = self.session.commit() {
            return self.fail(&error);
        }
        self.unsynced.get_or_insert_with(Instant::now);
        let counters = &self.trouble.counters;
        for exchange in self.gathered.drain(..) {
            if exchange.aborted {
                counters.aborted.count();
            } else {
                counters.recorded.count();
            }
            if exchange.redacted {
                counters.redacted.count();
            }
            self.catalogue.add(exchange.at, &exchange.recorded);
            // A client that is gone does not wait any more.
            let _ = exchange.done.send(());
        }
    }

    /// Takes back what is gathered. Whoever waits for it is served, and not recorded.
    fn fail(&mut self, error: &dyn Display) {
        self.session.roll_back();
        for exchange in self.gathered.drain(..) {
            self.trouble.failed(error);
            // As above.
            let _ = exchange.done.send(());
        }
    }

    fn sync(&mut self) {
        if self.unsynced.take().is_some()
            && let Err(error) = self.session.sync()
        {
            tracing::error!(%error, "the tape cannot be handed to the disk; a power cut would lose what is on it");
        }
    }
}

fn content_len(recorded: &Recorded) -> u64 {
    let request = recorded.request.content.as_ref();
    let response = recorded.response.as_ref().and_then(|response| response.content.as_ref());
    request.map_or(0, Content::len) + response.map_or(0, Content::len)
}
