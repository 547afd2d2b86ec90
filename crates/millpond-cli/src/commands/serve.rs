//! `millpond serve`, and the short form.

use super::door;
use crate::failure::Failure;
use crate::settings::Settings;
use millpond::engine::SystemClock;
use millpond::proxy::Server;
use std::process::ExitCode;
use std::sync::Arc;

/// Serves until a signal ends it.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let resolved = door::prepare(settings)?;
    resolved.require_origin()?;
    door::say_where_it_is_kept(&resolved.config);
    door::raise_descriptor_limit();
    door::serve(|| Ok(Server::bind(&resolved.config, Arc::new(SystemClock))?))?;
    Ok(ExitCode::SUCCESS)
}
