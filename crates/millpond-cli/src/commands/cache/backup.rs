//! `millpond cache backup`.

use super::{Cache, count};
use crate::args::cache::BackupArgs;
use crate::commands::print;
use crate::commands::progress::Progress;
use crate::failure::Failure;
use std::process::ExitCode;

/// Saves the cache into a file.
pub(super) fn run(args: &BackupArgs) -> Result<ExitCode, Failure> {
    let inspector = Cache::of(&args.place)?.inspect()?;
    let mut progress = Progress::new("saved");
    let saved = inspector.backup(&args.file, &mut |done, all| progress.at(done, all))?;
    drop(progress);
    let (entries, files) =
        (count(saved.entries, "entry", "entries"), count(saved.files, "body file", "body files"));
    let left_out = match saved.left_out {
        0 => String::new(),
        many => format!(" {} left out: evicted meanwhile.", count(many, "entry was", "entries were")),
    };
    print(&format!("Saved {entries} and {files} to {}.{left_out}\n", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}
