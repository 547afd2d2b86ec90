//! Files of the folder, each written in one step.

use super::error::AuthorityError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whether there is a file; an error where that cannot be told, so that no second authority is made beside an unreadable one.
pub(super) fn exists(path: &Path) -> Result<bool, AuthorityError> {
    path.try_exists().map_err(|source| AuthorityError::io("look at", path, source))
}

/// Makes the folder for its owner alone; one that is there stays as it is. A folder of a recording may well be under
/// version control, where a key must not end up: git is told to look away.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.try_exists()? {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    write_public(&dir.join(".gitignore"), b"*\n")
}

/// Writes `path`, for its owner alone, unless it is there already: then that one stays, and this is false.
pub(super) fn write_secret_once(path: &Path, text: &[u8]) -> io::Result<bool> {
    let temporary = write_temporary(path, text, 0o600)?;
    // A link, unlike a rename, never replaces.
    let written = match fs::hard_link(&temporary, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // A file system without links. Whoever gets here holds the lock, or there is none to be had.
        Err(_) => fs::rename(&temporary, path).map(|()| true),
    };
    let _ = fs::remove_file(&temporary);
    sync_dir(path);
    written
}

/// Writes `path`, for everyone to read, unless it holds `text` already.
pub(super) fn write_public(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let temporary = write_temporary(path, text, 0o644)?;
    fs::rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Waits until no other process makes an authority in `dir`. Without the lock where the file system has none: what is
/// written is written once in any case.
pub(super) fn lock(dir: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(dir.join("millpond-ca.lock"))?;
    if let Err(error) = file.lock() {
        tracing::debug!(%error, "no lock on the folder of the certificate authority");
    }
    Ok(file)
}

fn write_temporary(path: &Path, text: &[u8], mode: u32) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = format!(".millpond-{:016x}.tmp", u64::from_ne_bytes(random));
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&temporary)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// So that the new name outlives a power cut.
fn sync_dir(path: &Path) {
    if let Some(dir) = path.parent().and_then(|dir| File::open(dir).ok()) {
        let _ = dir.sync_all();
    }
}
