//! The connections that read: a few, each used by one lookup at a time, on whatever thread that runs.
//!
//! What must not live here: what is read.

use crate::error::Fault;
use crate::open;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Connections kept when nobody uses them.
const IDLE: usize = 16;

/// Connections to one file.
pub(crate) struct ReadPool {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Changes when the file does, so that connections to the old one are not kept.
    generation: u64,
    /// A read met damage in the file of this generation.
    damaged: bool,
}

impl ReadPool {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default() }
    }

    /// Gives `read` a connection.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let (idle, generation) = {
            let mut state = self.lock();
            (state.idle.pop(), state.generation)
        };
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect(generation)?,
        };
        let result = read(&connection);
        if let Err(error) = &result {
            // The connection goes too: it may have a half-read page in its cache.
            self.met(error, generation);
            return result;
        }
        let mut state = self.lock();
        if state.generation == generation && state.idle.len() < IDLE {
            state.idle.push(connection);
        }
        result
    }

    fn connect(&self, generation: u64) -> rusqlite::Result<Connection> {
        open::reader(&self.path).inspect_err(|error| self.met(error, generation))
    }

    /// A read of the file of `generation` failed.
    fn met(&self, error: &rusqlite::Error, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation && Fault::of(error) == Fault::Damaged {
            state.damaged = true;
        }
    }

    /// Lets go of every connection: the file is another one from now on.
    pub(crate) fn renew(&self) {
        let idle = {
            let mut state = self.lock();
            state.generation += 1;
            state.damaged = false;
            std::mem::take(&mut state.idle)
        };
        drop(idle);
    }

    /// Which file is read: a number that changes whenever the file may be another one.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// The generation of the present file, where a read met damage in it. One that was begun before the file was opened
    /// anew tells nothing: it may have met the old file, or the new one before its tables were there.
    pub(crate) fn damaged(&self) -> Option<u64> {
        let state = self.lock();
        state.damaged.then_some(state.generation)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
