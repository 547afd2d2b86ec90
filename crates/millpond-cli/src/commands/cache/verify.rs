//! `millpond cache verify`.

use super::{Cache, count};
use crate::args::cache::VerifyArgs;
use crate::commands::progress::Progress;
use crate::commands::{print, terminal};
use crate::failure::Failure;
use millpond::engine::{Clock as _, SystemClock};
use millpond::sqlite::{Finding, Verified, verify};
use serde_json::json;
use std::fmt::Write as _;
use std::process::ExitCode;

/// Checks everything, and tells what is wrong.
pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let cache = Cache::of(&args.place)?;
    let mut progress = Progress::new("checked");
    let verified =
        verify(&cache.file, args.repair, SystemClock.now(), &mut |done, all| progress.at(done, all))?;
    drop(progress);
    let right = verified.findings.is_empty() || verified.repaired;
    if args.json {
        let findings: Vec<String> = verified.findings.iter().map(Finding::to_string).collect();
        let value = json!({
            "entries": verified.entries, "files": verified.files, "findings": findings,
            "repaired": verified.repaired, "right": right,
        });
        print(&(terminal::json(&value, true) + "\n"))?;
    } else {
        print(&as_text(&verified))?;
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_text(verified: &Verified) -> String {
    let mut out = String::new();
    for finding in &verified.findings {
        let _ = writeln!(out, "{}", terminal::plain(&finding.to_string()));
    }
    let entries = count(verified.entries, "entry", "entries");
    let files = count(verified.files, "body file", "body files");
    let verdict = match (verified.findings.len() as u64, verified.repaired) {
        (0, _) => "nothing is wrong".to_owned(),
        (wrong, true) => format!("{} found and repaired", count(wrong, "mistake", "mistakes")),
        (wrong, false) => {
            format!("{} found; `--repair` removes what is broken", count(wrong, "mistake", "mistakes"))
        }
    };
    let _ = writeln!(out, "Checked {entries} and {files}: {verdict}.");
    out
}
