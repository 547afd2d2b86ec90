//! Parts (RFC 2046 section 5.1) with names, as forms are sent with files (RFC 7578), and parts that can be looked into
//! themselves: JSON, forms, and whole messages, as batches of requests are sent.

use super::body::{rewrite_form, rewriter};
use super::json::is_json;
use super::media::{self, Media, PartHead};
use super::params::{self, Kind};
use super::{REDACTED, Rewrite, Rules, Unredactable, fields};

/// The longest head of a part or of a message in one, bytes.
const HEAD_AT_MOST: usize = 64 << 10;
/// The longest form in a part, bytes.
const FORM_AT_MOST: usize = 1 << 20;

/// Rewrites parts.
pub(super) struct Multipart {
    rules: Rules,
    /// Two dashes and the boundary.
    delimiter: Vec<u8>,
    held: Held,
    place: Place,
    /// What is held begins a line, as it does at the start and behind the head of a part.
    line_begins: bool,
}

/// What came and was not yet dealt with. What was is taken off once for each piece that comes, and not for each part: there
/// may be as many parts as bytes.
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    /// How much of them was dealt with.
    done: usize,
    /// How many bytes were moved to the front so far.
    #[cfg(test)]
    moved: usize,
}

enum Place {
    /// In a part.
    Content(Content),
    /// Behind a delimiter, on its line.
    Delimited,
    /// In the head of a part.
    Head,
    /// Behind the last part.
    Over,
}

/// What the content of a part is.
enum Content {
    /// It stays; so does what lies before the first part.
    Kept,
    /// It is a secret.
    Secret,
    /// Nobody said what it is: its first byte tells.
    Unknown,
    /// It is rewritten while it comes.
    Rewritten(Box<dyn Rewrite>),
    /// A form, of which so much came.
    Form(Vec<u8>),
    /// A message (`application/http`, RFC 9112 section 10.2), of whose head so much came.
    Message(Vec<u8>),
}

impl Held {
    fn get(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let from = self.done;
        self.done = (from + count).min(self.bytes.len());
        &self.bytes[from..self.done]
    }

    fn add(&mut self, input: &[u8]) {
        self.bytes.drain(..self.done);
        self.done = 0;
        #[cfg(test)]
        {
            self.moved += self.bytes.len();
        }
        self.bytes.extend_from_slice(input);
    }
}

impl Content {
    /// What is behind a head that says that it is `media`.
    fn of(rules: &Rules, media: &Media) -> Self {
        match media {
            Media::Json | Media::JsonLines | Media::Events => Self::Rewritten(rewriter(rules, media)),
            Media::Form => Self::Form(Vec::new()),
            Media::Unknown => Self::Unknown,
            Media::Multipart(_) | Media::Other => Self::Kept,
        }
    }

    fn behind(rules: &Rules, head: &PartHead) -> Self {
        if head.has_name(|name| rules.params.has_param(name)) {
            Self::Secret
        } else if head.is_message {
            Self::Message(Vec::new())
        } else {
            Self::of(rules, &head.media)
        }
    }

    fn feed(&mut self, rules: &Rules, content: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable> {
        match self {
            Self::Kept => out.extend_from_slice(content),
            Self::Secret => {}
            Self::Rewritten(rewriter) => rewriter.feed(content, out)?,
            Self::Form(form) if form.len() + content.len() > FORM_AT_MOST => return Err(Unredactable),
            Self::Form(form) => form.extend_from_slice(content),
            Self::Unknown => {
                if is_json(content) {
                    *self = Self::Rewritten(rewriter(rules, &Media::Json));
                    return self.feed(rules, content, out);
                }
                out.extend_from_slice(content);
                if !content.trim_ascii_start().is_empty() {
                    *self = Self::Kept;
                }
            }
            Self::Message(head) => {
                let before = head.len();
                head.extend_from_slice(content);
                // The line break that begins the empty line may have come before.
                let from = before.saturating_sub(2);
                let line = head[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let Some(end) = media::head_end(&head[line..]).map(|end| line + end) else {
                    return if head.len() > HEAD_AT_MOST { Err(Unredactable) } else { Ok(()) };
                };
                let rest = head.split_off(end);
                let media = message_head(rules, head, out);
                *self = Self::of(rules, &media);
                return self.feed(rules, &rest, out);
            }
        }
        Ok(())
    }

    fn end(&mut self, rules: &Rules, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        match self {
            Self::Rewritten(rewriter) => rewriter.end(out)?,
            Self::Form(form) => {
                let form = std::mem::take(form);
                out.extend_from_slice(&rewrite_form(rules, &form).unwrap_or(form));
            }
            // A message without content may end with its last field.
            Self::Message(head) => {
                message_head(rules, &std::mem::take(head), out);
            }
            Self::Kept | Self::Secret | Self::Unknown => {}
        }
        Ok(())
    }
}

/// Writes the head of a message without its secrets; answers what its fields say of its content.
fn message_head(rules: &Rules, head: &[u8], out: &mut Vec<u8>) -> Media {
    let mut media = Media::Unknown;
    let mut secret = false;
    for (number, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let text = line.trim_ascii_end();
        let end = &line[text.len()..];
        // A field line may go on in the next (RFC 9112 section 5.2).
        if secret && text.first().is_some_and(u8::is_ascii_whitespace) {
            continue;
        }
        let colon = text.iter().position(|byte| *byte == b':').filter(|_| number > 0);
        let new = match colon {
            Some(colon) => {
                let (name, value) = (text[..colon].trim_ascii(), text[colon + 1..].trim_ascii());
                if name.eq_ignore_ascii_case(b"content-type") {
                    media = Media::named(value);
                }
                let redacted = fields::redacted(rules, name, value);
                redacted.map(|value| [&text[..=colon], b" ", &value].concat())
            }
            // The request line, or a field line that goes on.
            None => params::redact(&rules.params, text, Kind::Text),
        };
        secret = new.is_some();
        out.extend_from_slice(new.as_deref().unwrap_or(text));
        out.extend_from_slice(end);
    }
    media
}

impl Multipart {
    pub(super) fn new(rules: &Rules, boundary: &[u8]) -> Self {
        Self {
            rules: rules.clone(),
            delimiter: [b"--", boundary].concat(),
            held: Held::default(),
            place: Place::Content(Content::Kept),
            line_begins: true,
        }
    }

    /// One step with what is held; false when more is needed.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, Unredactable> {
        match self.place {
            Place::Content(_) => self.content(out),
            Place::Delimited => self.delimited(out),
            Place::Head => self.head(out),
            Place::Over => {
                out.extend_from_slice(self.held.take(usize::MAX - self.held.done));
                Ok(false)
            }
        }
    }

    fn content(&mut self, out: &mut Vec<u8>) -> Result<bool, Unredactable> {
        let Some((end, after)) = self.find_delimiter() else {
            // The beginning of a delimiter, with its line break, may be held.
            let ready = self.held.get().len().saturating_sub(self.delimiter.len() + 2);
            self.pass(ready, out)?;
            return Ok(false);
        };
        self.pass(end, out)?;
        if let Place::Content(content) = &mut self.place {
            content.end(&self.rules, out)?;
            // Without a line break between head and delimiter there is no content at all.
            if matches!(content, Content::Secret) && after - end > self.delimiter.len() {
                out.extend_from_slice(REDACTED.as_bytes());
            }
        }
        out.extend_from_slice(self.held.take(after - end));
        self.place = Place::Delimited;
        Ok(true)
    }

    /// Where the content before the next delimiter ends, and where that itself does.
    fn find_delimiter(&self) -> Option<(usize, usize)> {
        let (held, len) = (self.held.get(), self.delimiter.len());
        if self.line_begins && self.is_delimiter(held) {
            return Some((0, len));
        }
        let mut from = 0;
        while let Some(found) = held[from..].iter().position(|byte| *byte == b'\n') {
            let at = from + found;
            if self.is_delimiter(&held[at + 1..]) {
                let end = if at > 0 && held[at - 1] == b'\r' { at - 1 } else { at };
                return Some((end, at + 1 + len));
            }
            from = at + 1;
        }
        None
    }

    /// True when `text` begins with a whole delimiter, and not with what only begins like one.
    fn is_delimiter(&self, text: &[u8]) -> bool {
        let after = text.strip_prefix(&self.delimiter[..]).and_then(<[u8]>::first);
        after.is_some_and(|byte| matches!(byte, b'-' | b' ' | b'\t' | b'\r' | b'\n'))
    }

    /// The first `count` bytes that are held belong to the part.
    fn pass(&mut self, count: usize, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        self.line_begins &= count == 0;
        let content = self.held.take(count);
        match &mut self.place {
            Place::Content(part) => part.feed(&self.rules, content, out),
            _ => Ok(()),
        }
    }

    fn delimited(&mut self, out: &mut Vec<u8>) -> Result<bool, Unredactable> {
        let held = self.held.get();
        if held.len() < 2 {
            return Ok(false);
        }
        if held.starts_with(b"--") {
            self.place = Place::Over;
            return Ok(true);
        }
        match held.iter().position(|byte| *byte == b'\n') {
            // A line break that ends the head at once is part of it.
            Some(end) => {
                out.extend_from_slice(self.held.take(end + 1));
                self.place = Place::Head;
                Ok(true)
            }
            None if held.len() > HEAD_AT_MOST => Err(Unredactable),
            None => Ok(false),
        }
    }

    fn head(&mut self, out: &mut Vec<u8>) -> Result<bool, Unredactable> {
        let Some(end) = media::head_end(self.held.get()) else {
            return if self.held.get().len() > HEAD_AT_MOST { Err(Unredactable) } else { Ok(false) };
        };
        let head = self.held.take(end);
        out.extend_from_slice(head);
        self.place = Place::Content(Content::behind(&self.rules, &PartHead::of(head)));
        self.line_begins = true;
        Ok(true)
    }
}

impl Rewrite for Multipart {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Unredactable> {
        self.held.add(input);
        while self.step(out)? {}
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Unredactable> {
        let all = self.held.get().len();
        if !matches!(self.place, Place::Content(_)) {
            out.extend_from_slice(self.held.take(all));
            return Ok(());
        }
        self.pass(all, out)?;
        match &mut self.place {
            Place::Content(content) => content.end(&self.rules, out),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that were moved while a body of parts without content, in pieces of `piece` bytes, was rewritten.
    fn moved(parts: usize, piece: usize) -> usize {
        let body = b"--b\n\n".repeat(parts);
        let mut rewriter = Multipart::new(&Rules::default(), b"b");
        let mut out = Vec::new();
        for piece in body.chunks(piece) {
            assert!(rewriter.feed(piece, &mut out).is_ok());
        }
        assert!(rewriter.end(&mut out).is_ok());
        assert!(out == body);
        rewriter.held.moved
    }

    #[test]
    fn bytes_are_moved_once_for_each_piece_and_not_for_each_part() {
        assert_eq!(moved(1 << 18, usize::MAX), 0, "one piece, many parts");
        // At most the beginning of a delimiter is moved for each piece.
        assert!(moved(1 << 14, 1 << 10) <= ((5 << 14) / (1 << 10)) * 8);
    }
}
