//! Removing what a check has found broken.

use super::sums::put_sums_in_step;
use super::{Finding, InspectError, Inspector};
use crate::bodies::path_in;
use crate::check::Broken;
use crate::heal::{self, OpenLock};
use crate::open::{bodies_dir, plain_name};
use millpond_exchange::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Which file was checked.
pub(super) struct Checked<'a> {
    path: &'a Path,
    /// Device and inode.
    file: Option<(u64, u64)>,
    /// Keeps the file: as long as it is open, no other gets its inode.
    held: Option<Inspector>,
}

impl<'a> Checked<'a> {
    /// The file at `path`. To be asked before that is opened: where another takes its place in between, it is then not
    /// repaired, and not taken for one that was checked.
    pub(super) fn at(path: &'a Path) -> Self {
        Self { path, file: identity(path), held: None }
    }

    /// `inspector` looks into it.
    pub(super) fn hold(&mut self, inspector: Inspector) -> &Inspector {
        self.held.insert(inspector)
    }

    fn is_still_there(&self) -> Result<(), InspectError> {
        if identity(self.path) == self.file {
            return Ok(());
        }
        Err(InspectError::Replaced { path: self.path.to_owned() })
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// Removes what is broken in the file that was checked. Servers see it as they see an eviction by another process.
pub(super) fn repair_all(
    checked: Checked<'_>,
    findings: &[Finding],
    broken: &[Broken],
    now: Timestamp,
) -> Result<(), InspectError> {
    let path = checked.path;
    let file_failed = |path: &Path| {
        let path = path.to_owned();
        move |source| InspectError::File { what: "remove", path, source }
    };
    if findings.iter().any(|finding| matches!(finding, Finding::Structure(_))) {
        let _lock = OpenLock::take(path).map_err(file_failed(path))?;
        // A server may have met the damage meanwhile: the file in its place is a new one, and sound.
        checked.is_still_there()?;
        drop(checked);
        heal::set_aside(path, now).map_err(file_failed(path))?;
        return Ok(());
    }
    checked.is_still_there()?;
    remove_rows(path, broken, findings)
        .map_err(|source| InspectError::Database { path: path.to_owned(), source })?;
    let directory = bodies_dir(path);
    let of_rows = broken.iter().filter_map(|row| path_in(&directory, row.file.as_deref()?));
    let orphans = findings.iter().filter_map(|finding| match finding {
        Finding::Orphan { path } => Some(path.clone()),
        _ => None,
    });
    for file in of_rows.chain(orphans) {
        // Nothing of ours: the store makes no directory under the name of a body.
        if fs::symlink_metadata(&file).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_failed(&file)(error)),
            _ => {}
        }
    }
    Ok(())
}

fn remove_rows(path: &Path, broken: &[Broken], findings: &[Finding]) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let name = plain_name(path).map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let mut connection = Connection::open_with_flags(name, flags)?;
    connection.busy_timeout(super::PATIENCE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for row in broken {
        let known = params![row.seq, row.id];
        transaction.execute(
            "DELETE FROM label WHERE seq = (SELECT seq FROM entry WHERE seq = ?1 AND id IS ?2)",
            known,
        )?;
        transaction.execute("DELETE FROM entry WHERE seq = ?1 AND id IS ?2", known)?;
    }
    for finding in findings {
        if let Finding::Labels { row } = finding {
            let orphaned =
                "DELETE FROM label WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM entry WHERE seq = ?1)";
            transaction.execute(orphaned, [row])?;
        }
    }
    put_sums_in_step(&transaction)?;
    transaction.commit()
}
