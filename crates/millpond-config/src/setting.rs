//! Values that a program hands to the builder.

use crate::node::{Node, Value};
use crate::source::Source;
use crate::values::{ByteSize, Period, Ttl};
use std::fmt;

/// A value for a setting: text (read as the environment's would be), a number, a switch, or a list of these.
#[derive(Clone)]
pub struct SettingValue(Plain);

impl fmt::Debug for SettingValue {
    /// Shows nothing of the value: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingValue").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Plain {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<SettingValue>),
}

impl SettingValue {
    pub(crate) fn into_node(self, source: &Source) -> Node {
        let value = match self.0 {
            Plain::Bool(bool) => Value::Bool(bool),
            Plain::Integer(integer) => Value::Integer(integer),
            Plain::Float(float) => Value::Float(float),
            Plain::Text(text) => Value::Text(text),
            Plain::List(items) => Value::List(items.into_iter().map(|item| item.into_node(source)).collect()),
        };
        Node::new(value, source.clone())
    }
}

impl From<bool> for SettingValue {
    fn from(bool: bool) -> Self {
        Self(Plain::Bool(bool))
    }
}

impl From<i64> for SettingValue {
    fn from(integer: i64) -> Self {
        Self(Plain::Integer(integer))
    }
}

impl From<i32> for SettingValue {
    fn from(integer: i32) -> Self {
        Self(Plain::Integer(integer.into()))
    }
}

impl From<u32> for SettingValue {
    fn from(integer: u32) -> Self {
        Self(Plain::Integer(integer.into()))
    }
}

impl From<f64> for SettingValue {
    fn from(float: f64) -> Self {
        Self(Plain::Float(float))
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        Self(Plain::Text(text.to_owned()))
    }
}

impl From<String> for SettingValue {
    fn from(text: String) -> Self {
        Self(Plain::Text(text))
    }
}

impl From<Ttl> for SettingValue {
    fn from(ttl: Ttl) -> Self {
        Self(Plain::Text(ttl.to_string()))
    }
}

impl From<Period> for SettingValue {
    fn from(period: Period) -> Self {
        Self(Plain::Text(period.to_string()))
    }
}

impl From<ByteSize> for SettingValue {
    fn from(size: ByteSize) -> Self {
        Self(Plain::Text(size.to_string()))
    }
}

impl<T: Into<SettingValue>> From<Vec<T>> for SettingValue {
    fn from(items: Vec<T>) -> Self {
        Self(Plain::List(items.into_iter().map(Into::into).collect()))
    }
}
