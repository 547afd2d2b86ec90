//! The tapes of a directory, as files.

use crate::session::{SESSIONS, lock_finished};
use millpond_tape::{Format, ReadAt, Recorded, TapeError, har, json, mitm, sniff};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The endings of tapes.
const ENDINGS: [&str; 6] = ["mitm", "flows", "flow", "har", "json", "jsonl"];

/// The tapes in `dir` and in its directory of recordings, by name.
///
/// # Errors
/// What the system says of `dir` itself.
pub(super) fn list(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = tapes_in(dir)?;
    match tapes_in(&dir.join(SESSIONS)) {
        Ok(sessions) => found.extend(without_converted(sessions)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    found.sort();
    Ok(found)
}

/// `sessions` without those that stand beside themselves in another format: a run was stopped between putting that there, which
/// is whole, and taking the first one away.
fn without_converted(sessions: Vec<PathBuf>) -> Vec<PathBuf> {
    let all: HashSet<PathBuf> = sessions.iter().cloned().collect();
    let is_twice = |path: &Path| {
        let beside = |format: Format| all.contains(&path.with_extension(format.extension()));
        path.extension().is_some_and(|ending| ending == "mitm")
            && (beside(Format::Json) || beside(Format::Har))
    };
    let (twice, once): (Vec<_>, Vec<_>) = sessions.into_iter().partition(|path| is_twice(path));
    for path in twice {
        tracing::warn!(tape = %path.display(), "the tape is there in another format too, which is read; this one may go");
    }
    once
}

fn tapes_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// A tape, open to be read from.
pub(crate) struct TapeFile {
    pub path: PathBuf,
    pub format: Format,
    pub data: Arc<dyn ReadAt>,
}

impl TapeFile {
    /// Opens the tape at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn open(path: PathBuf) -> Result<Self, TapeError> {
        let data: Arc<dyn ReadAt> = Arc::new(File::open(&path)?);
        let format = sniff(&*data)?;
        Ok(Self { path, format, data })
    }

    /// A tape that is being written.
    pub fn live(path: PathBuf, file: File) -> Self {
        Self { path, format: Format::Mitm, data: Arc::new(file) }
    }

    /// The exchange that begins at byte `at`.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self, at: u64) -> Result<Recorded, TapeError> {
        match self.format {
            // Nobody is answered with connections.
            Format::Mitm => mitm::read_messages(&self.data, at),
            Format::Json => json::read_one(&self.data, at),
            Format::Har => har::read_one(&self.data, at),
        }
    }

    /// True for what was recorded here.
    pub fn is_session(&self) -> bool {
        let dir = self.path.parent().and_then(Path::file_name);
        self.format == Format::Mitm && dir.is_some_and(|name| name == SESSIONS)
    }
}

/// Cuts off what a recording that was stopped has left at the end of `path`, unless it goes on at this moment.
pub(crate) fn repair(path: &Path, data: &Arc<dyn ReadAt>) -> Result<(), TapeError> {
    let (whole, all) = (mitm::tail(data)?, data.len()?);
    if whole == all {
        return Ok(());
    }
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(tape = %path.display(), at = whole, %error, "the tape ends within an exchange, which is not read; it cannot be cut off");
            return Ok(());
        }
    };
    if !lock_finished(&file) {
        tracing::debug!(tape = %path.display(), "the tape is being recorded to; it is read as far as it is");
        return Ok(());
    }
    // Looked at again: it may have grown until it was locked.
    let (whole, all) = (mitm::tail(data)?, data.len()?);
    if whole < all {
        file.set_len(whole)?;
        file.sync_all()?;
        tracing::warn!(tape = %path.display(), at = whole, cut = all - whole, "the tape ended within an exchange, whose part was cut off: its recording was stopped");
    }
    Ok(())
}
