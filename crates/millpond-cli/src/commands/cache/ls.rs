//! `millpond cache ls`.

use super::named::{normal, normal_host};
use super::{Cache, time};
use crate::args::cache::LsArgs;
use crate::commands::{print_while_read, terminal};
use crate::failure::Failure;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::Timestamp;
use millpond::sqlite::{Filter, Listed};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::process::ExitCode;

/// Entries read at one time.
const STEP: u64 = 1000;

/// Lists what is stored.
pub(super) fn run(args: LsArgs) -> Result<ExitCode, Failure> {
    let filter = Filter {
        prefix: args.prefix.as_deref().map(normal).transpose()?,
        host: args.host.as_deref().map(normal_host).transpose()?,
        tag: args.tag,
        status: args.status,
    };
    let inspector = Cache::of(&args.place)?.inspect()?;
    let now = SystemClock.now();
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut after = None;
    if !args.json && std::io::stdout().is_terminal() {
        print_while_read("STATUS\tBYTES\tSTORED\t\t\tFRESH UNTIL\t\tHITS\tURL\n")?;
    }
    while left > 0 {
        let step = left.min(STEP);
        let found = inspector.list(&filter, step as usize, after.as_ref())?;
        let text: String =
            found.iter().map(|entry| if args.json { json_line(entry, now) } else { line(entry) }).collect();
        if !print_while_read(&text)? || (found.len() as u64) < step {
            break;
        }
        left -= step;
        after = found.last().map(Listed::cursor);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &Listed) -> String {
    format!(
        "{}\t{}\t{}\t{}\t{}\t{}\n",
        entry.status,
        entry.body_len,
        time(entry.stored_at),
        time(fresh_until(entry)),
        entry.hits,
        terminal::plain(&entry.url)
    )
}

/// A soft purge ends what the response said.
fn fresh_until(entry: &Listed) -> Timestamp {
    entry.stale_from.map_or(entry.fresh_until, |from| from.min(entry.fresh_until))
}

fn json_line(entry: &Listed, now: Timestamp) -> String {
    terminal::json(&json_of(entry, now), false) + "\n"
}

/// What the columns of a row tell, as JSON.
pub(super) fn json_of(entry: &Listed, now: Timestamp) -> Value {
    json!({
        "url": entry.url,
        "status": entry.status,
        "bytes": entry.body_len,
        "stored_bytes": entry.stored_len,
        "coding": if entry.compressed { "zstd" } else { "identity" },
        "stored": time(entry.stored_at),
        "fresh_until": time(fresh_until(entry)),
        "fresh": entry.is_fresh(now),
        "soft_purged": entry.stale_from.is_some(),
        "used": time(entry.used_at),
        "hits": entry.hits,
        "part_first": entry.part_first,
        "file": entry.file,
    })
}
