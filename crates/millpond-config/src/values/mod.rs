//! The kinds of value a setting can have. Each is written as text, checked when parsed, and cannot hold anything else.
//!
//! What lives here: parsing, printing and the JSON Schema of each kind. What must not: where a value came from
//! (`source`), and rules that look at more than one value (`validate`).

mod duration;
pub(crate) mod field;
mod net;
mod origin;
mod pattern;
mod size;
mod store;

pub use duration::{Period, Ttl};
pub use field::{ErrorStatus, FieldName, FieldValue, RewrittenField};
pub use net::{IpRange, ListenAddr};
pub use origin::OriginUrl;
pub use pattern::{HostPattern, NamePattern, PathPattern, PathPrefix};
pub use size::{ByteSize, SizeLimit};
pub use store::StoreUrl;

use std::str::FromStr;

/// Why a text is not a value of its kind, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct BadValue {
    /// What is wrong, as the end of a sentence that begins with the setting's name.
    pub problem: String,
    /// How to mend it, where that is known.
    pub help: Option<String>,
}

impl BadValue {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A kind of value that is written as text.
pub(crate) trait TextValue: FromStr<Err = BadValue> {
    /// The `format` in the JSON Schema.
    const FORMAT: &'static str;
    /// What it is, in a few words, for messages and the reference.
    const WHAT: &'static str;
    /// A value that parses.
    const EXAMPLE: &'static str;
    /// Whether a bare TOML integer is taken too.
    const INTEGERS: bool = false;
}

/// One row of the table of formats: how text of that format is checked.
pub(crate) struct Format {
    pub name: &'static str,
    pub what: &'static str,
    pub example: &'static str,
    pub integers: bool,
    pub check: fn(&str) -> Result<(), BadValue>,
}

const fn format_of<T: TextValue>() -> Format {
    Format {
        name: T::FORMAT,
        what: T::WHAT,
        example: T::EXAMPLE,
        integers: T::INTEGERS,
        check: |text| text.parse::<T>().map(|_| ()),
    }
}

/// The format of paths of the file system. Their settings are `PathBuf`s, which take any text but the empty one.
pub(crate) const PATH: &str = "path";

const PATHS: Format = Format {
    name: PATH,
    what: "a path",
    example: "/var/cache/millpond",
    integers: false,
    check: |text| match text {
        "" => Err(BadValue::new("is empty").help("write a path, or leave the setting out")),
        _ => Ok(()),
    },
};

/// Every format there is.
pub(crate) static FORMATS: &[Format] = &[
    format_of::<Ttl>(),
    format_of::<Period>(),
    format_of::<ByteSize>(),
    format_of::<SizeLimit>(),
    format_of::<StoreUrl>(),
    format_of::<ListenAddr>(),
    format_of::<IpRange>(),
    format_of::<OriginUrl>(),
    format_of::<HostPattern>(),
    format_of::<PathPrefix>(),
    format_of::<PathPattern>(),
    format_of::<NamePattern>(),
    format_of::<FieldName>(),
    format_of::<RewrittenField>(),
    format_of::<FieldValue>(),
    format_of::<ErrorStatus>(),
    PATHS,
];

/// The traits every text value has: serde through its text, and its JSON Schema.
macro_rules! text_value {
    ($type:ty, $format:literal, $what:literal, $example:literal $(, integers = $integers:literal)?) => {
        impl $crate::values::TextValue for $type {
            const FORMAT: &'static str = $format;
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = $example;
            $(const INTEGERS: bool = $integers;)?
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $format.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let kind = if <Self as $crate::values::TextValue>::INTEGERS {
                    serde_json::json!(["string", "integer"])
                } else {
                    serde_json::json!("string")
                };
                schemars::json_schema!({ "type": kind, "format": $format, "examples": [$example] })
            }
        }
    };
}

/// Serialises a value as the text `Display` gives.
macro_rules! serialize_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    };
}

pub(crate) use {serialize_as_text, text_value};
