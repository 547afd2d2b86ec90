//! Why a tape cannot be read or written.

use std::io;
use thiserror::Error;

/// Why a tape cannot be read or written. Holds nothing of what is on it.
#[derive(Debug, Error)]
pub enum TapeError {
    /// The system refused to read or write.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The tape ends in the middle of an exchange: whoever wrote it was stopped. What lies before is whole.
    #[error("the tape ends within an exchange that begins at byte {at}; `tape verify --repair` cuts it off")]
    Torn {
        /// Where the exchange begins.
        at: u64,
    },
    /// It is not in the format it should be in.
    #[error("byte {at}: {what}")]
    Malformed {
        /// Where.
        at: u64,
        /// What is wrong there.
        what: String,
    },
    /// A newer program wrote it.
    #[error(
        "the tape is of version {found}, and this program reads versions up to {known}: use a newer millpond"
    )]
    TooNew {
        /// Its version.
        found: u64,
        /// The newest that is read here.
        known: u64,
    },
    /// No format is known that begins so.
    #[error("this is no tape in a format that is known (mitmproxy flows, HAR, JSON lines)")]
    Unknown,
    /// Something on it is larger than is read.
    #[error("byte {at}: {what} is larger than {limit} bytes")]
    TooLarge {
        /// Where.
        at: u64,
        /// What.
        what: &'static str,
        /// The limit, bytes.
        limit: u64,
    },
}
