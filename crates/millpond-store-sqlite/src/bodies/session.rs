//! The directory in which one process writes its bodies, and the lock that tells others that it lives.
//!
//! Whoever holds the lock of such a directory owns it: the process that made it, or one that found the lock free and
//! removes what is left. Both take it the same way, so neither can be mistaken for the other.

use super::is_missing;
use super::missing_is_fine;
use super::name::{Names, is_name};
use crate::open::create_dirs;
use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock tells that the process lives.
const LOCK: &str = "lock";
/// How often another directory is tried because somebody takes each away.
const ATTEMPTS: usize = 64;

/// Where the directories of all processes lie.
pub(super) fn all_in(dir: &Path) -> PathBuf {
    dir.join("tmp")
}

/// A directory of this process. It goes when nobody writes into it any longer.
pub(super) struct Session {
    dir: PathBuf,
    _lock: File,
}

impl Session {
    /// Makes a directory in `all`, and `all` too if need be.
    pub(super) fn begin(all: &Path, names: &Names) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            refuse_links(all)?;
            let dir = all.join(names.next());
            create_dirs(&dir)?;
            match own(&dir) {
                Ok(Some(lock)) => return Ok(Self { dir, _lock: lock }),
                // Another process took it for that of a dead one, in the moment before it was locked.
                Ok(None) if attempt < ATTEMPTS => {}
                Err(error) if is_missing(&error) && attempt < ATTEMPTS => {}
                Ok(None) => {
                    return Err(io::Error::other("other processes take away the directory for new bodies"));
                }
                Err(error) => return Err(error),
            }
            attempt += 1;
            std::thread::yield_now();
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What stays behind is unlocked from now on, and removed by the next process that looks.
        let _ = fs::remove_file(self.dir.join(LOCK)).and_then(|()| fs::remove_dir(&self.dir));
    }
}

/// Refuses a directory of bodies, or the one `all` in it, that is a symbolic link: what lies where it leads is not ours to
/// clear up.
///
/// # Errors
/// Where one of them is a link; what is not there is none.
pub(super) fn refuse_links(all: &Path) -> io::Result<()> {
    for dir in all.parent().into_iter().chain([all]) {
        if fs::symlink_metadata(dir).is_ok_and(|found| found.is_symlink()) {
            return Err(io::Error::other(format!(
                "{} is a symbolic link, which is not followed; remove it, or link the whole cache directory",
                dir.display()
            )));
        }
    }
    Ok(())
}

/// The lock of `dir`, if nobody else has it.
fn own(dir: &Path) -> io::Result<Option<File>> {
    let path = dir.join(LOCK);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let lock = options.open(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // The file may have been removed between opening and locking, by the one who had the lock before.
    let (locked, there) = (lock.metadata()?, fs::symlink_metadata(&path)?);
    Ok(((locked.dev(), locked.ino()) == (there.dev(), there.ino())).then_some(lock))
}

/// Whether there are directories in `all`, beside that of `this` session, whose processes live. Those of dead ones go.
pub(super) fn are_others(all: &Path, this: Option<&Session>) -> io::Result<bool> {
    remove_dead(all)?;
    let entries = match fs::read_dir(all) {
        Err(error) if is_missing(&error) => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let own = this.is_some_and(|this| this.dir == entry.path());
        if !own && entry.file_name().to_str().is_some_and(is_name) && entry.path().join(LOCK).exists() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the directories in `all` whose lock is free; gives their number. The first error is told when all were tried.
pub(super) fn remove_dead(all: &Path) -> io::Result<usize> {
    refuse_links(all)?;
    let entries = match fs::read_dir(all) {
        Err(error) if is_missing(&error) => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    let mut failed = None;
    for entry in entries {
        match entry.and_then(|entry| remove_if_dead(&entry)) {
            Ok(true) => removed += 1,
            Ok(false) => {}
            // Gone in the meantime, by another process.
            Err(error) if is_missing(&error) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(removed), Err)
}

fn remove_if_dead(entry: &DirEntry) -> io::Result<bool> {
    let ours = |entry: &DirEntry| entry.file_name().to_str().is_some_and(is_name);
    // Under any other name, and behind a link, lies what somebody else has put there.
    if !ours(entry) || !entry.file_type()?.is_dir() {
        return Ok(false);
    }
    let dir = entry.path();
    let Some(_lock) = own(&dir)? else { return Ok(false) };
    let mut others = false;
    for entry in fs::read_dir(&dir)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if ours(&entry) && !entry.file_type()?.is_dir() {
            missing_is_fine(fs::remove_file(entry.path()))?;
        } else {
            others = true;
        }
    }
    // The lock last: a directory that still holds something can always be taken over.
    missing_is_fine(fs::remove_file(dir.join(LOCK)))?;
    if others {
        return Ok(false);
    }
    match fs::remove_dir(&dir) {
        // Somebody has begun to use it in this moment; then it is theirs.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        result => missing_is_fine(result).map(|()| true),
    }
}
