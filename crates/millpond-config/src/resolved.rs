//! A configuration that stands: its values, where each came from, and what deserves a word.

use crate::config::Config;
use crate::error::{ConfigError, ConfigErrors, Problem, Warning};
use crate::node::{Node, Value};
use crate::shape;
use crate::source::Source;
use std::fmt;

/// A configuration put together from its layers.
#[derive(Clone)]
pub struct Resolved {
    /// The values; routes are whole.
    pub config: Config,
    /// What deserves a line in the log.
    pub warnings: Vec<Warning>,
    /// What was written, layer over layer.
    pub(crate) tree: Node,
    /// The same, with every route whole.
    pub(crate) whole: Node,
}

impl fmt::Debug for Resolved {
    /// Leaves out the layers as written, in which secrets stand open.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Resolved");
        debug.field("config", &self.config).field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

impl Resolved {
    /// Where the value at a path such as `policy.default_ttl` or `route.0.origin` came from. `None` when there is no
    /// such setting, or the path names a table of settings.
    pub fn origin_of(&self, path: &str) -> Option<Source> {
        let keys = || path.split('.');
        let shape = shape::root().at(keys())?;
        match self.whole.at(keys()) {
            Some(node) if matches!(node.value, Value::Table(_)) => None,
            Some(node) => Some(node.source.clone()),
            None => matches!(shape, shape::Shape::Leaf(_) | shape::Shape::List(_)).then_some(Source::Default),
        }
    }

    /// Checks that there is anything to serve: `origin` or a route.
    ///
    /// # Errors
    /// One error that says how to name an origin.
    pub fn require_origin(&self) -> Result<(), ConfigErrors> {
        if self.config.origin.is_some() || !self.config.route.is_empty() {
            return Ok(());
        }
        let problem = Problem::Missing("there is no origin to serve".to_owned());
        let help = "give one with --origin https://example.com, or with `origin` or [[route]] in the configuration file";
        Err(ConfigErrors::one(ConfigError::new(&Source::Default, problem).help(help)))
    }
}
