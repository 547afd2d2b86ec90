//! What can be wrong with a configuration, and what deserves a word though nothing is wrong.

use crate::source::Source;
use std::fmt;

/// What is wrong at one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file is not TOML.
    #[error("not valid TOML: {0}")]
    Syntax(String),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// There is no such setting.
    #[error("unknown setting `{0}`")]
    UnknownKey(String),
    /// There is no such preset.
    #[error("unknown preset `{0}`")]
    UnknownPreset(String),
    /// The value is of another kind than the setting.
    #[error("`{path}` must be {expected}, not {found}")]
    WrongType {
        /// The setting.
        path: String,
        /// What it takes.
        expected: String,
        /// What was written.
        found: String,
    },
    /// The value is of the right kind but cannot be.
    #[error("`{path}` {problem}")]
    BadValue {
        /// The setting.
        path: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// Something must be set and is not.
    #[error("{0}")]
    Missing(String),
    /// Two settings contradict each other.
    #[error("{0}")]
    Conflict(String),
}

/// One thing that is wrong: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where it is.
    pub at: Source,
    /// What is wrong.
    pub problem: Problem,
    /// How to mend it, where that is known.
    pub help: Option<String>,
}

impl ConfigError {
    pub(crate) fn new(at: &Source, problem: Problem) -> Self {
        Self { at: at.clone(), problem, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.at, &self.problem) {
            (Source::Default, problem) => write!(f, "{problem}")?,
            // A file that could not be opened has no line.
            (Source::File { path, line: 0, .. }, problem) => write!(f, "{path}: {problem}")?,
            (Source::CommandLine { flag }, problem) => write!(f, "{flag}: {problem}")?,
            (Source::Env { name }, problem) => write!(f, "{name}: {problem}")?,
            (Source::DotEnv { name, file, line }, problem) => write!(f, "{file}:{line}: {name}: {problem}")?,
            (source, problem) => write!(f, "{source}: {problem}")?,
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration; never empty. Each is the operator's to mend; trying again without a
/// change gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// The errors in the order of their sources: none makes the first unnecessary.
    pub(crate) fn from_list(mut errors: Vec<ConfigError>) -> Result<(), Self> {
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort_by_key(|error| error.at.sort_key());
        Err(Self(errors))
    }

    pub(crate) fn one(error: ConfigError) -> Self {
        Self(vec![error])
    }

    /// The errors, sorted by source and place.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    /// One error a line, each with its help on the line below it; no newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// Something worth a line in the log though the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A variable that another preset would read is set.
    #[error("{origin} is ignored: it counts only with preset {preset}")]
    AliasIgnored {
        /// The variable.
        name: String,
        /// Where it is set.
        origin: Source,
        /// The preset, or presets, that read it.
        preset: String,
    },
    /// A line of a `.env` file cannot be read; it names no setting of ours.
    #[error("{file}: a line cannot be read and is left out: {line}")]
    DotEnvLine {
        /// The file.
        file: String,
        /// The line, shortened to its name.
        line: String,
    },
    /// A setting that another one leaves without effect.
    #[error("`{path}` ({origin}) has no effect: {why}")]
    NoEffect {
        /// The setting.
        path: String,
        /// Where it is set.
        origin: Source,
        /// Why it has none.
        why: &'static str,
    },
}
