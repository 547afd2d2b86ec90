//! Opening the connections: where files lie, what every connection is told, and how the first one of a process makes,
//! migrates or heals the file.
//!
//! What must not live here: what is read or written through them.

use crate::error::{Fault, OpenError};
use crate::heal::{self, OpenLock, with_suffix};
use crate::options::SqliteOptions;
use crate::schema::{self, MIGRATIONS};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a page. Larger than SQLite's own default, because rows hold bodies.
pub(crate) const PAGE: u64 = 8192;
/// How long a file being opened waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(2);
/// How long a transaction waits for that of another process before it is put off: in between, purges are listened to.
pub(crate) const BUSY_WRITER: Duration = Duration::from_millis(50);
/// Statements kept prepared for each connection; there are fewer.
const STATEMENTS: usize = 64;

/// Which file it is. A file system gives the inode of one that went to the next one; the number within is the file's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    inode: (u64, u64),
    id: i64,
}

impl FileId {
    /// True when `path` leads to this file, as far as the inode tells: surely so while a connection keeps it open.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        inode(path) == Some(self.inode)
    }
}

/// Device and inode of the file at `path`; `None` when there is none.
fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// The file's own number.
fn own_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT id FROM file", [], |row| row.get(0))
}

/// The directory of the bodies that belong to the database `path`.
pub(crate) fn bodies_dir(path: &Path) -> PathBuf {
    with_suffix(path, "-bodies")
}

/// The connection that writes.
pub(crate) struct Db {
    pub(crate) connection: Connection,
    pub(crate) file: FileId,
    /// Where the damaged file lies that this one takes the place of, if it does.
    pub(crate) healed: Option<PathBuf>,
}

/// Opens the file to write: makes it if there is none, migrates it if it is old, sets it aside if it is damaged.
/// `damaged` is a file known to be so; the log may become `log` bytes large.
pub(crate) fn open(options: &SqliteOptions, log: u64, damaged: Option<FileId>) -> Result<Db, OpenError> {
    let path = &options.path;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = |source| OpenError::Directory { path: directory.to_owned(), source };
    create_dirs(directory).map_err(refused)?;
    let _lock = OpenLock::take(path).map_err(refused)?;
    heal::clear_leftovers(path).map_err(refused)?;
    let mut healed = None;
    if damaged.is_some_and(|damaged| is_still(&damaged, path)) {
        healed = Some(set_aside(options)?);
    }
    let (connection, id) = match connect(options, log) {
        Err(OpenError::Database { source, .. }) if Fault::of(&source) == Fault::Damaged => {
            healed = Some(set_aside(options)?);
            connect(options, log)?
        }
        other => other?,
    };
    let inode = inode(path).ok_or_else(|| refused(io::ErrorKind::NotFound.into()))?;
    Ok(Db { connection, file: FileId { inode, id }, healed })
}

/// Makes a directory and those above it where there are none, for this user alone.
pub(crate) fn create_dirs(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// True unless another file has come into the place of the damaged one.
fn is_still(damaged: &FileId, path: &Path) -> bool {
    // A number that cannot be read is no sign of another file.
    damaged.is_at(path)
        && reader(path).and_then(|found| own_number(&found)).map_or(true, |id| id == damaged.id)
}

/// Makes the file for this user alone, if there is none: SQLite makes log and index like it. One that is there is not
/// opened, since closing it would let go of the locks that connections of this process have.
fn create_file(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn set_aside(options: &SqliteOptions) -> Result<PathBuf, OpenError> {
    let path = &options.path;
    heal::set_aside(path, (options.now)())
        .map_err(|source| OpenError::SetAside { path: path.clone(), source })
}

/// A connection to write, and the file's own number.
fn connect(options: &SqliteOptions, log: u64) -> Result<(Connection, i64), OpenError> {
    let path = &options.path;
    create_file(path).map_err(|source| OpenError::Directory { path: path.clone(), source })?;
    let database = |source| OpenError::database(path, source);
    let mut connection = raw(path, OpenFlags::SQLITE_OPEN_CREATE).map_err(database)?;
    // Where SQLite fails to open a file for writing it opens it for reading, and says so only when something is written.
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(database)? {
        return Err(database(not_writable()));
    }
    // And where the header names a newer format for writing than it knows, which it sees at the first look into the file.
    schema::user_version(&connection).map_err(database)?;
    if connection.is_readonly(rusqlite::MAIN_DB).map_err(database)? {
        return Err(database(schema::damaged("the header names a format this program does not write")));
    }
    prepare_to_write(&connection, options, log).map_err(database)?;
    schema::migrate(&mut connection, path, MIGRATIONS)?;
    try_tables(&connection).map_err(database)?;
    let id = own_number(&connection).map_err(database)?;
    connection.busy_timeout(BUSY_WRITER).map_err(database)?;
    Ok((connection, id))
}

fn not_writable() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some("the file cannot be opened for writing; give one this user may write to".to_owned()),
    )
}

/// Opens a connection to read, or fails at once where there is no file.
pub(crate) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = raw(path, OpenFlags::empty())?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048")?;
    Ok(connection)
}

/// `path` as SQLite takes it for nothing else: a name that begins with `file:` is a URI to it even where no flag says so,
/// and may lead to another file.
pub(crate) fn plain_name(path: &Path) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

fn raw(path: &Path, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let name = plain_name(path).map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let connection = Connection::open_with_flags(name, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A file that shrinks under a memory map would kill the process.
    connection
        .execute_batch("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF")?;
    Ok(connection)
}

fn prepare_to_write(connection: &Connection, options: &SqliteOptions, log: u64) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    // These two shape a new file; the second writes to one that is there, and one of a newer program is to be left alone.
    if fs::metadata(&options.path).map_or(0, |file| file.len()) == 0 {
        connection.execute_batch(&format!("PRAGMA page_size = {PAGE}; PRAGMA auto_vacuum = INCREMENTAL"))?;
    }
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = {}; PRAGMA journal_size_limit = {log}",
        (log / 2 / PAGE).max(1)
    ))
}

/// Looks into every table, so that a file that cannot be used shows it now.
fn try_tables(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("SELECT next_seq FROM totals", [], |row| row.get::<_, i64>(0))?;
    for table in ["entry", "label", "purge"] {
        connection
            .query_row(&format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"), [], |_| Ok(()))?;
    }
    Ok(())
}
