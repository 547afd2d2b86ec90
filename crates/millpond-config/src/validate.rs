//! The rules that look at more than one value.

use crate::error::{ConfigError, Problem, Warning};
use crate::node::{Node, Value};
use crate::source::Source;
use crate::values::{ByteSize, StoreUrl};

mod doors;

/// The smallest head a client needs: a request line and a few fields.
const SMALLEST_HEAD: u64 = 1024;

/// The least disk that a database with its log can do its work in.
const SMALLEST_DISK: u64 = 16 << 20;

/// Bodies in rows are read and written whole.
const LARGEST_INLINE: u64 = 1 << 20;

/// Checks a merged tree in which every route is whole.
pub(crate) fn validate(tree: &Node, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
    query(tree, "query", errors);
    rules(tree, "rule", errors);
    routes(tree, errors);
    sizes(tree, errors);
    disk(tree, errors);
    store(tree, errors, warnings);
    doors::intercept(tree, errors, warnings);
    doors::tape(tree, errors, warnings);
}

fn store(tree: &Node, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
    let Some(store) = tree.get("store") else { return };
    let dir = tree.get("cache_dir");
    let is = |kind: StoreUrl| store.text().and_then(|text| text.parse().ok()) == Some(kind);
    if let Some(dir) = dir.filter(|_| is(StoreUrl::Memory)) {
        let why = "`store` is \"memory\"";
        warnings.push(Warning::NoEffect { path: "cache_dir".to_owned(), origin: dir.source.clone(), why });
    }
    if dir.is_none() && is(StoreUrl::Sqlite) {
        let problem =
            Problem::Missing("`store` is \"sqlite\", and no directory is named to keep it in".to_owned());
        let help = "set `cache_dir` (--cache-dir DIR), or `store` to \"memory\"; where the environment is read, \
                    XDG_CACHE_HOME or HOME names one too";
        errors.push(ConfigError::new(&store.source, problem).help(help));
    }
}

fn disk(tree: &Node, errors: &mut Vec<ConfigError>) {
    let mut bound = |name: &str, fits: fn(u64) -> bool, what: &str, help: &str| {
        let Some(node) = tree.at(["disk", name]) else { return };
        let Some(size) = node.text().and_then(|text| text.parse::<ByteSize>().ok()) else { return };
        if !fits(size.bytes()) {
            let path = format!("disk.{name}");
            let problem = Problem::BadValue { path, problem: format!("{what}: \"{size}\"") };
            errors.push(ConfigError::new(&node.source, problem).help(help));
        }
    };
    bound("size", |size| size >= SMALLEST_DISK, "is too small for a database", "write \"16MiB\" or more");
    bound(
        "inline_limit",
        |size| size <= LARGEST_INLINE,
        "is too large for a row of a database",
        "write \"1MiB\" or less: larger bodies are kept in files",
    );
}

fn routes(tree: &Node, errors: &mut Vec<ConfigError>) {
    let items = tree.get("route").map(Node::items).unwrap_or_default();
    let mut seen: Vec<(String, Source)> = Vec::new();
    let mut names: Vec<(String, Source)> = Vec::new();
    for (index, route) in items.iter().enumerate() {
        if matches!(route.value, Value::Invalid) {
            continue;
        }
        if route.get("origin").is_none() {
            let problem = Problem::Missing(format!("`route.{index}` has no `origin`"));
            errors.push(
                ConfigError::new(&route.source, problem).help("write origin = \"https://example.com\", say"),
            );
        }
        unique_target(route, &mut seen, errors);
        unique_name(route, &mut names, errors);
        strip(route, index, errors);
        query(route, &format!("route.{index}.query"), errors);
        rules(route, &format!("route.{index}.rule"), errors);
    }
    if let Some(origin) = tree.get("origin")
        && let Some((_, first)) = seen.iter().find(|(target, _)| target == "any host, path /")
    {
        let problem = Problem::Conflict(format!("`origin` takes what the route at {first} takes already"));
        errors.push(
            ConfigError::new(&origin.source, problem)
                .help("remove `origin`, or give the route a host or a path"),
        );
    }
}

fn unique_target(route: &Node, seen: &mut Vec<(String, Source)>, errors: &mut Vec<ConfigError>) {
    let invalid = |key| route.get(key).is_some_and(|node| matches!(node.value, Value::Invalid));
    if invalid("host") || invalid("path_prefix") {
        return;
    }
    let host =
        route.get("host").and_then(Node::text).map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    let host = host.map_or("any host".to_owned(), |host| format!("host {host}"));
    let prefix = route.get("path_prefix").and_then(Node::text).unwrap_or("/");
    let target = format!("{host}, path {prefix}");
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == target) {
        let problem = Problem::Conflict(format!("two routes take {target}; the first is at {first}"));
        errors.push(
            ConfigError::new(&route.source, problem).help("give one of them another `host` or `path_prefix`"),
        );
    } else {
        seen.push((target, route.source.clone()));
    }
}

fn unique_name(route: &Node, names: &mut Vec<(String, Source)>, errors: &mut Vec<ConfigError>) {
    let Some(node) = route.get("name") else { return };
    let Some(name) = node.text() else { return };
    if let Some((_, first)) = names.iter().find(|(other, _)| other == name) {
        let problem = Problem::Conflict(format!("two routes are called \"{name}\"; the first is at {first}"));
        errors.push(ConfigError::new(&node.source, problem).help("give one of them another name"));
    } else {
        names.push((name.to_owned(), node.source.clone()));
    }
}

fn strip(route: &Node, index: usize, errors: &mut Vec<ConfigError>) {
    let Some(node) = route.get("strip_prefix") else { return };
    if matches!(node.value, Value::Bool(true)) && route.get("path_prefix").is_none() {
        let problem = Problem::Conflict(format!("`route.{index}.strip_prefix` has no prefix to strip"));
        errors.push(ConfigError::new(&node.source, problem).help("set `path_prefix` too"));
    }
}

fn query(parent: &Node, path: &str, errors: &mut Vec<ConfigError>) {
    let Some(query) = parent.get("query") else { return };
    if let (Some(drop), Some(keep)) = (query.get("drop"), query.get("keep"))
        && !drop.items().is_empty()
    {
        let problem =
            Problem::Conflict(format!("`{path}.keep` cannot stand beside `{path}.drop` at {}", drop.source));
        let error = ConfigError::new(&keep.source, problem);
        // A route that inherits both would only repeat what has been said of the top level.
        if !errors.iter().any(|said| said.at == error.at) {
            errors.push(error.help("`keep` drops everything else already: remove one of them"));
        }
    }
}

fn rules(parent: &Node, path: &str, errors: &mut Vec<ConfigError>) {
    for (index, rule) in parent.get("rule").map(Node::items).unwrap_or_default().iter().enumerate() {
        let missing = match rule.get("paths") {
            Some(paths) => matches!(&paths.value, Value::List(items) if items.is_empty()),
            None => matches!(rule.value, Value::Table(_)),
        };
        // A route that takes the rule over would only repeat what has been said of the top level.
        if missing && !errors.iter().any(|said| said.at == rule.source) {
            let problem = Problem::Missing(format!("`{path}.{index}` has no `paths`"));
            errors.push(ConfigError::new(&rule.source, problem).help("write paths = [\"/private/*\"], say"));
        }
    }
}

fn sizes(tree: &Node, errors: &mut Vec<ConfigError>) {
    let size = |path: [&str; 2]| {
        let node = tree.at(path)?;
        Some((node, node.text()?.parse::<ByteSize>().ok()?))
    };
    let memory = size(["memory", "size"]).map_or(crate::storage::Memory::default().size, |(_, size)| size);
    if let Some((node, object)) = size(["memory", "max_object"])
        && object > memory
    {
        let problem =
            Problem::Conflict(format!("`memory.max_object` is larger than `memory.size` ({memory})"));
        errors
            .push(ConfigError::new(&node.source, problem).help("make `memory.size` larger, or this smaller"));
    }
    if let Some((node, head)) = size(["limits", "head_bytes"])
        && head.bytes() < SMALLEST_HEAD
    {
        let path = "limits.head_bytes".to_owned();
        let problem =
            Problem::BadValue { path, problem: format!("is too small for any request: \"{head}\"") };
        errors.push(ConfigError::new(&node.source, problem).help("write \"1KiB\" or more"));
    }
}
