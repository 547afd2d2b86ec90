//! RFC 9111 section 5.2.1: request directives, and section 5.4: Pragma.

use crate::common::{Lines, Table, date, get, outcome, response, store};
use millpond_policy::{MethodClass, Profile, RequestFacts, RequestFlags};

#[test]
fn on_reuse() {
    const FRESH: Lines<'_> = &[("Cache-Control", "max-age=60"), ("ETag", "\"t\"")];
    const AGED: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Age", "20"), ("ETag", "\"t\"")];
    const MUST: Lines<'_> = &[("Cache-Control", "max-age=60, must-revalidate"), ("ETag", "\"t\"")];
    const SWR: Lines<'_> = &[("Cache-Control", "max-age=60, stale-while-revalidate=60"), ("ETag", "\"t\"")];
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, i64, &str, &str)] = &[
        ("5.2.1.1", "max-age=0", FRESH, 0, "max-age=0", "validate request-max-age"),
        ("5.2.1.1", "max-age over age", FRESH, 5, "max-age=10", "fresh 55"),
        ("5.2.1.1", "max-age equal to age", FRESH, 10, "max-age=10", "fresh 50"),
        ("5.2.1.1", "max-age under age", FRESH, 11, "max-age=10", "validate request-max-age"),
        ("5.2.1.1", "max-age under the Age received", AGED, 0, "max-age=10", "validate request-max-age"),
        ("5.2.1.1", "max-age malformed counts as 0", FRESH, 5, "max-age=x", "validate request-max-age"),
        ("5.2.1.1", "max-age twice: the smaller", FRESH, 15, "max-age=20, max-age=10", "validate request-max-age"),
        ("5.2.1.1", "max-age is no wish for what is stale", SWR, 70, "max-age=100", "validate stale"),
        ("5.2.1.1", "unless max-stale says so", SWR, 70, "max-age=100, max-stale=20", "refresh stale-while-revalidate -10"),
        ("5.2.1.1", "what says nothing of age may be stale", SWR, 70, "no-transform", "refresh stale-while-revalidate -10"),
        ("5.2.1.2", "max-stale without limit", FRESH, 900, "max-stale", "stale stale-max-stale -840"),
        ("5.2.1.2", "max-stale within its limit", FRESH, 70, "max-stale=10", "stale stale-max-stale -10"),
        ("5.2.1.2", "max-stale past its limit", FRESH, 71, "max-stale=10", "validate stale"),
        ("5.2.1.2", "max-stale malformed is none", FRESH, 70, "max-stale=x", "validate stale"),
        ("5.2.1.2", "max-stale against must-revalidate", MUST, 70, "max-stale=10", "validate stale"),
        ("5.2.1.2", "max-stale counts from the Age received", AGED, 45, "max-stale=10", "stale stale-max-stale -5"),
        ("5.2.1.3", "min-fresh met", FRESH, 10, "min-fresh=50", "fresh 50"),
        ("5.2.1.3", "min-fresh not met", FRESH, 11, "min-fresh=50", "validate request-min-fresh"),
        ("5.2.1.3", "min-fresh malformed is never met", FRESH, 0, "min-fresh=x", "validate request-min-fresh"),
        ("5.2.1.4", "no-cache", FRESH, 0, "no-cache", "validate request-no-cache"),
        ("5.2.1.4", "no-cache in odd case", FRESH, 0, "foo, No-Cache", "validate request-no-cache"),
        ("5.2.1.5", "no-store does not forbid reuse", FRESH, 0, "no-store", "fresh 60"),
        ("5.2.1.7", "only-if-cached", FRESH, 0, "only-if-cached", "fresh 60"),
        ("5.2.3", "unknown directives", FRESH, 0, "foo=bar, baz", "fresh 60"),
        ("5.2", "an unclosed quote is taken as no-cache", FRESH, 0, "foo=\"bar", "validate request-no-cache"),
    ];
    let mut table = Table::default();
    for (section, what, lines, later, directives, expected) in rows {
        let second = [("Cache-Control", *directives)];
        let found = outcome(&[], 200, lines, *later, &second, &Profile::default());
        table.row(section, what, found, expected);
    }
    table.finish();
}

#[test]
fn pragma() {
    const FRESH: Lines<'_> = &[("Cache-Control", "max-age=60")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str)] = &[
        ("no-cache", &[("Pragma", "no-cache")], "validate request-no-cache"),
        ("no-cache among others", &[("Pragma", "x, No-Cache")], "validate request-no-cache"),
        ("anything else", &[("Pragma", "foo")], "fresh 60"),
        ("beside Cache-Control", &[("Pragma", "no-cache"), ("Cache-Control", "max-age=30")], "fresh 60"),
    ];
    let mut table = Table::default();
    for (what, second, expected) in rows {
        table.row("5.4", what, outcome(&[], 200, FRESH, 0, second, &Profile::default()), expected);
    }
    table.finish();
}

#[test]
fn facts_of_a_request() {
    let request = get(&[
        ("cache-control", "only-if-cached, no-transform"),
        ("CACHE-CONTROL", "stale-if-error=30, max-stale=9"),
        ("Authorization", "Basic eDp5"),
        ("X-API-Key", "k"),
        ("Cookie", "a=b"),
        ("Range", "bytes=0-1"),
        ("If-Range", "\"a\""),
        ("If-Match", "\"a\""),
        ("If-None-Match", "\"a\""),
        ("If-Modified-Since", "@0"),
        ("If-Unmodified-Since", "@0"),
    ]);
    let facts = RequestFacts::of(&request);
    let none = RequestFlags::NO_CACHE | RequestFlags::NO_STORE | RequestFlags::PRAGMA;
    assert_eq!(facts.flags, RequestFlags::all() - none);
    assert_eq!((facts.stale_if_error, facts.max_stale, facts.max_age), (Some(30), Some(9), None));
    assert!(facts.only_if_cached() && facts.names_user());
    assert_eq!(RequestFacts::of(&get(&[])), RequestFacts::default());
    assert_eq!(facts.method, MethodClass::Get);
}

/// The age of a reply is counted from its Date: without it the present would be put in its place.
#[test]
fn date_is_kept_whatever_is_not_to_be_reused() {
    for directives in ["max-age=60, no-cache=\"Date, X-A\"", "max-age=60, private=\"date, x-a\""] {
        let lines = [("Date", "@-9"), ("X-A", "1"), ("Cache-Control", directives)];
        let head = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").head;
        assert_eq!(head.fields.get_str("date"), Some(&*date(-9)), "{directives}");
        assert!(!head.fields.contains("x-a"), "{directives}");
    }
}
