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
use failure::Failure;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("millpond: {failure}");
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Some(Command::Serve(args)) => commands::serve::run(&args.into()),
        Some(Command::Cache(args)) => commands::cache::run(args.action),
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
