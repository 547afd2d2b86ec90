//! What fields say a body is.

use crate::Pairs;

/// What a body is, as far as anything here can look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// One JSON text (RFC 8259).
    Json,
    /// JSON texts, one a line.
    JsonLines,
    /// Server-sent events.
    Events,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Parts between lines with this boundary.
    Multipart(Vec<u8>),
    /// Text, or nobody knows what: it may be JSON or a form.
    Unknown,
    /// Anything else.
    Other,
}

impl Media {
    /// What `fields` say.
    pub(crate) fn of(fields: &Pairs) -> Self {
        fields.get("content-type").map_or(Self::Unknown, Self::named)
    }

    /// What a value of Content-Type says.
    pub(crate) fn named(value: &[u8]) -> Self {
        let kind =
            value.split(|byte| *byte == b';').next().unwrap_or(value).trim_ascii().to_ascii_lowercase();
        match &kind[..] {
            b"application/json" | b"text/json" | b"application/x-json" | b"application/csp-report" => {
                Self::Json
            }
            b"application/x-ndjson"
            | b"application/ndjson"
            | b"application/jsonl"
            | b"application/x-jsonl"
            | b"application/jsonlines"
            | b"application/json-lines"
            | b"application/stream+json"
            | b"application/json-seq" => Self::JsonLines,
            b"text/event-stream" => Self::Events,
            b"application/x-www-form-urlencoded" => Self::Form,
            // With a suffix (RFC 6839 section 3.1), and under names that were made up before there were any.
            kind if kind.windows(4).any(|four| four == b"json") => Self::Json,
            kind if kind.starts_with(b"multipart/") && kind != b"multipart/byteranges" => {
                Self::Multipart(parameter(value, b"boundary").unwrap_or_default())
            }
            b""
            | b"text/plain"
            | b"text/javascript"
            | b"application/javascript"
            | b"application/octet-stream" => Self::Unknown,
            _ => Self::Other,
        }
    }
}

/// The value of a parameter of a field value, without quotes.
pub(crate) fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = value;
    loop {
        rest = &rest[rest.iter().position(|byte| *byte == b';')? + 1..];
        let equals = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let name = rest[..equals].trim_ascii();
        let Some(after) = rest.get(equals..).and_then(|rest| rest.strip_prefix(b"=")) else { continue };
        let (found, left) = one_value(after.trim_ascii_start());
        if name.eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = left;
    }
}

/// A token or quoted string (RFC 9110 section 5.6), and what follows it.
fn one_value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        return (text[..end].trim_ascii_end().to_vec(), &text[end..]);
    };
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(byte) = quoted.get(at) {
        match byte {
            b'"' => return (value, &quoted[at + 1..]),
            b'\\' => {
                value.extend(quoted.get(at + 1));
                at += 2;
            }
            byte => {
                value.push(*byte);
                at += 1;
            }
        }
    }
    (value, &[])
}

/// Where the head of a part ends, its empty line included.
pub(crate) fn head_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = text[from..].iter().position(|byte| *byte == b'\n') {
        let line = &text[from..from + found];
        from += found + 1;
        if matches!(line, b"" | b"\r") {
            return Some(from);
        }
    }
    None
}

/// What the head of a part says.
#[derive(Debug)]
pub(crate) struct PartHead {
    /// The names of the form's field (RFC 7578 section 4.2): the plain one, and the one with a charset (RFC 8187), which some
    /// clients send although they should not.
    names: [Option<Vec<u8>>; 2],
    /// What the part is.
    pub(crate) media: Media,
    /// The part is a message (`application/http`).
    pub(crate) is_message: bool,
}

impl PartHead {
    pub(crate) fn of(head: &[u8]) -> Self {
        let mut found = Self { names: [None, None], media: Media::Unknown, is_message: false };
        for line in head.split(|byte| *byte == b'\n') {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"content-disposition") {
                found.names = [
                    parameter(value, b"name"),
                    parameter(value, b"name*").and_then(|value| extended(&value)),
                ];
            } else if name.eq_ignore_ascii_case(b"content-type") {
                let kind = value.split(|byte| *byte == b';').next().unwrap_or(value).trim_ascii();
                found.media = Media::named(value);
                found.is_message = kind.eq_ignore_ascii_case(b"application/http");
            }
        }
        found
    }

    /// True when one of its names is one that `listed` knows.
    pub(crate) fn has_name(&self, listed: impl Fn(&[u8]) -> bool) -> bool {
        self.names.iter().flatten().any(|name| listed(name))
    }
}

/// What `charset'language'text` stands for (RFC 8187 section 3.2.1).
fn extended(value: &[u8]) -> Option<Vec<u8>> {
    let text = value.splitn(3, |byte| *byte == b'\'').nth(2)?;
    Some(percent_decoded(text))
}

/// A text with its percent-encoded bytes as they are.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        let (byte, after) = match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, &after[2..]),
            _ => (*byte, after),
        };
        out.push(byte);
        rest = after;
    }
    out
}
