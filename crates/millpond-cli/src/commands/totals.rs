//! What a recording, a replay or a run came to, in one line on standard error.

use super::cache::count;
use crate::args::child::ChildArgs;
use millpond::recorder::{Tapes, Totals};
use serde_json::{Map, Value};

/// Misses that are told one by one.
const MISSES_TOLD: usize = 10;

/// Tells the totals of a cache, from the figures of its server.
pub(crate) fn tell_cache(args: &ChildArgs, figures: &[(String, u64)]) {
    let sum = |names: &[&str]| {
        figures.iter().filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| value).sum()
    };
    tell(
        args,
        &[
            ("hits", sum(&["hits", "stale_hits", "validated"])),
            ("misses", sum(&["misses", "collapsed", "bypassed"])),
            ("upstream_attempts", sum(&["origin_requests"])),
        ],
    );
}

/// Tells the totals of tapes, and where nothing is fetched the misses too. Of tunnels that went `unread` nothing is on them.
pub(crate) fn tell_tapes(args: &ChildArgs, tapes: &Tapes, unread: u64) {
    let Totals { recorded, aborted, failed, .. } = tapes.totals();
    let mode = tapes.mode();
    if !mode.fetches() && !args.quiet && !args.json {
        for miss in tapes.latest_misses().iter().take(MISSES_TOLD) {
            eprintln!("millpond: {miss}");
        }
    }
    let mut all: Vec<_> = tapes.totals().iter().collect();
    if args.json {
        all.push(("unread_tunnels", unread));
        return tell(args, &all);
    }
    let mut shown: Vec<_> = all.into_iter().take(3).collect();
    let further = [
        ("recorded", recorded, mode.records()),
        ("aborted", aborted, aborted > 0),
        ("failed", failed, failed > 0),
        ("unread", unread, unread > 0),
    ];
    shown.extend(further.into_iter().filter(|(_, _, told)| *told).map(|(name, value, _)| (name, value)));
    tell(args, &shown);
}

fn tell(args: &ChildArgs, totals: &[(&'static str, u64)]) {
    if args.json {
        let object: Map<String, Value> =
            totals.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        eprintln!("{}", Value::Object(object));
    } else if !args.quiet {
        let words: Vec<String> = totals.iter().map(|(name, value)| words(name, *value)).collect();
        eprintln!("millpond: {}", words.join(", "));
    }
}

fn words(name: &str, value: u64) -> String {
    match name {
        "hits" => count(value, "hit", "hits"),
        "misses" => count(value, "miss", "misses"),
        "upstream_attempts" => count(value, "upstream attempt", "upstream attempts"),
        "aborted" => format!("{value} recorded that broke off"),
        "unread" => count(value, "tunnel that went unread", "tunnels that went unread"),
        "failed" => format!("{value} that could not be recorded"),
        _ => format!("{value} {name}"),
    }
}
