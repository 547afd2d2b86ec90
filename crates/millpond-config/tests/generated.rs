//! What is made from the table of settings: the schema, the starter file, the reference page, and what is shown.

use millpond_config::{
    Config, Resolved, init_toml, preset_names, preset_text, reference, schema, show, show_json,
};
use serde_json::Value;

fn build(text: &str) -> Resolved {
    Config::builder().file_text("a.toml", text).build().unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap();
    assert!(page == reference(), "run UPDATE_DOCS=1 cargo test -p millpond-config --test generated");
}

#[test]
fn the_starter_file_passes_the_check_and_changes_only_the_origin() {
    let config = build(&init_toml()).config;
    assert!(config.origin.is_some());
    assert_eq!(Config { origin: None, ..config }, Config::default());
}

#[test]
fn each_setting_of_the_starter_file_can_be_put_in_force() {
    let starter = init_toml();
    let build = |text: &str| {
        let builder = Config::builder().file_text("a.toml", text).with_env_from([("HOME", "/home/me")]);
        builder.build().unwrap_or_else(|errors| panic!("{errors}\n{text}"))
    };
    let is_setting =
        |line: &str| line.starts_with('#') && line.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase);
    let (settings, lists) = starter.split_once("#[[rule]]").unwrap();
    let lines: Vec<&str> = settings.lines().collect();
    let mut tried = 0;
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_setting(line)) {
        let mut changed = lines.clone();
        changed[index] = &line[1..];
        build(&changed.join("\n"));
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
    let lists: Vec<&str> = lists.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    let lists: Vec<&str> = lists.into_iter().filter(|line| !line.starts_with(' ')).collect();
    let config = build(&format!("{settings}[[rule]]\n{}", lists.join("\n"))).config;
    assert_eq!((config.rule.len(), config.route.len()), (1, 1));
}

#[test]
fn the_starter_file_shows_every_setting() {
    let starter = init_toml();
    let listed = |path: &str| path.starts_with("route") || path == "rule";
    for (path, _) in leaves(&schema(), "").iter().filter(|(path, _)| !listed(path)) {
        let name = path.rsplit('.').next().unwrap();
        let shown =
            starter.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{name} = ")));
        assert!(shown, "{path}");
    }
}

/// The settings of a schema with their schemas, tables opened.
fn leaves<'a>(schema: &'a Value, prefix: &str) -> Vec<(String, &'a Value)> {
    let Some(Value::Object(properties)) = schema.get("properties") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, inner) in properties {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if inner.get("properties").is_some() {
            all.extend(leaves(inner, &path));
        } else if name == "route" {
            all.extend(leaves(&inner["items"], &path));
        } else {
            all.push((path, inner));
        }
    }
    all
}

#[test]
fn every_text_in_the_schema_has_a_format_and_every_setting_a_description() {
    let free = [
        "preset",
        "route.name",
        "tape.match.ignore_query",
        "tape.match.ignore_body_params",
        "tape.match.fields",
        "tape.redact.query",
        "tape.redact.json",
    ];
    let schema = schema();
    let all = leaves(&schema, "");
    assert!(all.len() > 70, "{}", all.len());
    for (path, leaf) in all {
        assert!(leaf["description"].is_string(), "{path} has no description");
        let kind = [&leaf["items"], &leaf["additionalProperties"], leaf]
            .into_iter()
            .find(|part| part.is_object())
            .unwrap();
        if kind["type"] == "string" && !free.contains(&path.as_str()) {
            assert!(
                kind["format"].is_string() || kind["oneOf"].is_array() || kind["enum"].is_array(),
                "{path}: {kind}"
            );
        }
        assert!(!leaf.to_string().contains("null"), "TOML has no null: {path}");
    }
}

#[test]
fn the_schema_refuses_unknown_keys_in_every_table_and_requires_a_routes_origin() {
    fn tables(schema: &Value, count: &mut usize) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            assert_eq!(schema["additionalProperties"], Value::Bool(false));
            *count += 1;
            properties.values().for_each(|inner| tables(inner, count));
        }
        if let Some(items) = schema.get("items") {
            tables(items, count);
        }
    }
    let schema = schema();
    let mut count = 0;
    tables(&schema, &mut count);
    assert!(count > 15, "{count}");
    assert_eq!(schema["properties"]["route"]["items"]["required"], serde_json::json!(["origin"]));
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn every_default_of_the_schema_is_the_default_of_the_type() {
    let schema = schema();
    let typed = serde_json::to_value(Config::default()).unwrap();
    for (path, leaf) in leaves(&schema, "") {
        let value = typed.pointer(&format!("/{}", path.replace('.', "/"))).filter(|value| !value.is_null());
        if path.starts_with("route.") {
            assert_eq!(leaf.get("default"), None, "a route has the top level's, not a default: {path}");
        } else {
            assert_eq!(leaf.get("default"), value, "{path}");
        }
    }
}

/// Whether `value` fits `schema`, as far as structure goes: keys, kinds and required members.
fn fits(value: &Value, schema: &Value, path: &str) {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        _ => "integer",
    };
    assert!(kinds.contains(&kind), "{path}: {kind} is none of {kinds:?}");
    if let Value::Object(members) = value {
        for (name, member) in members {
            let known = schema["properties"]
                .get(name)
                .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()));
            fits(
                member,
                known.unwrap_or_else(|| panic!("{path}.{name} is unknown")),
                &format!("{path}.{name}"),
            );
        }
    }
    if let Value::Array(items) = value {
        for item in items {
            fits(item, &schema["items"], path);
        }
    }
}

#[test]
fn the_presets_and_the_starter_file_fit_the_schema() {
    let schema = schema();
    for name in preset_names() {
        let value: toml::Table = preset_text(name).unwrap().parse().unwrap();
        fits(&serde_json::to_value(value).unwrap(), &schema, name);
    }
    let starter: toml::Table = init_toml().parse().unwrap();
    fits(&serde_json::to_value(starter).unwrap(), &schema, "starter");
}

const FULL: &str = r#"
origin = "https://example.com/base"
preset = "ingress"
[policy]
negative_ttl = { 404 = "5s", 410 = "1h" }
heuristic.fraction = 0
[request_fields.set]
X-Team = "bl\"ue # no comment"
[[route]]
name = "api"
host = "*.a.example"
path_prefix = "/x"
origin = "http://127.0.0.1:8000"
strip_prefix = true
policy.default_ttl = "forever"
policy.heuristic.max = "1d"
limits.object = 1048576
query.keep = []
[[route.rule]]
paths = ["*.json"]
policy.always_validate = true
[[route]]
origin = "http://127.0.0.1:8001"
path_prefix = "/y"
[[rule]]
paths = ["/a", "*.b"]
policy.negative_ttl = { 404 = "1m" }
policy.heuristic.max = "2d"
[[rule]]
paths = ["/c"]
policy.default_ttl = "1h"
"#;

#[test]
fn what_is_shown_can_be_read_again() {
    for origins in [false, true] {
        let resolved = build(FULL);
        let again = build(&show(&resolved, origins));
        assert_eq!(again.config, resolved.config);
    }
}

#[test]
fn shown_lines_name_their_origins() {
    let shown = show(&build(FULL), true);
    for line in [
        "listen = \"0.0.0.0:3000\"  # preset ingress:7",
        "workers = 0  # default",
        "negative_ttl = { 404 = \"5s\", 410 = \"1h\" }  # a.toml:5:24",
        "strip_prefix = true  # a.toml:14:16",
        "[route.policy.heuristic]",
        "[[rule]]",
        "paths = [\"/a\", \"*.b\"]  # a.toml:26:9",
        "[rule.policy.heuristic]",
        "[[route.rule]]",
        "always_validate = true  # a.toml:21:26",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let text = "[request_fields.set]\nAuthorization = \"Bearer hunter2\"\nX-Api-Key = \"hunter2\"\nX-Team = \"blue\"\n\
                [[route]]\norigin = \"http://a.example\"\nresponse_fields.set = { Set-Cookie = \"hunter2\" }\n";
    let resolved = build(text);
    let builder = Config::builder().file_text("a.toml", text).set("origin", "hunter2");
    for shown in [
        show(&resolved, true),
        show_json(&resolved).to_string(),
        format!("{resolved:?} {builder:?}"),
        serde_json::to_string(&resolved.config).unwrap(),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(
        show(&resolved, false)
            .contains("set = { authorization = \"[hidden]\", x-api-key = \"[hidden]\", x-team = \"blue\" }")
    );
    assert_eq!(resolved.config.request_fields.set.values().next().unwrap().as_str(), "Bearer hunter2");
}

#[test]
fn json_lists_paths_values_and_origins() {
    let json = show_json(&build(FULL));
    let row = |path: &str| {
        json.as_array().unwrap().iter().find(|row| row["path"] == path).cloned().unwrap_or_default()
    };
    assert_eq!(row("workers"), serde_json::json!({ "path": "workers", "value": 0, "origin": "default" }));
    assert_eq!(row("route.0.policy.default_ttl")["value"], "forever");
    assert_eq!(row("route.0.preserve_host")["origin"], "preset ingress:8", "inherited values are told too");
    assert_eq!(row("upstream_ca"), Value::Null);
    assert_eq!(row("rule.0.policy.heuristic.max")["value"], "2d");
    assert_eq!(row("rule.0.policy.heuristic.fraction")["origin"], "a.toml:6:22", "from [policy]");
    assert_eq!(row("route.0.rule.0.policy.default_ttl")["value"], "forever", "from the route");
    assert_eq!(row("route.1.rule.1.paths")["origin"], "a.toml:30:9", "from the top level");
    assert_eq!(row("rule"), Value::Null, "told rule by rule");
}
