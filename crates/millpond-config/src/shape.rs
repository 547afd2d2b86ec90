//! The table of settings: the schema in a form that values are checked against. It is read from the JSON Schema, which
//! is read from the types, so there is nothing to keep in step.

use crate::check::nearest;
use crate::schema::schema;
use crate::values::{FORMATS, Format};
use serde_json::Value as Json;
use std::sync::LazyLock;

/// What may stand at one place.
pub(crate) enum Shape {
    /// A table with known keys.
    Table(Vec<Key>),
    /// A table whose keys are chosen by the operator.
    Map { key: &'static Format, value: Box<Shape> },
    /// A list.
    List(Box<Shape>),
    /// A single value.
    Leaf(Leaf),
}

/// A known key of a table.
pub(crate) struct Key {
    pub name: String,
    pub doc: String,
    pub default: Option<Json>,
    /// A value for the documentation, where the kind gives none.
    pub example: Option<Json>,
    pub shape: Shape,
}

/// The kinds of single values.
pub(crate) enum Leaf {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Choice(Vec<String>),
    Format(&'static Format),
    /// Any text but the empty one.
    Text,
}

static ROOT: LazyLock<Shape> = LazyLock::new(|| read(&schema()));

/// The whole configuration's shape.
pub(crate) fn root() -> &'static Shape {
    &ROOT
}

/// The path of the first setting whose last part is `name`.
pub(crate) fn setting_named(name: &str) -> Option<String> {
    paths().into_iter().find(|path| path.rsplit('.').next() == Some(name))
}

/// What to do about a path that cannot be set; `suggest` words a guess.
pub(crate) fn help_for(path: &str, suggest: impl Fn(&str) -> String) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    let list = |end: &usize| matches!(root().at(keys[..*end].iter().copied()), Some(Shape::List(_)));
    if let Some(end) = (1..keys.len()).find(list) {
        return format!("`{}` is a list: set it as a whole", keys[..end].join("."));
    }
    let paths = paths();
    match nearest(path, paths.iter().map(String::as_str)) {
        Some(near) => suggest(near),
        None => match setting_named(keys.last().unwrap_or(&path)) {
            Some(elsewhere) => suggest(&elsewhere),
            None => "`millpond config schema` lists every setting".to_owned(),
        },
    }
}

fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    root().visit_settings("", &mut |path, _| paths.push(path.to_owned()));
    paths
}

impl Shape {
    /// The known keys of a table; none for anything else.
    pub fn keys(&self) -> &[Key] {
        match self {
            Self::Table(keys) => keys,
            _ => &[],
        }
    }

    /// The known key of this name.
    pub fn key(&self, name: &str) -> Option<&Key> {
        self.keys().iter().find(|key| key.name == name)
    }

    /// The shape at a path of keys, map keys and list indexes.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Shape> {
        path.into_iter().try_fold(self, |shape, segment| match shape {
            Self::Table(_) => shape.key(segment).map(|key| &key.shape),
            Self::Map { value, .. } => Some(&**value),
            Self::List(item) => segment.parse::<usize>().ok().map(|_| &**item),
            Self::Leaf(_) => None,
        })
    }

    /// Whether a single value may be given for `path`: there is such a setting, and no list on the way to it.
    pub fn settable(&self, path: &[&str]) -> bool {
        let list = |end: usize| matches!(self.at(path[..end].iter().copied()), Some(Self::List(_)));
        self.at(path.iter().copied()).is_some() && !(1..path.len()).any(list)
    }

    /// What stands here, in a few words.
    pub fn what(&self) -> String {
        match self {
            Self::Table(_) => "a table of settings".to_owned(),
            Self::Map { key, value } => format!("a table from {} to {}", key.what, value.what()),
            Self::List(item) if matches!(**item, Self::Table(_)) => "a list of tables".to_owned(),
            Self::List(item) => format!("a list, each {}", item.what()),
            Self::Leaf(leaf) => leaf.what(),
        }
    }

    /// Calls `visit` with the path of every key below this one that is not a table of known keys, in order.
    pub fn visit_settings<'a>(&'a self, prefix: &str, visit: &mut impl FnMut(&str, &'a Key)) {
        for key in self.keys() {
            let path = if prefix.is_empty() { key.name.clone() } else { format!("{prefix}.{}", key.name) };
            match &key.shape {
                Self::Table(_) => key.shape.visit_settings(&path, visit),
                _ => visit(&path, key),
            }
        }
    }
}

impl Leaf {
    pub fn what(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Integer { min, max } if *max == i64::from(u32::MAX) => format!("a whole number from {min}"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Choice(choices) => one_of(choices),
            Self::Format(format) => format.what.to_owned(),
            Self::Text => "text".to_owned(),
        }
    }
}

fn one_of(choices: &[String]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn read(schema: &Json) -> Shape {
    if let Some(Json::Object(properties)) = schema.get("properties") {
        return Shape::Table(properties.iter().map(|(name, schema)| read_key(name, schema)).collect());
    }
    if let Some(items) = schema.get("items") {
        return Shape::List(Box::new(read(items)));
    }
    if let Some(value) = schema.get("additionalProperties").filter(|value| value.is_object()) {
        let key = schema.pointer("/propertyNames/format").and_then(format_of);
        if let Some(key) = key {
            return Shape::Map { key, value: Box::new(read(value)) };
        }
    }
    Shape::Leaf(read_leaf(schema))
}

fn read_key(name: &str, schema: &Json) -> Key {
    let doc = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    Key {
        name: name.to_owned(),
        doc: doc.to_owned(),
        default: schema.get("default").cloned(),
        example: schema.pointer("/examples/0").cloned(),
        shape: read(schema),
    }
}

fn read_leaf(schema: &Json) -> Leaf {
    if let Some(choices) = choices_of(schema) {
        return Leaf::Choice(choices);
    }
    if let Some(format) = schema.get("format").and_then(format_of) {
        return Leaf::Format(format);
    }
    let bound = |name: &str| schema.get(name);
    match schema.get("type").and_then(Json::as_str) {
        Some("boolean") => Leaf::Bool,
        Some("integer") => Leaf::Integer {
            min: bound("minimum").and_then(Json::as_i64).unwrap_or(0),
            max: bound("maximum").and_then(Json::as_i64).unwrap_or(i64::from(u32::MAX)),
        },
        Some("number") => Leaf::Number {
            min: bound("minimum").and_then(Json::as_f64).unwrap_or(0.0),
            max: bound("maximum").and_then(Json::as_f64).unwrap_or(f64::MAX),
        },
        _ => Leaf::Text,
    }
}

fn choices_of(schema: &Json) -> Option<Vec<String>> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    if let Some(Json::Array(variants)) = schema.get("oneOf") {
        return variants.iter().map(|variant| text(variant.get("const")?)).collect();
    }
    schema.get("enum")?.as_array()?.iter().map(text).collect()
}

fn format_of(name: &Json) -> Option<&'static Format> {
    FORMATS.iter().find(|format| name == format.name)
}
