//! Targeted cache control (RFC 9213): which field of a response this cache obeys, and its directives as a
//! structured field.

use crate::dates::DELTA_SECONDS_MAX;
use crate::directives::ResponseDirectives;
use crate::profile::Profile;
use millpond_exchange::Fields;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// The field that is for this cache alone and therefore not passed on.
pub const OWN_TARGET: &str = "millpond-cache-control";

/// The directives of the first field in `profile.targets` that is present and valid (RFC 9213 section 2.2), and
/// whether that is [`OWN_TARGET`].
pub(crate) fn targeted_directives(fields: &Fields, profile: &Profile) -> Option<(ResponseDirectives, bool)> {
    profile.targets.iter().find_map(|target| {
        let directives = parse(fields, target)?;
        Some((directives, target.eq_ignore_ascii_case(OWN_TARGET)))
    })
}

/// Parses the field `name` as a Dictionary; `None` when it is absent, empty or not valid (RFC 9213 section
/// 2.1).
fn parse(fields: &Fields, name: &str) -> Option<ResponseDirectives> {
    let mut lines = fields.get_all(name);
    let first = lines.next()?;
    let mut combined = first.to_vec();
    for line in lines {
        combined.extend_from_slice(b", ");
        combined.extend_from_slice(line);
    }
    let dictionary: Dictionary = Parser::new(&combined).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = ResponseDirectives::default();
    for (key, entry) in &dictionary {
        note(&mut directives, key.as_str(), entry);
    }
    Some(directives)
}

/// Takes one member into account. Parameters are ignored (RFC 9213 section 2.1).
fn note(directives: &mut ResponseDirectives, name: &str, entry: &ListEntry) {
    let ListEntry::Item(item) = entry else {
        directives.note(name.as_bytes(), true, None, None);
        return;
    };
    match &item.bare_item {
        // `no-store=?0` says that the directive does not apply.
        BareItem::Boolean(false) => {}
        BareItem::Boolean(true) => directives.note(name.as_bytes(), false, None, None),
        BareItem::Integer(number) => {
            let seconds =
                u64::try_from(i64::from(*number)).ok().map(|n| n.min(DELTA_SECONDS_MAX.into()) as u32);
            directives.note(name.as_bytes(), true, None, seconds);
        }
        BareItem::String(text) => {
            directives.note(name.as_bytes(), true, Some(text.as_str().as_bytes()), None);
        }
        BareItem::Token(text) => directives.note(name.as_bytes(), true, Some(text.as_str().as_bytes()), None),
        _ => directives.note(name.as_bytes(), true, None, None),
    }
}
