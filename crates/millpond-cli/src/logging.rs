//! The log of the program itself, on standard error.

use millpond::config::{Log, LogFormat, LogLevel};
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging as configured. A second call changes nothing.
pub(crate) fn start(log: Log) {
    let filter = EnvFilter::new(directives(log.level));
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).with_ansi(colours());
    // The error only says that a subscriber is set already.
    let _ = match log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.try_init(),
    };
}

/// What is logged. The libraries underneath tell field values where they tell much, and those may be secrets.
fn directives(level: LogLevel) -> String {
    let own = level.as_str();
    match level {
        LogLevel::Debug | LogLevel::Trace => format!("{own},h2=info,hyper=info,hyper_util=info,rustls=info"),
        LogLevel::Error | LogLevel::Warn | LogLevel::Info => own.to_owned(),
    }
}

/// Colours are for people: not for files and pipes, and not for those who set NO_COLOR (<https://no-color.org>).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
