//! Prints a resolved configuration, with where each value came from, and without its secrets.

use crate::node::{Node, Value};
use crate::resolved::Resolved;
use crate::shape::{self, Key, Shape};
use crate::source::Source;
use crate::values::field;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// The configuration as TOML text that could be its file, one setting a line; with `origins`, each is followed by where
/// it came from. Unset settings without a default are left out; of a route, only what is its own is shown. Values that
/// look secret are replaced by `[hidden]`.
pub fn show(resolved: &Resolved, origins: bool) -> String {
    let mut out = String::new();
    let root = shape::root();
    table(&mut out, root, Some(&resolved.tree), "", origins);
    lists(&mut out, root, &resolved.tree, "", origins);
    out
}

/// Prints the lists of tables that `node` has: `[[rule]]`, `[[route]]` and the rules of each route.
fn lists(out: &mut String, shape: &Shape, node: &Node, prefix: &str, origins: bool) {
    for (key, item) in shape.keys().iter().filter_map(|key| Some((key, item_table(key)?))) {
        let path = join(prefix, &key.name);
        for element in node.get(&key.name).map(Node::items).unwrap_or_default() {
            let _ = write!(out, "\n[[{path}]]\n");
            table(out, item, Some(element), &path, origins);
            lists(out, item, element, &path, origins);
        }
    }
}

/// The same as JSON: a list of objects with `path`, `value` and `origin`, in the order of the settings.
pub fn show_json(resolved: &Resolved) -> Json {
    let mut rows = Vec::new();
    add_rows(&mut rows, shape::root(), &resolved.whole, "");
    Json::Array(rows)
}

/// Adds the settings below `node`, then those of its lists of tables, of which only what is written or taken over is told.
fn add_rows(rows: &mut Vec<Json>, shape: &Shape, node: &Node, prefix: &str) {
    let mut lists = Vec::new();
    shape.visit_settings("", &mut |path, key| {
        let found = node.at(path.split('.'));
        if let Some(item) = item_table(key) {
            lists.push((join(prefix, path), item, found.map(Node::items).unwrap_or_default()));
        } else if let Some((value, source)) =
            value_of(found, key).filter(|_| found.is_some() || prefix.is_empty())
        {
            let (path, value) = (join(prefix, path), hide(&key.name, value));
            rows.push(json!({ "path": path, "value": value, "origin": source.to_string() }));
        }
    });
    for (path, item, elements) in lists {
        for (index, element) in elements.iter().enumerate() {
            add_rows(rows, item, element, &format!("{path}.{index}"));
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The shape of the tables that a setting is a list of.
fn item_table(key: &Key) -> Option<&Shape> {
    match &key.shape {
        Shape::List(item) if matches!(**item, Shape::Table(_)) => Some(item),
        _ => None,
    }
}

/// Prints a table's own settings, then its tables under their headers.
fn table(out: &mut String, shape: &Shape, node: Option<&Node>, prefix: &str, origins: bool) {
    let in_list = prefix.starts_with("route") || prefix.starts_with("rule");
    for key in shape.keys().iter().filter(|key| !is_section(key)) {
        let node = node.and_then(|node| node.get(&key.name));
        if node.is_some() || !in_list {
            line(out, key, node, origins);
        }
    }
    for key in shape.keys().iter().filter(|key| matches!(key.shape, Shape::Table(_))) {
        let path = join(prefix, &key.name);
        let node = node.and_then(|node| node.get(&key.name));
        if node.is_none() && in_list {
            continue;
        }
        let mut inner = String::new();
        table(&mut inner, &key.shape, node, &path, origins);
        if inner.starts_with("\n[") || inner.is_empty() {
            out.push_str(&inner);
        } else {
            let _ = write!(out, "\n[{path}]\n{inner}");
        }
    }
}

/// Whether the key is printed under a header of its own.
fn is_section(key: &Key) -> bool {
    matches!(key.shape, Shape::Table(_)) || item_table(key).is_some()
}

fn line(out: &mut String, key: &Key, node: Option<&Node>, origins: bool) {
    let Some((value, source)) = value_of(node, key) else { return };
    let value = hide(&key.name, value);
    let _ = write!(out, "{} = {}", key.name, toml_text(&value));
    if origins {
        let _ = write!(out, "  # {source}");
    }
    out.push('\n');
}

fn value_of(node: Option<&Node>, key: &Key) -> Option<(Json, Source)> {
    match node {
        Some(node) if matches!(node.value, Value::Invalid) => None,
        Some(node) => Some((node.to_json(), source_within(node))),
        None => key.default.clone().map(|value| (value, Source::Default)),
    }
}

/// A map of the operator's keys may come from several layers; the strongest speaks for it.
fn source_within(node: &Node) -> Source {
    match &node.value {
        Value::Table(members) => members
            .values()
            .map(|entry| &entry.node.source)
            .min_by_key(|source| source.sort_key())
            .unwrap_or(&node.source)
            .clone(),
        _ => node.source.clone(),
    }
}

fn hide(name: &str, value: Json) -> Json {
    match value {
        Json::Object(members) if name == "set" => members
            .into_iter()
            .map(|(name, value)| {
                let value = if field::is_secretive(&name) { field::HIDDEN.into() } else { value };
                (name, value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

/// A value as it stands in TOML, on one line.
pub(crate) fn toml_text(value: &Json) -> String {
    match value {
        Json::Null => "\"\"".to_owned(),
        Json::Bool(bool) => bool.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        Json::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        Json::Object(members) if members.is_empty() => "{}".to_owned(),
        Json::Object(members) => {
            let members =
                members.iter().map(|(name, value)| format!("{} = {}", toml_key(name), toml_text(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn toml_key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        toml::Value::String(name.to_owned()).to_string()
    }
}
