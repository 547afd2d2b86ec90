//! Entity tags (RFC 9110 section 8.8.3): reading and comparing. Which tags are compared is decided elsewhere.

use crate::lists::Members;

/// An entity tag as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    /// With quotes where they were there. Tags without are not valid, but origins send them and compare them
    /// as they are.
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads a tag; anything without the weak prefix `W/` is taken as it stands.
    pub fn parse(value: &'a [u8]) -> Self {
        let value = value.trim_ascii();
        match value.strip_prefix(b"W/") {
            Some(opaque) => Self { weak: true, opaque },
            None => Self { weak: false, opaque: value },
        }
    }

    /// True when the tag is valid and not weak: a strong validator (RFC 9110 section 8.8.1).
    pub fn is_strong(&self) -> bool {
        !self.weak && self.opaque.len() >= 2 && self.opaque.starts_with(b"\"") && self.opaque.ends_with(b"\"")
    }

    /// Strong comparison (RFC 9110 section 8.8.3.2).
    pub fn strong_eq(&self, other: &EntityTag<'_>) -> bool {
        self.is_strong() && other.is_strong() && self.opaque == other.opaque
    }

    /// Weak comparison (RFC 9110 section 8.8.3.2).
    pub fn weak_eq(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// The tags in the lines of If-Match or If-None-Match; `*` comes as a tag of that text.
pub fn entity_tags<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = EntityTag<'a>> {
    lines.flat_map(tags_in_line)
}

fn tags_in_line(line: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    Members::new(line).filter(|member| !member.is_empty()).map(EntityTag::parse)
}
