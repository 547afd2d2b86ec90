//! Every way a command can fail, and the exit code it has.

use millpond::config::ConfigErrors;
use millpond::intercept::{AuthorityError, BundleError};
use millpond::proxy::StartError;
use millpond::recorder;
use millpond::sqlite::{InspectError, OpenError};
use millpond::store::StoreError;
use millpond::tape::TapeError;
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
    /// A tape could not be read.
    #[error("cannot read the tape {name}: {error}")]
    ReadTape {
        /// The tape.
        name: String,
        /// Why.
        error: TapeError,
    },
    /// A tape could not be written.
    #[error("cannot write the tape {name}: {error}; nothing was changed")]
    WriteTape {
        /// The tape.
        name: String,
        /// Why.
        error: TapeError,
    },
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// What clients are to trust could not be put together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The tapes cannot be opened.
    #[error(transparent)]
    Tapes(#[from] recorder::OpenError),
    /// There is nothing to replay.
    #[error("there is no tape directory {}; `millpond record --tape {} -- CMD` makes one", path.display(), path.display())]
    NoTapes {
        /// Where it should be.
        path: PathBuf,
    },
    /// There is no place for the certificate authority.
    #[error(
        "no directory is named for the certificate authority; give one with --set intercept.ca_dir=DIR, or with --cache-dir DIR, \
         XDG_CACHE_HOME or HOME"
    )]
    NoCaDirectory,
    /// The command to run is not there.
    #[error("cannot find the command {program}: {error}; is it installed, and in PATH?")]
    NoCommand {
        /// Its name as typed.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The command to run is there, and cannot be run.
    #[error("cannot run the command {program}: {error}")]
    Command {
        /// Its name as typed.
        program: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A fetch made by the command itself failed.
    #[error("{0}")]
    Fetch(String),
}

/// The exit code for a failure of our own, where every other is that of a command we run.
pub(crate) const BESIDE_A_COMMAND: u8 = 125;

impl Failure {
    /// 2 for wrong usage, 78 (`EX_CONFIG`) for a wrong configuration, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Config(_)
            | Self::NoDirectory(_)
            | Self::NoCaDirectory
            | Self::Start(StartError::NoOrigin | StartError::NoAuthorityDir) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }

    /// The exit code where a command was to be run: 126 and 127 as shells have it, 125 for everything else.
    pub fn exit_code_beside_a_command(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Command { .. } => 126,
            Self::NoCommand { .. } => 127,
            _ => BESIDE_A_COMMAND,
        })
    }
}
