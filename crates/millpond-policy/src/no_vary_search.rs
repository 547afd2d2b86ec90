//! No-Vary-Search (draft-ietf-httpbis-no-vary-search): which differences between the queries of two URLs make no difference
//! to a response.
//!
//! What must not live here: which rule applies to which path, and where responses are looked for; that is the engine's.

use millpond_exchange::Fields;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};
use std::borrow::Cow;

/// The longest field value that is looked at, bytes. A longer one is as if absent, which only costs hits.
pub const NO_VARY_SEARCH_MAX: usize = 4096;

/// The value of No-Vary-Search in `fields`, its lines combined (RFC 9110 section 5.3); `None` where it is absent, empty or
/// longer than [`NO_VARY_SEARCH_MAX`].
pub fn no_vary_search(fields: &Fields) -> Option<Cow<'_, [u8]>> {
    let mut lines = fields.get_all("no-vary-search");
    let mut value = Cow::Borrowed(lines.next()?);
    for line in lines {
        let value = value.to_mut();
        value.extend_from_slice(b", ");
        value.extend_from_slice(line);
    }
    (1..=NO_VARY_SEARCH_MAX).contains(&value.len()).then_some(value)
}

/// A URL search variance that is not the default one (section 4 of the draft).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchVariance {
    params: Params,
    /// The order of parameters with different names matters.
    key_order: bool,
}

/// Which parameters matter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Params {
    /// All but these; sorted.
    AllBut(Vec<String>),
    /// Only these; sorted.
    Only(Vec<String>),
}

impl SearchVariance {
    /// The variance that `fields` state; `None` for the default one, which is also what anything invalid means.
    pub fn of(fields: &Fields) -> Option<Self> {
        Self::parse(&no_vary_search(fields)?)
    }

    /// Parses a field value (section 5.1). `None` for the default variance.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let dictionary: Dictionary = Parser::new(value).parse().ok()?;
        // "Set result's vary on key order to the boolean negation of value["key-order"]."
        let key_order = match dictionary.get("key-order") {
            None => true,
            Some(entry) => !boolean(entry)?,
        };
        let wildcard = dictionary.get("params").and_then(boolean) == Some(true);
        let params = match (dictionary.get("params"), dictionary.get("except")) {
            (_, Some(except)) if wildcard => Params::Only(names(except)?),
            // "If value["params"] is not true, then return the default URL search variance."
            (_, Some(_)) => return None,
            (None, None) => Params::AllBut(Vec::new()),
            (Some(_), None) if wildcard => Params::Only(Vec::new()),
            (Some(entry), None) if boolean(entry).is_some() => Params::AllBut(Vec::new()),
            (Some(entry), None) => Params::AllBut(names(entry)?),
        };
        let is_default = key_order && params == Params::AllBut(Vec::new());
        (!is_default).then_some(Self { params, key_order })
    }

    /// The one URL that stands for all that are equivalent to this one (section 6): parameters that make no difference left
    /// out, and where their order makes none, sorted by name. `path_and_query` must be in normal form, and the result is.
    pub fn simplify<'a>(&self, path_and_query: &'a str) -> Cow<'a, str> {
        let Some((path, query)) = path_and_query.split_once('?') else {
            return Cow::Borrowed(path_and_query);
        };
        let mut kept: Vec<_> = form_pairs(query).filter(|(name, _)| self.matters(name)).collect();
        if !self.key_order {
            // A stable sort: values of one name keep their order.
            kept.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let mut out = String::with_capacity(path_and_query.len());
        out.push_str(path);
        for (at, (name, value)) in kept.iter().enumerate() {
            out.push(if at == 0 { '?' } else { '&' });
            encode(name, &mut out);
            out.push('=');
            encode(value, &mut out);
        }
        if out == path_and_query { Cow::Borrowed(path_and_query) } else { Cow::Owned(out) }
    }

    /// True when two URLs of one origin, of which these are path and query, are equivalent (section 6).
    pub fn equivalent(&self, one: &str, other: &str) -> bool {
        self.simplify(one) == self.simplify(other)
    }

    fn matters(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
        match &self.params {
            Params::AllBut(list) => !listed(list),
            Params::Only(list) => listed(list),
        }
    }
}

fn boolean(entry: &ListEntry) -> Option<bool> {
    match entry {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::Boolean(value) => Some(value),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    }
}

/// The names in an inner list of strings, decoded (section 5.3) and sorted; `None` for anything else.
fn names(entry: &ListEntry) -> Option<Vec<String>> {
    let ListEntry::InnerList(InnerList { items, .. }) = entry else { return None };
    let name = |item: &sfv::Item| match &item.bare_item {
        BareItem::String(text) => Some(decode(text.as_str())),
        _ => None,
    };
    let mut names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// The application/x-www-form-urlencoded parser (URL standard section 5.1).
pub(crate) fn form_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|sequence| !sequence.is_empty()).map(|sequence| {
        let (name, value) = sequence.split_once('=').unwrap_or((sequence, ""));
        (decode(name), decode(value))
    })
}

/// `+` as a space, percent-decoded, and UTF-8 decoded without failing.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    rest = after;
                    hex(*high) << 4 | hex(*low)
                }
                _ => b'%',
            },
            other => *other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> u8 {
    (digit as char).to_digit(16).unwrap_or_default() as u8
}

/// Encodes so that decoding gives the same again and the normal form of a URL (RFC 3986 section 6.2.2) is kept: unreserved
/// characters stay as they are.
fn encode(text: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(byte as char),
            byte => {
                out.push('%');
                out.push(DIGITS[usize::from(byte >> 4)] as char);
                out.push(DIGITS[usize::from(byte & 15)] as char);
            }
        }
    }
}
