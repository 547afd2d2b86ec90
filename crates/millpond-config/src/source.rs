//! Where a value came from.

use std::fmt;

/// Where a value came from, the highest rank first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An option of the command line, or a value the program set.
    CommandLine {
        /// The option as typed, such as `--default-ttl`; for a value set by the program, the setting's path.
        flag: String,
    },
    /// A variable of the environment.
    Env {
        /// The variable.
        name: String,
    },
    /// A variable in a `.env` file.
    DotEnv {
        /// The variable.
        name: String,
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
    },
    /// The configuration file.
    File {
        /// The file as named.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// A preset.
    Preset {
        /// Its name.
        name: String,
        /// The line in the preset's file, from 1.
        line: usize,
    },
    /// A default the program gave.
    ProgramDefault,
    /// The built-in default, made from a variable of the environment.
    EnvDefault {
        /// The variable.
        name: String,
    },
    /// The built-in default.
    Default,
}

impl Source {
    /// The rank among the layers: the lower, the stronger. Errors are listed in this order.
    pub(crate) fn sort_key(&self) -> (u8, usize, usize) {
        match self {
            Self::CommandLine { .. } => (0, 0, 0),
            Self::Env { .. } => (1, 0, 0),
            Self::DotEnv { line, .. } => (2, *line, 0),
            Self::File { line, column, .. } => (3, *line, *column),
            Self::Preset { line, .. } => (4, *line, 0),
            Self::ProgramDefault => (5, 0, 0),
            Self::EnvDefault { .. } => (6, 0, 0),
            Self::Default => (7, 0, 0),
        }
    }

    /// Whether values of this source are written as text, whatever their kind.
    pub(crate) const fn is_text(&self) -> bool {
        matches!(
            self,
            Self::CommandLine { .. } | Self::Env { .. } | Self::DotEnv { .. } | Self::ProgramDefault
        )
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine { flag } if flag.starts_with('-') => write!(f, "command line {flag}"),
            Self::CommandLine { flag } => write!(f, "set by the program ({flag})"),
            Self::Env { name } => write!(f, "environment variable {name}"),
            Self::DotEnv { name, file, line } => write!(f, "{file}:{line} {name}"),
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Preset { name, line } => write!(f, "preset {name}:{line}"),
            Self::ProgramDefault => f.write_str("default of the program"),
            Self::EnvDefault { name } => write!(f, "default, from {name}"),
            Self::Default => f.write_str("default"),
        }
    }
}
