//! Matching one request with many stored responses (RFC 9111 section 4.1): each field of the request is looked up, and
//! brought into its canonical form, once at most, however many variants and lookups there are.

use crate::canonical::{canonical_accept_equals, canonical_coding_equals, canonical_equals};
use crate::vary::{Comparison, digest, has_many_members, normalise_vary};
use millpond_exchange::{Fields, Record, VarySelector};
use smallvec::SmallVec;
use std::borrow::Cow;

/// The fields of one request as they are compared with what responses vary on. The first comparison of a field makes no copy
/// of it, so that a request which only one response fits takes no memory.
pub(crate) struct Selecting<'r, 'f> {
    fields: &'f Fields,
    /// In the order in which the first record names them, which is that of the names.
    known: SmallVec<[(&'r str, Value<'f>); 8]>,
}

/// A field of the request.
enum Value<'f> {
    Absent,
    /// One line.
    Line {
        comparison: Comparison,
        line: &'f [u8],
        /// It was compared with something that it is not byte by byte.
        compared: bool,
    },
    /// In canonical form.
    Canonical(Cow<'f, [u8]>),
    /// The digest of a credential.
    Digest([u8; 32]),
}

impl<'r, 'f> Selecting<'r, 'f> {
    pub(crate) fn new(fields: &'f Fields) -> Self {
        Self { fields, known: SmallVec::new() }
    }

    /// True when the request selects `record`.
    pub(crate) fn selects(&mut self, record: &'r Record) -> bool {
        record.vary.iter().enumerate().all(|(place, selector)| self.matches_at(place, selector))
    }

    /// True when the request has what `selector` says.
    pub(crate) fn matches(&mut self, selector: &'r VarySelector) -> bool {
        self.matches_at(0, selector)
    }

    /// The same where the field is likely to be the one at `place` of those that are known.
    fn matches_at(&mut self, place: usize, selector: &'r VarySelector) -> bool {
        let name: &'r str = &selector.name;
        let known = match self.known.get(place) {
            Some((known, _)) if *known == name => Some(place),
            _ => self.known.iter().position(|(known, _)| *known == name),
        };
        let place = known.unwrap_or_else(|| {
            self.known.push((name, Value::of(name, self.fields)));
            self.known.len() - 1
        });
        let fields = self.fields;
        self.known[place].1.is(name, fields, selector.value.as_deref())
    }
}

impl<'f> Value<'f> {
    fn of(name: &str, fields: &'f Fields) -> Self {
        let mut lines = fields.iter().filter(|field| field.is(name)).map(|field| field.value);
        let Some(line) = lines.next() else { return Self::Absent };
        if lines.next().is_some() {
            return normalise_vary(name, fields).map_or(Self::Absent, Self::Canonical);
        }
        match Comparison::of(name) {
            Comparison::Credentials(name) => Self::Digest(digest(name, line)),
            Comparison::Singleton => Self::Canonical(Cow::Borrowed(line)),
            _ if has_many_members(line) => Self::Canonical(Cow::Borrowed(line)),
            comparison => Self::Line { comparison, line, compared: false },
        }
    }

    /// True when this, the field `name` of `fields`, is `stored` in canonical form.
    fn is(&mut self, name: &str, fields: &'f Fields, stored: Option<&[u8]>) -> bool {
        let Some(stored) = stored else { return matches!(self, Self::Absent) };
        match self {
            Self::Absent => false,
            Self::Canonical(value) => **value == *stored,
            Self::Digest(digest) => *digest == stored,
            // What is stored is canonical, and canonical forms are their own canonical form.
            Self::Line { line, .. } if *line == stored => true,
            Self::Line { comparison, line, compared } if !*compared => {
                *compared = true;
                equals(*comparison, line, stored)
            }
            Self::Line { .. } => {
                *self = normalise_vary(name, fields).map_or(Self::Absent, Self::Canonical);
                matches!(self, Self::Canonical(value) if **value == *stored)
            }
        }
    }
}

/// As [`Selecting::selects`], for the one record that a request is compared with: nothing has to be remembered.
pub(crate) fn selects_only(record: &Record, fields: &Fields) -> bool {
    record
        .vary
        .iter()
        .all(|VarySelector { name, value }| Value::of(name, fields).is(name, fields, value.as_deref()))
}

/// True when the canonical form of `line` is `stored`, without building it.
fn equals(comparison: Comparison, line: &[u8], stored: &[u8]) -> bool {
    let equal = match comparison {
        Comparison::Singleton | Comparison::Credentials(_) => Some(false),
        Comparison::List => None,
        Comparison::Accept => canonical_accept_equals(line, stored),
        Comparison::AcceptEncoding => canonical_coding_equals(line, true, stored),
        Comparison::AcceptLanguage => canonical_coding_equals(line, false, stored),
    };
    equal.unwrap_or_else(|| canonical_equals(line, stored))
}
