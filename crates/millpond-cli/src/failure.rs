//! Every way a command can fail, and the exit code it has.

use millpond::config::ConfigErrors;
use millpond::proxy::StartError;
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
            Self::Config(_) | Self::Start(StartError::NoOrigin) => ExitCode::from(78),
            _ => ExitCode::FAILURE,
        }
    }
}
