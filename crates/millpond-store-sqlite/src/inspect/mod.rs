//! Looking into a cache from outside, while servers use it: what the command line lists, shows, checks and saves.
//!
//! What must not live here: anything a server needs; writing, except for what a check was asked to repair.

mod backup;
mod list;
mod repair;
mod rows;
mod show;
mod sums;
mod totals;
mod verify;

pub use backup::BackedUp;
pub use list::{Cursor, Filter, Listed};
pub use show::{Shown, Unreadable};
pub(crate) use sums::sums;
pub use totals::{StatusTotals, Totals};
pub use verify::{Finding, Verified, verify};

use crate::error::Fault;
use crate::open::{bodies_dir, plain_name};
use crate::schema;
use rusqlite::{Connection, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How long a look waits for a lock. Readers wait only while a file is being recovered after a crash.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a look into a cache came to nothing.
#[derive(Debug, Error)]
pub enum InspectError {
    /// There is no such file: nothing was ever stored there.
    #[error("there is no cache at {}; nothing has been stored there yet", path.display())]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a cache of this program, or of a newer version of it.
    #[error("{} is not a cache this program can read (application {application:#x}, schema {found}, known {known})", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// Its application id.
        application: i64,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The file to be written exists.
    #[error("{} exists already; give another file, or remove it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// There is another file by now than the one that was checked.
    #[error("{} was replaced while it was checked, perhaps by a server that found the same; check it again", path.display())]
    Replaced {
        /// The database file.
        path: PathBuf,
    },
    /// What SQLite said.
    #[error("cannot read {}: {source}{}", path.display(), hint(source))]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What the system said of another file.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn hint(error: &rusqlite::Error) -> &'static str {
    match Fault::of(error) {
        Fault::Damaged => {
            "; the file is damaged: `millpond cache verify --repair` sets it aside and begins anew"
        }
        Fault::Busy => "; another program holds it: try again",
        Fault::Disk | Fault::Other => "",
    }
}

impl InspectError {
    /// True when the database is damaged: opening it for writing would set it aside.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Database { source, .. } if Fault::of(source) == Fault::Damaged)
    }
}

/// A look into the cache in one database file, beside whatever servers do with it. Lists, sums and copies are read in
/// short steps: a server cannot shorten its log while a reader is within it. The exception is [`verify`], which reads the
/// structure of the file and the sums in one go each.
pub struct Inspector {
    path: PathBuf,
    connection: Connection,
}

impl Inspector {
    /// Opens the database file for reading.
    ///
    /// # Errors
    /// [`InspectError::Missing`] where there is no file, [`InspectError::Foreign`] where it is of another program or a
    /// newer version, else what SQLite said.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, InspectError> {
        let path = path.into();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = open(&path, flags)?;
        Ok(Self { path, connection })
    }

    /// The directory of the larger bodies.
    fn bodies(&self) -> PathBuf {
        bodies_dir(&self.path)
    }

    fn failed(&self, source: rusqlite::Error) -> InspectError {
        InspectError::Database { path: self.path.clone(), source }
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, InspectError> {
    if !path.try_exists().unwrap_or(true) {
        return Err(InspectError::Missing { path: path.to_owned() });
    }
    let failed = |source| InspectError::Database { path: path.to_owned(), source };
    let name = plain_name(path).map_err(|source| InspectError::File {
        what: "open",
        path: path.to_owned(),
        source,
    })?;
    let connection = connect(&name, flags).map_err(failed)?;
    let pragma = |name| connection.query_row(name, [], |row| row.get::<_, i64>(0)).map_err(failed);
    let application = pragma("PRAGMA application_id")?;
    let found = pragma("PRAGMA user_version")?;
    let known = schema::SCHEMA_VERSION;
    if application == 0 && found == 0 {
        // Just made, and nothing written yet.
        return Err(InspectError::Missing { path: path.to_owned() });
    }
    if application != schema::APPLICATION_ID || found != known {
        return Err(InspectError::Foreign { path: path.to_owned(), application, found, known });
    }
    Ok(connection)
}

/// A connection to the file `name`. SQLite reads a file with a log only where it may write beside it; where it may not,
/// the file is taken as it is, unless there is a log that says otherwise.
fn connect(name: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let tried = schema::user_version(&connection);
    match tried {
        Err(error) if Fault::of(&error) == Fault::Disk && is_at_rest(name) => {
            let mut uri = String::from("file:");
            for byte in name.as_os_str().as_encoded_bytes() {
                match byte {
                    b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                        uri.push(char::from(*byte));
                    }
                    other => {
                        let hex = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or('0');
                        uri.extend(['%', hex(other >> 4), hex(other & 15)]);
                    }
                }
            }
            uri.push_str("?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        // Whatever it is, the next look says it too.
        _ => Ok(connection),
    }
}

/// Whether nobody can be writing to the file `name`: its directory is read-only to us, and there is no log.
fn is_at_rest(name: &Path) -> bool {
    let log = crate::heal::with_suffix(name, "-wal");
    let writable =
        name.parent().is_some_and(|dir| rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok());
    !writable && std::fs::metadata(log).map_or(true, |log| log.len() == 0)
}
