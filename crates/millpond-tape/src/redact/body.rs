//! Bodies: what rewrites which, in memory where they are small, else while they are read.

use super::json::{Json, is_json};
use super::lines::{Events, Lines};
use super::media::Media;
use super::multipart::Multipart;
use super::params::{self, Kind};
use super::stream::Rewritten;
use super::{Rewrite, Rules, Unredactable};
use crate::matching::query;
use crate::{Content, Pairs, coding};
use std::io::{self, Read};

/// Up to so many bytes, with and without its codings, a body is rewritten in memory.
pub(super) const IN_MEMORY: u64 = 16 << 20;
/// A body with more bytes than this without its codings is not rewritten.
pub(super) const AT_MOST: u64 = 8 << 30;

/// What becomes of a body.
pub(super) enum Outcome {
    /// It holds nothing on the lists.
    Same,
    /// It is now this, without codings.
    Changed(Content),
    /// It may hold secrets, and cannot be read.
    Unredactable,
}

/// `content`, described by `fields`, without its secrets.
pub(super) fn redact(rules: &Rules, fields: &Pairs, content: &Content) -> io::Result<Outcome> {
    let media = Media::of(fields);
    if content.is_empty() || (rules.params.is_empty() && rules.members.is_empty()) || media == Media::Other {
        return Ok(Outcome::Same);
    }
    let unknown = media == Media::Unknown;
    let outcome = if is_part(fields) { Err(Unredactable) } else { rewrite(rules, fields, content, media)? };
    // Nobody said of an unknown one that it can be read.
    Ok(outcome.unwrap_or(if unknown { Outcome::Same } else { Outcome::Unredactable }))
}

/// True for a part of something larger that does not begin with it: it may begin within a secret.
fn is_part(fields: &Pairs) -> bool {
    let range = fields.get("content-range").map(<[u8]>::trim_ascii);
    range.is_some_and(|range| !range.starts_with(b"bytes 0-"))
}

fn rewrite(
    rules: &Rules,
    fields: &Pairs,
    content: &Content,
    media: Media,
) -> io::Result<Result<Outcome, Unredactable>> {
    let Some(media) = looked_at(fields, content, media)? else { return Ok(Ok(Outcome::Same)) };
    if media == Media::Multipart(Vec::new()) {
        return Ok(Err(Unredactable));
    }
    let Some(text) = in_memory(fields, content)? else { return Ok(Err(Unredactable)) };
    match text {
        Decoded::Whole(text) => Ok(rewrite_whole(rules, &media, &text)),
        Decoded::Long if media == Media::Form => Ok(Err(Unredactable)),
        Decoded::Long => {
            let found = Rewritten::over(rules, fields, content, &media)?;
            Ok(found.map(|found| found.map_or(Outcome::Same, Outcome::Changed)))
        }
    }
}

fn rewrite_whole(rules: &Rules, media: &Media, text: &[u8]) -> Result<Outcome, Unredactable> {
    if *media == Media::Form {
        let new = rewrite_form(rules, text);
        return Ok(new.map_or(Outcome::Same, |new| Outcome::Changed(Content::Memory(new.into()))));
    }
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut rewriter = rewriter(rules, media);
    rewriter.feed(text, &mut out)?;
    rewriter.end(&mut out)?;
    Ok(if out == text { Outcome::Same } else { Outcome::Changed(Content::Memory(out.into())) })
}

/// A form without its secrets; `None` when it has none. Values that are JSON are looked into.
pub(super) fn rewrite_form(rules: &Rules, text: &[u8]) -> Option<Vec<u8>> {
    let by_name = params::redact(&rules.params, text, Kind::Form);
    let text = by_name.as_deref().unwrap_or(text);
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    for pair in text.split(|byte| *byte == b'&') {
        let value = pair.iter().position(|byte| *byte == b'=').map(|equals| &pair[equals + 1..]);
        if let Some(new) = value.and_then(|value| json_value(rules, value)) {
            let end = at + pair.len();
            out.extend_from_slice(&text[copied..end - value.map_or(0, <[u8]>::len)]);
            out.extend_from_slice(&new);
            copied = end;
        }
        at += pair.len() + 1;
    }
    if copied == 0 {
        return by_name;
    }
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// A value of a form that is JSON, without its secrets; `None` when it has none or is none.
fn json_value(rules: &Rules, value: &[u8]) -> Option<Vec<u8>> {
    let plain = query::decoded(value);
    if !is_json(&plain) {
        return None;
    }
    let mut out = Vec::with_capacity(plain.len());
    let mut json = Json::new(&rules.members, &rules.params);
    // JSON in pieces refuses nothing.
    json.feed(&plain, &mut out).and_then(|()| json.end(&mut out)).ok()?;
    (out != plain).then(|| query::encoded(&out))
}

/// What rewrites `media`; JSON where there is nothing of its own.
pub(super) fn rewriter(rules: &Rules, media: &Media) -> Box<dyn Rewrite> {
    let json = Json::new(&rules.members, &rules.params);
    match media {
        Media::JsonLines => Box::new(Lines(json)),
        Media::Events => Box::new(Events::new(json)),
        Media::Multipart(boundary) => Box::new(Multipart::new(rules, boundary)),
        _ => Box::new(json),
    }
}

enum Decoded {
    Whole(Vec<u8>),
    /// Too long for memory.
    Long,
}

/// The body without its codings; `None` where they cannot be taken off.
fn in_memory(fields: &Pairs, content: &Content) -> io::Result<Option<Decoded>> {
    if content.len() > IN_MEMORY {
        return Ok(Some(Decoded::Long));
    }
    let Ok(mut reader) = coding::decoded(content, fields, IN_MEMORY) else { return Ok(None) };
    let mut text = Vec::new();
    match reader.read_to_end(&mut text) {
        Ok(_) => Ok(Some(Decoded::Whole(text))),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Some(Decoded::Long)),
        Err(error) if is_coded(fields) && is_content_error(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_coded(fields: &Pairs) -> bool {
    coding::codings(fields).is_ok_and(|codings| !codings.is_empty())
}

/// True for what decoders say of a body that is not what it promises. Anything else is the system's.
pub(super) fn is_content_error(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | Other | FileTooLarge)
}

/// What a body is by how it begins: clients say of JSON that it were a form, or say nothing. `None` for one that is nothing
/// that can be looked into, and that nobody said so of.
fn looked_at(fields: &Pairs, content: &Content, media: Media) -> io::Result<Option<Media>> {
    if !matches!(media, Media::Unknown | Media::Form | Media::Json) {
        return Ok(Some(media));
    }
    let Ok(reader) = coding::decoded(content, fields, AT_MOST) else {
        return Ok(Some(media).filter(|media| *media != Media::Unknown));
    };
    let mut start = Vec::new();
    match reader.take(512).read_to_end(&mut start) {
        Err(error) if !(is_coded(fields) && is_content_error(&error)) => return Err(error),
        _ => {}
    }
    Ok(match media {
        // JSON is UTF-8 (RFC 8259 section 8.1). In UTF-16 nothing would be found: it counts as parts of no kind.
        Media::Json if start.iter().take(4).any(|byte| *byte == 0) => Some(Media::Multipart(Vec::new())),
        Media::Unknown | Media::Form if is_json(&start) => Some(Media::Json),
        Media::Unknown if is_form(&start) => Some(Media::Form),
        Media::Unknown => None,
        media => Some(media),
    })
}

/// True for what looks like a form as far as it is known: nothing else has so few characters and an equals sign.
fn is_form(start: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%+&=*[]".contains(byte);
    start.contains(&b'=') && start.trim_ascii_end().iter().all(fits)
}
