//! Bodies as they are compared: JSON without whitespace and order of members, forms as pairs, parts without their boundary,
//! anything else byte by byte.

use super::key::Parts;
use super::{Asked, MatchRules, query};
use crate::redact::media::{self, Media, PartHead};
use crate::{Content, Pairs, coding};
use millpond_exchange::json::{JsonLimits, canonical_without};
use std::borrow::Cow;
use std::io::{self, Read};

/// Longer bodies, bytes, count as they are.
pub(super) const NORMALISED: u64 = 1 << 20;
/// How much of JSON is read.
const LIMITS: JsonLimits = JsonLimits { length: NORMALISED as usize, members: 128 << 10 };

pub(super) fn add(rules: &MatchRules, asked: &Asked<'_>, parts: &mut Parts) -> io::Result<()> {
    let Some(content) = asked.content else { return Ok(()) };
    let Some((content, fields)) = redacted(rules, asked.fields, content)? else {
        add_dropped(parts);
        return Ok(());
    };
    if content.is_empty() {
        return Ok(());
    }
    match text(&content, &fields)? {
        Some(text) => add_text(rules, &Media::of(&fields), &text, parts),
        None => add_raw(&content, parts)?,
    }
    Ok(())
}

/// A body that is not on tapes, since it cannot be read: nobody knows what it was, but it was not an empty one.
pub(super) fn add_dropped(parts: &mut Parts) {
    parts.text(b'X', b"");
}

/// The body without its secrets and the fields that describe it; `None` where it is not on tapes because it cannot be read.
pub(super) fn redacted<'a>(
    rules: &MatchRules,
    fields: &'a Pairs,
    content: &Content,
) -> io::Result<Option<(Content, Cow<'a, Pairs>)>> {
    let Some(redact) = rules.redaction() else { return Ok(Some((content.clone(), Cow::Borrowed(fields)))) };
    Ok(redact.content(fields, content)?.map(|(content, changed)| {
        let mut fields = Cow::Borrowed(fields);
        if changed {
            fields.to_mut().remove("content-encoding");
        }
        (content, fields)
    }))
}

/// A body that is short enough, without its codings; `None` where it counts as it is.
pub(super) fn text(content: &Content, fields: &Pairs) -> io::Result<Option<Vec<u8>>> {
    if content.len() > NORMALISED {
        return Ok(None);
    }
    let Ok(mut reader) = coding::decoded(content, fields, NORMALISED) else { return Ok(None) };
    let mut text = Vec::new();
    match reader.read_to_end(&mut text) {
        Ok(_) => Ok(Some(text)),
        // It is not what its codings promise: its bytes are what it is.
        Err(_) if fields.get("content-encoding").is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

fn add_raw(content: &Content, parts: &mut Parts) -> io::Result<()> {
    parts.begin(b'R', content.len());
    let mut reader = content.reader();
    let mut piece = vec![0; 64 << 10];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(()),
            read => parts.more(&piece[..read]),
        }
    }
}

fn add_text(rules: &MatchRules, media: &Media, text: &[u8], parts: &mut Parts) {
    let params = &rules.ignore_body_params;
    let ignored = |name: &[u8]| params.iter().any(|known| known.as_bytes() == name);
    // What looks like JSON is JSON: clients say so of forms, or say nothing.
    let may_be_json = matches!(media, Media::Json | Media::Form | Media::Unknown);
    if let Some(normal) = may_be_json.then(|| normal_json(params, text)).flatten() {
        return parts.text(b'J', &normal);
    }
    match media {
        Media::Form => {
            for pair in query::pairs(text) {
                let (name, value) = query::name_and_value(pair);
                let name = query::decoded(name);
                if !ignored(&name) {
                    parts.text(b'F', &name);
                    parts.text(b'V', &query::decoded(value.unwrap_or_default()));
                }
            }
        }
        Media::Multipart(boundary) => match split_parts(text, boundary) {
            Some(found) => {
                for (head, content) in found {
                    if !PartHead::of(head).has_name(ignored) {
                        parts.text(b'D', head);
                        parts.text(b'C', content);
                    }
                }
            }
            None => parts.text(b'B', text),
        },
        _ => parts.text(b'B', text),
    }
}

/// Objects and arrays only: of anything else, bytes say as much.
pub(super) fn normal_json(ignored: &[String], text: &[u8]) -> Option<Vec<u8>> {
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    canonical_without(text, LIMITS, &|path| {
        ignored.iter().any(|dotted| path.iter().map(|name| &**name).eq(dotted.split('.')))
    })
}

/// Head and content of each part; `None` where the text is not what its boundary promises.
fn split_parts<'a>(text: &'a [u8], boundary: &[u8]) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let delimiter = [b"--", boundary].concat();
    if boundary.is_empty() || !text.starts_with(&delimiter) {
        return None;
    }
    let mut rest = &text[delimiter.len()..];
    let mut found = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(found);
        }
        let head = rest.iter().position(|byte| *byte == b'\n')? + 1;
        let content = head + media::head_end(&rest[head..])?;
        // The line break before a delimiter belongs to it; that of an empty part's head may be it.
        let from = content.saturating_sub(2);
        let end = from + find_line(&rest[from..], &delimiter)?;
        found.push((&rest[head..content], rest[..end].get(content..).unwrap_or_default()));
        rest = &rest[end + 2 + delimiter.len()..];
    }
}

/// Where a line break with `line` behind it begins.
fn find_line(text: &[u8], line: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text[from..].iter().position(|byte| *byte == b'\r')?;
        if text[at + 1..].strip_prefix(b"\n").is_some_and(|rest| rest.starts_with(line)) {
            return Some(at);
        }
        from = at + 1;
    }
}
