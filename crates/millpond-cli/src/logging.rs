//! The log of the program itself, on standard error.

use millpond::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging as configured. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::new(log.level.as_str());
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // The error only says that a subscriber is set already.
    let _ = match log.format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.try_init(),
    };
}
