//! What the command line sets, on its way into the configuration.

use crate::failure::Failure;
use millpond::config::{Config, Resolved, SettingValue};
use std::path::{Path, PathBuf};

/// Values with the rank of the command line, each with the option it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    file: Option<PathBuf>,
    preset: Option<String>,
    defaults: Vec<(&'static str, &'static str)>,
    values: Vec<(String, String, SettingValue)>,
    assigned: Vec<(String, String)>,
    malformed: Vec<String>,
}

impl Settings {
    pub fn new(file: Option<PathBuf>, preset: Option<String>) -> Self {
        Self { file, preset, ..Self::default() }
    }

    /// Sets the value at `path`, typed as `option`.
    pub fn set(&mut self, option: &str, path: &str, value: String) {
        self.values.push((option.to_owned(), path.to_owned(), value.into()));
    }

    /// Sets the list at `path`, where any was typed.
    pub fn set_list(&mut self, option: &str, path: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.values.push((option.to_owned(), path.to_owned(), values.into()));
        }
    }

    pub fn set_some(&mut self, option: &str, path: &str, value: Option<String>) {
        if let Some(value) = value {
            self.set(option, path, value);
        }
    }

    pub fn set_path(&mut self, option: &str, path: &str, value: Option<&Path>) {
        self.set_some(option, path, value.map(|value| value.display().to_string()));
    }

    pub fn switch(&mut self, option: &str, path: &str, on: bool) {
        self.set_some(option, path, on.then(|| "true".to_owned()));
    }

    /// The value at `path` where no layer has one, in place of the built-in default. The preset may be given so too.
    pub fn fall_back(&mut self, path: &'static str, value: &'static str) {
        self.defaults.push((path, value));
    }

    /// Takes `PATH=VALUE` assignments, which are stronger than the options for single settings.
    pub fn assign(&mut self, assignments: &[String]) {
        for assignment in assignments {
            match assignment.split_once('=') {
                Some((path, value)) => self.assigned.push((path.trim().to_owned(), value.trim().to_owned())),
                None => self.malformed.push(assignment.clone()),
            }
        }
    }

    /// Puts every layer together: these settings over the environment, `.env`, the file, the preset and the defaults.
    pub fn resolve(&self) -> Result<Resolved, Failure> {
        if let Some(assignment) = self.malformed.first() {
            return Err(Failure::Usage(format!(
                "--set {assignment}: write PATH=VALUE, such as memory.size=256MiB"
            )));
        }
        let mut builder = Config::builder().with_env().with_dotenv();
        if let Some(file) = &self.file {
            builder = builder.file(file);
        }
        if let Some(preset) = &self.preset {
            builder = builder.preset(preset);
        }
        for (path, value) in &self.defaults {
            builder = builder.default(path, *value);
        }
        for (option, path, value) in &self.values {
            builder = builder.set_flag(option, path, value.clone());
        }
        for (path, value) in &self.assigned {
            builder = builder.set_flag("--set", path, value.as_str());
        }
        Ok(builder.build()?)
    }
}
