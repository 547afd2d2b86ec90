//! Why a store could not be opened, and what an error of the database means for the one who meets it.
//!
//! What must not live here: what is done about it (`writer`, `heal`).

use millpond_store::StoreError;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a store cannot be used. A damaged file is not among the reasons: it is set aside and begun anew.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory of the store cannot be made or written to.
    #[error("cannot use the directory {}: {source}; give a directory this user may write to", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was written by a newer version of this program.
    #[error(
        "{} has schema {found}, but this program knows only up to schema {known}; use the newer program, or give another file",
        path.display()
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// The file is a SQLite database of another program. It is left alone.
    #[error("{} is a database of another program; give another file", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The damaged file cannot be set aside.
    #[error("{} is damaged and cannot be set aside: {source}; move or remove it", path.display())]
    SetAside {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else SQLite refuses: a lock that is held too long, a full disk, a read-only file.
    #[error("cannot open the database {}: {source}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The thread that writes could not be started, or ended while the store was being opened.
    #[error("cannot start the thread that writes to the store: {0}")]
    Thread(io::Error),
}

impl OpenError {
    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        Self::Database { path: path.to_owned(), source }
    }
}

/// What an error of SQLite means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody else holds the lock; the same may work in a moment.
    Busy,
    /// The file is not what it should be; it has to be set aside.
    Damaged,
    /// There is no room on the disk, or it fails; it may work again when that is over.
    Disk,
    /// Anything else.
    Other,
}

impl Fault {
    /// What kind of fault `error` is.
    pub(crate) fn of(error: &rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(_, Some(text)) if tells_damage(text) => Self::Damaged,
            rusqlite::Error::SqlInputError { msg, .. } if tells_damage(msg) => Self::Damaged,
            // The file is shorter than it says.
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ =>
            {
                Self::Damaged
            }
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed => Self::Busy,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged,
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied => Self::Disk,
                _ => Self::Other,
            },
            // A value of the wrong type, or none where there must be one: rows no program of ours has written.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows => Self::Damaged,
            _ => Self::Other,
        }
    }
}

/// Damage that SQLite tells by its most general code. A table or column that is not there: the schema was checked, so
/// something took it away. A format it does not know: the header says so.
fn tells_damage(text: &str) -> bool {
    text.starts_with("no such ") || text.starts_with("unsupported file format") || text.contains("malformed")
}

/// The error of the contract for a store that cannot do it now.
pub(crate) fn unavailable(what: impl Into<String>) -> StoreError {
    StoreError::Unavailable(what.into())
}
