//! What is told of one stored response.

use super::page::Page;
use super::words::{self, Told};
use crate::commands::cache::{admission, time};
use millpond::engine::explain::{Matched, Variant};
use millpond::exchange::Record;
use millpond::policy::{Profile, Reason, Verdict, stale_since};
use std::time::Duration;

/// A stored response, as the request sees it.
pub(super) fn variant(page: &mut Page, found: &Variant, profile: &Profile) {
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
        if let Some(limit) = profile.stale_when_slow {
            let told = found.slow.map_or("it does not serve".to_owned(), serves);
            page.detail("If slow", format!("of the origin, for longer than {limit:?}: {told}"));
        }
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

/// Tags, groups and validators.
pub(super) fn labels(page: &mut Page, record: &Record) {
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
    let record = &found.entry.record;
    let purged = match record.stale_from.map(|_| stale_since(record)) {
        None => "",
        Some(Reason::SoftPurged) => ", marked stale by a soft purge",
        Some(_) => ", contradicted by a later answer",
    };
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

fn on_failure(reason: Option<Reason>) -> String {
    let told = reason.map_or("it does not serve".to_owned(), serves);
    format!("of the origin: {told}")
}

fn serves(reason: Reason) -> String {
    format!("it serves all the same ({reason})")
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
