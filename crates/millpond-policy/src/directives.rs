//! Cache-Control (RFC 9111 section 5.2) as data: its members, and what a response's directives say. What
//! follows from them is decided elsewhere.

use crate::dates::parse_delta_seconds;
use crate::lists::{Members, is_token};
use std::borrow::Cow;

/// One directive of a Cache-Control field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive<'a> {
    /// The name as written; compare it with [`Directive::is`].
    pub name: &'a [u8],
    /// The argument as written, quotes included; `None` when there is none.
    pub argument: Option<&'a [u8]>,
}

impl<'a> Directive<'a> {
    /// True when the name equals `name`, ignoring case (RFC 9111 section 5.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The argument without quotes: token and quoted-string forms mean the same (RFC 9111 section 5.2).
    /// `None` when there is no argument, or it is neither a token nor a closed quoted string.
    pub fn text(&self) -> Option<Cow<'a, [u8]>> {
        let argument = self.argument?;
        if is_token(argument) {
            return Some(Cow::Borrowed(argument));
        }
        let inner = argument.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        unescape(inner)
    }

    /// The argument as delta-seconds, or `None` when it is absent or malformed.
    pub fn seconds(&self) -> Option<u32> {
        self.text().and_then(|text| parse_delta_seconds(&text))
    }
}

/// Undoes quoted-pairs (RFC 9110 section 5.6.4); `None` when a bare quote or a trailing backslash shows that
/// this was no quoted string.
fn unescape(inner: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !inner.iter().any(|b| matches!(b, b'"' | b'\\')) {
        return Some(Cow::Borrowed(inner));
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => plain.push(*bytes.next()?),
            other => plain.push(*other),
        }
    }
    Some(Cow::Owned(plain))
}

/// Calls `take` with every directive of one Cache-Control field line; answers false when a quoted string in
/// it is not closed, in which case the caller treats the whole as suspect.
pub fn each_directive<'a>(value: &'a [u8], mut take: impl FnMut(Directive<'a>)) -> bool {
    let mut members = Members::new(value);
    for member in members.by_ref() {
        if member.is_empty() {
            continue;
        }
        take(split_directive(member));
    }
    !members.unterminated
}

/// Splits `name=argument`. Whitespace around `=` is not allowed (RFC 9111 section 5.2): before it, the `=`
/// becomes part of the argument, so that the directive is known by its name and malformed.
fn split_directive(member: &[u8]) -> Directive<'_> {
    let Some(equals) = member.iter().position(|b| *b == b'=') else {
        return Directive { name: member, argument: None };
    };
    let name = member[..equals].trim_ascii_end();
    let argument = if name.len() == equals { &member[equals + 1..] } else { &member[name.len()..] };
    Directive { name, argument: Some(argument) }
}

/// A delta-seconds directive as it was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seconds {
    /// Not present.
    #[default]
    Absent,
    /// Present once, or several times with the same value.
    Value(u32),
    /// Malformed, or present with several values (RFC 9111 section 4.2.1).
    Invalid,
}

impl Seconds {
    /// Takes one more occurrence into account.
    pub(crate) fn note(&mut self, found: Option<u32>) {
        *self = match (*self, found) {
            (Self::Absent, Some(value)) => Self::Value(value),
            (Self::Value(old), Some(value)) if old == value => Self::Value(value),
            _ => Self::Invalid,
        };
    }

    /// The value as it is kept in a record: an invalid one is zero.
    pub(crate) fn recorded(self) -> Option<u32> {
        match self {
            Self::Absent => None,
            Self::Value(value) => Some(value),
            Self::Invalid => Some(0),
        }
    }
}

/// A directive that may name fields: `no-cache` and `private` (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Qualified {
    /// Not present.
    #[default]
    Absent,
    /// Only about these fields, in lower case.
    Fields(Vec<String>),
    /// About the whole response.
    Whole,
}

impl Qualified {
    /// Takes one occurrence with `argument` into account; an argument that names no field counts as none at
    /// all, which is the stricter reading.
    fn note(&mut self, has_argument: bool, text: Option<&[u8]>) {
        let names = if has_argument { text.map(field_names).unwrap_or_default() } else { Vec::new() };
        if names.is_empty() {
            *self = Self::Whole;
            return;
        }
        match self {
            Self::Whole => {}
            Self::Fields(all) => all.extend(names),
            Self::Absent => *self = Self::Fields(names),
        }
    }

    /// The named fields, if the directive is about fields only.
    pub fn fields(&self) -> &[String] {
        if let Self::Fields(names) = self { names } else { &[] }
    }
}

/// The field names in `list`; empty when any member is not a name.
fn field_names(list: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for member in list.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|m| !m.is_empty()) {
        if !is_token(member) {
            return Vec::new();
        }
        names.push(String::from_utf8_lossy(member).to_ascii_lowercase());
    }
    names
}

/// What the directives of a response say, from Cache-Control or from a targeted field (RFC 9213).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// At least one directive was present.
    pub present: bool,
    /// The field could not be read in full: an unclosed quoted string.
    pub malformed: bool,
    /// Section 5.2.2.1.
    pub max_age: Seconds,
    /// Section 5.2.2.2.
    pub must_revalidate: bool,
    /// Section 5.2.2.3.
    pub must_understand: bool,
    /// Section 5.2.2.4.
    pub no_cache: Qualified,
    /// Section 5.2.2.5.
    pub no_store: bool,
    /// Section 5.2.2.7.
    pub private: Qualified,
    /// Section 5.2.2.8.
    pub proxy_revalidate: bool,
    /// Section 5.2.2.9.
    pub public: bool,
    /// Section 5.2.2.10.
    pub s_maxage: Seconds,
    /// RFC 8246.
    pub immutable: bool,
    /// RFC 5861 section 3.
    pub stale_while_revalidate: Seconds,
    /// RFC 5861 section 4.
    pub stale_if_error: Seconds,
}

impl ResponseDirectives {
    /// Reads all Cache-Control field lines of a response.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut all = Self::default();
        for line in lines {
            let whole = each_directive(line, |directive| all.take(&directive));
            all.malformed |= !whole;
        }
        all
    }

    fn take(&mut self, directive: &Directive<'_>) {
        self.note(
            directive.name,
            directive.argument.is_some(),
            directive.text().as_deref(),
            directive.seconds(),
        );
    }

    /// Takes a directive into account. `text` is its argument where that is text, `seconds` where it is a
    /// number.
    pub(crate) fn note(
        &mut self,
        name: &[u8],
        has_argument: bool,
        text: Option<&[u8]>,
        seconds: Option<u32>,
    ) {
        self.present = true;
        match name.to_ascii_lowercase().as_slice() {
            b"max-age" => self.max_age.note(seconds),
            b"s-maxage" => self.s_maxage.note(seconds),
            b"stale-while-revalidate" => self.stale_while_revalidate.note(seconds),
            b"stale-if-error" => self.stale_if_error.note(seconds),
            b"no-cache" => self.no_cache.note(has_argument, text),
            b"private" => self.private.note(has_argument, text),
            b"no-store" => self.no_store = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"public" => self.public = true,
            b"immutable" => self.immutable = true,
            _ => {}
        }
    }
}
