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
    if let Some(route) = root.at(["route", "0"]) {
        for item in resolved.tree.get("route").map(Node::items).unwrap_or_default() {
            out.push_str("\n[[route]]\n");
            table(&mut out, route, Some(item), "route", origins);
        }
    }
    out
}

/// The same as JSON: a list of objects with `path`, `value` and `origin`, in the order of the settings.
pub fn show_json(resolved: &Resolved) -> Json {
    let mut rows = Vec::new();
    let root = shape::root();
    let mut add = |path: &str, node: Option<&Node>, key: &Key| {
        if let Some((value, source)) = value_of(node, key) {
            rows.push(json!({ "path": path, "value": hide(&key.name, value), "origin": source.to_string() }));
        }
    };
    root.visit_settings("", &mut |path, key| {
        if key.name != "route" {
            add(path, resolved.whole.at(path.split('.')), key);
        }
    });
    let items = resolved.whole.get("route").map(Node::items).unwrap_or_default();
    if let Some(route) = root.at(["route", "0"]) {
        for (index, item) in items.iter().enumerate() {
            route.visit_settings("", &mut |path, key| {
                if let Some(node) = item.at(path.split('.')) {
                    add(&format!("route.{index}.{path}"), Some(node), key);
                }
            });
        }
    }
    Json::Array(rows)
}

/// Prints a table's own settings, then its tables under their headers.
fn table(out: &mut String, shape: &Shape, node: Option<&Node>, prefix: &str, origins: bool) {
    let in_route = prefix.starts_with("route");
    for key in shape.keys().iter().filter(|key| !is_section(key)) {
        let node = node.and_then(|node| node.get(&key.name));
        if node.is_some() || !in_route {
            line(out, key, node, origins);
        }
    }
    for key in shape.keys().iter().filter(|key| matches!(key.shape, Shape::Table(_))) {
        let path = if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
        let node = node.and_then(|node| node.get(&key.name));
        if node.is_none() && in_route {
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
    matches!(key.shape, Shape::Table(_))
        || matches!(&key.shape, Shape::List(item) if matches!(**item, Shape::Table(_)))
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
