//! Bodies in files beside the database: one file a body, in chunks each of which is checked before it is given out.
//!
//! ```text
//! <database>-bodies/ab/abcd...         finished bodies, by 128 random bits in hexadecimal
//! <database>-bodies/tmp/<random>/...   those being written by one process
//! <database>-bodies/tmp/<random>/lock  locked while that process lives
//! ```
//! Nothing is synced: what a power cut tears is found by its checksums. Every call here may block on the disk.
//!
//! What must not live here: which bodies are kept, and the database that knows them.

mod chunk;
mod held;
mod name;
mod reader;
mod session;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use chunk::{BodyFault, CHUNK};
pub(crate) use held::Held;
pub(crate) use name::path_in;
pub(crate) use reader::BodyReader;
pub(crate) use sweep::Swept;
pub(crate) use writer::{BodyHandle, BodyWriter, StoredBody};

use name::Names;
use session::Session;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use sweep::Cursor;

/// Refuses the directory `dir` of bodies where it, or that for new bodies in it, is a symbolic link.
///
/// # Errors
/// Where it is one.
pub(crate) fn refuse_links(dir: &Path) -> io::Result<()> {
    session::refuse_links(&session::all_in(dir))
}

/// How often a file is tried anew because the directory vanished in between.
const ATTEMPTS: usize = 4;

/// The directory of bodies of one database. Clones are the same.
#[derive(Clone)]
pub(crate) struct Bodies(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    names: Names,
    session: Mutex<Option<Arc<Session>>>,
    cursor: Mutex<Cursor>,
    held: Held,
}

impl Bodies {
    /// The directory `dir`, for reading alone: it is made only when something is written.
    pub(crate) fn at(dir: PathBuf) -> Self {
        Self(Arc::new(Shared {
            dir,
            names: Names::default(),
            session: Mutex::default(),
            cursor: Mutex::default(),
            held: Held::default(),
        }))
    }

    /// Makes the directory `dir` if need be, shows that it can be written to, and removes what processes that ended have
    /// left unfinished.
    ///
    /// # Errors
    /// Where it cannot be written to.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        let bodies = Self::at(dir);
        bodies.session()?;
        bodies.remove_dead()?;
        Ok(bodies)
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Begins the body of the entry `id`, with `compress` to be kept compressed where that is smaller. The directory is
    /// made again if it has vanished.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn create(&self, compress: bool, id: u64) -> io::Result<BodyWriter> {
        let name = self.0.names.next();
        let mut attempt = 1;
        loop {
            let session = self.session()?;
            let path = session.dir().join(&name);
            match OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => {
                    let held = self.0.held.clone();
                    return Ok(BodyWriter::new(self.dir(), name, session, file, held, compress, id));
                }
                Err(error) if is_missing(&error) && attempt < ATTEMPTS => self.forget(&session),
                Err(error) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// Opens the body `name` of the entry `id`: `len` bytes of content in the chunks of `table`.
    ///
    /// # Errors
    /// [`BodyFault::Missing`] when there is no such file; [`BodyFault::Damaged`] when name, table, length and file do not
    /// go together.
    pub(crate) fn reader(
        &self,
        name: &str,
        table: &[u8],
        len: u64,
        id: u64,
    ) -> Result<BodyReader, BodyFault> {
        let path = path_in(self.dir(), name).ok_or(BodyFault::Damaged("its name is not that of a body"))?;
        let table = table::Table::decode(table, len)?;
        let holding = self.0.held.open(name);
        let file = File::open(path).map_err(|error| match error {
            error if is_missing(&error) => BodyFault::Missing,
            error => BodyFault::Io(error),
        })?;
        BodyReader::new(file, holding, table, id)
    }

    /// Removes the body `name`. One that is not there is no error.
    ///
    /// # Errors
    /// When it cannot be removed, or `name` is not that of a body.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let path = path_in(self.dir(), name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not the name of a body"))?;
        let bytes = fs::symlink_metadata(&path).map_or(0, |file| file.len());
        missing_is_fine(fs::remove_file(path))?;
        self.0.held.is_gone(name, bytes);
        Ok(())
    }

    /// Removes unfinished bodies of processes that have ended; gives the number of those processes.
    ///
    /// # Errors
    /// When something of them cannot be removed; the others are.
    pub(crate) fn remove_dead(&self) -> io::Result<usize> {
        session::remove_dead(&session::all_in(self.dir()))
    }

    /// Whether other processes have begun bodies here and live: what they have finished need not be known yet.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(crate) fn are_others_writing(&self) -> io::Result<bool> {
        let session = self.0.session.lock().unwrap_or_else(PoisonError::into_inner);
        session::are_others(&session::all_in(self.dir()), session.as_deref())
    }

    /// Looks at `budget` finished bodies, where the last call left off, and removes those older than `older_than` that
    /// `is_known` denies. One that was just finished is not yet known to other processes: hence the age.
    ///
    /// # Errors
    /// What `is_known` or the file system says. The next call goes on with the next file.
    pub(crate) fn sweep_orphans(
        &self,
        budget: usize,
        older_than: std::time::SystemTime,
        is_known: impl FnMut(&str) -> io::Result<bool>,
    ) -> io::Result<Swept> {
        refuse_links(self.dir())?;
        let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        cursor.sweep(self.dir(), budget, older_than, is_known)
    }

    /// The files that this process has removed, or given up, and that are still being read in it.
    pub(crate) fn held(&self) -> &Held {
        &self.0.held
    }

    fn session(&self) -> io::Result<Arc<Session>> {
        let mut session = self.0.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*session {
            return Ok(Arc::clone(session));
        }
        let new = Arc::new(Session::begin(&session::all_in(self.dir()), &self.0.names)?);
        *session = Some(Arc::clone(&new));
        Ok(new)
    }

    /// The directory of `gone` has vanished: the next body begins another.
    fn forget(&self, gone: &Arc<Session>) {
        let mut session = self.0.session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.as_ref().is_some_and(|session| Arc::ptr_eq(session, gone)) {
            *session = None;
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if is_missing(&error) => Ok(()),
        result => result,
    }
}
