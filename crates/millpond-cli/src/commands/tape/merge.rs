//! `millpond tape merge`.

use super::input::Input;
use super::output::Output;
use super::{rules_of, warn_of};
use crate::args::tape::MergeArgs;
use crate::commands::cache::count;
use crate::commands::door;
use crate::commands::progress::Progress;
use crate::failure::Failure;
use millpond::tape::merge::{self, MergeError};
use std::process::ExitCode;

/// Makes one tape of several.
pub(super) fn run(args: &MergeArgs) -> Result<ExitCode, Failure> {
    let config = door::prepare(&args.place.settings())?.config;
    let mut inputs = Vec::new();
    for tape in &args.inputs {
        inputs.extend(Input::all(tape)?);
    }
    door::raise_descriptor_limit();
    let sources: Vec<_> = inputs.iter().map(Input::source).collect();
    let mut output = Output::begin(&args.out)?;
    let mut progress = Progress::new("exchanges written");
    let mut tell = |step| {
        if let merge::Progress::Written(done, all) = step {
            progress.at(done, all);
        }
    };
    let merged = merge::merge(&sources, &rules_of(config), args.keep, output.writer(), &mut tell);
    drop(progress);
    let merged = match merged {
        Ok(merged) => merged,
        Err(MergeError::Read { tape, error }) => return Err(inputs[tape].unreadable(error)),
        Err(MergeError::Write(error)) => return Err(output.unwritable(error)),
    };
    output.finish()?;
    for (tape, error) in &merged.broken {
        warn_of(&inputs[*tape].name, error);
    }
    let read = count(merged.read, "exchange", "exchanges");
    eprintln!("Read {read} of {}, wrote {}.", count(inputs.len() as u64, "tape", "tapes"), merged.written);
    Ok(ExitCode::SUCCESS)
}
