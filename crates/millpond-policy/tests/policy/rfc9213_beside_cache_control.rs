//! RFC 9213: a lifetime for caches like this one beside another for everyone; its arithmetic, and what validation makes
//! of it.

use crate::common::{Lines, Table, at, fields, get, outcome, response, store, times};
use millpond_policy::{Profile, RequestFacts, Stored, Validated, current_age, time_to_live, validated};

const TAG: (&str, &str) = ("ETag", "\"a\"");
const SHORT: (&str, &str) = ("Cache-Control", "max-age=5");
const LONG: (&str, &str) = ("CDN-Cache-Control", "max-age=600");

#[test]
fn arithmetic() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, i64, &str)] = &[
        ("9213 2.2", "past the short one", &[TAG, SHORT, LONG], 300, "fresh 300"),
        ("9213 2.2", "the last second", &[TAG, SHORT, LONG], 599, "fresh 1"),
        ("9213 2.2", "past the long one", &[TAG, SHORT, LONG], 600, "validate stale"),
        ("9111 4.2.3", "the Age received counts", &[TAG, SHORT, LONG, ("Age", "200")], 300, "fresh 100"),
        ("9111 4.2.3", "the Age received counts, past", &[TAG, SHORT, LONG, ("Age", "200")], 400, "validate stale"),
        ("9111 4.2.3", "a Date in the past counts", &[TAG, SHORT, LONG, ("Date", "@-200")], 300, "fresh 100"),
        ("9111 5.1", "more than the short one on arrival", &[TAG, SHORT, LONG, ("Age", "500")], 0, "fresh 100"),
        ("9213 2.2", "a short one over a long one", &[TAG, ("Cache-Control", "max-age=600"), ("CDN-Cache-Control", "max-age=5")], 5, "validate stale"),
        ("9213 2.2", "must-revalidate of the other is not meant", &[TAG, ("Cache-Control", "max-age=5, must-revalidate"), ("CDN-Cache-Control", "max-age=9, stale-while-revalidate=60")], 20, "refresh stale-while-revalidate -11"),
        ("9213 2.2", "s-maxage of the other is not meant", &[TAG, ("Cache-Control", "s-maxage=5"), LONG], 300, "fresh 300"),
        ("9213 2.2", "no heuristic beside it", &[TAG, ("Last-Modified", "@-9000"), ("CDN-Cache-Control", "no-transform")], 0, "fresh 900"),
        ("9213 2.2", "explicitly stale, no heuristic", &[TAG, ("Last-Modified", "@-9000"), ("CDN-Cache-Control", "max-age=0")], 0, "validate stale"),
        ("9111 3.5", "s-maxage in it is for all", &[TAG, SHORT, ("CDN-Cache-Control", "s-maxage=600")], 300, "fresh 300"),
    ];
    let mut table = Table::default();
    for (section, what, lines, later, expected) in rows {
        table.row(section, what, outcome(&[], 200, lines, *later, &[], &Profile::default()), expected);
    }
    table.finish();
}

/// RFC 9111 section 3.2: a 304 replaces the fields it has and leaves the others, targeted ones as well.
#[test]
fn validation() {
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, i64)] = &[
        ("says nothing: the stored ones stay", &[TAG], 600),
        ("the field for everyone alone: the targeted one stays", &[TAG, ("Cache-Control", "max-age=7")], 600),
        ("another targeted one", &[TAG, ("CDN-Cache-Control", "max-age=90")], 90),
        ("an invalid targeted one leaves Cache-Control", &[TAG, ("CDN-Cache-Control", "max-age=90, &")], 5),
        ("with an Age of its own", &[TAG, ("Age", "50")], 550),
    ];
    let profile = Profile::default();
    let request = get(&[]);
    let facts = RequestFacts::of(&request);
    let admitted = store(&request, &response(200, &[TAG, SHORT, LONG]), &profile).expect("storable");
    let mut sent = request.clone();
    sent.fields = fields(&[("If-None-Match", "\"a\"")]);
    let mut table = Table::default();
    for (what, lines, ttl) in rows {
        let stored = [Stored { record: &admitted.record, head: &admitted.head }];
        let found = validated(&stored, Some(0), &sent, &facts, &response(304, lines), times(700), &profile);
        let Validated::Freshen(updates) = found else { panic!("{what}: {found:?}") };
        let record = &updates[0].record;
        let found = time_to_live(record, at(700), &profile);
        table.row("9111 4.3.4", what, found.to_string(), ttl.to_string());
        let age = lines.iter().find(|(name, _)| *name == "Age").map_or("0", |(_, age)| age);
        table.row("9111 4.2.3", what, current_age(record, at(700)).to_string(), age);
    }
    table.finish();
}
