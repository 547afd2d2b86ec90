//! `millpond cache stats`.

use super::{Cache, size, time};
use crate::args::cache::StatsArgs;
use crate::commands::print;
use crate::failure::Failure;
use millpond::config::{Resolved, Source};
use millpond::engine::{Clock as _, SystemClock};
use millpond::sqlite::Totals;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// The limits of the cache that somebody has set. A file does not say what the servers that use it were told, and the
/// defaults of this command are nothing they know of.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    entries: Option<u64>,
    bytes: Option<u64>,
}

impl Limits {
    pub(super) fn of(resolved: &Resolved) -> Self {
        let is_set =
            |path| !matches!(resolved.origin_of(path), None | Some(Source::Default | Source::ProgramDefault));
        let disk = &resolved.config.disk;
        Self {
            entries: is_set("disk.max_entries").then_some(u64::from(disk.max_entries)),
            bytes: is_set("disk.size").then_some(disk.size.bytes()),
        }
    }
}

/// Prints the sums.
pub(super) fn run(args: &StatsArgs) -> Result<ExitCode, Failure> {
    let cache = Cache::of(&args.place)?;
    let totals = cache.inspect()?.totals(SystemClock.now())?;
    print(&if args.json { format!("{:#}\n", as_json(&cache, &totals)) } else { as_text(&cache, &totals) })?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(cache: &Cache, totals: &Totals) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<14}{value}");
    };
    let limits = cache.limits;
    let at_most = |limit: Option<String>| limit.map_or(String::new(), |limit| format!(" of at most {limit}"));
    line("Cache", cache.file.display().to_string());
    let most = at_most(limits.entries.map(|entries| entries.to_string()));
    line("Entries", format!("{}{most} ({} fresh)", totals.entries, totals.fresh()));
    line("On disk", format!("{}{}", size(totals.disk_bytes()), at_most(limits.bytes.map(size))));
    let free = size(totals.free_bytes);
    line("  database", format!("{} (of that free: {free})", size(totals.database_bytes)));
    line("  its log", size(totals.log_bytes));
    line("  body files", size(totals.file_bytes));
    let (oldest, newest) = (totals.oldest.map_or("-".into(), time), totals.newest.map_or("-".into(), time));
    line("Stored", format!("from {oldest} to {newest}"));
    if !totals.by_status.is_empty() {
        let _ = writeln!(
            out,
            "\n{:>6} {:>10} {:>10} {:>12} {:>12} {:>12}",
            "status", "entries", "fresh", "bodies", "as kept", "hits"
        );
    }
    for row in &totals.by_status {
        let _ = writeln!(
            out,
            "{:>6} {:>10} {:>10} {:>12} {:>12} {:>12}",
            row.status,
            row.entries,
            row.fresh,
            size(row.body_bytes),
            size(row.stored_bytes),
            row.hits
        );
    }
    out
}

fn as_json(cache: &Cache, totals: &Totals) -> Value {
    let by_status: Vec<Value> = totals
        .by_status
        .iter()
        .map(|row| {
            json!({
                "status": row.status, "entries": row.entries, "fresh": row.fresh,
                "body_bytes": row.body_bytes, "stored_bytes": row.stored_bytes, "hits": row.hits,
            })
        })
        .collect();
    let limits = cache.limits;
    json!({
        "cache": cache.file.display().to_string(),
        "entries": totals.entries,
        "max_entries": limits.entries,
        "fresh": totals.fresh(),
        "disk_bytes": totals.disk_bytes(),
        "max_disk_bytes": limits.bytes,
        "database_bytes": totals.database_bytes,
        "free_bytes": totals.free_bytes,
        "log_bytes": totals.log_bytes,
        "row_body_bytes": totals.row_bytes,
        "file_body_bytes": totals.file_bytes,
        "oldest": totals.oldest.map(time),
        "newest": totals.newest.map(time),
        "by_status": by_status,
    })
}
