//! Variables: the environment and `.env` files.

use crate::alias::{ALIASES, Alias};
use crate::error::{ConfigError, Problem, Warning};
use crate::node::{Node, Value};
use crate::shape;
use crate::source::Source;

/// What every variable of ours begins with.
const PREFIX: &str = "MILLPOND_";

/// Names the configuration file, where the program was given none.
pub(crate) const CONFIG: &str = "MILLPOND_CONFIG";

/// One variable and its place.
#[derive(Clone)]
pub(crate) struct Variable {
    pub name: String,
    pub value: String,
    pub source: Source,
}

/// The variable that stands for the setting at `path`, such as `MILLPOND_POLICY__DEFAULT_TTL` for `policy.default_ttl`.
pub fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// The settings among the variables, unchecked. An empty variable counts as not set: that is how containers and shells
/// write "nothing".
pub(crate) fn own_layer(variables: &[Variable], source: Source, errors: &mut Vec<ConfigError>) -> Node {
    let mut layer = Node::table(source);
    for variable in variables.iter().filter(|variable| !variable.value.is_empty()) {
        let Some(rest) = variable.name.strip_prefix(PREFIX) else { continue };
        if variable.name == CONFIG || is_service_link(variable) {
            continue;
        }
        let lower = rest.to_ascii_lowercase();
        let path: Vec<&str> = lower.split("__").collect();
        if shape::root().settable(&path) {
            layer.insert(&path, Node::new(Value::Text(variable.value.clone()), variable.source.clone()));
        } else {
            errors.push(unknown(variable, &path.join(".")));
        }
    }
    layer
}

/// The settings that aliases among the variables stand for, unchecked. `below` is what the lower layers hold.
pub(crate) fn alias_layer(
    variables: &[Variable],
    preset: Option<&str>,
    below: &Node,
    notes: (&mut Vec<ConfigError>, &mut Vec<Warning>),
) -> Node {
    let (errors, warnings) = notes;
    let mut layer = Node::table(Source::Default);
    for variable in variables.iter().filter(|variable| !variable.value.is_empty()) {
        let rows = || ALIASES.iter().filter(|alias| alias.name == variable.name);
        match rows().find(|alias| alias.preset.is_none_or(|needed| preset == Some(needed))) {
            Some(alias) => {
                if let Some(node) = convert(alias, variable, below, errors) {
                    layer.insert(&alias.path.split('.').collect::<Vec<_>>(), node);
                }
            }
            None => warnings.extend(ignored(variable, rows())),
        }
    }
    layer
}

fn convert(alias: &Alias, variable: &Variable, below: &Node, errors: &mut Vec<ConfigError>) -> Option<Node> {
    let default = default_text(alias.path);
    let below = below.at(alias.path.split('.')).and_then(Node::text).or(default.as_deref());
    match (alias.convert)(&variable.value, below) {
        Ok(text) => Some(Node::new(Value::Text(text), variable.source.clone())),
        Err(bad) => {
            let problem = Problem::BadValue { path: alias.path.to_owned(), problem: bad.problem };
            errors.push(ConfigError { at: variable.source.clone(), problem, help: bad.help });
            None
        }
    }
}

fn default_text(path: &str) -> Option<String> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let shape = shape::root().at(table.split('.').filter(|part| !part.is_empty()))?;
    Some(shape.key(name)?.default.as_ref()?.as_str()?.to_owned())
}

fn ignored<'a>(variable: &Variable, rows: impl Iterator<Item = &'a Alias>) -> Option<Warning> {
    let presets: Vec<&str> = rows.filter_map(|alias| alias.preset).collect();
    if presets.is_empty() {
        return None;
    }
    let (name, origin) = (variable.name.clone(), variable.source.clone());
    Some(Warning::AliasIgnored { name, origin, preset: presets.join(" or ") })
}

fn unknown(variable: &Variable, path: &str) -> ConfigError {
    let help = shape::help_for(path, |near| format!("did you mean {}?", variable_of(near)));
    ConfigError::new(&variable.source, Problem::UnknownKey(path.to_owned())).help(help)
}

/// Kubernetes sets `X_SERVICE_HOST`, `X_PORT=tcp://...` and the like for every service; one called `millpond` must not
/// keep a pod from starting.
fn is_service_link(variable: &Variable) -> bool {
    let name = variable.name.as_str();
    let link = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| variable.value.starts_with(scheme));
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && link)
        || ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| {
            name.split_once("_PORT_").is_some_and(|(_, rest)| {
                rest.starts_with(|first: char| first.is_ascii_digit()) && rest.contains(protocol)
            })
        })
}
