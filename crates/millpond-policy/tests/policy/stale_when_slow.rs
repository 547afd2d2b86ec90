//! The setting `stale_when_slow`: when a stale response may answer while the origin is at work (RFC 9111 section 4.2.4).

use crate::common::{Lines, Table, at, get, private, response, store};
use millpond_exchange::Record;
use millpond_policy::{Profile, Reason, RequestFacts, StaleCause, stale_on_error};
use std::time::Duration;

fn stored(lines: Lines<'_>, profile: &Profile) -> Record {
    let mut all = vec![("ETag", "\"t\"")];
    all.extend_from_slice(lines);
    store(&get(&[]), &response(200, &all), profile).expect("storable").record
}

fn judged(record: &Record, second: Lines<'_>, later: i64, profile: &Profile) -> &'static str {
    let facts = RequestFacts::of(&get(second));
    stale_on_error(record, &facts, at(later), profile, StaleCause::Slow).map_or("none", Reason::as_str)
}

#[test]
fn what_may_answer() {
    const SLOW: &str = "stale-when-slow";
    const PLAIN: &str = "max-age=60";
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, Lines<'_>, i64, &str)] = &[
        ("9111 4.2.4", "nothing forbids it", PLAIN, &[], 61, SLOW),
        ("option", "at the end of its window", PLAIN, &[], 60 + 600, SLOW),
        ("option", "past its window", PLAIN, &[], 61 + 600, "none"),
        ("5861 4", "stale-if-error is about errors", "max-age=60, stale-if-error=5", &[], 90, SLOW),
        ("5861 3", "stale-while-revalidate needs no waiting", "max-age=60, stale-while-revalidate=5", &[], 90, SLOW),
        ("9111 5.2.2.2", "must-revalidate", "max-age=60, must-revalidate", &[], 61, "none"),
        ("9111 5.2.2.8", "proxy-revalidate", "max-age=60, proxy-revalidate", &[], 61, "none"),
        ("9111 5.2.2.10", "s-maxage", "s-maxage=60", &[], 61, "none"),
        ("9111 5.2.2.4", "no-cache", "max-age=60, no-cache", &[], 61, "none"),
        ("9111 5.2.1.4", "the request's no-cache", PLAIN, &[("Cache-Control", "no-cache")], 61, "none"),
        ("9111 5.2.1.4", "the request's no-cache, whatever it says of errors", PLAIN, &[("Cache-Control", "no-cache, stale-if-error=90")], 61, "none"),
        ("9111 5.4", "Pragma", PLAIN, &[("Pragma", "no-cache")], 61, "none"),
        ("9111 5.2.1.1", "a reload", PLAIN, &[("Cache-Control", "max-age=0")], 61, "none"),
        ("9111 5.2.1.1", "the request's max-age", PLAIN, &[("Cache-Control", "max-age=60")], 61, "none"),
        ("9111 5.2.1.1", "the request's max-age, longer", PLAIN, &[("Cache-Control", "max-age=70")], 61, "none"),
        ("9111 5.2.1.1", "the same with max-stale", PLAIN, &[("Cache-Control", "max-age=70, max-stale")], 61, SLOW),
        ("9111 5.2.1.3", "min-fresh", PLAIN, &[("Cache-Control", "min-fresh=1")], 61, "none"),
        ("9111 5.2.1.2", "max-stale says how far", PLAIN, &[("Cache-Control", "max-stale=5")], 66, "none"),
        ("9111 5.2.1.2", "max-stale without limit", PLAIN, &[("Cache-Control", "max-stale")], 90, SLOW),
        ("9111 5.2.1.5", "no-store is about storing", PLAIN, &[("Cache-Control", "no-store")], 61, SLOW),
        ("9111 4.2", "the clock went back", PLAIN, &[], -100, "none"),
    ];
    let profile = Profile { stale_when_slow_max: Duration::from_secs(600), ..Profile::default() };
    let mut table = Table::default();
    for (section, what, directives, second, later, expected) in rows {
        let record = stored(&[("Cache-Control", *directives)], &profile);
        table.row(section, what, judged(&record, second, *later, &profile), expected);
    }
    let reload: Lines<'_> = &[("Cache-Control", "max-age=0")];
    let lenient = Profile { ignore_client_reload: true, ..profile.clone() };
    let record = stored(&[("Cache-Control", PLAIN)], &profile);
    table.row("option", "ignore_client_reload", judged(&record, reload, 61, &lenient), SLOW);
    let record = stored(&[("Cache-Control", "max-age=60, proxy-revalidate")], &private());
    table.row(
        "9111 5.2.2.8",
        "proxy-revalidate in a private cache",
        judged(&record, &[], 61, &private()),
        SLOW,
    );
    let record = stored(&[("Cache-Control", PLAIN), ("Age", "old")], &profile);
    table.row("9111 4.2.1", "an age that is not known", judged(&record, &[], 1, &profile), "none");
    let mut record = stored(&[("Cache-Control", PLAIN)], &profile);
    record.stale_from = Some(at(10));
    table.row("option", "a soft purge", judged(&record, &[], 20, &profile), SLOW);
    table.finish();
}

/// A lifetime from an option is not for those who name themselves, slow origin or not.
#[test]
fn not_for_users() {
    let profile = Profile { default_ttl: Some(Duration::from_secs(60)), ..Profile::default() };
    let record = stored(&[], &profile);
    assert_eq!(judged(&record, &[], 61, &profile), "stale-when-slow");
    assert_eq!(judged(&record, &[("Cookie", "a=b")], 61, &profile), "none");
}
