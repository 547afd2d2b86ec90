//! The list of field lines: the same in the form it is made in and in the one it is kept in.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use millpond_exchange::Fields;
use proptest::prelude::*;

type Lines = Vec<(String, String)>;

fn lines() -> impl Strategy<Value = Lines> {
    // Those that are longer than one byte can tell are found again in another way.
    let name = prop_oneof![9 => "[a-c]{1,3}", 1 => "[a-c]{250,260}"];
    let value = prop_oneof![9 => "[ -~]{0,20}", 1 => "[ -~]{240,260}"];
    proptest::collection::vec((name, value), 0..40)
}

fn of(lines: &Lines) -> Fields {
    lines.iter().map(|(name, value)| (name, value)).collect()
}

fn wire(lines: &Lines) -> String {
    let lines = lines.iter().map(|(name, value)| [name, ": ", value.trim_ascii(), "\r\n"].concat());
    lines.collect()
}

fn shrunk(mut fields: Fields) -> Fields {
    fields.shrink();
    fields
}

/// Everything that can be asked of a list.
fn check(fields: &Fields, wanted: &Lines) {
    assert_eq!(fields.wire(), wire(wanted).as_bytes());
    assert_eq!((fields.len(), fields.is_empty()), (wanted.len(), wanted.is_empty()));
    let pairs: Vec<_> = fields.iter().map(|field| (field.name_str(), field.value_str().unwrap())).collect();
    let trimmed: Vec<_> = wanted.iter().map(|(name, value)| (name.as_str(), value.trim_ascii())).collect();
    assert_eq!(pairs, trimmed);
    let backwards: Vec<_> = fields.iter().rev().map(|field| field.name_str()).collect();
    assert_eq!(backwards, trimmed.iter().rev().map(|(name, _)| *name).collect::<Vec<_>>());
    for name in ["a", "bb", "abc"] {
        let first = trimmed.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        assert_eq!(fields.get_str(name), first);
    }
}

proptest! {
    #[test]
    fn a_kept_list_is_the_list_that_was_made(all in lines()) {
        let open = of(&all);
        check(&open, &all);
        check(&shrunk(open.clone()), &all);
        prop_assert!(shrunk(open.clone()) == open);
        prop_assert_eq!(shrunk(shrunk(open.clone())).memory(), shrunk(open).memory());
    }

    #[test]
    fn a_kept_list_can_be_changed(all in lines(), more in lines(), gone in "[a-c]") {
        let mut wanted = all.clone();
        let mut fields = shrunk(of(&all));
        fields.extend_from(&of(&more));
        wanted.extend(more);
        check(&fields, &wanted);
        let mut fields = shrunk(fields);
        prop_assert_eq!(fields.remove(&gone), wanted.iter().any(|(name, _)| *name == gone));
        wanted.retain(|(name, _)| *name != gone);
        check(&fields, &wanted);
        fields.shrink();
        fields.set("a", "last").unwrap();
        wanted.retain(|(name, _)| name != "a");
        wanted.push(("a".to_owned(), "last".to_owned()));
        check(&fields, &wanted);
        fields.shrink();
        fields.clear();
        check(&fields, &Lines::new());
        prop_assert!(fields.append("a b", "").is_err() && fields.append("a", "b\nc").is_err());
        check(&fields, &Lines::new());
    }
}

/// So many that the number of them has no room in the form for keeping.
#[test]
fn very_many_lines_stay_as_they_are() {
    for count in [65_535, 65_536] {
        let fields: Fields = (0..count).map(|_| ("a", "b")).collect();
        let kept = shrunk(fields.clone());
        assert!((kept.len(), kept == fields) == (count, true));
        assert_eq!(kept.iter().rev().filter(|field| field.value == b"b").count(), count);
    }
}

#[test]
fn an_empty_list_takes_no_memory() {
    assert_eq!(size_of::<Fields>(), 2 * size_of::<usize>());
    assert_eq!(Fields::new().memory(), 0);
    let mut fields = Fields::with_capacity(100);
    assert!(fields.memory() > 100);
    fields.shrink();
    assert_eq!(fields.memory(), 0);
    fields.append("a", "b").unwrap();
    fields.shrink();
    assert_eq!(fields.memory(), "a: b\r\n".len() + 2 + 2);
}
