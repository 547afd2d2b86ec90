//! The log of the program itself, on standard error.

use millpond::config::{Log, LogFormat};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging as configured. A second call changes nothing.
pub(crate) fn start(log: Log) {
    let filter = EnvFilter::new(log.level.as_str());
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).with_ansi(colours());
    // The error only says that a subscriber is set already.
    let _ = match log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.try_init(),
    };
}

/// Colours are for people: not for files and pipes, and not for those who set NO_COLOR (<https://no-color.org>).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
