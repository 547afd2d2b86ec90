//! What is answered from tapes, and what is recorded.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What is answered from tapes, and what is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// What no tape has is fetched; nothing is recorded.
    ReadOnly,
    /// Everything is fetched and recorded.
    WriteOnly,
    /// What no tape has is fetched and recorded.
    #[default]
    ReadWrite,
    /// What no tape has is an error; nothing is ever fetched.
    ReadOnlyFailOnMiss,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::ReadOnly, Self::WriteOnly, Self::ReadWrite, Self::ReadOnlyFailOnMiss];

    /// The name in options, files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::WriteOnly => "write_only",
            Self::ReadWrite => "read_write",
            Self::ReadOnlyFailOnMiss => "read_only_fail_on_miss",
        }
    }

    /// Tapes answer.
    pub const fn reads(self) -> bool {
        !matches!(self, Self::WriteOnly)
    }

    /// What is fetched is recorded.
    pub const fn records(self) -> bool {
        matches!(self, Self::WriteOnly | Self::ReadWrite)
    }

    /// What no tape has is fetched.
    pub const fn fetches(self) -> bool {
        !matches!(self, Self::ReadOnlyFailOnMiss)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no mode.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no mode: write read_only, write_only, read_write or read_only_fail_on_miss")]
pub struct UnknownMode(pub String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| UnknownMode(text.to_owned()))
    }
}
