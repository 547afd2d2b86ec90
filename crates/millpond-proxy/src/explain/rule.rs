//! The rule of a route that decides about a path, and what it makes different.

use super::Door;
use crate::route::{Route, forwarding};
use millpond_config::{Config, Policy};
use serde_json::Value;
use std::borrow::Cow;

/// The rule that decides about a path: the first of its route that covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// Its place among the rules of the route, from 1.
    pub number: usize,
    /// How many rules the route has.
    pub rules: usize,
    /// Its pattern that covers the path.
    pub pattern: String,
    /// What it has otherwise than the route.
    pub changes: Vec<Changed>,
}

/// A setting that a rule has otherwise than its route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its path in the configuration, such as `policy.default_ttl`.
    pub setting: String,
    /// Its value by the rule, as TOML has it; `None` where it is unset.
    pub value: Option<String>,
    /// Its value on the route.
    pub otherwise: Option<String>,
}

/// The rule of `route` that decides about `path_and_query`, in normal form.
pub(super) fn of(config: &Config, door: Door, route: &Route, path_and_query: &str) -> Option<Ruled> {
    let at = route.rule_at(path_and_query)?;
    let config = match door {
        Door::Serve => Cow::Borrowed(config),
        Door::Forward => Cow::Owned(forwarding(config)),
    };
    let configured = config.routes().into_iter().nth(route.place)?;
    let rule = configured.rule.get(at)?;
    let path = path_and_query.split('?').next().unwrap_or_default();
    let pattern = rule.paths.iter().find(|pattern| pattern.matches(path))?;
    Some(Ruled {
        number: at + 1,
        rules: configured.rule.len(),
        pattern: pattern.to_string(),
        changes: changes(&configured.policy, &rule.policy),
    })
}

fn changes(around: &Policy, own: &Policy) -> Vec<Changed> {
    // A policy is always text, numbers and tables of these.
    let tree = |policy: &Policy| serde_json::to_value(policy).unwrap_or_default();
    let mut found = Vec::new();
    compare("policy", &tree(own), &tree(around), &mut found);
    found
}

/// Notes each setting at and below `setting` that differs.
fn compare(setting: &str, value: &Value, otherwise: &Value, found: &mut Vec<Changed>) {
    let (Value::Object(own), Value::Object(others)) = (value, otherwise) else {
        if value != otherwise {
            let text = |value: &Value| (!value.is_null()).then(|| value.to_string());
            let (value, otherwise) = (text(value), text(otherwise));
            found.push(Changed { setting: setting.to_owned(), value, otherwise });
        }
        return;
    };
    let missing = others.keys().filter(|name| !own.contains_key(*name));
    for name in own.keys().chain(missing) {
        let of = |tree: &serde_json::Map<String, Value>| tree.get(name).cloned().unwrap_or_default();
        compare(&format!("{setting}.{name}"), &of(own), &of(others), found);
    }
}
