//! One module for each command.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod serve;

use crate::failure::Failure;

/// A runtime for what a command does itself, beside the workers of a proxy.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System { what: "cannot start a runtime", error })
}
