//! Why there is no authority to sign with.

use crate::failure::MintError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why an authority could not be loaded or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file could not be used.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file does not hold an authority's key and certificate.
    #[error("{path} {what}; {mend}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        mend: &'static str,
    },
    /// A new authority could not be made.
    #[error("no certificate authority could be made: {0}")]
    Create(MintError),
}

/// How a file that cannot be used is mended. Every client must trust the new authority, so that is not done unasked.
const MEND_OWN: &str = "put back a copy of it, or delete it to have a new certificate authority made, which clients then \
    must be told to trust";
const MEND_MITMPROXY: &str = "mend it, delete it to have mitmproxy make a new one, or name another directory";

impl AuthorityError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn file(path: &Path, what: impl Into<String>) -> Self {
        let mend = if path.ends_with(super::MITMPROXY) { MEND_MITMPROXY } else { MEND_OWN };
        Self::File { path: path.to_owned(), what: what.into(), mend }
    }
}
