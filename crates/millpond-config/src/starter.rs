//! The starter file: every setting with its comment and its default, ready to be changed.

use crate::shape::{self, Key, Leaf, Shape};
use crate::show::toml_text;
use serde_json::{Value as Json, json};
use std::fmt::Write;

const HEAD: &str = "\
# The configuration of millpond.
#
# Each setting stands below its comment, out of force: take away the `#` to change it. The value shown is the default, or
# an example where there is none. `millpond config check` tells what is wrong, `millpond config show --origin` what is in
# force and why.
";

const LISTS: &str = r#"
# Rules: other policies for some paths. The first that covers a path counts; what a rule does not write it takes from
# [policy]. A route may have rules of its own, in place of these, as [[route.rule]].
#[[rule]]
#paths = ["/simple", "*.json"]
#policy.always_validate = true

# Routes: which origin serves which host and path. What a route does not write it takes from above, table by table and
# key by key. Of several the one with the most particular host wins, then the one with the longest prefix.
#[[route]]
#name = "api"
#host = "api.example.com"
#path_prefix = "/v1"
#origin = "https://example.com"
#strip_prefix = true
#policy.default_ttl = "60s"
#pass.paths = ["/v1/login"]
#request_fields.set = { X-Team = "blue" }
#response_fields.remove = ["Server"]
"#;

/// A configuration file to begin with. It passes the check as it is, with any one of its settings put in force, and with
/// its rules and routes.
pub fn init_toml() -> String {
    let mut out = HEAD.to_owned();
    table(&mut out, shape::root(), "");
    out.push_str(LISTS);
    out
}

fn table(out: &mut String, shape: &Shape, path: &str) {
    let of_tables = |shape: &Shape| matches!(shape, Shape::List(item) if matches!(**item, Shape::Table(_)));
    let plain = |key: &&Key| !matches!(key.shape, Shape::Table(_)) && !of_tables(&key.shape);
    for key in shape.keys().iter().filter(plain) {
        out.push('\n');
        comment(out, &key.doc);
        // Something to serve, so that the file does something as it is.
        let (mark, value) = if path.is_empty() && key.name == "origin" {
            ("", json!("http://127.0.0.1:8000"))
        } else {
            ("#", value_of(key))
        };
        let _ = writeln!(out, "{mark}{} = {}", key.name, toml_text(&value));
    }
    for key in shape.keys().iter().filter(|key| matches!(key.shape, Shape::Table(_))) {
        let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
        out.push('\n');
        comment(out, &key.doc);
        let _ = writeln!(out, "[{path}]");
        table(out, &key.shape, &path);
    }
}

/// The default, or an example where the default is nothing.
fn value_of(key: &Key) -> Json {
    let empty = match &key.default {
        None => true,
        Some(Json::Array(items)) => items.is_empty(),
        Some(Json::Object(members)) => members.is_empty(),
        Some(_) => false,
    };
    match &key.default {
        Some(default) if !empty => default.clone(),
        _ => key.example.clone().unwrap_or_else(|| example(&key.shape)),
    }
}

fn example(shape: &Shape) -> Json {
    match shape {
        Shape::Leaf(Leaf::Format(format)) => format.example.into(),
        Shape::List(item) => Json::Array(vec![example(item)]),
        Shape::Map { key, value } => json!({ key.example: example(value) }),
        Shape::Leaf(_) | Shape::Table(_) => Json::Null,
    }
}

/// Wraps a comment at 110 columns.
fn comment(out: &mut String, text: &str) {
    let mut width = 0;
    for word in text.split_whitespace() {
        if width > 0 && width + 1 + word.len() <= 110 {
            out.push(' ');
            width += 1;
        } else {
            out.push_str(if width == 0 { "# " } else { "\n# " });
            width = 2;
        }
        out.push_str(word);
        width += word.len();
    }
    out.push('\n');
}
