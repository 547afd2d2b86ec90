//! Reads a TOML text into a tree whose values know their places.

use crate::error::{ConfigError, Problem};
use crate::node::{Entry, Node, Value};
use crate::source::Source;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Whose text is read.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    /// A configuration file of this name.
    File(&'a str),
    /// The preset of this name.
    Preset(&'a str),
}

/// Reads a whole file. With errors of syntax the tree is empty: half a file means something else than the whole.
pub(crate) fn document(text: &str, whose: Text<'_>, errors: &mut Vec<ConfigError>) -> Node {
    let places = Places { lines: line_starts(text), text, whose: Some(whose), fixed: Source::Default };
    // A byte order mark is nothing to complain of, but it is part of the first line's columns, so it stays in `text`.
    let (table, faults) = DeTable::parse_recoverable(text);
    if faults.is_empty() {
        return places.table(table.get_ref(), &table.span(), errors);
    }
    for fault in faults {
        let at = places.source(&fault.span().unwrap_or_default());
        errors.push(ConfigError::new(&at, Problem::Syntax(fault.message().to_owned())));
    }
    Node::table(places.source(&(0..0)))
}

/// Reads one value that stands in a variable or option, all of it at `source`.
pub(crate) fn inline(text: &str, source: &Source) -> Result<Node, String> {
    let places = Places { lines: Vec::new(), text, whose: None, fixed: source.clone() };
    let value = DeValue::parse(text.trim()).map_err(|fault| fault.message().to_owned())?;
    let mut errors = Vec::new();
    let node = places.value(&value, &mut errors);
    match errors.first() {
        Some(error) => Err(error.problem.to_string()),
        None => Ok(node),
    }
}

struct Places<'a> {
    lines: Vec<usize>,
    text: &'a str,
    whose: Option<Text<'a>>,
    fixed: Source,
}

impl Places<'_> {
    fn source(&self, span: &Range<usize>) -> Source {
        let line = self.lines.partition_point(|&start| start <= span.start).max(1);
        match self.whose {
            None => self.fixed.clone(),
            Some(Text::Preset(name)) => Source::Preset { name: name.to_owned(), line },
            Some(Text::File(path)) => {
                let start = self.lines.get(line - 1).copied().unwrap_or(0);
                let before = self.text.get(start..span.start).unwrap_or_default();
                Source::File { path: path.to_owned(), line, column: before.chars().count() + 1 }
            }
        }
    }

    fn table(&self, table: &DeTable<'_>, span: &Range<usize>, errors: &mut Vec<ConfigError>) -> Node {
        let members = table.iter().map(|(key, value)| {
            let entry = Entry { key: self.source(&key.span()), node: self.value(value, errors) };
            (key.get_ref().to_string(), entry)
        });
        Node::new(Value::Table(members.collect()), self.source(span))
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, errors: &mut Vec<ConfigError>) -> Node {
        let source = self.source(&value.span());
        let plain = match value.get_ref() {
            DeValue::Table(table) => return self.table(table, &value.span(), errors),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.value(item, errors)).collect()),
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Boolean(bool) => Value::Bool(*bool),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Float(float) => float.as_str().parse().map_or(Value::Invalid, Value::Float),
            DeValue::Integer(integer) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).map_or(Value::Invalid, Value::Integer)
            }
        };
        if matches!(plain, Value::Invalid) {
            errors.push(ConfigError::new(&source, Problem::Syntax("a number that is too large".to_owned())));
        }
        Node::new(plain, source)
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}
