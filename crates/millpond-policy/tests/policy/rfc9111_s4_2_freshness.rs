//! RFC 9111 section 4.2: freshness, how its parts are parsed, and age.

use crate::common::{Lines, Table, at, get, outcome, private, response, store};
use millpond_policy::dates::{DELTA_SECONDS_MAX, format_date, parse_date, parse_delta_seconds};
use millpond_policy::{Profile, RequestFacts, Times, admit, current_age};

/// (section, what, response fields, seconds later, outcome)
type Row<'a> = (&'a str, &'a str, Lines<'a>, i64, &'a str);

/// Every response here also has an ETag, so that a stale one is validated rather than refused.
fn check(rows: &[Row<'_>], profile: &Profile) {
    let mut table = Table::default();
    for (section, what, lines, later, expected) in rows {
        let mut with_tag = vec![("ETag", "\"t\"")];
        with_tag.extend_from_slice(lines);
        table.row(section, what, outcome(&[], 200, &with_tag, *later, &[], profile), expected);
    }
    table.finish();
}

#[test]
fn lifetime_of_a_shared_cache() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("4.2.1", "max-age", &[("Cache-Control", "max-age=60")], 59, "fresh 1"),
        ("4.2", "lifetime equal to age is stale", &[("Cache-Control", "max-age=60")], 60, "validate stale"),
        ("4.2.1", "s-maxage over max-age", &[("Cache-Control", "max-age=1, s-maxage=60")], 9, "fresh 51"),
        ("4.2.1", "short s-maxage over max-age", &[("Cache-Control", "s-maxage=1"), ("Cache-Control", "max-age=60")], 9, "validate stale"),
        ("4.2.1", "max-age over Expires", &[("Cache-Control", "max-age=60"), ("Expires", "@-10")], 9, "fresh 51"),
        ("4.2.1", "max-age=0 over Expires", &[("Cache-Control", "max-age=0"), ("Expires", "@60")], 0, "validate stale"),
        ("4.2.1", "Expires", &[("Expires", "@60"), ("Date", "@0")], 9, "fresh 51"),
        ("4.2.1", "Expires without Date counts from receipt", &[("Expires", "@60")], 9, "fresh 51"),
        ("4.2.1", "Expires with an invalid Date", &[("Expires", "@60"), ("Date", "foo")], 9, "fresh 51"),
        ("5.3", "Expires now", &[("Expires", "@0"), ("Date", "@0")], 0, "validate stale"),
        ("5.3", "Expires before Date, both ahead", &[("Expires", "@300"), ("Date", "@400")], 0, "validate stale"),
        ("5.3", "Expires: 0", &[("Expires", "0"), ("Date", "@0")], 0, "validate stale"),
        ("5.3", "Expires: 0 and Last-Modified: no heuristic", &[("Expires", "0"), ("Last-Modified", "@-9000")], 0, "validate stale"),
        ("4.2.1", "two different Expires", &[("Expires", "@60"), ("Expires", "@61")], 0, "validate stale"),
        ("4.2.1", "Expires twice alike", &[("Expires", "@60"), ("Expires", "@60")], 0, "fresh 60"),
        ("4.2.2", "heuristic: a tenth since Last-Modified", &[("Last-Modified", "@-1000")], 9, "fresh 91"),
        ("4.2.2", "heuristic, at most a week", &[("Last-Modified", "@-900000000")], 0, "fresh 604800"),
        ("4.2.2", "heuristic, Last-Modified ahead", &[("Last-Modified", "@900")], 0, "validate stale"),
        ("4.2.2", "heuristic, no date", &[("Last-Modified", "long ago")], 0, "validate stale"),
        ("4.2.2", "no heuristic beside max-age", &[("Cache-Control", "max-age=0"), ("Last-Modified", "@-1000")], 0, "validate stale"),
        ("4.2.1", "nothing at all", &[], 0, "validate stale"),
    ];
    check(rows, &Profile::default());
}

#[test]
fn lifetime_of_a_private_cache() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("5.2.2.10", "s-maxage is not for it", &[("Cache-Control", "s-maxage=60, max-age=1")], 9, "validate stale"),
        ("5.2.2.10", "s-maxage is not for it, long max-age", &[("Cache-Control", "s-maxage=1, max-age=60")], 9, "fresh 51"),
    ];
    check(rows, &private());
}

#[test]
fn parsing_of_max_age() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("5.2", "case", &[("Cache-Control", "MaX-aGe=60")], 0, "fresh 60"),
        ("5.2", "quoted", &[("Cache-Control", "max-age=\"60\"")], 0, "fresh 60"),
        ("5.2", "quoted with a quoted-pair", &[("Cache-Control", "max-age=\"6\\0\"")], 0, "fresh 60"),
        ("5.2", "single quotes are no quotes", &[("Cache-Control", "max-age='60'")], 0, "validate stale"),
        ("5.2", "in a quoted string, before", &[("Cache-Control", "x=\"max-age=60\", max-age=1")], 0, "fresh 1"),
        ("5.2", "in a quoted string, after", &[("Cache-Control", "max-age=1, x=\"max-age=60\"")], 0, "fresh 1"),
        ("5.2", "in a quoted string with commas", &[("Cache-Control", "x=\"a,max-age=60,\\\"\", max-age=1")], 0, "fresh 1"),
        ("5.6.1", "empty members", &[("Cache-Control", ",, max-age=60 ,,")], 0, "fresh 60"),
        ("1.2.2", "leading zeros", &[("Cache-Control", "max-age=0060")], 0, "fresh 60"),
        ("1.2.2", "as large as it gets", &[("Cache-Control", "max-age=2147483648")], 0, "fresh 2147483648"),
        ("1.2.2", "larger", &[("Cache-Control", "max-age=99999999999999999999")], 0, "fresh 2147483648"),
        ("4.2.1", "negative", &[("Cache-Control", "max-age=-60")], 0, "validate stale"),
        ("4.2.1", "signed", &[("Cache-Control", "max-age=+60")], 0, "validate stale"),
        ("4.2.1", "decimal", &[("Cache-Control", "max-age=60.0")], 0, "validate stale"),
        ("4.2.1", "letters before", &[("Cache-Control", "max-age=a60")], 0, "validate stale"),
        ("4.2.1", "letters behind", &[("Cache-Control", "max-age=60a")], 0, "validate stale"),
        ("4.2.1", "space before =", &[("Cache-Control", "max-age =60")], 0, "validate stale"),
        ("4.2.1", "space behind =", &[("Cache-Control", "max-age= 60")], 0, "validate stale"),
        ("4.2.1", "no argument", &[("Cache-Control", "max-age")], 0, "validate stale"),
        ("4.2.1", "empty argument", &[("Cache-Control", "max-age=")], 0, "validate stale"),
        ("4.2.1", "twice alike", &[("Cache-Control", "max-age=60, max-age=60")], 0, "fresh 60"),
        ("4.2.1", "twice, one line", &[("Cache-Control", "max-age=60, max-age=30")], 0, "validate stale"),
        ("4.2.1", "twice, two lines", &[("Cache-Control", "max-age=30"), ("Cache-Control", "max-age=60")], 0, "validate stale"),
        ("4.2.1", "invalid max-age does not spoil s-maxage", &[("Cache-Control", "max-age=x, s-maxage=60")], 0, "fresh 60"),
        ("4.2.1", "invalid s-maxage", &[("Cache-Control", "max-age=60, s-maxage=x")], 0, "validate stale"),
        ("5.2", "unclosed quote", &[("Cache-Control", "x=\"a, max-age=60")], 0, "validate invalid-freshness"),
        ("5.2", "semicolons are no commas", &[("Cache-Control", "public; max-age=60")], 0, "validate stale"),
    ];
    check(rows, &Profile::default());
}

#[test]
fn parsing_of_expires() {
    let fresh: &[&str] = &[
        "Thu, 18 Aug 2050 02:01:18 GMT",
        "THU, 18 Aug 2050 02:01:18 GMT",
        "thu, 18 AUG 2050 02:01:18 gmt",
        "Thursday, 18-Aug-50 02:01:18 GMT",
        "Thu Aug 18 02:01:18 2050",
    ];
    let stale: &[&str] = &[
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Fri, 18 Aug 2050 02:01:18 GMT",
        "Thu, 32 Aug 2050 02:01:18 GMT",
        "",
        "-1",
    ];
    let mut table = Table::default();
    for (values, expected) in [(fresh, "fresh"), (stale, "validate")] {
        for value in values {
            let lines = [("Expires", *value), ("Date", "@0"), ("ETag", "\"t\"")];
            let found = outcome(&[], 200, &lines, 0, &[], &Profile::default());
            table.row("5.3", value, found.split(' ').next().unwrap_or_default(), expected);
        }
    }
    table.finish();
}

#[test]
fn age_field() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("4.2.3", "older than max-age", &[("Date", "@0"), ("Cache-Control", "max-age=60"), ("Age", "90")], 0, "validate stale"),
        ("4.2.3", "younger than max-age", &[("Date", "@0"), ("Cache-Control", "max-age=60"), ("Age", "20")], 9, "fresh 31"),
        ("4.2.3", "older than Expires, slow Date", &[("Date", "@-10"), ("Expires", "@10"), ("Age", "25")], 0, "validate stale"),
        ("4.2.3", "older than Expires, fast Date", &[("Date", "@10"), ("Expires", "@20"), ("Age", "15")], 0, "validate stale"),
        ("4.2.3", "Date in the past is age", &[("Date", "@-70"), ("Cache-Control", "max-age=60")], 0, "validate stale"),
        ("4.2.3", "Date ahead is no negative age", &[("Date", "@70"), ("Cache-Control", "max-age=60")], 0, "fresh 60"),
        ("4.2.1", "not a number", &[("Cache-Control", "max-age=60"), ("Age", "abc")], 0, "validate invalid-freshness"),
        ("4.2.1", "negative", &[("Cache-Control", "max-age=60"), ("Age", "-7")], 0, "validate invalid-freshness"),
        ("4.2.1", "decimal", &[("Cache-Control", "max-age=60"), ("Age", "7.0")], 0, "validate invalid-freshness"),
        ("5.1", "a list: the first member", &[("Cache-Control", "max-age=60"), ("Age", "0,90")], 0, "fresh 60"),
        ("5.1", "a list: the first member is old", &[("Cache-Control", "max-age=60"), ("Age", "90,0")], 0, "validate stale"),
        ("4.2.1", "a list with something else in it", &[("Cache-Control", "max-age=60"), ("Age", "0,x")], 0, "validate invalid-freshness"),
        ("4.2.1", "combined lines, alike", &[("Cache-Control", "max-age=60"), ("Age", "0, 0")], 0, "validate invalid-freshness"),
        ("4.2.1", "combined lines", &[("Cache-Control", "max-age=60"), ("Age", "7, 0")], 0, "validate invalid-freshness"),
        ("4.2.1", "twice", &[("Cache-Control", "max-age=60"), ("Age", "0"), ("Age", "0")], 0, "validate invalid-freshness"),
        ("4.2.1", "with a parameter", &[("Cache-Control", "max-age=60"), ("Age", "7;a=b")], 0, "validate invalid-freshness"),
    ];
    check(rows, &Profile::default());
}

/// Section 4.2.3: the delay of the response counts, and so does the time in the cache.
#[test]
fn age_calculation() {
    let request = get(&[]);
    let lines = [("Date", "@-5"), ("Age", "7"), ("Cache-Control", "max-age=60")];
    let slow = Times { request_time: at(-4), response_time: at(0) };
    let facts = RequestFacts::of(&request);
    let admitted = admit(&request, &facts, &response(200, &lines), slow, None, &Profile::default());
    let record = admitted.expect("storable").record;
    assert_eq!(record.initial_age, 11, "Age 7 and 4 seconds of delay exceed the apparent age of 5");
    assert_eq!(current_age(&record, at(30)), 41);
}

#[test]
fn the_clock_goes_back() {
    let lines = [("Cache-Control", "max-age=60")];
    let found = |later| outcome(&[], 200, &lines, later, &[], &Profile::default());
    assert_eq!(found(-2), "fresh 60", "small steps are clock adjustment");
    assert_eq!(found(-3600), "validate clock-went-back", "the age is not known");
}

/// Section 4.2.2 for statuses: with Last-Modified alone.
#[test]
fn heuristic_statuses() {
    let mut table = Table::default();
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        let found = outcome(&[], status, &[("Last-Modified", "@-1000")], 0, &[], &Profile::default());
        table.row("4.2.2", &status.to_string(), found, "fresh 100");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 500, 502, 503, 504, 599] {
        let lines = [("Last-Modified", "@-1000"), ("Cache-Control", "public")];
        let found = outcome(&[], status, &lines[..1], 0, &[], &Profile::default());
        table.row("4.2.2", &status.to_string(), found, "refused status-not-default");
        let found = outcome(&[], status, &lines, 0, &[], &Profile::default());
        table.row("5.2.2.9", &format!("{status} public"), found, "fresh 100");
    }
    table.finish();
}

#[test]
fn no_cache_says_validate() {
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("5.2.2.4", "no-cache", &[("Cache-Control", "max-age=60, no-cache")], 0, "validate response-no-cache"),
        ("5.2.2.4", "No-CaChE", &[("Cache-Control", "max-age=60, No-CaChE")], 0, "validate response-no-cache"),
        ("5.2.2.4", "no-cache about a field", &[("Cache-Control", "max-age=60, no-cache=\"a\"")], 0, "fresh 60"),
        ("5.2.2.4", "no-cache about a field, as a token", &[("Cache-Control", "max-age=60, no-cache=a")], 0, "fresh 60"),
        ("5.2.2.4", "no-cache both ways", &[("Cache-Control", "no-cache=\"a\", no-cache, max-age=60")], 0, "validate response-no-cache"),
        ("5.2.2.4", "no-cache with an argument that names nothing", &[("Cache-Control", "max-age=60, no-cache=\"a b\"")], 0, "validate response-no-cache"),
    ];
    check(rows, &Profile::default());
}

#[test]
fn dates_and_seconds() {
    for text in [
        &b"Sun, 06 Nov 1994 08:49:37 GMT"[..],
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ] {
        let parsed = parse_date(text).expect("a date");
        assert_eq!(parsed.as_secs(), 784_111_777);
        assert_eq!(format_date(parsed), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
    assert_eq!(parse_delta_seconds(b"007"), Some(7));
    assert_eq!(parse_delta_seconds(b"4294967296"), Some(DELTA_SECONDS_MAX));
    assert_eq!(parse_delta_seconds(b""), None);
    assert_eq!(parse_delta_seconds(b"1 "), None);
}

/// What the record keeps answers later; nothing of the response is read again.
#[test]
fn the_record_holds_the_validators() {
    let lines = [("ETag", "W/\"a\""), ("Last-Modified", "@-50")];
    let record = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record;
    assert_eq!(record.etag.as_deref(), Some(&b"W/\"a\""[..]));
    assert_eq!(record.last_modified, Some(at(-50)));
}
