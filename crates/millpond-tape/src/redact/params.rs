//! Named parameters and user information within a text: a URL, a form, a field value that holds a URL somewhere.
//!
//! The text is not parsed as any one of these. Wherever `?`, `&`, `#` or `;` is followed by a name on the list and `=`, the
//! value goes. That finds parameters of the query, of the path (RFC 3986 section 3.3) and of the fragment, in which OAuth
//! carries tokens, and, since a sign counts as well where it is percent-encoded, those of a URL inside a parameter.

use super::REDACTED;
use super::names::Names;

/// How a text begins, and what ends a value in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A URL, or text with URLs in it.
    Text,
    /// A parameter comes first; otherwise as `Text`.
    ParamText,
    /// A form (`application/x-www-form-urlencoded`): a parameter comes first, and only `&` ends a value.
    Form,
}

/// `text` without the values of parameters on the list and without user information; `None` when it has neither.
pub(super) fn redact(names: &Names, text: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let mut name_at = (kind != Kind::Text).then_some(0);
    while at < text.len() {
        let sign = Sign::at(text, at);
        let after = at + sign.width;
        let mut secret = None;
        match sign.byte {
            b'?' | b'&' | b'#' | b';' => name_at = Some(after),
            b'=' => {
                let name = name_at.take().map(|from| &text[from..at]);
                if name.is_some_and(|name| names.has_param(&decoded(name))) {
                    secret = Some((after, value_end(text, after, sign.level, kind)));
                }
            }
            b':' => secret = user_information(text, after, sign.level),
            // Space between a separator and a name is no part of it; space after a name makes it none.
            byte if byte.is_ascii_whitespace() => name_at = name_at.filter(|from| *from == at).map(|_| after),
            b'"' | b'<' | b'>' => name_at = None,
            _ => {}
        }
        let Some((from, to)) = secret else {
            at = after;
            continue;
        };
        if &text[from..to] != REDACTED.as_bytes() {
            out.extend_from_slice(&text[copied..from]);
            out.extend_from_slice(REDACTED.as_bytes());
            copied = to;
        }
        at = to;
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// A character that may be percent-encoded, once or more often.
#[derive(Clone, Copy)]
struct Sign {
    byte: u8,
    /// How often it is encoded.
    level: usize,
    /// How many bytes it takes.
    width: usize,
}

impl Sign {
    fn at(text: &[u8], at: usize) -> Self {
        let plain = Self { byte: text[at], level: 0, width: 1 };
        if plain.byte != b'%' {
            return plain;
        }
        // `%25` is a percent sign: `%2526` is `%26` encoded, which is `&` encoded.
        let mut rest = &text[at + 1..];
        let mut level = 1;
        while let Some(inner) = rest.strip_prefix(b"25").filter(|inner| hex(inner).is_some()) {
            rest = inner;
            level += 1;
        }
        hex(rest).map_or(plain, |byte| Self { byte, level, width: text.len() - at - rest.len() + 2 })
    }
}

/// The byte that two hexadecimal digits stand for.
fn hex(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

/// A name with nothing encoded any more, `+` a space.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        let sign = Sign::at(name, at);
        out.push(if sign.byte == b'+' && sign.level == 0 { b' ' } else { sign.byte });
        at += sign.width;
    }
    out.trim_ascii().to_vec()
}

/// Where the value that begins at `from` ends. What is encoded as often as the sign that led to it, or less, can end it; what
/// is encoded more often belongs to it.
fn value_end(text: &[u8], from: usize, level: usize, kind: Kind) -> usize {
    let mut at = from;
    while at < text.len() {
        let sign = Sign::at(text, at);
        let ends = match sign.byte {
            b'&' => sign.level <= level,
            _ if kind == Kind::Form => false,
            b'#' => sign.level <= level,
            b'"' | b'<' | b'>' => sign.level == 0,
            byte => sign.level == 0 && byte.is_ascii_whitespace(),
        };
        if ends {
            return at;
        }
        at += sign.width;
    }
    at
}

/// Where user information lies (RFC 3986 section 3.2.1), if the colon that ends before `from` is followed by `//` and by some.
fn user_information(text: &[u8], from: usize, level: usize) -> Option<(usize, usize)> {
    let mut at = from;
    for _ in 0..2 {
        let slash = text.get(at).map(|_| Sign::at(text, at))?;
        // Encoded more often than the colon they belong to another text; and looking on behind each such colon would take
        // the square of the length.
        if slash.byte != b'/' || slash.level > level {
            return None;
        }
        at += slash.width;
    }
    let begin = at;
    let mut end = None;
    while at < text.len() {
        let sign = Sign::at(text, at);
        match sign.byte {
            b'@' if sign.level <= level => end = Some(at),
            b'/' | b'?' | b'#' | b'&' | b'"' | b'<' | b'>' | b'\\' if sign.level <= level => break,
            byte if sign.level == 0 && byte.is_ascii_whitespace() => break,
            _ => {}
        }
        at += sign.width;
    }
    end.map(|end| (begin, end))
}
