//! A story for people.

use super::Story;
use super::member::{Member, meaning};
use super::origin::Answered;
use super::server::Asked;
use super::store::{Looked, Place};
use super::words::{self, Told};
use crate::commands::cache::{admission, count, time};
use millpond::engine::explain::{Change, Decision, Explained, Fetch, Matched, Variant};
use millpond::exchange::Record;
use millpond::policy::{Profile, Verdict};
use std::fmt::Write as _;
use std::time::Duration;

/// Lines, each with a name and what it says.
#[derive(Default)]
struct Page(String);

impl Page {
    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name:<10} {}", value.as_ref());
    }

    fn detail(&mut self, name: &str, value: impl AsRef<str>) {
        let _ = writeln!(self.0, "  {name:<13} {}", value.as_ref());
    }
}

/// The whole story.
pub(super) fn of(story: &Story) -> String {
    let mut page = Page::default();
    page.row("Request", format!("{} {}", story.method, story.url));
    if let Some(unrouted) = &story.unrouted {
        page.row("Route", format!("none: {unrouted}; the server answers {}", unrouted.status()));
    }
    if let Some(looked) = &story.routed {
        routed(&mut page, looked);
    }
    if story.unknown {
        let why = "not looked at: nothing names the server's origin; give its --origin or --config";
        page.row("Store", why);
    }
    if let Some(server) = &story.server {
        asked(&mut page, server);
        if let Some(line) = disagreement(story, server) {
            page.row("Note", line);
        }
    }
    if let Some(answered) = &story.origin {
        origin(&mut page, answered);
    }
    page.0
}

fn routed(page: &mut Page, looked: &Looked) {
    page.row("Route", format!("{}, to {}", looked.route, looked.origin));
    if let Some(setting) = looked.pass.and_then(words::pass_setting) {
        page.row("Passed", format!("past the cache, by `{setting}` of the route"));
    }
    let key = &looked.would_be().key;
    page.row("Key", format!("{} {}", key.method(), key.url()));
    store(page, looked);
    if let Some(explained) = looked.explained() {
        decision(page, explained);
        changes(page, &explained.changes);
    }
}

fn store(page: &mut Page, looked: &Looked) {
    match &looked.place {
        Place::Memory => {
            page.row("Store", "the memory of the server, which only the server sees: ask it with --via");
        }
        Place::Missing(path) => page.row("Store", format!("none yet at {}", path.display())),
        Place::File { path, other_keys, unreadable } => {
            page.row("Store", path.display().to_string());
            let explained = looked.would_be();
            let all = explained.variants.len();
            for (index, found) in explained.variants.iter().enumerate() {
                let used = if uses(explained, index) { ", which the request selects" } else { "" };
                page.detail("Response", format!("{} of {all}{used}", index + 1));
                variant(page, found, &looked.context.profile);
            }
            if all == 0 {
                page.detail("Response", "none for this key");
            }
            let more = |number: &usize| count(*number as u64, "response", "responses");
            if *other_keys > 0 {
                page.detail("Beside", format!("{} for the same URL under another key", more(other_keys)));
            }
            if *unreadable > 0 {
                page.detail("Beside", format!("{} that cannot be read", more(unreadable)));
            }
        }
    }
}

fn uses(explained: &Explained, index: usize) -> bool {
    match &explained.decision {
        Decision::Serve { index: used, .. } => *used == index,
        Decision::Fetch(fetch) => fetch.validates == Some(index),
        Decision::Refuse(_) => false,
    }
}

fn variant(page: &mut Page, found: &Variant, profile: &Profile) {
    let (entry, record) = (&found.entry, &found.entry.record);
    page.detail("Status", format!("{}, {} bytes", record.status, entry.body_len));
    let by = admission(record);
    page.detail("Stored", format!("{}, by {by}", time(record.response_time)));
    page.detail("Freshness", freshness(found));
    if let Some(then) = found.when_stale {
        page.detail("Then", then_line(words::verdict(then), then));
    }
    for (name, own, configured) in windows(record, profile) {
        if let Some(line) = window(own, configured) {
            page.detail(name, line);
        }
    }
    if !matches!(found.verdict, Verdict::Fresh { .. }) {
        page.detail("If 503", on_failure(found.failing));
        page.detail("If no answer", on_failure(found.unreachable));
    }
    for selector in &found.selectors {
        page.detail("Varies on", varies(selector));
    }
    labels(page, record);
    if let Some((first, last, complete)) = words::part(record, entry.body_len) {
        let of = complete.map_or("an unknown number".to_owned(), |complete| complete.to_string());
        page.detail("Part", format!("bytes {first} to {last} of {of} (RFC 9111 section 3.3)"));
    }
    let told = words::verdict(found.verdict);
    if found.matches() {
        page.detail("By itself", format!("{}: {}", told.word, told.sentence));
    }
}

fn labels(page: &mut Page, record: &Record) {
    for (name, labels) in [("Tags", &record.tags), ("Groups", &record.groups)] {
        if !labels.is_empty() {
            page.detail(name, labels.join(", "));
        }
    }
    let validators = words::validators(record);
    if !validators.is_empty() {
        page.detail("Validators", validators.join(", "));
    }
}

fn freshness(found: &Variant) -> String {
    let Variant { age, lifetime, ttl, .. } = found;
    let secs = if lifetime.secs == u32::MAX { "ever".to_owned() } else { format!("{} s", lifetime.secs) };
    let state =
        if *ttl > 0 { format!("{ttl} s left") } else { format!("stale since {} s", ttl.unsigned_abs()) };
    let purged = if found.entry.record.stale_from.is_some() { ", marked stale by a soft purge" } else { "" };
    format!("age {age} s, fresh for {secs} ({}): {state}{purged}", words::basis(lifetime.basis))
}

fn then_line(told: Told, verdict: Verdict) -> String {
    match verdict {
        Verdict::Validate(_) => "the origin is asked whether it is still right before it is used".to_owned(),
        _ => told.sentence,
    }
}

/// The windows in which a stale response may serve, by the response and by the profile.
fn windows(record: &Record, profile: &Profile) -> [(&'static str, Option<u32>, Option<Duration>); 2] {
    [
        ("Stale while", record.stale_while_revalidate, profile.stale_while_revalidate),
        ("Stale if", record.stale_if_error, profile.stale_if_error),
    ]
}

fn window(own: Option<u32>, configured: Option<Duration>) -> Option<String> {
    match (own, configured) {
        (Some(secs), _) => Some(format!("{secs} s past its lifetime, as the response says (RFC 5861)")),
        (None, Some(ttl)) => Some(format!("{} s past its lifetime, as configured", ttl.as_secs())),
        (None, None) => None,
    }
}

fn on_failure(reason: Option<millpond::policy::Reason>) -> String {
    reason.map_or_else(
        || "of the origin: it does not serve".to_owned(),
        |reason| format!("of the origin: it serves all the same ({reason})"),
    )
}

fn varies(selector: &Matched) -> String {
    let name = &selector.stored.name;
    let value = words::selecting_value(&selector.stored);
    let value = value.map_or(String::new(), |value| format!(", stored for {value:?}"));
    if selector.matches {
        format!("{name}: the request has the same{value}")
    } else {
        format!("{name}: the request has another{value}")
    }
}

fn decision(page: &mut Page, explained: &Explained) {
    let told = words::decision(explained);
    let reason = told.reason().map_or(String::new(), |reason| format!(" ({reason})"));
    page.row("Verdict", format!("{}{reason}. {}", told.word, told.sentence));
    match &explained.decision {
        Decision::Serve { verdict: Verdict::ServeStale { refresh: true, .. }, .. } => {
            page.row("Origin", "would be asked behind the answer");
        }
        Decision::Serve { .. } => page.row("Origin", "not asked"),
        Decision::Refuse(_) => page.row("Origin", "not asked: the answer is 504"),
        Decision::Fetch(fetch) => sent(page, fetch),
    }
}

fn sent(page: &mut Page, fetch: &Fetch) {
    let (told, others) = words::fields(&fetch.sent);
    let how = if fetch.validates.is_some() {
        "would be asked whether what is stored is still right"
    } else {
        "would be asked"
    };
    page.row("Origin", format!("{how}: {} {}", fetch.sent.method, fetch.sent.url()));
    for (name, value) in told {
        page.detail("", format!("{name}: {value}"));
    }
    page.detail("", format!("and with {}", others.join(", ")));
    if fetch.whole_behind {
        page.detail("", "and behind it for the whole");
    }
}

fn changes(page: &mut Page, changes: &[Change]) {
    for change in changes {
        page.row("Changed by", words::option(*change));
    }
}

fn asked(page: &mut Page, server: &Asked) {
    let how = if server.fetch { "" } else { " to only-if-cached" };
    let age = server.age.map_or(String::new(), |age| format!(", age {age} s"));
    let answer =
        format!("{} answers {} with {} bytes{age}{how}", server.server, server.status, server.length);
    page.row("Server", answer);
    for member in &server.members {
        parameters(page, member);
    }
    if server.members.is_empty() {
        page.detail("", "It says nothing of a cache: there is no Cache-Status.");
    }
    if let Some(problem) = &server.problem {
        page.detail("Problem", problem);
    }
}

fn parameters(page: &mut Page, member: &Member) {
    let own = if member.is_own() { "" } else { " (another cache)" };
    page.detail("Cache", format!("{}{own}", member.name));
    for (name, value) in &member.parameters {
        let shown = value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}={value}"));
        page.detail("", format!("{shown}: {}", meaning(name, value.as_deref())));
    }
}

/// What is to be said where the server does not do what is on disk.
fn disagreement(story: &Story, server: &Asked) -> Option<&'static str> {
    let explained = story.routed.as_ref()?.explained()?;
    let stored = matches!(explained.decision, Decision::Serve { .. });
    match (stored, server.hits()) {
        (true, false) => Some(
            "the store has what the server did not use: is it the same --cache-dir, and are they the same options?",
        ),
        (false, true) => {
            Some("the server has what is not in the store: its memory knows more, or its options are others")
        }
        _ => None,
    }
}

fn origin(page: &mut Page, answered: &Answered) {
    page.row("Origin", format!("answers {} with {} bytes", answered.status, answered.length));
    match &answered.kept {
        Err(reason) => {
            page.detail("Stored", "no");
            page.detail("Next request", format!("refused ({reason}). {}", reason.explain()));
        }
        Ok(kept) => {
            let (age, secs, basis) = (kept.age, kept.lifetime.secs, words::basis(kept.lifetime.basis));
            page.detail("Stored", format!("yes: age {age} s, fresh for {secs} s ({basis})"));
            let vary: Vec<&str> = kept.record.vary.iter().map(|selector| &*selector.name).collect();
            if !vary.is_empty() {
                page.detail("Varies on", vary.join(", "));
            }
            labels(page, &kept.record);
            let told = words::verdict(kept.next);
            page.detail("Next request", format!("{}. {}", told.word, told.sentence));
        }
    }
    changes(page, &answered.changes);
}
