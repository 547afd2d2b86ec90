//! Completion scripts and the manual page, made from the command line's own definition.

use crate::args::Cli;
use crate::failure::Failure;
use clap::CommandFactory as _;
use std::process::ExitCode;

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failure> {
    clap_complete::generate(shell, &mut Cli::command(), "millpond", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page in roff.
pub(crate) fn man() -> Result<ExitCode, Failure> {
    clap_mangen::Man::new(Cli::command())
        .render(&mut std::io::stdout())
        .map_err(|error| Failure::System { what: "cannot write the manual page", error })?;
    Ok(ExitCode::SUCCESS)
}
