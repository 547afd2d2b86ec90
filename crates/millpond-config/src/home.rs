//! `~` at the beginning of paths: shells put the home directory there, but not in files, nor behind `--option=`.

use crate::error::{ConfigError, Problem};
use crate::node::{Node, Value};
use crate::shape::{self, Leaf, Shape};
use crate::values::PATH;

/// Puts `home` in place of `~` in every path of `tree`. Without a home a directory called `~` would be made, which nobody
/// means, so that is an error.
pub(crate) fn expand(tree: &mut Node, home: Option<&str>, errors: &mut Vec<ConfigError>) {
    for path in paths() {
        let Some(node) = tree.at_mut(path.split('.')) else { continue };
        let Some(rest) = node.text().and_then(below_home) else { continue };
        if let Some(home) = home {
            node.value = Value::Text(format!("{}{rest}", home.trim_end_matches('/')));
            continue;
        }
        let problem = Problem::BadValue { path, problem: "begins with `~`, and no home is known".to_owned() };
        let help = "write the whole path; where the environment is read, HOME names the home";
        errors.push(ConfigError::new(&node.source, problem).help(help));
    }
}

/// What follows `~` in a path below the home directory. `~name`, another user's, is not known.
fn below_home(text: &str) -> Option<&str> {
    text.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The settings that are paths.
fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    shape::root().visit_settings("", &mut |path, key| {
        if matches!(key.shape, Shape::Leaf(Leaf::Format(format)) if format.name == PATH) {
            paths.push(path.to_owned());
        }
    });
    paths
}
