//! Writing a body, and reading it meanwhile.

use super::chunk::{self, CHUNK, content_len};
use super::held::{Held, Holding};
use super::name::path_in;
use super::session::Session;
use super::table::{self, Row};
use super::{is_missing, missing_is_fine};
use bytes::Bytes;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A body in the making. Dropped without [`BodyWriter::finish`], its file is removed.
pub(crate) struct BodyWriter {
    body: Arc<Inner>,
    compress: bool,
    /// Set by an error: nothing can be appended to a file that lacks something in the middle.
    failed: bool,
    place: Place,
}

/// Where the file lies now, and where it will.
struct Place {
    name: String,
    session: Arc<Session>,
    bodies: PathBuf,
    held: Held,
    finished: bool,
}

/// A finished body, for the database. Its file stays until it is removed by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredBody {
    /// The name of the file.
    pub(crate) name: String,
    /// Bytes of the file.
    pub(crate) stored_len: u64,
    /// The table of its chunks.
    pub(crate) table: Vec<u8>,
    /// Bytes of content.
    pub(crate) len: u64,
}

/// Reads what has been written so far, for as long as it lives: also when the body is finished, given up or removed.
#[derive(Clone)]
pub(crate) struct BodyHandle(Arc<Inner>);

struct Inner {
    file: File,
    id: u64,
    state: Mutex<State>,
    _holding: Holding,
}

#[derive(Default)]
struct State {
    /// The chunks in the file.
    rows: Vec<Row>,
    /// Their bytes in the file.
    stored: u64,
    /// The chunk after them, while it is compressed and written.
    writing: Option<Bytes>,
    /// The chunk after that.
    filling: Vec<u8>,
    /// Bytes of content in all of them.
    len: u64,
}

impl BodyWriter {
    pub(super) fn new(
        bodies: &Path,
        name: String,
        session: Arc<Session>,
        file: File,
        held: Held,
        compress: bool,
        id: u64,
    ) -> Self {
        let body = Arc::new(Inner { file, id, state: Mutex::default(), _holding: held.open(&name) });
        let place = Place { name, session, bodies: bodies.to_owned(), held, finished: false };
        Self { body, compress, failed: false, place }
    }

    /// Appends `content`.
    ///
    /// # Errors
    /// When it cannot be written. Then the body cannot be finished, but what was written can still be read.
    pub(crate) fn write(&mut self, mut content: &[u8]) -> io::Result<()> {
        self.check()?;
        while !content.is_empty() {
            let full = {
                let mut state = self.body.state();
                let (taken, rest) = content.split_at(content.len().min(CHUNK - state.filling.len()));
                state.filling.extend_from_slice(taken);
                state.len += taken.len() as u64;
                content = rest;
                state.filling.len() == CHUNK
            };
            if full {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    /// Bytes of content so far.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.body.state().len
    }

    /// For reading what is written.
    pub(crate) fn handle(&self) -> BodyHandle {
        BodyHandle(Arc::clone(&self.body))
    }

    /// Writes what is left and puts the file in its place.
    ///
    /// # Errors
    /// When that fails, or an earlier write has; the file is removed then.
    pub(crate) fn finish(mut self) -> io::Result<StoredBody> {
        self.check()?;
        if !self.body.state().filling.is_empty() {
            self.write_chunk()?;
        }
        self.place.put()?;
        let state = self.body.state();
        Ok(StoredBody {
            name: self.place.name.clone(),
            stored_len: state.stored,
            table: table::encode(&state.rows),
            len: state.len,
        })
    }

    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier write to this body failed")) } else { Ok(()) }
    }

    /// Brings the chunk being filled into the file. Readers have it from memory until it is there.
    fn write_chunk(&mut self) -> io::Result<()> {
        self.failed = true;
        let (content, number, offset) = {
            let mut state = self.body.state();
            let content = Bytes::from(std::mem::take(&mut state.filling));
            state.writing = Some(content.clone());
            (content, state.rows.len() as u64, state.stored)
        };
        let (kept, row) = chunk::pack(&content, self.compress, self.body.id, number);
        self.body.file.write_all_at(&kept, offset)?;
        let mut state = self.body.state();
        state.stored += kept.len() as u64;
        state.rows.push(Row { offset, ..row });
        state.writing = None;
        self.failed = false;
        Ok(())
    }
}

impl Place {
    fn path(&self) -> PathBuf {
        self.session.dir().join(&self.name)
    }

    /// Moves the file from where it was written to where it is looked for.
    fn put(&mut self) -> io::Result<()> {
        let to = path_in(&self.bodies, &self.name).expect("names are made by `Names`");
        let from = self.path();
        let moved = fs::rename(&from, &to).or_else(|error| match to.parent() {
            Some(shard) if is_missing(&error) && from.exists() => {
                crate::open::create_dirs(shard)?;
                fs::rename(&from, &to)
            }
            _ => Err(error),
        });
        self.finished = moved.is_ok();
        moved
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed by the first process that finds the lock of this one free.
            let path = self.path();
            let bytes = fs::symlink_metadata(&path).map_or(0, |file| file.len());
            if missing_is_fine(fs::remove_file(path)).is_ok() {
                self.held.is_gone(&self.name, bytes);
            }
        }
    }
}

impl BodyHandle {
    /// Bytes of content so far.
    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.0.state().len
    }

    /// The content from `offset` on, as far as one chunk goes; empty where nothing is written yet. Checked like any
    /// that comes from a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    #[cfg(test)]
    pub(crate) fn read_at(&self, offset: u64) -> io::Result<Bytes> {
        if let Some(content) = self.read_memory(offset) {
            return Ok(content);
        }
        let content = self.chunk_into(offset / CHUNK as u64, Vec::new())?;
        Ok(Bytes::from(content).slice((offset % CHUNK as u64) as usize..))
    }

    /// The chunk `number`, as far as it is written, checked like any that comes from a file. `buffer` is where it is put,
    /// and may hold anything.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub(crate) fn chunk_into(&self, number: u64, mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let (row, len) = {
            let state = self.0.state();
            match state.at(number * CHUNK as u64) {
                At::Memory(content) => {
                    buffer.clear();
                    buffer.extend_from_slice(&content);
                    return Ok(buffer);
                }
                At::File(row) => (row, state.len),
            }
        };
        Ok(chunk::read(&self.0.file, &row, number, content_len(number, len), self.0.id, buffer)?)
    }

    /// The content from `offset` on, where that takes no reading from the disk: never for a chunk that is whole.
    pub(crate) fn read_memory(&self, offset: u64) -> Option<Bytes> {
        match self.0.state().at(offset) {
            At::Memory(content) => Some(content),
            At::File(_) => None,
        }
    }
}

/// What a reader is given at once of the chunk being filled, bytes: each gets a copy.
const COPIED: usize = 16 << 10;

/// Where something lies.
enum At {
    Memory(Bytes),
    File(Row),
}

impl State {
    fn at(&self, offset: u64) -> At {
        if offset >= self.len {
            return At::Memory(Bytes::new());
        }
        let (number, start) = ((offset / CHUNK as u64) as usize, (offset % CHUNK as u64) as usize);
        match (&self.writing, self.rows.get(number)) {
            (_, Some(row)) => At::File(*row),
            (Some(writing), None) if number == self.rows.len() => At::Memory(writing.slice(start..)),
            // Within `len` and behind all others.
            _ => {
                let end = self.filling.len().min(start + COPIED);
                At::Memory(Bytes::copy_from_slice(&self.filling[start..end]))
            }
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing between two changes of the state can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
