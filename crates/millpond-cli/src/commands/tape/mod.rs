//! `millpond tape`: looking at, converting, merging, redacting and checking tapes. One module for each subcommand.
//!
//! What lives here: what they have in common. What must not: formats, and what makes requests the same (`millpond-tape`).

mod convert;
mod input;
mod ls;
mod merge;
mod output;
mod redact;
mod show;
mod verify;

pub(super) use input::{Input, each};
pub(super) use output::Output;

use crate::args::tape::TapeAction;
use crate::failure::Failure;
use millpond::config::Config;
use millpond::proxy::tape_options;
use millpond::recorder::Mode;
use millpond::tape::matching::{Asked, MatchRules};
use millpond::tape::{RecordedRequest, TapeError};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs one of the subcommands.
pub(crate) fn run(action: TapeAction) -> Result<ExitCode, Failure> {
    match action {
        TapeAction::Ls(args) => ls::run(&args),
        TapeAction::Show(args) => show::run(&args),
        TapeAction::Convert(args) => convert::run(&args),
        TapeAction::Merge(args) => merge::run(&args),
        TapeAction::Redact(args) => redact::run(&args),
        TapeAction::Verify(args) => verify::run(&args),
    }
}

/// The rules that `record` and `replay` would have with this configuration, secrets among them.
fn rules_of(mut config: Config) -> MatchRules {
    // The directory is of no interest; without one there are no options at all.
    config.tape.dir.get_or_insert_with(|| PathBuf::from("."));
    tape_options(&config, Mode::WriteOnly).map(|options| options.rules).unwrap_or_default()
}

/// The URL of a recorded request.
fn url_of(request: &RecordedRequest) -> String {
    Asked::from(request).url()
}

/// Tells on standard error what of a tape is left out.
fn warn_of(tape: &str, error: &TapeError) {
    eprintln!("warning: {tape}: {error}; what lies before is taken");
}
