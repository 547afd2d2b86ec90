//! The tapes that are read: files, directories of them, standard input.

use super::warn_of;
use crate::commands::progress::Progress;
use crate::failure::Failure;
use millpond::tape::{self, Format, ReadAt, Recorded, Tape, TapeError};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The endings of tapes in a directory.
const ENDINGS: [&str; 7] = ["mitm", "flow", "flows", "json", "jsonl", "ndjson", "har"];
/// Where `millpond record` puts the tape of each run.
const SESSIONS: &str = "sessions";

/// One tape.
pub(in crate::commands) struct Input {
    /// Its name in messages.
    pub name: String,
    /// Its file; none for standard input.
    pub path: Option<PathBuf>,
    source: Arc<dyn ReadAt>,
}

impl Input {
    /// The tapes that `path` stands for: a file, every tape in a directory, or standard input for `-`.
    pub fn all(path: &Path) -> Result<Vec<Self>, Failure> {
        if path == Path::new("-") {
            return Ok(vec![Self::standard_input()?]);
        }
        if !path.is_dir() {
            return Ok(vec![Self::file(path)?]);
        }
        let files = tapes_in(path)?;
        if files.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "the directory has no tapes");
            return Err(Failure::File { path: path.to_owned(), error });
        }
        files.iter().map(|file| Self::file(file)).collect()
    }

    fn file(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::File { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            file = spooled(&mut file).map_err(failed)?;
        }
        Ok(Self { name: path.display().to_string(), path: Some(path.to_owned()), source: Arc::new(file) })
    }

    /// Standard input can be read once, and tapes are read here and there; so it is copied to a file first.
    fn standard_input() -> Result<Self, Failure> {
        let file = spooled(&mut io::stdin().lock()).map_err(|error| Failure::System {
            what: "cannot copy standard input to a temporary file",
            error,
        })?;
        Ok(Self { name: "standard input".to_owned(), path: None, source: Arc::new(file) })
    }

    /// Its exchanges in order.
    pub fn exchanges(&self) -> Result<Tape, Failure> {
        self.tape().map_err(|error| self.unreadable(error))
    }

    /// The same, with the tape's own error.
    pub fn tape(&self) -> Result<Tape, TapeError> {
        tape::open(Arc::clone(&self.source))
    }

    /// Its format.
    pub fn format(&self) -> Result<Format, TapeError> {
        tape::sniff(&*self.source)
    }

    /// Its bytes.
    pub fn source(&self) -> Arc<dyn ReadAt> {
        Arc::clone(&self.source)
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.source.len().unwrap_or(0)
    }

    /// Why it cannot be read.
    pub fn unreadable(&self, error: TapeError) -> Failure {
        Failure::ReadTape { name: self.name.clone(), error }
    }
}

fn spooled(from: &mut impl io::Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    Ok(file)
}

/// The tapes of a directory in the order of their names, and after them those of its recorded runs, which is the order of
/// time.
fn tapes_in(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = files_of(dir)?;
    let sessions = dir.join(SESSIONS);
    if sessions.is_dir() {
        files.extend(files_of(&sessions)?);
    }
    Ok(files)
}

fn files_of(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::File { path: dir.to_owned(), error };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if ENDINGS.contains(&ending) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads several tapes, one after the other, and shows `visit` every exchange. What a torn tape ends with is left out, and
/// told on standard error.
pub(in crate::commands) fn each(
    inputs: &[Input],
    what: &'static str,
    mut visit: impl FnMut(Recorded) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let mut progress = Progress::new(what);
    let all = inputs.iter().map(Input::len).sum();
    let mut before = 0;
    for input in inputs {
        for exchange in input.exchanges()? {
            match exchange {
                Ok((at, exchange)) => {
                    progress.at(before + at, all);
                    if visit(exchange)?.is_break() {
                        return Ok(());
                    }
                }
                Err(error @ TapeError::Torn { .. }) => warn_of(&input.name, &error),
                Err(error) => return Err(input.unreadable(error)),
            }
        }
        before += input.len();
    }
    Ok(())
}
