//! Saving a cache while servers use it.

use super::rows::{RowCopy, leave_out};
use super::{InspectError, Inspector, plain_name};
use crate::bodies::path_in;
use crate::error::OpenError;
use crate::open::{PAGE, bodies_dir};
use crate::schema::{self, MIGRATIONS};
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Whoever may not read the cache may not read its copy.
const FILE: u32 = 0o600;
const DIRECTORY: u32 = 0o700;

/// What was saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Entries.
    pub entries: u64,
    /// Bodies in files.
    pub files: u64,
    /// Entries left out because their bodies were evicted while the copy was made.
    pub left_out: u64,
}

impl Inspector {
    /// Copies the cache into the database file `to` and the directory `to` + `-bodies`, both for this user alone. Every
    /// entry is whole, but they are not all of one moment: what is stored, purged or evicted while the copy is made is in
    /// it or not. Body files, which never change, are linked where the file system allows it and nobody else may read
    /// them, else copied. `progress` is told how much of how much is done, first in entries, then in files. What fails
    /// is taken away again.
    ///
    /// # Errors
    /// [`InspectError::Exists`] when either is there already, else what SQLite or the system said.
    pub fn backup(&self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<BackedUp, InspectError> {
        let bodies = bodies_dir(to);
        for path in [to, &bodies] {
            if path.symlink_metadata().is_ok() {
                return Err(InspectError::Exists { path: path.to_owned() });
            }
        }
        let made = OpenOptions::new().write(true).create_new(true).mode(FILE).open(to);
        made.map_err(|source| InspectError::File { what: "write", path: to.to_owned(), source })?;
        let done = self.copy(to, &bodies, progress);
        if done.is_err() {
            // The failure is what is told; what cannot be removed is left for the operator to see.
            let _ = fs::remove_file(to);
            let _ = fs::remove_dir_all(&bodies);
        }
        done
    }

    fn copy(
        &self,
        to: &Path,
        bodies: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackedUp, InspectError> {
        let failed = |source| InspectError::Database { path: to.to_owned(), source };
        let copy = begin(to)?;
        RowCopy { from: self, copy: &copy, to }.run(progress)?;
        let (all, gone) = self.copy_bodies(&copy, bodies, progress, failed)?;
        let entries = end(&copy, &gone).map_err(failed)?;
        copy.close().map_err(|(_, source)| failed(source))?;
        let synced = File::open(to).and_then(|file| file.sync_all());
        synced.map_err(|source| InspectError::File { what: "write", path: to.to_owned(), source })?;
        let left_out = gone.len() as u64;
        Ok(BackedUp { entries, files: all - left_out, left_out })
    }

    /// Gives the number of body files, and the rows whose bodies have gone since.
    fn copy_bodies(
        &self,
        copy: &Connection,
        bodies: &Path,
        progress: &mut dyn FnMut(u64, u64),
        failed: impl Fn(rusqlite::Error) -> InspectError + Copy,
    ) -> Result<(u64, Vec<i64>), InspectError> {
        let count = "SELECT count(*) FROM entry WHERE file IS NOT NULL";
        let all = copy.query_row(count, [], |row| row.get::<_, i64>(0)).map_err(failed)?.cast_unsigned();
        let mut statement = copy
            .prepare("SELECT seq, file FROM entry WHERE file IS NOT NULL ORDER BY seq")
            .map_err(failed)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        let mut gone = Vec::new();
        for (done, row) in rows.map_err(failed)?.enumerate() {
            let (seq, file) = row.map_err(failed)?;
            if !self.copy_body(bodies, &file)? {
                gone.push(seq);
            }
            progress(done as u64 + 1, all);
        }
        Ok((all, gone))
    }

    /// False when the body has gone since.
    fn copy_body(&self, bodies: &Path, file: &str) -> Result<bool, InspectError> {
        // What is not the name of a body stands in a damaged row.
        let (Some(from), Some(to)) = (path_in(&self.bodies(), file), path_in(bodies, file)) else {
            return Ok(false);
        };
        let failed = |path: PathBuf| move |source| InspectError::File { what: "write", path, source };
        if let Some(parent) = to.parent() {
            let made = DirBuilder::new().recursive(true).mode(DIRECTORY).create(parent);
            made.map_err(failed(parent.to_owned()))?;
        }
        match link_or_copy(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            copied => copied.map(|()| true).map_err(failed(to)),
        }
    }
}

/// Makes `to` the same as `from`, and readable to this user alone: a link has the permissions of what it leads to, which
/// are not to be changed here.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    let open_to_others = fs::metadata(from)?.permissions().mode() & 0o077 != 0;
    if !open_to_others && fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(FILE).open(to)?;
    io::copy(&mut source, &mut target).map(drop)
}

/// The empty file `to` as a cache without entries. Nothing is synced before the end: what fails is taken away.
fn begin(to: &Path) -> Result<Connection, InspectError> {
    let failed = |source| InspectError::Database { path: to.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let name =
        plain_name(to).map_err(|source| InspectError::File { what: "write", path: to.to_owned(), source })?;
    let mut copy = Connection::open_with_flags(name, flags).map_err(failed)?;
    copy.execute_batch(&format!(
        "PRAGMA page_size = {PAGE}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = MEMORY;
         PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF"
    ))
    .map_err(failed)?;
    match schema::migrate(&mut copy, to, MIGRATIONS) {
        Ok(_) => Ok(copy),
        Err(OpenError::Database { source, .. }) => Err(failed(source)),
        // The file was empty when it was made: somebody else has written to it since.
        Err(_) => Err(InspectError::Exists { path: to.to_owned() }),
    }
}

/// Takes out the entries whose bodies have gone, and puts the sums in step. Gives the number of those left.
fn end(copy: &Connection, gone: &[i64]) -> rusqlite::Result<u64> {
    let transaction = copy.unchecked_transaction()?;
    leave_out(&transaction, gone)?;
    super::sums::put_sums_in_step(&transaction)?;
    let entries: i64 = transaction.query_row("SELECT entries FROM totals", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(entries.cast_unsigned())
}
