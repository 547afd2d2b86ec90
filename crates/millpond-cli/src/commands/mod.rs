//! One module for each command.

mod authority;
mod behind;
pub(crate) mod ca;
pub(crate) mod cache;
mod child;
pub(crate) mod config;
pub(crate) mod demo;
mod door;
pub(crate) mod explain;
pub(crate) mod forward;
pub(crate) mod generate;
mod progress;
pub(crate) mod record;
pub(crate) mod serve;
pub(crate) mod tape;
mod target;
mod terminal;
mod totals;

use crate::failure::Failure;
use std::io::{self, Write as _};

/// A runtime for what a command does itself, beside the workers of a proxy.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::System { what: "cannot start a runtime", error })
}

/// Writes data to standard output. A reader that has gone, such as `head`, has all it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(drop)
}

/// The same; false when the reader has gone, and more need not be made.
pub(crate) fn print_while_read(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::System { what: "cannot write to standard output", error }),
    }
}
