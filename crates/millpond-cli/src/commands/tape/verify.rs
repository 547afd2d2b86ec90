//! `millpond tape verify`.

use super::input::Input;
use super::output::Output;
use crate::args::tape::{OutArgs, VerifyArgs};
use crate::commands::cache::count;
use crate::commands::print;
use crate::commands::progress::Progress;
use crate::failure::Failure;
use millpond::tape::merge::{self, Verified};
use millpond::tape::{Format, TapeError};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

/// What was found on one tape.
struct Found {
    name: String,
    format: Option<Format>,
    verified: Verified,
    repaired: bool,
}

/// Checks tapes, and repairs them where that is asked for.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let mut inputs = Vec::new();
    for tape in &args.tapes {
        inputs.extend(Input::all(tape)?);
    }
    let mut found = Vec::new();
    for input in &inputs {
        let mut tape = check(input);
        if args.repair {
            tape.repaired = repair(input, &tape)?;
        }
        found.push(tape);
    }
    let right = found.iter().all(Found::is_right);
    let text = if args.json {
        format!("{:#}\n", found.iter().map(Found::json).collect::<Value>())
    } else {
        found.iter().map(Found::text).collect()
    };
    print(&text)?;
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(input: &Input) -> Found {
    let mut progress = Progress::new("bytes checked");
    let verified = match input.tape() {
        Ok(tape) => {
            let all = input.len();
            let tape = tape.inspect(move |exchange| {
                if let Ok((at, _)) = exchange {
                    progress.at(*at, all);
                }
            });
            merge::verify(Box::new(tape), &mut |_| {})
        }
        Err(error) => Verified { error: Some(error), ..Verified::default() },
    };
    Found { name: input.name.clone(), format: input.format().ok(), verified, repaired: false }
}

/// Cuts off what a writer that was stopped by force left behind; true when there was such.
fn repair(input: &Input, found: &Found) -> Result<bool, Failure> {
    let (Some(path), Some(at)) = (&input.path, found.verified.torn_at()) else { return Ok(false) };
    match found.format {
        Some(Format::Mitm | Format::Json) => {
            let cut = File::options().write(true).open(path).and_then(|file| {
                file.set_len(at)?;
                file.sync_all()
            });
            cut.map_err(|error| Failure::WriteTape { name: found.name.clone(), error: error.into() })?;
        }
        Some(Format::Har) => rewrite(input, path)?,
        None => return Ok(false),
    }
    Ok(true)
}

/// A HAR has an end of its own, so that what is whole of it is written anew.
fn rewrite(input: &Input, path: &Path) -> Result<(), Failure> {
    let mut output = Output::begin(&OutArgs { output: path.to_owned(), format: Some(Format::Har) })?;
    // It was read a moment ago, up to where it is torn.
    for (_, exchange) in input.exchanges()?.map_while(Result::ok) {
        let _ = output.write(&exchange)?;
    }
    output.finish()
}

impl Found {
    /// Nothing is wrong, or it was no more than a torn end.
    fn is_right(&self) -> bool {
        self.verified.is_whole() || (self.repaired && self.verified.unreadable.is_empty())
    }

    fn text(&self) -> String {
        let verified = &self.verified;
        let mut out = format!("{}: {}", self.name, count(verified.exchanges, "exchange", "exchanges"));
        if let Some(format) = self.format {
            let _ = write!(out, " ({format})");
        }
        for (number, what) in [
            (verified.aborted, "broke off"),
            (verified.without_response, "without a response"),
            (verified.without_body, "without a body that was there"),
        ] {
            if number > 0 {
                let _ = write!(out, ", {number} {what}");
            }
        }
        if let Some(at) = verified.unreadable.first() {
            let number = verified.unreadable.len();
            let _ = write!(out, "; {number} cannot be read, the first at byte {at}");
        }
        match &verified.error {
            Some(_) if self.repaired => {
                out.push_str("; what a writer that was stopped left behind is cut off");
            }
            Some(error) => {
                let _ = write!(out, "; {error}");
            }
            None if verified.unreadable.is_empty() => out.push_str("; nothing is wrong"),
            None => {}
        }
        out.push('\n');
        out
    }

    fn json(&self) -> Value {
        let verified = &self.verified;
        json!({
            "tape": self.name,
            "format": self.format.map(Format::as_str),
            "exchanges": verified.exchanges,
            "answers": verified.answers,
            "aborted": verified.aborted,
            "without_response": verified.without_response,
            "without_body": verified.without_body,
            "body_bytes": verified.body_bytes,
            "unreadable": verified.unreadable,
            "error": verified.error.as_ref().map(TapeError::to_string),
            "repaired": self.repaired,
            "right": self.is_right(),
        })
    }
}
