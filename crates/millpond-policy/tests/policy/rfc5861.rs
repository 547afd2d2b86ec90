//! RFC 5861: stale-while-revalidate and stale-if-error; and stale responses in general (RFC 9111 section
//! 4.2.4).

use crate::common::{Lines, Table, at, get, outcome, private, response, store};
use millpond_policy::{Profile, RequestFacts, StaleCause, stale_on_error};
use std::time::Duration;

#[test]
fn stale_while_revalidate() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, i64, &str)] = &[
        ("5861 3", "fresh", "max-age=60, stale-while-revalidate=30", 59, "fresh 1"),
        ("5861 3", "within the window", "max-age=60, stale-while-revalidate=30", 60, "refresh stale-while-revalidate 0"),
        ("5861 3", "at its end", "max-age=60, stale-while-revalidate=30", 90, "refresh stale-while-revalidate -30"),
        ("5861 3", "past it", "max-age=60, stale-while-revalidate=30", 91, "validate stale"),
        ("5861 3", "a window of zero is none", "max-age=60, stale-while-revalidate=0", 60, "validate stale"),
        ("5861 3", "malformed is none", "max-age=60, stale-while-revalidate=x", 60, "validate stale"),
        ("5861 3", "twice with different values is none", "max-age=60, stale-while-revalidate=9, stale-while-revalidate=8", 60, "validate stale"),
        ("9111 4.2.4", "must-revalidate forbids", "max-age=60, stale-while-revalidate=30, must-revalidate", 60, "validate stale"),
        ("9111 4.2.4", "proxy-revalidate forbids", "max-age=60, stale-while-revalidate=30, proxy-revalidate", 60, "validate stale"),
        ("9111 5.2.2.10", "s-maxage forbids", "s-maxage=60, stale-while-revalidate=30", 60, "validate stale"),
        ("9111 4.2.4", "no-cache forbids", "max-age=60, stale-while-revalidate=30, no-cache", 60, "validate response-no-cache"),
    ];
    let mut table = Table::default();
    for (section, what, directives, later, expected) in rows {
        let lines = [("Cache-Control", *directives), ("ETag", "\"t\"")];
        table.row(section, what, outcome(&[], 200, &lines, *later, &[], &Profile::default()), expected);
    }
    let lines = [("Cache-Control", "max-age=60, s-maxage=1, proxy-revalidate, stale-while-revalidate=30")];
    let found = outcome(&[], 200, &lines, 70, &[], &private());
    table.row("9111 5.2.2.8", "what binds shared caches only", found, "refresh stale-while-revalidate -10");
    let request = [("Cache-Control", "no-cache")];
    let lines = [("Cache-Control", "max-age=60, stale-while-revalidate=30")];
    let found = outcome(&[], 200, &lines, 70, &request, &Profile::default());
    table.row("9111 5.2.1.4", "the request's no-cache", found, "validate request-no-cache");
    table.finish();
}

#[test]
fn on_error() {
    const GONE: StaleCause = StaleCause::Unreachable;
    const BROKEN: StaleCause = StaleCause::Status(503);
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, StaleCause, Lines<'_>, i64, &str)] = &[
        ("5861 4", "error within the window", "max-age=60, stale-if-error=30", BROKEN, &[], 90, "stale-if-error"),
        ("5861 4", "error past the window", "max-age=60, stale-if-error=30", BROKEN, &[], 91, "none"),
        ("5861 4", "unreachable within the window", "max-age=60, stale-if-error=30", GONE, &[], 90, "stale-if-error"),
        ("5861 4", "unreachable past the window", "max-age=60, stale-if-error=30", GONE, &[], 91, "none"),
        ("5861 4", "500 counts", "max-age=60, stale-if-error=30", StaleCause::Status(500), &[], 70, "stale-if-error"),
        ("5861 4", "501 does not", "max-age=60, stale-if-error=30", StaleCause::Status(501), &[], 70, "none"),
        ("5861 4", "404 does not", "max-age=60, stale-if-error=30", StaleCause::Status(404), &[], 70, "none"),
        ("5861 4", "the request's own window", "max-age=60", BROKEN, &[("Cache-Control", "stale-if-error=30")], 70, "stale-if-error"),
        ("9111 4.3.3", "error without a window", "max-age=60", BROKEN, &[], 70, "none"),
        ("9111 4.2.4", "unreachable without a window", "max-age=60", GONE, &[], 9000, "stale-unreachable"),
        ("9111 4.2.4", "must-revalidate forbids", "max-age=60, must-revalidate, stale-if-error=30", GONE, &[], 70, "none"),
        ("9111 4.2.4", "proxy-revalidate forbids", "max-age=60, proxy-revalidate", GONE, &[], 70, "none"),
        ("9111 4.2.4", "no-cache forbids", "max-age=60, no-cache", GONE, &[], 70, "none"),
        ("9111 5.2.2.10", "s-maxage forbids", "s-maxage=60", GONE, &[], 70, "none"),
        ("9111 5.2.1.4", "the request's no-cache", "max-age=60", GONE, &[("Cache-Control", "no-cache")], 70, "none"),
        ("9111 5.2.1.1", "a mere reload", "max-age=60", GONE, &[("Cache-Control", "max-age=0")], 70, "stale-unreachable"),
    ];
    let mut table = Table::default();
    for (section, what, directives, cause, second, later, expected) in rows {
        let lines = [("Cache-Control", *directives), ("ETag", "\"t\"")];
        let record = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record;
        let facts = RequestFacts::of(&get(second));
        let found = stale_on_error(&record, &facts, at(*later), &Profile::default(), *cause);
        table.row(section, what, found.map_or("none", millpond_policy::Reason::as_str), expected);
    }
    table.finish();
}

#[test]
fn windows_from_options() {
    let profile = Profile {
        stale_while_revalidate: Some(Duration::from_secs(30)),
        stale_if_error: Some(Duration::from_secs(40)),
        ..Profile::default()
    };
    let plain = [("Cache-Control", "max-age=60")];
    assert_eq!(outcome(&[], 200, &plain, 90, &[], &profile), "refresh stale-while-revalidate -30");
    let named = [("Cache-Control", "max-age=60, stale-while-revalidate=5")];
    assert_eq!(
        outcome(&[], 200, &named, 70, &[], &profile),
        "validate stale",
        "the response's own window wins"
    );
    let record = store(&get(&[]), &response(200, &plain), &profile).expect("storable").record;
    let facts = RequestFacts::default();
    let found = |later, cause| stale_on_error(&record, &facts, at(later), &profile, cause).is_some();
    assert!(found(100, StaleCause::Status(500)) && !found(101, StaleCause::Status(500)));
    assert!(found(100, StaleCause::Unreachable) && !found(101, StaleCause::Unreachable));
    let bounded = Profile { stale_if_unreachable: Duration::from_secs(10), ..Profile::default() };
    let found =
        |later| stale_on_error(&record, &facts, at(later), &bounded, StaleCause::Unreachable).is_some();
    assert!(found(70) && !found(71));
    let off = Profile { stale_if_unreachable: Duration::ZERO, ..Profile::default() };
    assert_eq!(stale_on_error(&record, &facts, at(60), &off, StaleCause::Unreachable), None);
}
