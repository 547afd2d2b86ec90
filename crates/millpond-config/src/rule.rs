//! Rules: another policy for some paths.

use crate::config::Policy;
use crate::values::PathPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Another policy for some paths. In a resolved configuration it is whole: what its table leaves out has been taken from
/// the policy around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The paths it covers: `/simple` and all below it, or with `*` for any run of characters, such as `*.deb`. They are
    /// compared with the path as the client asks for it, in normal form.
    pub paths: Vec<PathPattern>,
    /// The policy there.
    #[serde(default)]
    pub policy: Policy,
}

impl Rule {
    /// Whether the rule covers `path` (without its query).
    pub fn covers(&self, path: &str) -> bool {
        self.paths.iter().any(|pattern| pattern.matches(path))
    }
}
