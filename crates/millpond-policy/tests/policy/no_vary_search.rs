//! No-Vary-Search (draft-ietf-httpbis-no-vary-search), section by section.

use crate::common::{Lines, Table, fields};
use millpond_policy::{NO_VARY_SEARCH_MAX, SearchVariance, no_vary_search};
use proptest::prelude::*;

#[test]
fn what_is_the_default_variance() {
    #[rustfmt::skip]
    let rows: &[(&str, bool)] = &[
        // 5.2.1: valid.
        ("params", false), ("params=(\"a\")", false), ("params, except=(\"x\")", false), ("key-order", false),
        ("params=?1", false), ("key-order=?1", false), ("params, key-order, except=(\"x\")", false),
        ("params, except=()", false), ("key-order;a=1, unknown=1", false),
        // Valid, and the same as none.
        ("params=?0", true), ("params=()", true), ("key-order=?0", true),
        // Invalid.
        ("unknown-key", true), ("key-order=\"not a boolean\"", true), ("key-order=()", true),
        ("params=\"not a boolean or inner list\"", true), ("params=(not-a-string)", true),
        ("params=(\"a\"), except=(\"x\")", true), ("params=(), except=()", true),
        ("params=?0, except=(\"x\")", true), ("params, except=(not-a-string)", true),
        ("params, except=\"not an inner list\"", true), ("params, except=?1", true),
        ("except=(\"x\")", true), ("except=()", true), ("params=(\"a\"", true), ("", true),
    ];
    let mut table = Table::default();
    for (value, default) in rows {
        let found = SearchVariance::parse(value.as_bytes()).is_none();
        table.row("5.2", value, found.to_string(), default.to_string());
    }
    table.finish();
}

fn rule(value: &str) -> SearchVariance {
    SearchVariance::parse(value.as_bytes()).expect("a rule")
}

#[test]
fn equivalence() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &str, bool)] = &[
        ("6", "key-order", "/?a=1&b=2", "/?b=2&a=1", true),
        ("6", "key-order", "/?a=1&b=2", "/?b=2", false),
        ("6", "key-order", "/?a=1&a=2", "/?a=2&a=1", false),
        ("6", "key-order", "/?a=1&b=2&a=3", "/?b=2&a=1&a=3", true),
        ("6", "key-order", "/a?b", "/c?b", false),
        ("6", "params", "/?a=1&b=2", "/", true),
        ("6", "params", "/?a", "/?", true),
        ("6", "params=(\"a\")", "/?a=1&b=2", "/?b=2&a=3", true),
        ("6", "params=(\"a\")", "/?a=1&b=2", "/?b=3", false),
        ("6", "params=(\"a\")", "/?b=2&c=3", "/?c=3&b=2", false),
        ("6", "params=(\"a\"), key-order", "/?b=2&c=3&a=1", "/?c=3&b=2", true),
        ("6", "params, except=(\"id\")", "/?id=1&a=2", "/?b=2&id=1", true),
        ("6", "params, except=(\"id\")", "/?id=1", "/?id=2", false),
        ("6", "params, except=(\"a\" \"b\")", "/?a=1&b=2", "/?b=2&a=1", false),
        ("6", "params, except=(\"a\" \"b\"), key-order", "/?a=1&b=2&c", "/?b=2&a=1", true),
        // 6.1: what the form parser makes the same.
        ("6.1", "key-order", "/", "/?", true),
        ("6.1", "key-order", "/?a=x", "/?%61=%78", true),
        ("6.1", "key-order", "/?a=%C3%A9", "/?a=%c3%a9", true),
        ("6.1", "key-order", "/?a=%f6", "/?a=%ef%bf%bd", true),
        ("6.1", "key-order", "/?a=x&&&&", "/?a=x", true),
        ("6.1", "key-order", "/?a=", "/?a", true),
        ("6.1", "key-order", "/?a=%20", "/?a=+", true),
        ("6.1", "key-order", "/?a=%2B", "/?a=+", false),
        ("6.1", "key-order", "/?a=b=c", "/?a=b%3Dc", true),
        ("6.1", "key-order", "/?a=b%26c", "/?a=b&c", false),
        ("6.1", "key-order", "/?a=%", "/?a=%25", true),
        // 5.3: names are decoded.
        ("5.3", "params=(\"%C3%A9+%E6%B0%97\")", "/?%C3%A9%20%E6%B0%97=1", "/?%C3%A9+%E6%B0%97=4", true),
        ("5.3", "params=(\"a%20b\")", "/?a+b=1", "/", true),
    ];
    let mut table = Table::default();
    for (section, value, one, other, expected) in rows {
        let found = rule(value).equivalent(one, other);
        table.row(section, &format!("{value}: {one} {other}"), found.to_string(), expected.to_string());
    }
    table.finish();
}

#[test]
fn lines_are_combined_and_long_ones_disregarded() {
    let lines: Lines<'_> = &[("No-Vary-Search", "key-order"), ("no-vary-search", "params=(\"a\")")];
    assert!(SearchVariance::of(&fields(lines)).expect("a rule").equivalent("/?b=1&c=2&a", "/?c=2&b=1"));
    assert_eq!(no_vary_search(&fields(&[])), None);
    let list = "\"abcdefg\" ".repeat(NO_VARY_SEARCH_MAX / 11);
    assert!(SearchVariance::of(&fields(&[("No-Vary-Search", &format!("params=({list})"))])).is_some());
    assert!(SearchVariance::of(&fields(&[("No-Vary-Search", &format!("params=({list}{list})"))])).is_none());
}

proptest! {
    /// The form that stands for a URL stands for itself, is in the normal form of keys, and is equivalent to the URL.
    #[test]
    fn the_simplified_form_is_one(
        query in "[a-c%=&+~\u{e9}2067-]{0,24}",
        value in prop_oneof![
            Just("key-order"), Just("params"), Just("params=(\"a\")"), Just("params, except=(\"a\" \"b\"), key-order")
        ],
    ) {
        let path = format!("/p?{query}");
        let path = millpond_exchange::url::normalise_path_and_query(&path).into_owned();
        let rule = rule(value);
        let simple = rule.simplify(&path).into_owned();
        prop_assert_eq!(rule.simplify(&simple), simple.as_str());
        prop_assert_eq!(millpond_exchange::url::normalise_path_and_query(&simple), simple.as_str());
        prop_assert!(rule.equivalent(&path, &simple));
    }

    #[test]
    fn no_field_makes_it_panic(value in prop::collection::vec(any::<u8>(), 0..64), query in "[%=&+?#a-f\u{e9}]{0,16}") {
        if let Some(rule) = SearchVariance::parse(&value) {
            rule.simplify(&query);
        }
        for value in ["params", "key-order", "params=(\"%\")"] {
            rule(value).simplify(&query);
        }
    }
}
