//! `millpond cache show`.

use super::ls::json_of;
use super::named::stored_urls;
use super::{Cache, time};
use crate::args::cache::ShowArgs;
use crate::commands::{print, terminal};
use crate::failure::Failure;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Admission, Fields, Record, Timestamp, VarySelector};
use millpond::policy::{Reason, stale_since};
use millpond::sqlite::Shown;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;

/// What stands for a value that names or lets in a user.
const HIDDEN: &str = "[hidden]";

/// Shows every response stored for a URL.
pub(super) fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let cache = Cache::of(&args.place)?;
    let urls = stored_urls(&cache.config, &args.url)?;
    let inspector = cache.inspect()?;
    let now = SystemClock.now();
    let (mut text, mut values) = (String::new(), Vec::new());
    for url in &urls {
        let found = inspector.show(url)?;
        if args.json {
            values.extend(found.iter().map(|shown| as_json(shown, now)));
        } else if !found.is_empty() {
            let _ = writeln!(text, "{url}");
        }
        for (index, shown) in found.iter().enumerate().filter(|_| !args.json) {
            as_text(&mut text, shown, (index + 1, found.len()), now);
        }
    }
    let nothing = text.is_empty() && values.is_empty();
    if args.json {
        text = terminal::json(&Value::Array(values), true) + "\n";
    } else if nothing {
        // Under which of the URLs a server would look is told last.
        let _ = writeln!(text, "{}\nNothing is stored for it.", urls.join("\n"));
    }
    print(&text)?;
    Ok(if nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why what has a `stale_from` is stale since then.
fn why_stale(shown: &Shown) -> &'static str {
    match shown.facts.as_ref().map(|facts| stale_since(&facts.record)) {
        Ok(Reason::Withdrawn) => "taken back by the origin",
        Ok(Reason::HeadMismatch) => "stale since an answer that does not agree",
        _ => "stale since a soft purge",
    }
}

fn as_text(out: &mut String, shown: &Shown, (index, all): (usize, usize), now: Timestamp) {
    let listed = &shown.listed;
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "  {name:<13} {}", terminal::plain(&value));
    };
    line("Response", format!("{index} of {all}"));
    line("Method", shown.key.method().to_owned());
    line("Status", listed.status.to_string());
    let fresh = match () {
        () if listed.stale_from.is_some_and(|from| from <= now) => why_stale(shown),
        () if listed.is_fresh(now) => "fresh",
        () => "stale",
    };
    line("Stored", time(listed.stored_at));
    line("Fresh until", format!("{} ({fresh})", time(listed.fresh_until)));
    let kept =
        if listed.compressed { format!(", kept as {} (zstd)", listed.stored_len) } else { String::new() };
    let place = listed.file.as_ref().map_or("in the database".to_owned(), |file| format!("in file {file}"));
    let part = listed.part_first.map_or(String::new(), |first| format!(", a part from byte {first} on"));
    line("Body", format!("{} bytes{kept}, {place}{part}", listed.body_len));
    line("Hits", format!("{}, last used {}", listed.hits, time(listed.used_at)));
    match &shown.facts {
        Err(error) => line("Unreadable", error.to_string()),
        Ok(facts) => {
            line("Kept by", admission(&facts.record).to_owned());
            for selector in &facts.record.vary {
                line("Varies on", format!("{}: {}", selector.name, vary_value(selector)));
            }
            for tag in &facts.record.tags {
                line("Tag", tag.to_string());
            }
            for group in &facts.record.groups {
                line("Group", group.to_string());
            }
            for (name, value) in pairs(&facts.head.fields) {
                line("Field", format!("{name}: {value}"));
            }
            for (name, value) in pairs(&facts.trailers) {
                line("Trailer", format!("{name}: {value}"));
            }
        }
    }
    out.push('\n');
}

fn as_json(shown: &Shown, now: Timestamp) -> Value {
    let mut value = json_of(&shown.listed, now);
    value["method"] = json!(shown.key.method());
    match &shown.facts {
        Err(error) => value["unreadable"] = json!(error.to_string()),
        Ok(facts) => {
            let record = &facts.record;
            let vary: serde_json::Map<_, _> = record
                .vary
                .iter()
                .map(|selector| (selector.name.to_string(), json!(vary_value(selector))))
                .collect();
            value["kept_by"] = json!(admission(record));
            value["vary"] = Value::Object(vary);
            value["tags"] = json!(record.tags.iter().map(|tag| &**tag).collect::<Vec<_>>());
            value["groups"] = json!(record.groups.iter().map(|group| &**group).collect::<Vec<_>>());
            value["fields"] = json!(pairs(&facts.head.fields));
            value["trailers"] = json!(pairs(&facts.trailers));
        }
    }
    value
}

/// What admitted a stored response.
pub(crate) fn admission(record: &Record) -> &'static str {
    match record.admission {
        Admission::Standards => "the standards",
        Admission::DefaultTtl => "default_ttl",
        Admission::ForceCache => "force_cache",
        Admission::NegativeTtl => "negative_ttl",
    }
}

fn vary_value(selector: &VarySelector) -> String {
    let secret = ["authorization", "proxy-authorization", "cookie"].contains(&&*selector.name);
    match &selector.value {
        None => "(absent)".to_owned(),
        Some(_) if secret => HIDDEN.to_owned(),
        Some(value) => String::from_utf8_lossy(value).into_owned(),
    }
}

fn pairs(fields: &Fields) -> Vec<(String, String)> {
    let pair = |field: millpond::exchange::Field<'_>| {
        let value = if field.is("set-cookie") { HIDDEN.into() } else { String::from_utf8_lossy(field.value) };
        (field.name_str().to_owned(), value.into_owned())
    };
    fields.iter().map(pair).collect()
}
