//! The tree a layer is made of before it is typed: values that know where they came from.

use crate::source::Source;
use std::collections::BTreeMap;

/// One value and where it came from.
#[derive(Clone)]
pub(crate) struct Node {
    pub value: Value,
    pub source: Source,
}

/// A value as written.
#[derive(Clone)]
pub(crate) enum Value {
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// A date or time: no setting takes one.
    Date,
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
    /// Something was wrong here and has been reported; nothing more is said of it.
    Invalid,
}

/// A table's member: its key's own place, and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub key: Source,
    pub node: Node,
}

impl Node {
    pub fn new(value: Value, source: Source) -> Self {
        Self { value, source }
    }

    pub fn table(source: Source) -> Self {
        Self::new(Value::Table(BTreeMap::new()), source)
    }

    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Bool(_) => "true or false",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Text(_) => "text",
            Value::Date => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Invalid => "something else",
        }
    }

    /// The member `key` of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Table(entries) => entries.get(key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The node at a path of keys and, for lists, indexes.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Node> {
        path.into_iter().try_fold(self, |node, key| match &node.value {
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => node.get(key),
        })
    }

    /// The same for tables alone, to change it.
    pub fn at_mut<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) -> Option<&mut Node> {
        path.into_iter().try_fold(self, |node, key| match &mut node.value {
            Value::Table(entries) => entries.get_mut(key).map(|entry| &mut entry.node),
            _ => None,
        })
    }

    /// The text of a text value.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Lays `above` over this tree: tables member by member, everything else as a whole.
    pub fn overlay(&mut self, above: Node) {
        match (&mut self.value, above) {
            (Value::Table(below), Node { value: Value::Table(members), .. }) => {
                for (key, entry) in members {
                    match below.get_mut(&key) {
                        Some(old) => {
                            old.node.overlay(entry.node);
                            old.key = entry.key;
                        }
                        None => {
                            below.insert(key, entry);
                        }
                    }
                }
            }
            (_, above) => *self = above,
        }
    }

    /// Puts `node` at a path of keys, making tables on the way.
    pub fn insert(&mut self, path: &[&str], node: Node) {
        let Some((first, rest)) = path.split_first() else { return self.overlay(node) };
        let source = node.source.clone();
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::table(source.clone());
        }
        if let Value::Table(members) = &mut self.value {
            let entry = members
                .entry((*first).to_owned())
                .or_insert_with(|| Entry { key: source.clone(), node: Self::table(source.clone()) });
            if rest.is_empty() {
                *entry = Entry { key: source, node };
            } else {
                entry.node.insert(rest, node);
            }
        }
    }

    /// The plain value, without places; invalid and missing ones are left out.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Bool(bool) => Json::Bool(*bool),
            Value::Integer(integer) => Json::from(*integer),
            Value::Float(float) => Json::from(*float),
            Value::Text(text) => Json::String(text.clone()),
            Value::Date | Value::Invalid => Json::Null,
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Table(members) => {
                Json::Object(members.iter().map(|(key, entry)| (key.clone(), entry.node.to_json())).collect())
            }
        }
    }
}
