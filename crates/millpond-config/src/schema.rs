//! The JSON Schema of the configuration file.

use crate::config::Config;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The JSON Schema (draft 2020-12) of the configuration file, for editors and for checking files elsewhere. Formats such
/// as `ttl` and `size` are millpond's own; `millpond config check` knows them, a general validator lets them pass.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    tidy(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), "millpond configuration".into());
        strip_inherited_defaults(root);
    }
    schema
}

/// TOML has no null, so optional settings are just settings; and line breaks in comments are for the source only.
fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(object) => {
            let absent = object.get("default").is_some_and(Value::is_null);
            if absent {
                object.remove("default");
            }
            if let Some(only) = only_choice(object) {
                object.remove("anyOf");
                // What is said of the setting stands above what is said of its type.
                only.into_iter().for_each(|(name, value)| {
                    object.entry(name).or_insert(value);
                });
            }
            if let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [only] = kinds.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            // Numeric formats name Rust's types; the bounds already say it.
            let numeric = object.get("format").and_then(Value::as_str).is_some_and(is_rust_number);
            if numeric {
                object.remove("format");
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// What an optional setting holds, where the schema says "this or null".
fn only_choice(object: &Map<String, Value>) -> Option<Map<String, Value>> {
    let choices = object.get("anyOf")?.as_array()?;
    let some: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
    match some[..] {
        [only] if choices.len() == 2 => only.as_object().cloned(),
        _ => None,
    }
}

fn is_rust_number(format: &str) -> bool {
    matches!(format, "uint16" | "uint32" | "uint64" | "int64" | "double" | "float")
}

/// What a route leaves out comes from the top level, and what a rule leaves out from the policy around it, so that no default
/// of their own may be announced there.
fn strip_inherited_defaults(root: &mut Map<String, Value>) {
    fn strip(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Object(object) => {
                object.remove("default");
                object.values_mut().for_each(strip);
            }
            _ => {}
        }
    }
    for name in ["route", "rule"] {
        let list = root.get_mut("properties").and_then(|all| all.get_mut(name));
        if let Some(items) = list.and_then(|list| list.get_mut("items")) {
            strip(items);
        }
    }
}
