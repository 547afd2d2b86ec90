//! The form of the JSON, as `docs/reference/explain.md` has it.

use super::{Place, explain_at};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The members that the page names, each with its type.
fn documented() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/explain.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(name, rest)| (name.to_owned(), rest.split(" | ").next().unwrap().to_owned())).collect()
}

/// Every member at and below `value`, with its types.
fn members(path: &str, value: &Value, seen: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !path.is_empty() && !path.ends_with("[]") {
        seen.entry(path.to_owned()).or_default().insert(kind);
    }
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                members(&path, value, seen);
            }
        }
        Value::Array(all) => {
            for value in all {
                members(&format!("{path}[]"), value, seen);
            }
        }
        _ => {}
    }
}

/// Objects that are whole, so that each of their members must be there.
fn complete(path: &str, value: &Value, documented: &BTreeMap<String, String>) {
    let below = if path.is_empty() { String::new() } else { format!("{path}.") };
    if let Value::Object(all) = value {
        for name in documented.keys().filter_map(|name| name.strip_prefix(&*below)) {
            let own = !name.contains(['.', '[']);
            assert!(!own || all.contains_key(name), "no member {name} in {path:?}");
        }
        for (name, value) in all {
            complete(&format!("{below}{name}"), value, documented);
        }
    }
    if let Value::Array(all) = value {
        for value in all {
            complete(&format!("{path}[]"), value, documented);
        }
    }
}

fn stories() -> Vec<Value> {
    let part = "Range: bytes=0-4\r\n";
    let place = Place::holding(&[("/stale", ""), ("/vary", "Accept-Language: de\r\n"), ("/part", part)]);
    let config = place.dir.path().join("millpond.toml");
    std::fs::write(&config, "[[rule]]\npaths = [\"/stale\"]\npolicy.default_ttl = \"1h\"\n").unwrap();
    let stored = |path, more: &[&str]| place.stored(path, more).2;
    let mut stories = vec![
        stored("/stale", &["--config", config.to_str().unwrap()]),
        stored("/vary", &["-H", "Accept-Language: fr"]),
        stored("/part", &[]),
        stored("/fresh", &["--data", "a=1"]),
        stored("/fresh", &["-X", "TRACE"]),
        stored("/fresh", &["--store", "memory"]),
        explain_at("https://a.example/", &["--proxy"]).2,
        explain_at("http://127.0.0.1:1/", &[]).2,
        explain_at(&place.url("/private"), &[]).2,
        explain_at(&place.url("/fresh"), &[]).2,
    ];
    let serving = place.serve(&[]);
    for path in ["/stale", "/other"] {
        let via = format!("http://{}{path}", serving.address);
        stories.push(serde_json::from_str(&place.explain(&["--json", "--via", &via]).stdout).unwrap());
    }
    stories
}

#[test]
fn the_page_names_every_member_and_no_other() {
    let (documented, mut seen) = (documented(), BTreeMap::new());
    for story in stories() {
        assert_eq!(story["version"], 1);
        members("", &story, &mut seen);
        complete("", &story, &documented);
    }
    let (told, printed): (Vec<_>, Vec<_>) = (documented.keys().collect(), seen.keys().collect());
    assert_eq!(printed, told);
    for (name, types) in &seen {
        let told = &documented[name];
        let others = types.iter().filter(|kind| **kind != "null" && **kind != told && told != "any");
        assert_eq!(others.count(), 0, "{name} is {types:?}, and not {told}");
    }
}
