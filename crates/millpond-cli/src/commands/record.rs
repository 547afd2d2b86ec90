//! `millpond record` and `millpond replay`.

use super::authority::Trusted;
use super::{behind, child, door, totals};
use crate::args::child::ChildArgs;
use crate::args::record::{RecordArgs, ReplayArgs};
use crate::failure::Failure;
use crate::settings::Settings;
use millpond::config::{Config, Resolved};
use millpond::engine::{Clock as _, SystemClock};
use millpond::proxy::{Server, tape_options};
use millpond::recorder::{Mode, Tapes};
use std::process::ExitCode;
use std::sync::Arc;

/// Records what a command asks for, or what is asked for until a signal ends it.
pub(crate) fn record(args: &RecordArgs) -> Result<ExitCode, Failure> {
    let (code, _) = work(&args.settings(), &args.child, Mode::WriteOnly)?;
    Ok(code.unwrap_or(ExitCode::SUCCESS))
}

/// Answers a command, or whoever asks until a signal ends it, from tapes.
pub(crate) fn replay(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let (code, misses) = work(&args.settings(), &args.child, Mode::ReadOnlyFailOnMiss)?;
    let code = code.unwrap_or(ExitCode::SUCCESS);
    Ok(if args.fail_on_miss && misses > 0 && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code })
}

/// Gives the exit code of the command, where there is one, and the number of misses.
fn work(settings: &Settings, child: &ChildArgs, mode: Mode) -> Result<(Option<ExitCode>, u64), Failure> {
    let mut resolved = door::prepare(settings)?;
    let tapes = open(&resolved, mode)?;
    door::raise_descriptor_limit();
    if !child.command.is_empty() {
        behind::listen_anywhere(&mut resolved);
    }
    let code = serve(&resolved.config, child, &tapes);
    tapes.close();
    let (code, unread) = code?;
    totals::tell_tapes(child, &tapes, unread);
    Ok((code, tapes.totals().misses))
}

/// Gives the exit code of the command, where there is one, and the number of tunnels that went unread, where that is not
/// logged at the end anyway.
fn serve(config: &Config, child: &ChildArgs, tapes: &Arc<Tapes>) -> Result<(Option<ExitCode>, u64), Failure> {
    let bind = || Ok(Server::bind_tape(config, Arc::new(SystemClock), Arc::clone(tapes))?);
    if child.command.is_empty() {
        door::serve(bind)?;
        return Ok((None, 0));
    }
    let ended = behind::run(child, &Trusted::write(config)?, bind)?;
    let unread =
        ended.figures.iter().find(|(name, _)| name == "tunnels_opened").map_or(0, |(_, value)| *value);
    Ok((Some(child::exit_code(ended.status)), unread))
}

fn open(resolved: &Resolved, mode: Mode) -> Result<Arc<Tapes>, Failure> {
    let options = tape_options(&resolved.config, mode).ok_or_else(|| {
        Failure::Usage(
            "no directory for the tapes: give one with --tape DIR, or with tape.dir in the configuration"
                .into(),
        )
    })?;
    let from = options.read_dir();
    if !options.mode.records() && !from.is_dir() {
        return Err(Failure::NoTapes { path: from.to_owned() });
    }
    Ok(Tapes::open(options, SystemClock.now())?)
}
