//! As much of JSON Schema as `fixtures/har/schema.json` uses.

use serde_json::Value;

/// Where `value` is not as `schema` wants it.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

const KNOWN: [&str; 13] = [
    "$schema",
    "$ref",
    "title",
    "description",
    "definitions",
    "type",
    "enum",
    "minimum",
    "format",
    "items",
    "required",
    "properties",
    "additionalProperties",
];

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("a definition");
        return check(root, target, value, at, found);
    }
    for keyword in schema.as_object().expect("a schema").keys() {
        assert!(
            KNOWN.contains(&keyword.as_str()) || keyword == "patternProperties",
            "{keyword} is not checked"
        );
    }
    if let Some(kind) = schema["type"].as_str().filter(|kind| !is(kind, value)) {
        return found.push(format!("{at} is no {kind}"));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        found.push(format!("{at} is none of the values allowed"));
    }
    let least = schema["minimum"].as_f64();
    if least.zip(value.as_f64()).is_some_and(|(least, number)| number < least) {
        found.push(format!("{at} is too small"));
    }
    if schema["format"] == "date-time" && !is_date(value.as_str().unwrap_or_default()) {
        found.push(format!("{at} is no time in ISO 8601"));
    }
    match value {
        Value::Array(all) if schema["items"].is_object() => {
            for (nth, item) in all.iter().enumerate() {
                check(root, &schema["items"], item, &format!("{at}[{nth}]"), found);
            }
        }
        Value::Object(_) => members(root, schema, value, at, found),
        _ => {}
    }
}

fn members(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{at}.{name}");
        match schema["properties"].get(name) {
            Some(schema) => check(root, schema, member, &path, found),
            None if schema["patternProperties"]["^_"].is_object() && name.starts_with('_') => {}
            None if schema["additionalProperties"] == false => {
                found.push(format!("{path} is not of the format"));
            }
            None => {}
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("type {other} is not checked"),
    }
}

/// `YYYY-MM-DDThh:mm:ss.sTZD`, as the specification of the format writes it.
fn is_date(text: &str) -> bool {
    let (date, offset) = text.split_at_checked(19).unwrap_or_default();
    let shape = "dddd-dd-ddTdd:dd:dd";
    let fits = date.len() == shape.len()
        && date.bytes().zip(shape.bytes()).all(|(b, s)| if s == b'd' { b.is_ascii_digit() } else { b == s });
    let zone = offset.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    fits && (zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-'])))
}
