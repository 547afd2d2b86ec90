//! All tapes of a directory, brought into a library.

use super::files::{TapeFile, list, repair};
use super::index_file::{self, Extent};
use super::library::{Library, Shelved};
use crate::error::is_out_of_files;
use millpond_tape::index::{Fit, Index, Repeat};
use millpond_tape::matching::MatchRules;
use millpond_tape::mitm::Flows;
use millpond_tape::{Format, TapeError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The tapes of `dir`, but for `own`. One that cannot be read is told of and left out. Indexes that had to be made are kept
/// beside their tapes, behind the start.
///
/// # Errors
/// What the system says of the directory, or that it has more tapes than this process may open files.
pub(crate) fn load(
    dir: &Path,
    own: Option<&Path>,
    rules: &MatchRules,
    repeat: Repeat,
) -> io::Result<Library> {
    let mut tapes = Vec::new();
    let mut made = Vec::new();
    for path in list(dir)? {
        if own.is_some_and(|own| same_file(own, &path)) {
            continue;
        }
        match load_one(path.clone(), rules) {
            Ok((shelved, read)) => {
                if let Some(read) = read {
                    made.push((Arc::clone(&shelved.file), shelved.index.clone(), read));
                }
                tapes.push(shelved);
            }
            Err(TapeError::Io(error)) if is_out_of_files(&error) => return Err(error),
            Err(error) => {
                tracing::error!(tape = %path.display(), %error, "a tape cannot be read; it answers nothing");
            }
        }
    }
    keep(made);
    Ok(Library::new(rules.clone(), repeat, tapes))
}

/// The directories may have several names.
fn same_file(one: &Path, other: &Path) -> bool {
    one.file_name() == other.file_name()
        && one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// A tape with its index and, where that was made just now, what was read of the tape.
fn load_one(path: PathBuf, rules: &MatchRules) -> Result<(Shelved, Option<Extent>), TapeError> {
    let file = TapeFile::open(path)?;
    let known = index_file::read(&file.path, &*file.data, rules);
    if let Some((index, Fit::Whole)) = known {
        return Ok((Shelved { file: Arc::new(file), index }, None));
    }
    if file.is_session()
        && let Err(error) = repair(&file.path, &file.data)
    {
        tracing::warn!(tape = %file.path.display(), %error, "the end of a tape cannot be looked at");
    }
    let (mut index, from) = match known {
        Some((index, Fit::Grown(at))) if file.format == Format::Mitm => (index, at),
        _ => (Index::new(rules), 0),
    };
    let (extent, error) = read_from(&file, from, &mut index, rules)?;
    if let Some(error) = &error {
        tracing::warn!(
            tape = %file.path.display(), %error,
            "the tape is read up to there; `millpond tape verify` tells more"
        );
    }
    Ok((Shelved { file: Arc::new(file), index }, error.is_none().then_some(extent)))
}

/// Adds the exchanges of `file` from byte `from` on; answers what of it is in the index then. Another process may write to it at
/// the same moment, so that this is not what the system says when all is read.
fn read_from(
    file: &TapeFile,
    from: u64,
    index: &mut Index,
    rules: &MatchRules,
) -> Result<(Extent, Option<TapeError>), TapeError> {
    let stamp = file.data.stamp()?;
    if file.format == Format::Mitm {
        let mut flows = Flows::starting_at(Arc::clone(&file.data), from);
        let error = index.extend(&mut flows, rules)?;
        return Ok((Extent { len: flows.position(), stamp }, error));
    }
    // These are read again from their beginning when they have grown.
    let len = file.data.len()?;
    let error = index.extend(millpond_tape::open(Arc::clone(&file.data))?, rules)?;
    Ok((Extent { len, stamp }, error))
}

/// Cuts off, from a thread of its own, what recordings that were stopped have left at the end of their tapes in `dir`. For where
/// these tapes are not read: those that are, are repaired before.
pub(crate) fn repair_behind(dir: PathBuf) -> Option<JoinHandle<()>> {
    let repair_all = move || {
        for path in list(&dir).unwrap_or_default() {
            let repaired = TapeFile::open(path.clone())
                .and_then(|file| if file.is_session() { repair(&file.path, &file.data) } else { Ok(()) });
            if let Err(error) = repaired {
                tracing::debug!(tape = %path.display(), %error, "the end of a tape cannot be looked at");
            }
        }
    };
    std::thread::Builder::new().name("millpond-repair".to_owned()).spawn(repair_all).ok()
}

/// Writes indexes from a thread of their own.
fn keep(made: Vec<(Arc<TapeFile>, Index, Extent)>) {
    if made.is_empty() {
        return;
    }
    let write = move || {
        for (file, mut index, read) in made {
            index_file::write(&file.path, &*file.data, read, &mut index);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("millpond-index".to_owned()).spawn(write) {
        tracing::debug!(%error, "indexes of tapes are not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond_tape::{Content, Recorded, RecordedRequest, RecordedResponse, writer};

    fn append(path: &Path, format: Format, target: &str) {
        let exchange = Recorded {
            request: RecordedRequest { method: b"GET".to_vec(), path: target.into(), ..Default::default() },
            response: Some(RecordedResponse {
                status: 200,
                content: Some(Content::empty()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        let mut tape = writer(format, file);
        tape.write(&exchange).unwrap();
        tape.finish().unwrap();
    }

    #[test]
    fn what_comes_between_reading_and_indexing_is_read_the_next_time() {
        for format in [Format::Mitm, Format::Json] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("tape");
            let rules = MatchRules::default();
            append(&path, format, "/one");
            let (mut read, extent) = load_one(path.clone(), &rules).unwrap();
            append(&path, format, "/two");
            index_file::write(&path, &*read.file.data, extent.unwrap(), &mut read.index);
            assert!(index_file::read(&path, &*read.file.data, &rules).is_some(), "{format}");
            let (again, extent) = load_one(path.clone(), &rules).unwrap();
            assert_eq!(again.index.len(), 2, "{format}");
            index_file::write(&path, &*again.file.data, extent.unwrap(), &mut again.index.clone());
            assert!(load_one(path, &rules).unwrap().1.is_none(), "{format}: the index is whole now");
        }
    }
}
