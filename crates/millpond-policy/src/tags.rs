//! Tags and groups a response carries for purging: Cache-Tag, Surrogate-Key, Cache-Groups (RFC 9875).

use crate::stored::members;
use millpond_exchange::{Field, Fields};
use sfv::{BareItem, List, ListEntry, Parser};

/// True for the fields that carry tags, which are not passed to clients.
pub(crate) fn is_tag_field(field: Field<'_>) -> bool {
    field.is("cache-tag") || field.is("surrogate-key")
}

/// The tags of a response: the members of Cache-Tag (comma-separated) and Surrogate-Key (separated by
/// spaces), sorted, each once. Tags that are not UTF-8 are left out.
pub fn cache_tags(fields: &Fields) -> Box<[Box<str>]> {
    let keys = fields.get_all("surrogate-key").flat_map(|line| line.split(u8::is_ascii_whitespace));
    let mut tags: Vec<Box<str>> = members(fields, "cache-tag")
        .chain(keys.filter(|key| !key.is_empty()))
        .filter_map(|tag| std::str::from_utf8(tag).ok().map(Into::into))
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags.into_boxed_slice()
}

/// The groups a response belongs to (RFC 9875 section 2): the strings of the structured list Cache-Groups.
pub fn cache_groups(fields: &Fields) -> Box<[Box<str>]> {
    strings(fields, "cache-groups")
}

/// The groups a response to an unsafe request invalidates (RFC 9875 section 3).
pub fn invalidated_groups(fields: &Fields) -> Box<[Box<str>]> {
    strings(fields, "cache-group-invalidation")
}

/// The strings of a structured list; none at all when the field is not valid.
fn strings(fields: &Fields, name: &str) -> Box<[Box<str>]> {
    let mut lines = fields.get_all(name);
    let Some(first) = lines.next() else { return Box::default() };
    let mut combined = first.to_vec();
    for line in lines {
        combined.extend_from_slice(b", ");
        combined.extend_from_slice(line);
    }
    let Ok(list) = Parser::new(&combined).parse::<List>() else { return Box::default() };
    list.iter()
        .filter_map(|entry| match entry {
            ListEntry::Item(item) => match &item.bare_item {
                BareItem::String(text) => Some(text.as_str().into()),
                _ => None,
            },
            ListEntry::InnerList(_) => None,
        })
        .collect()
}
