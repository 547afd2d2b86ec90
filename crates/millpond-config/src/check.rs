//! Checks a layer against the table of settings: every unknown key, wrong kind and bad value is reported, and what
//! remains is a tree that the typed configuration can be read from.

use crate::error::{ConfigError, Problem};
use crate::layer;
use crate::node::{Entry, Node, Value};
use crate::shape::{self, Key, Leaf, Shape};
use crate::values::{BadValue, Format};
use std::collections::BTreeMap;

/// Checks `node` against the whole configuration's shape.
pub(crate) fn check(node: Node, errors: &mut Vec<ConfigError>) -> Node {
    Checker { path: Vec::new(), errors }.node(node, shape::root())
}

struct Checker<'e> {
    path: Vec<String>,
    errors: &'e mut Vec<ConfigError>,
}

impl Checker<'_> {
    fn node(&mut self, node: Node, shape: &Shape) -> Node {
        if matches!(node.value, Value::Invalid) {
            return node;
        }
        match shape {
            Shape::Leaf(leaf) => self.leaf(node, leaf),
            Shape::List(item) => self.list(node, item, shape),
            Shape::Table(keys) => self.table(node, keys, shape),
            Shape::Map { key, value } => self.map(node, key, value, shape),
        }
    }

    fn table(&mut self, node: Node, keys: &[Key], shape: &Shape) -> Node {
        let node = self.structure(node);
        let Value::Table(members) = node.value else { return self.wrong_type(node, shape) };
        let mut kept = BTreeMap::new();
        for (name, entry) in members {
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                self.unknown(&name, &entry, keys);
                continue;
            };
            let checked = self.below(&name, entry.node, &key.shape);
            kept.insert(name, Entry { key: entry.key, node: checked });
        }
        Node::new(Value::Table(kept), node.source)
    }

    fn map(&mut self, node: Node, format: &Format, value: &Shape, shape: &Shape) -> Node {
        let node = self.structure(node);
        let Value::Table(members) = node.value else { return self.wrong_type(node, shape) };
        let mut kept: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, entry) in members {
            if let Err(bad) = (format.check)(&name) {
                let error = self.bad_value(&bad, &entry.node);
                self.errors.push(ConfigError { at: entry.key, ..error });
                continue;
            }
            let checked = self.below(&name, entry.node, value);
            // Field names are the same in any case (RFC 9110 section 5.1), so layers meet under one spelling.
            let same = name.to_ascii_lowercase();
            if let Some(first) = kept.get(&same) {
                let what = format!("`{}.{name}` is set twice, first at {}", self.path.join("."), first.key);
                self.errors
                    .push(ConfigError::new(&entry.key, Problem::Conflict(what)).help("remove one of them"));
            }
            kept.insert(same, Entry { key: entry.key, node: checked });
        }
        Node::new(Value::Table(kept), node.source)
    }

    fn list(&mut self, node: Node, item: &Shape, shape: &Shape) -> Node {
        let node = match &node.value {
            Value::Text(text) if node.source.is_text() && !text.trim_start().starts_with('[') => {
                split(text, &node)
            }
            _ => self.structure(node),
        };
        let Value::List(items) = node.value else { return self.wrong_type(node, shape) };
        let items = items.into_iter().enumerate();
        let checked = items.map(|(index, node)| self.below(&index.to_string(), node, item)).collect();
        Node::new(Value::List(checked), node.source)
    }

    fn leaf(&mut self, node: Node, leaf: &Leaf) -> Node {
        match leaf {
            Leaf::Bool => self.switch(node, leaf),
            Leaf::Integer { min, max } => self.integer(node, (*min, *max), leaf),
            Leaf::Number { min, max } => self.number(node, (*min, *max), leaf),
            Leaf::Choice(choices) => self.choice(node, choices, leaf),
            Leaf::Format(format) => self.format(node, format, leaf),
            Leaf::Text => self.text(node, leaf),
        }
    }

    fn switch(&mut self, node: Node, leaf: &Leaf) -> Node {
        match &node.value {
            Value::Bool(_) => node,
            Value::Text(text) if node.source.is_text() => match parse_bool(text) {
                Some(bool) => Node { value: Value::Bool(bool), ..node },
                None => self.wrong_text(node, leaf),
            },
            _ => self.wrong_leaf(node, leaf),
        }
    }

    fn integer(&mut self, node: Node, (min, max): (i64, i64), leaf: &Leaf) -> Node {
        let integer = match &node.value {
            Value::Integer(integer) => *integer,
            Value::Text(text) if node.source.is_text() => match text.trim().parse() {
                Ok(integer) => integer,
                Err(_) => return self.wrong_text(node, leaf),
            },
            _ => return self.wrong_leaf(node, leaf),
        };
        if (min..=max).contains(&integer) {
            return Node { value: Value::Integer(integer), ..node };
        }
        self.reject(node, &BadValue::new(format!("must be {}, not {integer}", leaf.what())))
    }

    fn number(&mut self, node: Node, (min, max): (f64, f64), leaf: &Leaf) -> Node {
        let number = match &node.value {
            Value::Float(number) => *number,
            Value::Integer(integer) => *integer as f64,
            Value::Text(text) if node.source.is_text() => match text.trim().parse() {
                Ok(number) => number,
                Err(_) => return self.wrong_text(node, leaf),
            },
            _ => return self.wrong_leaf(node, leaf),
        };
        // A range holds no NaN, so that JSON, which cannot write it either, never meets one.
        if (min..=max).contains(&number) {
            return Node { value: Value::Float(number), ..node };
        }
        self.reject(node, &BadValue::new(format!("must be {}, not {number}", leaf.what())))
    }

    fn choice(&mut self, node: Node, choices: &[String], leaf: &Leaf) -> Node {
        let Some(text) = node.text() else { return self.wrong_leaf(node, leaf) };
        // Case carries no meaning here, and variables are often written in upper case.
        let lower = text.to_ascii_lowercase();
        if choices.iter().any(|choice| choice == text || (node.source.is_text() && *choice == lower)) {
            return Node { value: Value::Text(lower), ..node };
        }
        let mut bad = BadValue::new(format!("must be {}, not {text:?}", leaf.what()));
        if let Some(near) = nearest(&lower, choices.iter().map(String::as_str)) {
            bad = bad.help(format!("did you mean \"{near}\"?"));
        }
        self.reject(node, &bad)
    }

    fn format(&mut self, node: Node, format: &Format, leaf: &Leaf) -> Node {
        let node = match node.value {
            Value::Integer(integer) if format.integers => {
                Node { value: Value::Text(integer.to_string()), ..node }
            }
            _ => node,
        };
        let Some(text) = node.text() else { return self.wrong_leaf(node, leaf) };
        match (format.check)(text) {
            Ok(()) => node,
            Err(bad) => self.reject(node, &bad),
        }
    }

    fn text(&mut self, node: Node, leaf: &Leaf) -> Node {
        match node.text() {
            Some("") => {
                let bad = BadValue::new("is empty").help("write something, or leave the setting out");
                self.reject(node, &bad)
            }
            Some(_) => node,
            None => self.wrong_leaf(node, leaf),
        }
    }

    fn wrong_leaf(&mut self, node: Node, leaf: &Leaf) -> Node {
        self.wrong(node, &leaf.what(), Some(leaf_help(leaf)))
    }

    /// Text from the environment or the command line that should be a list or table is written as TOML.
    fn structure(&mut self, node: Node) -> Node {
        match &node.value {
            Value::Text(text) if node.source.is_text() && text.trim_start().starts_with(['[', '{']) => {
                let text = text.clone();
                match layer::inline(&text, &node.source) {
                    Ok(parsed) => parsed,
                    Err(problem) => {
                        self.errors.push(ConfigError::new(&node.source, Problem::Syntax(problem)));
                        Node { value: Value::Invalid, ..node }
                    }
                }
            }
            _ => node,
        }
    }

    fn below(&mut self, name: &str, node: Node, shape: &Shape) -> Node {
        self.path.push(name.to_owned());
        let node = self.node(node, shape);
        self.path.pop();
        node
    }

    fn unknown(&mut self, name: &str, entry: &Entry, keys: &[Key]) {
        let path = self.path_of(name);
        let mut error = ConfigError::new(&entry.key, Problem::UnknownKey(path));
        if let Some(near) = nearest(name, keys.iter().map(|key| key.name.as_str())) {
            error = error.help(format!("did you mean `{}`?", self.path_of(near)));
        } else if let Some(elsewhere) = shape::setting_named(name) {
            error = error.help(format!("did you mean `{elsewhere}`?"));
        } else {
            error = error.help("`millpond config schema` lists every setting");
        }
        self.errors.push(error);
    }

    fn path_of(&self, name: &str) -> String {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        path + name
    }

    fn reject(&mut self, node: Node, bad: &BadValue) -> Node {
        let error = self.bad_value(bad, &node);
        self.errors.push(error);
        Node { value: Value::Invalid, ..node }
    }

    fn bad_value(&self, bad: &BadValue, node: &Node) -> ConfigError {
        let problem = Problem::BadValue { path: self.path.join("."), problem: bad.problem.clone() };
        ConfigError { at: node.source.clone(), problem, help: bad.help.clone() }
    }

    fn wrong_text(&mut self, node: Node, leaf: &Leaf) -> Node {
        let found = node.text().unwrap_or_default().to_owned();
        self.reject(node, &BadValue::new(format!("must be {}, not {found:?}", leaf.what())))
    }

    fn wrong_type(&mut self, node: Node, shape: &Shape) -> Node {
        let help = match (shape, &node.value) {
            (Shape::List(item), Value::Table(_)) if matches!(**item, Shape::Table(_)) => {
                Some(format!("write `[[{}]]` with two pairs of brackets", self.path.join(".")))
            }
            (Shape::List(_), Value::Text(text)) => Some(format!("write [{text:?}]")),
            (Shape::Table(keys), _) => {
                keys.first().map(|key| format!("set `{}`, for example", self.path_of(&key.name)))
            }
            _ => None,
        };
        self.wrong(node, &shape.what(), help)
    }

    fn wrong(&mut self, node: Node, expected: &str, help: Option<String>) -> Node {
        if !matches!(node.value, Value::Invalid) {
            let problem = Problem::WrongType {
                path: self.path.join("."),
                expected: expected.to_owned(),
                found: node.kind().to_owned(),
            };
            self.errors.push(ConfigError { at: node.source.clone(), problem, help });
        }
        Node { value: Value::Invalid, ..node }
    }
}

/// What a value of the right kind looks like.
fn leaf_help(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Format(format) => format!("write \"{}\", for example", format.example),
        Leaf::Bool => "write true or false, without quotes".to_owned(),
        Leaf::Integer { .. } | Leaf::Number { .. } => "write the number without quotes".to_owned(),
        Leaf::Choice(_) | Leaf::Text => "write it in quotes".to_owned(),
    }
}

fn split(text: &str, node: &Node) -> Node {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let items = parts.map(|part| Node::new(Value::Text(part.to_owned()), node.source.clone())).collect();
    Node::new(Value::List(items), node.source.clone())
}

/// The words for yes and no that environments use.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// The candidate that `name` is most likely a misspelling of, if any is near enough.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong; beyond that a guess misleads. Very long names are nobody's slip.
    let limit = (name.chars().count() / 3).max(1);
    if limit > 20 {
        return None;
    }
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
