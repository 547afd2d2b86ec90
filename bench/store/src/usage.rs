//! What a SQLite store takes on the disk, seen from outside.

use std::io::ErrorKind;
use std::ops::AddAssign;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::told::{Bytes, Usage};

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.length += other.length;
        self.allocated += other.allocated;
    }
}

impl Usage {
    /// Looks at the store of this database file. The index of the log (`-shm`) is no data and does not count.
    pub fn of(database: &Path) -> Result<Self> {
        Ok(Self {
            database: file(database)?,
            log: file(&beside(database, "-wal"))?,
            bodies: directory(&beside(database, "-bodies"))?,
        })
    }

    /// All of it.
    pub fn total(&self) -> Bytes {
        let mut total = self.database;
        total += self.log;
        total += self.bodies;
        total
    }
}

/// The path with this at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A file that is not there takes nothing: files come and go while they are counted.
fn file(path: &Path) -> Result<Bytes> {
    match path.symlink_metadata() {
        Ok(data) => Ok(Bytes { length: data.len(), allocated: data.blocks() * 512 }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Bytes::default()),
        Err(error) => Err(error).with_context(|| format!("looking at {}", path.display())),
    }
}

fn directory(path: &Path) -> Result<Bytes> {
    let mut total = Bytes::default();
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(total),
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", path.display()))?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        total += if is_directory { directory(&entry.path())? } else { file(&entry.path())? };
    }
    Ok(total)
}
