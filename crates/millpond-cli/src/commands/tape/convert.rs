//! `millpond tape convert`.

use super::input::{self, Input};
use super::output::Output;
use crate::args::tape::ConvertArgs;
use crate::failure::Failure;
use std::process::ExitCode;

/// Writes a tape in another format.
pub(super) fn run(args: &ConvertArgs) -> Result<ExitCode, Failure> {
    let inputs = Input::all(&args.input)?;
    let mut output = Output::begin(&args.out)?;
    input::each(&inputs, "bytes converted", |exchange| output.write(&exchange))?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}
