//! The file with the index of a tape, beside it.

use millpond_tape::index::{Fit, Index};
use millpond_tape::matching::MatchRules;
use millpond_tape::{ReadAt, Stamp};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The ending behind the tape's name.
const ENDING: &str = ".idx";

/// What was read of a tape. More may have come since, which is not in the index.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// So many bytes, from the first on.
    pub len: u64,
    /// What the system said of the tape beforehand.
    pub stamp: Option<Stamp>,
}

/// Where the index of the tape at `path` lies.
fn index_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ENDING);
    name.into()
}

/// The index of the tape at `path`, and how it fits it; `None` where there is none that could be used.
pub(super) fn read(path: &Path, tape: &dyn ReadAt, rules: &MatchRules) -> Option<(Index, Fit)> {
    let bytes = match std::fs::read(index_path(path)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::debug!(tape = %path.display(), %error, "the index of a tape cannot be read; it is made anew");
            return None;
        }
    };
    let index = Index::from_bytes(&bytes)
        .inspect_err(|error| tracing::debug!(tape = %path.display(), %error, "it is made anew"))
        .ok()?;
    let fit = index.fit(tape, rules).ok()?;
    (fit != Fit::None).then_some((index, fit))
}

/// Puts the index of what was `read` of the tape at `path` beside it, whole or not at all. Without it the tape is read again
/// when it is opened, so that no error is worth more than a line.
pub(crate) fn write(path: &Path, tape: &dyn ReadAt, read: Extent, index: &mut Index) {
    let Extent { len, stamp } = read;
    let written =
        index.set_tape(tape, len, stamp).and_then(|()| replace(&index_path(path), &index.to_bytes()));
    if let Err(error) = written {
        tracing::debug!(tape = %path.display(), %error, "the index of a tape cannot be kept beside it");
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or_else(|| Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
