//! `millpond proxy` and `millpond run`.

use super::authority::Trusted;
use super::{behind, child, door, totals};
use crate::args::forward::RunArgs;
use crate::failure::Failure;
use crate::settings::Settings;
use millpond::config::Config;
use millpond::engine::SystemClock;
use millpond::proxy::Server;
use std::process::ExitCode;
use std::sync::Arc;

/// Serves until a signal ends it.
pub(crate) fn proxy(settings: &Settings) -> Result<ExitCode, Failure> {
    let config = door::prepare(settings)?.config;
    door::say_where_it_is_kept(&config);
    door::raise_descriptor_limit();
    door::serve(|| bind(&config))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command behind the proxy.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let mut resolved = door::prepare(&args.settings())?;
    behind::listen_anywhere(&mut resolved);
    let config = resolved.config;
    door::say_where_it_is_kept(&config);
    door::raise_descriptor_limit();
    let trusted = Trusted::write(&config)?;
    let ended = behind::run(&args.child, &trusted, || bind(&config))?;
    totals::tell_cache(&args.child, &ended.figures);
    Ok(child::exit_code(ended.status))
}

fn bind(config: &Config) -> Result<Server, Failure> {
    Ok(Server::bind_forward(config, Arc::new(SystemClock))?)
}
