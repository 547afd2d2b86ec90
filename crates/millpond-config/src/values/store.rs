//! What keeps responses behind the memory tier.

use super::{BadValue, serialize_as_text, text_value};
use std::fmt;
use std::str::FromStr;

/// What keeps responses behind the memory tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// A SQLite file in the cache directory.
    Sqlite,
    /// Nothing: responses are kept in memory only.
    Memory,
}

impl StoreUrl {
    /// The store as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
        }
    }
}

impl FromStr for StoreUrl {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text.trim() {
            "sqlite" => Ok(Self::Sqlite),
            "memory" => Ok(Self::Memory),
            _ => Err(BadValue::new(format!("is not a store: {text:?}"))
                .help("write \"sqlite\" to keep responses in `cache_dir`, or \"memory\"")),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

text_value!(StoreUrl, "store", "`sqlite` or `memory`", "memory");
serialize_as_text!(StoreUrl);
