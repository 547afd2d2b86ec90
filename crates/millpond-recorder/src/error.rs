//! Why tapes cannot be opened, and why none of them answers.

use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a directory of tapes cannot be opened. Each is for whoever runs the program to mend.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A directory cannot be made or read.
    #[error("cannot use the tape directory {}: {error}{}", path.display(), hint(error))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file of this recording cannot be made.
    #[error("cannot record to {}: {error}{}", path.display(), hint(error))]
    Session {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the thread that writes the tape: {0}")]
    Thread(io::Error),
}

/// True where this process may open no more files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

fn hint(error: &io::Error) -> &'static str {
    if is_out_of_files(error) {
        return "; each tape in it is held open: raise the limit of open files (ulimit -n), or bring tapes together with \
            `millpond tape merge`";
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; choose a directory of yours with --tape",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file stands where a directory is needed: choose another with --tape"
        }
        io::ErrorKind::StorageFull => "; make room, or choose another directory with --tape",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; replay from it with --mode read_only, or choose another directory with --tape"
        }
        _ => "",
    }
}

/// Why no tape answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// None has it.
    Unknown,
    /// Every recorded answer was given, and none is given twice.
    Exhausted,
    /// It is on a tape, but its answer broke off while it was recorded, or never came.
    BrokenOff,
    /// It is on a tape, but the content of its answer was not recorded.
    NoContent,
    /// It is on a tape as a change of protocol (101), and what was said after that is not replayed.
    Switched,
    /// It is on a tape, but the body of the request was not recorded, because secrets could not be taken out of it.
    NoRequestContent,
    /// It is on a tape, but the request had not come to its end when the response did.
    RequestIncomplete,
    /// Secrets cannot be taken out of the body of the request that is asked, so that no tape has that body.
    Unredactable,
    /// It is on a tape that cannot be read there any more.
    Unreadable,
    /// It is on a tape that was changed since it was opened.
    Changed,
}

impl MissReason {
    /// What it means.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Unknown => "no tape has it",
            Self::Exhausted => "every recorded answer to it was given",
            Self::BrokenOff => {
                "its answer broke off while it was recorded, or never came, so that there is no whole one to give"
            }
            Self::NoContent => "the tape that has it was recorded without the content of the response",
            Self::Switched => "the recorded answer is a change of protocol (101), which is not replayed",
            Self::NoRequestContent => {
                "the tape that may have it was recorded without the body of the request, which could not be redacted"
            }
            Self::RequestIncomplete => "the tape that may have it has only part of the body of the request",
            Self::Unredactable => "its body cannot be redacted, so that no tape has it",
            Self::Changed => "the tape that had it was changed since it was opened",
            Self::Unreadable => "the tape that has it can no longer be read",
        }
    }
}

/// A request that no tape answers. Holds no secrets: the URL is redacted as it would be on a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Why.
    pub reason: MissReason,
    /// The recorded request that is nearest to it, and what differs, in words.
    pub nearest: Option<String>,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no recorded answer to {} {}: {}", self.method, self.url, self.reason.explain())?;
        match &self.nearest {
            Some(nearest) => write!(f, "; the nearest recorded request is {nearest}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Miss {}
