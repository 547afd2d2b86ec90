//! The `millpond` command: arguments become a configuration, a configuration becomes a door.
//!
//! What must not live here: anything a program that embeds millpond could want as well.

mod args;
mod client;
mod commands;
mod demo_origin;
mod failure;
mod logging;
mod settings;

use args::{Cli, Command};
use clap::Parser as _;
use failure::{BESIDE_A_COMMAND, Failure};
use std::ffi::OsString;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let beside = beside_a_command(&arguments);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if beside && error.use_stderr() => {
            // Nothing is left to be told if this cannot be written.
            let _ = error.print();
            return ExitCode::from(BESIDE_A_COMMAND);
        }
        Err(error) => error.exit(),
    };
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("millpond: {failure}");
            if beside { failure.exit_code_beside_a_command() } else { failure.exit_code() }
        }
    }
}

/// Whether a command is to be run, so that its exit code is ours, and a failure of ours must not look like one.
fn beside_a_command(arguments: &[OsString]) -> bool {
    let door = arguments.get(1).and_then(|door| door.to_str()).unwrap_or_default();
    door == "run"
        || (["record", "replay"].contains(&door) && arguments.iter().any(|argument| argument == "--"))
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Some(Command::Serve(args)) => commands::serve::run(&args.into()),
        Some(Command::Proxy(args)) => commands::forward::proxy(&args.into()),
        Some(Command::Record(args)) => commands::record::record(&args),
        Some(Command::Replay(args)) => commands::record::replay(&args),
        Some(Command::Run(args)) => commands::forward::run(&args),
        Some(Command::Cache(args)) => commands::cache::run(args.action),
        Some(Command::Tape(args)) => commands::tape::run(args.action),
        Some(Command::Ca(args)) => commands::ca::run(&args.action),
        Some(Command::Demo(args)) => commands::demo::run(&args),
        Some(Command::Explain(args)) => commands::explain::run(&args),
        Some(Command::Config(args)) => commands::config::run(&args),
        Some(Command::Completions { shell }) => commands::generate::completions(shell),
        Some(Command::Man) => commands::generate::man(),
        None if cli.short.clear_cache => commands::cache::clear(&cli.short.place()),
        None => match cli.short.into_settings() {
            Some(settings) => commands::serve::run(&settings),
            None => Err(Failure::Usage(
                "nothing to do: give --port N --origin URL, or a command such as `millpond serve --origin URL`; see --help".into(),
            )),
        },
    }
}
