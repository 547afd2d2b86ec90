//! Sizes in bytes.

use super::{BadValue, serialize_as_text, text_value};
use std::fmt;
use std::str::FromStr;

/// A size in bytes, written `64MiB` (binary) or `10GB` (decimal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size of so many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size of so many KiB, saturating.
    pub const fn kib(kib: u64) -> Self {
        Self(kib.saturating_mul(1 << 10))
    }

    /// A size of so many MiB, saturating.
    pub const fn mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }

    /// A size of so many GiB, saturating.
    pub const fn gib(gib: u64) -> Self {
        Self(gib.saturating_mul(1 << 30))
    }

    /// The size in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let text = text.trim();
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) => Ok(Self(size.as_u64())),
            Err(_) => Err(BadValue::new(format!("is not a size: {text:?}"))
                .help("write a number of bytes, or one with a unit, such as \"64KiB\", \"64MiB\", \"10GB\"")),
        }
    }
}

impl fmt::Display for ByteSize {
    /// Writes in the largest unit that loses nothing, so that `64MiB` comes back as `64MiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 8] = [
            ("TiB", 1 << 40),
            ("TB", 1_000_000_000_000),
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("kB", 1000),
        ];
        for (unit, size) in UNITS {
            if self.0 != 0 && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

text_value!(ByteSize, "size", "a size in bytes", "64MiB", integers = true);
serialize_as_text!(ByteSize);

/// A bound on a size, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizeLimit {
    /// No bound.
    #[default]
    Unlimited,
    /// At most this much.
    AtMost(ByteSize),
}

impl SizeLimit {
    /// The bound in bytes, where there is one.
    pub const fn bytes(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(size) => Some(size.bytes()),
        }
    }
}

impl FromStr for SizeLimit {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.trim() == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let size = text.parse().map_err(|bad: BadValue| {
            let help = bad.help.clone().unwrap_or_default() + ", or \"unlimited\"";
            bad.help(help)
        })?;
        Ok(Self::AtMost(size))
    }
}

impl fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::AtMost(size) => size.fmt(f),
        }
    }
}

text_value!(SizeLimit, "size-limit", "a size in bytes, or `unlimited`", "10MiB", integers = true);
serialize_as_text!(SizeLimit);
