//! A tunnel that was granted, from the reply to the line in the log.

use super::Inner;
use super::connect::Wanted;
use super::target::Target;
use crate::note::Note;
use crate::tunnel::Moved;
use millpond_exchange::StatusCode;
use millpond_front::{ConnInfo, Finished, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A tunnel that was granted. It is logged when this is dropped, so that one which is cut with its connection, at the end of
/// the drain timeout, is too.
pub(super) struct Granted<S: Inner> {
    pub target: Target,
    /// Host and port as asked for, the host in lower case.
    pub authority: Arc<str>,
    pub conn: ConnInfo,
    pub note: Note,
    /// What went through unread.
    pub moved: Moved,
    /// Ended in good order.
    complete: bool,
    received: Instant,
    /// How long the reply took.
    first_byte: Duration,
    inner: Arc<S>,
}

impl<S: Inner> Granted<S> {
    pub fn new(wanted: Wanted, outcome: &'static str, first_byte: Duration, inner: &Arc<S>) -> Self {
        let Wanted { target, authority, conn, note, received } = wanted;
        Self {
            target,
            authority,
            conn,
            note: Note { outcome, ..note },
            moved: Moved::new(),
            complete: false,
            received,
            first_byte,
            inner: Arc::clone(inner),
        }
    }

    /// It ended in good order.
    pub fn complete(mut self) {
        self.complete = true;
    }

    /// It ended because of `reason`.
    pub fn fail(mut self, reason: &'static str) {
        self.note.reason = Some(reason);
    }
}

impl<S: Inner> Drop for Granted<S> {
    fn drop(&mut self) {
        let none = Note::new(String::new(), &self.note.route);
        let log = std::mem::replace(&mut self.note, none);
        let outcome = Outcome {
            status: StatusCode::OK,
            body_bytes: self.moved.counts().1,
            complete: self.complete,
            first_byte: self.first_byte,
            total: self.received.elapsed(),
        };
        self.inner.finished(Finished { request: None, conn: &self.conn, log, outcome });
    }
}
