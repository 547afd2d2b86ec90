//! The reference page, made from the table of settings.

use crate::alias::ALIASES;
use crate::preset::{preset_names, preset_text};
use crate::shape::{self, Key, Shape};
use crate::show::toml_text;
use crate::values::FORMATS;
use crate::variables::variable_of;
use std::fmt::Write;

const HEAD: &str = "\
# Configuration

This page is made from the program's own table of settings; `UPDATE_DOCS=1 cargo test -p millpond-config` writes it.

A setting can be given in several places. From the strongest to the weakest:

1. the command line (in a program: `Config::builder().set(path, value)`),
2. the environment, as `MILLPOND_` and the setting's path in upper case with two underscores between levels,
3. `.env` in the working directory, with the same names,
4. the configuration file (`--config FILE`, or `MILLPOND_CONFIG`),
5. the preset (`--preset NAME`, `MILLPOND_PRESET`, or `preset` in the file),
6. the defaults a program gives (`.default(path, value)`),
7. the built-in defaults, which are what the standards say.

Tables are put together key by key; lists, the list of routes among them, are replaced as a whole. `millpond config show
--origin` prints every value with the place it came from. A mistake anywhere, also in a value that a stronger place
overrides, keeps the program from starting; all mistakes are reported at once, each with its place and how to mend it:

```
millpond.toml:3:1: unknown setting `lisen`
  help: did you mean `listen`?
```

In a variable, lists are written with commas (`MILLPOND_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.7`), tables and routes as TOML
(`MILLPOND_POLICY__NEGATIVE_TTL='{ 404 = \"10s\" }'`). An empty variable counts as not set. A variable that begins with
`MILLPOND_` and names no setting is a mistake, except those that Kubernetes sets for a service called `millpond`.

";

/// The text of `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    values(&mut out);
    let root = shape::root();
    let _ = writeln!(out, "## Top level\n");
    rows(&mut out, root, "");
    sections(&mut out, root, "");
    rules(&mut out);
    routes(&mut out);
    presets(&mut out);
    aliases(&mut out);
    out
}

fn values(out: &mut String) {
    out.push_str("## Values\n\n| kind | for example |\n|---|---|\n");
    let mut seen = Vec::new();
    for format in FORMATS.iter().filter(|format| format.what != "text") {
        if !seen.contains(&format.what) {
            seen.push(format.what);
            let _ = writeln!(out, "| {} | `{}` |", format.what, format.example);
        }
    }
    out.push_str(
        "\nDurations take the units `ms`, `s`, `m`, `h`, `d` and longer; sizes take `KiB`, `MiB`, `GiB` (powers of 1024) and \
         `kB`, `MB`, `GB` (powers of 1000), or a bare number of bytes. `*` stands for any run of characters, in names at the end only.\n\n",
    );
}

/// The settings of one table that are no tables themselves.
fn rows(out: &mut String, shape: &Shape, path: &str) {
    out.push_str("| setting | takes | default | variable | meaning |\n|---|---|---|---|---|\n");
    for key in shape.keys().iter().filter(|key| !is_section(key)) {
        let path = join(path, &key.name);
        let variable = format!("`{}`", variable_of(&path));
        row(out, &path, key, &variable);
    }
    out.push('\n');
}

fn row(out: &mut String, path: &str, key: &Key, variable: &str) {
    let default = key.default.as_ref().map_or("unset".to_owned(), |value| format!("`{}`", toml_text(value)));
    let takes = key.shape.what();
    let _ = writeln!(out, "| `{path}` | {takes} | {default} | {variable} | {} |", key.doc);
}

fn sections(out: &mut String, shape: &Shape, path: &str) {
    for key in shape.keys().iter().filter(|key| matches!(key.shape, Shape::Table(_))) {
        let path = join(path, &key.name);
        let _ = writeln!(out, "## `[{path}]`\n\n{}\n", key.doc);
        rows(out, &key.shape, &path);
        sections(out, &key.shape, &path);
    }
}

fn routes(out: &mut String) {
    let Some(list) = shape::root().key("route") else { return };
    let Some(route) = shape::root().at(["route", "0"]) else { return };
    let _ = writeln!(out, "## `[[route]]`\n\n{}\n", list.doc);
    out.push_str("| setting | takes | default | meaning |\n|---|---|---|---|\n");
    for key in route.keys() {
        let takes = match &key.shape {
            Shape::Table(_) if key.name == "limits" => "some of `[limits]`, below".to_owned(),
            Shape::Table(_) => format!("a table like `[{}]`", key.name),
            Shape::List(item) if matches!(**item, Shape::Table(_)) => {
                format!("tables like `[[{}]]`", key.name)
            }
            other => other.what(),
        };
        let inherited = shape::root().key(&key.name).is_some() && key.name != "origin";
        let default = match key.name.as_str() {
            "origin" => "required",
            "path_prefix" => "`\"/\"`",
            "strip_prefix" => "`false`",
            _ if inherited => "the top level's",
            _ => "unset",
        };
        let _ = writeln!(out, "| `{}` | {takes} | {default} | {} |", key.name, key.doc);
    }
    let limits = route.key("limits").map(|key| key.shape.keys()).unwrap_or_default();
    let names: Vec<String> = limits.iter().map(|key| format!("`{}`", key.name)).collect();
    let _ = writeln!(out, "\nA route may have these limits for itself: {}.", names.join(", "));
    out.push_str(
        "\nA route that writes `query.drop` does not take over `query.keep`, nor the other way round; a field that a route \
         removes is not set by the top level's `set`.\n\n",
    );
}

fn rules(out: &mut String) {
    let Some(list) = shape::root().key("rule") else { return };
    let Some(rule) = shape::root().at(["rule", "0"]) else { return };
    let _ = writeln!(out, "## `[[rule]]`\n\n{}\n", list.doc);
    out.push_str("| setting | takes | meaning |\n|---|---|---|\n");
    for key in rule.keys() {
        let takes = match &key.shape {
            Shape::Table(_) => format!("a table like `[{}]`", key.name),
            other => format!("{}; required", other.what()),
        };
        let _ = writeln!(out, "| `{}` | {takes} | {} |", key.name, key.doc);
    }
    out.push_str("\nA route that writes `[[route.rule]]` has those rules in place of the top level's.\n\n");
}

fn presets(out: &mut String) {
    out.push_str(
        "## Presets\n\nA preset is a file of settings that comes with the program (`presets/NAME.toml`).\n\n",
    );
    for name in preset_names() {
        let first = preset_text(name).and_then(|text| text.lines().next()).unwrap_or_default();
        let about = first.trim_start_matches("# ");
        let about = about.strip_prefix(name).map_or(about, |rest| rest.trim_start_matches(": "));
        let _ = writeln!(out, "- `{name}`: {about}");
    }
    out.push('\n');
}

fn aliases(out: &mut String) {
    out.push_str(
        "## Other programs' variables\n\nThese names stand for a setting too, in the environment and in `.env`. Those with a \
         preset count only while it is chosen; otherwise the log names them once. A setting's own name is stronger.\n\n\
         | variable | setting | preset |\n|---|---|---|\n",
    );
    for alias in ALIASES {
        let preset = alias.preset.map_or("any".to_owned(), |preset| format!("`{preset}`"));
        let _ = writeln!(out, "| `{}` | `{}` | {preset} |", alias.name, alias.path);
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn is_section(key: &Key) -> bool {
    match &key.shape {
        Shape::Table(_) => true,
        Shape::List(item) => !matches!(**item, Shape::Leaf(_)),
        Shape::Map { .. } | Shape::Leaf(_) => false,
    }
}
