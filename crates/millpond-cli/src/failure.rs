//! Every way a command can fail, and the exit code it has.

use millpond::config::ConfigErrors;
use millpond::proxy::StartError;
use millpond::sqlite::{InspectError, OpenError};
use millpond::store::StoreError;
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Why a command did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration is wrong.
    #[error("the configuration is wrong:\n{0}")]
    Config(#[from] ConfigErrors),
    /// The proxy could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no directory to look for a cache in.
    #[error(
        "no directory holds a cache: {0}; give one with --cache-dir DIR, with `cache_dir` in the configuration file, or with \
         XDG_CACHE_HOME or HOME"
    )]
    NoDirectory(&'static str),
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error("{0}; run the command again when that is over")]
    Store(#[from] StoreError),
    /// The cache could not be looked into.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// A file named on the command line.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Something the system refused.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: std::io::Error,
    },
    /// A fetch made by the command itself failed.
    #[error("{0}")]
    Fetch(String),
}

impl Failure {
    /// 2 for wrong usage, 78 (`EX_CONFIG`) for a wrong configuration, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Config(_) | Self::NoDirectory(_) | Self::Start(StartError::NoOrigin) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }
}
