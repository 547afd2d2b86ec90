//! RFC 9110 sections 14.4 and 15.3.7, RFC 9111 sections 3.3 and 3.4: parts that are stored, answer ranges, and are combined.

use crate::common::{Lines, Table, at, get, response, store, times, with_method};
use millpond_exchange::{Part, RecordFlags, RequestHead};
use millpond_policy::{
    Admitted, Combine, Completion, Fate, HeadEffect, PartAnswer, Profile, RequestFacts, Stored, Validated,
    combined, combines, conditional_part_request, conditional_request, content_range, freshened_by_head,
    missing_for, part_answer, parts_for, reuse, select, validated,
};

const RANGE: (&str, &str) = ("Range", "bytes=10-19");
const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
const TAG: (&str, &str) = ("ETag", "\"a\"");
const DATE: (&str, &str) = ("Date", "@0");
const OF_100: (&str, &str) = ("Content-Range", "bytes 10-19/100");
const OF_SOME: (&str, &str) = ("Content-Range", "bytes 10-19/*");

/// The bytes 10 to 19, stored with `lines`.
fn part(lines: Lines<'_>) -> Admitted {
    store(&get(&[RANGE]), &response(206, lines), &Profile::default()).expect("storable")
}

fn stored(admitted: &Admitted) -> Stored<'_> {
    Stored { record: &admitted.record, head: &admitted.head }
}

#[test]
fn content_range_values() {
    #[rustfmt::skip]
    let rows: &[(&str, &str)] = &[
        ("bytes 0-9/100", "bytes 0-9/100"),
        ("bytes 0-0/1", "bytes 0-0/1"),
        ("BYTES 90-99/100", "bytes 90-99/100"),
        ("bytes 5-9/*", "bytes 5-9/*"),
        (" bytes 005-9/* ", "bytes 5-9/*"),
        ("bytes 0-18446744073709551613/18446744073709551614", "bytes 0-18446744073709551613/18446744073709551614"),
        ("bytes 0-18446744073709551615/*", "none"),
        ("bytes 0-18446744073709551616/*", "none"),
        ("bytes 0-9/18446744073709551616", "none"),
        ("bytes */100", "none"),
        ("bytes */*", "none"),
        ("bytes 9-0/100", "none"),
        ("bytes 0-100/100", "none"),
        ("bytes 0-0/0", "none"),
        ("bytes 0-9", "none"),
        ("bytes 0-9/", "none"),
        ("bytes -9/100", "none"),
        ("bytes 0-/100", "none"),
        ("bytes 0-9/100/100", "none"),
        ("bytes 0-9-10/100", "none"),
        ("bytes  0-9/100", "none"),
        ("bytes=0-9/100", "none"),
        ("bytes +0-9/100", "none"),
        ("bytes 0-9/100, bytes 20-29/100", "none"),
        ("items 0-9/100", "none"),
        ("0-9/100", "none"),
        ("bytes", "none"),
        ("", "none"),
    ];
    let mut table = Table::default();
    let read = |lines: Lines<'_>| {
        content_range(&response(206, lines).fields).map_or("none".to_owned(), |range| range.to_string())
    };
    for (value, expected) in rows {
        table.row("14.4", value, read(&[("Content-Range", value)]), expected);
    }
    table.row("14.4", "absent", read(&[]), "none");
    table.row("14.4", "twice", read(&[OF_100, OF_100]), "none");
    table.finish();
    let worth = |value| {
        content_range(&response(206, &[("Content-Range", value)]).fields).expect("valid").is_worth_filling()
    };
    assert!(worth("bytes 0-9/67108864"), "64 MiB");
    assert!(!worth("bytes 0-9/67108865"));
    assert!(!worth("bytes 0-9/*"), "of any length");
}

/// `part FIRST LENGTH of COMPLETE`, `whole LENGTH`, or the reason why not.
fn kept(method: &str, request: Lines<'_>, status: u16, lines: Lines<'_>) -> String {
    let admitted = match store(&with_method(method, request), &response(status, lines), &Profile::default()) {
        Ok(admitted) => admitted,
        Err(reason) => return reason.to_string(),
    };
    assert_eq!(admitted.record.flags.contains(RecordFlags::PARTIAL), admitted.record.part.is_some());
    assert_eq!((admitted.head.status.as_u16(), admitted.record.status), (200, 200));
    let length = admitted.exact_len.map_or("?".to_owned(), |len| len.to_string());
    match admitted.record.part {
        None => format!("whole {length}"),
        Some(Part { first, complete_len }) => {
            let complete = complete_len.map_or("?".to_owned(), |len| len.to_string());
            format!("part {first} {length} of {complete}")
        }
    }
}

#[test]
fn storing() {
    const IF_RANGE: (&str, &str) = ("If-Range", "\"a\"");
    const TEXT: (&str, &str) = ("Content-Type", "text/plain");
    const MULTI: (&str, &str) = ("Content-Type", "Multipart/ByteRanges; boundary=x");
    const ALL: (&str, &str) = ("Content-Range", "bytes 0-9/10");
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, u16, Lines<'_>, &str)] = &[
        ("9111 3.3", "a part", &[RANGE], 206, &[FRESH, TAG, OF_100], "part 10 10 of 100"),
        ("9111 3.3", "of something of unknown length", &[RANGE], 206, &[FRESH, TAG, OF_SOME], "part 10 10 of ?"),
        ("9111 3.3", "with no validator, for ranges within it", &[RANGE], 206, &[FRESH, OF_100], "part 10 10 of 100"),
        ("9111 3.3", "all of it is a whole response", &[RANGE], 206, &[FRESH, TAG, ALL], "whole 10"),
        ("9111 3.3", "the beginning of something unknown", &[RANGE], 206, &[FRESH, ("Content-Range", "bytes 0-9/*")], "part 0 10 of ?"),
        ("9111 3.3", "to several ranges, one came", &[("Range", "bytes=10-12,15-19")], 206, &[FRESH, OF_100], "part 10 10 of 100"),
        ("9111 3.3", "a part nobody asked for", &[], 206, &[FRESH, TAG, OF_100], "partial"),
        ("14.4", "no Content-Range", &[RANGE], 206, &[FRESH, TAG], "content-range"),
        ("14.4", "two of them", &[RANGE], 206, &[FRESH, OF_100, OF_100], "content-range"),
        ("14.4", "a malformed one", &[RANGE], 206, &[FRESH, ("Content-Range", "bytes 19-10/100")], "content-range"),
        ("14.4", "another unit", &[RANGE], 206, &[FRESH, ("Content-Range", "items 10-19/100")], "content-range"),
        ("14.4", "the length agrees", &[RANGE], 206, &[FRESH, OF_100, ("Content-Length", "10")], "part 10 10 of 100"),
        ("14.4", "the length does not", &[RANGE], 206, &[FRESH, OF_100, ("Content-Length", "100")], "content-range"),
        ("14.6", "several parts", &[RANGE], 206, &[FRESH, TAG, MULTI], "multipart"),
        ("14.6", "several parts, and Content-Range", &[RANGE], 206, &[FRESH, TAG, MULTI, OF_100], "multipart"),
        ("15.3.7", "to If-Range, with nothing else", &[RANGE, IF_RANGE], 206, &[FRESH, TAG, OF_100], "if-range-head"),
        ("15.3.7", "to If-Range, with all fields", &[RANGE, IF_RANGE], 206, &[FRESH, TAG, OF_100, TEXT], "part 10 10 of 100"),
        ("14.2", "the origin ignores Range", &[RANGE], 200, &[FRESH, TAG], "whole ?"),
        ("15.5.17", "none of it", &[RANGE], 416, &[FRESH, ("Content-Range", "bytes */5")], "request-specific"),
        ("9111 3", "no-store", &[RANGE], 206, &[TAG, OF_100, ("Cache-Control", "no-store")], "no-store"),
        ("9111 3", "neither freshness nor validator", &[RANGE], 206, &[OF_100], "no-freshness"),
        ("9111 3", "heuristically fresh", &[RANGE], 206, &[OF_100, ("Last-Modified", "@-1000")], "part 10 10 of 100"),
        ("9111 5.2.2.3", "must-understand", &[RANGE], 206, &[OF_100, ("Cache-Control", "must-understand, no-store, max-age=9")], "part 10 10 of 100"),
    ];
    let mut table = Table::default();
    for (section, what, request, status, lines, expected) in rows {
        table.row(section, what, kept("GET", request, *status, lines), expected);
    }
    table.row("14.2", "HEAD", kept("HEAD", &[RANGE], 206, &[FRESH, TAG, OF_100]), "method");
    table.finish();
}

/// RFC 9111 section 3.4: what is kept is the head a 200 would have had.
#[test]
fn the_head_is_that_of_the_representation() {
    let admitted = part(&[
        FRESH,
        DATE,
        TAG,
        OF_100,
        ("Content-Length", "10"),
        ("Content-Type", "text/plain"),
        ("Content-Digest", "sha-256=:AAAA:"),
        ("Repr-Digest", "sha-256=:BBBB:"),
    ]);
    let names: Vec<_> = admitted.head.fields.iter().map(|field| field.name_str().to_owned()).collect();
    assert_eq!(names, ["Cache-Control", "Date", "ETag", "Content-Type", "Repr-Digest"]);
    let facts = RequestFacts::of(&get(&[RANGE]));
    assert_eq!(
        crate::common::verdict(reuse(&admitted.record, &facts, at(20), &Profile::default())),
        "fresh 40"
    );
}

/// `covers BODY CONTENT-RANGE`, or the name of the answer.
fn answer(method: &str, stored: Lines<'_>, request: Lines<'_>) -> String {
    let request = with_method(method, request);
    match part_answer(&request.fields, &RequestFacts::of(&request), 10, &part(stored).record) {
        PartAnswer::Covers(found) => format!("covers {:?} {}", found.body, found.content_range),
        PartAnswer::CoversAll(found) => {
            let found = found.iter().map(|range| format!("{:?} {}", range.body, range.content_range));
            format!("covers {}", found.collect::<Vec<_>>().join(", "))
        }
        PartAnswer::Unsatisfiable { complete_len } => format!("unsatisfiable {complete_len}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn ranges_of_a_part() {
    let known: Lines<'_> = &[FRESH, TAG, OF_100];
    let unknown: Lines<'_> = &[FRESH, TAG, OF_SOME];
    let tail: Lines<'_> = &[FRESH, TAG, ("Content-Range", "bytes 10-19/20")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str, &str)] = &[
        ("14.1.2", known, "bytes=10-19", "covers 0..10 bytes 10-19/100"),
        ("14.1.2", known, "bytes=12-15", "covers 2..6 bytes 12-15/100"),
        ("14.1.2", known, "bytes=19-19", "covers 9..10 bytes 19-19/100"),
        ("14.1.2", unknown, "bytes=12-15", "covers 2..6 bytes 12-15/*"),
        ("14.1.2", known, "bytes=9-19", "Outside"),
        ("14.1.2", known, "bytes=10-20", "Outside"),
        ("14.1.2", known, "bytes=30-40", "Outside"),
        ("14.1.2", known, "bytes=10-", "Outside"),
        ("14.1.2", known, "bytes=-5", "Outside"),
        ("14.1.2", tail, "bytes=12-", "covers 2..10 bytes 12-19/20"),
        ("14.1.2", tail, "bytes=12-99", "covers 2..10 bytes 12-19/20"),
        ("14.1.2", tail, "bytes=-5", "covers 5..10 bytes 15-19/20"),
        ("14.1.2", tail, "bytes=-10", "covers 0..10 bytes 10-19/20"),
        ("14.1.2", tail, "bytes=-11", "Outside"),
        ("14.1.2", unknown, "bytes=12-", "Outside"),
        ("14.1.2", unknown, "bytes=-5", "Outside"),
        ("15.5.17", known, "bytes=100-", "unsatisfiable 100"),
        ("15.5.17", known, "bytes=-0", "unsatisfiable 100"),
        ("15.5.17", unknown, "bytes=100-", "Outside"),
        ("15.5.17", unknown, "bytes=-0", "Outside"),
        ("15.3.7.2", known, "bytes=10-11,13-14", "covers 0..2 bytes 10-11/100, 3..5 bytes 13-14/100"),
        ("15.3.7.2", known, "bytes=15-16,10-11", "covers 5..7 bytes 15-16/100, 0..2 bytes 10-11/100"),
        ("15.3.7.2", known, "bytes=10-14,15-19", "covers 0..10 bytes 10-19/100"),
        ("15.3.7.2", known, "bytes=12-13,100-", "covers 2..4 bytes 12-13/100"),
        ("15.3.7.2", tail, "bytes=10-10,-1", "covers 0..1 bytes 10-10/20, 9..10 bytes 19-19/20"),
        ("15.3.7.2", unknown, "bytes=10-10,19-19", "covers 0..1 bytes 10-10/*, 9..10 bytes 19-19/*"),
        ("14.2", known, "bytes=10-11,40-41", "Outside"),
        ("14.2", known, "bytes=9-11,13-14", "Outside"),
        ("14.2", unknown, "bytes=10-10,19-", "Outside"),
        ("14.2", unknown, "bytes=10-10,-1", "Outside"),
        ("14.2", unknown, "bytes=10-10,100-100", "Outside"),
        ("15.5.17", known, "bytes=100-,-0", "unsatisfiable 100"),
        ("14.2", known, "bytes=10-19,11-12,13-14,15-16", "NotARange"),
        ("14.1.1", known, "bytes=10-11,14-13", "NotARange"),
        ("14.1.1", known, "bytes=,", "NotARange"),
        ("14.2", known, "bytes=19-10", "NotARange"),
        ("14.2", known, "lines=10-19", "NotARange"),
        ("14.2", known, "bytes=10 - 19", "NotARange"),
        ("14.2", known, "b", "NotARange"),
    ];
    let mut table = Table::default();
    for (section, stored, value, expected) in rows {
        table.row(section, value, answer("GET", stored, &[("Range", value)]), expected);
    }
    table.row("14.2", "no Range", answer("GET", known, &[]), "NotARange");
    table.row("14.2", "two lines", answer("GET", known, &[RANGE, RANGE]), "NotARange");
    table.row("14.2", "HEAD", answer("HEAD", known, &[RANGE]), "NotARange");
    let dated: Lines<'_> = &[FRESH, DATE, OF_100, ("Last-Modified", "@-9")];
    let weak: Lines<'_> = &[FRESH, OF_100, ("ETag", "W/\"a\"")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str, bool)] = &[
        ("the tag", known, "\"a\"", true),
        ("another tag", known, "\"b\"", false),
        ("a weak tag", weak, "W/\"a\"", false),
        ("the date", dated, "@-9", true),
        ("another date", dated, "@-8", false),
    ];
    for (what, stored, value, matches) in rows {
        let expected = if *matches { "covers 0..10 bytes 10-19/100" } else { "IfRangeFailed" };
        table.row("13.1.5", what, answer("GET", stored, &[RANGE, ("If-Range", value)]), expected);
    }
    table.finish();
}

/// `STORED | Range | If-Range`, or `nothing`.
fn missing(stored: Lines<'_>, method: &str, request: Lines<'_>) -> String {
    let request = with_method(method, request);
    match missing_for(&request.fields, &RequestFacts::of(&request), 10, &part(stored).record) {
        Completion::Nothing => "nothing".into(),
        Completion::Fetch(fetch) => {
            let fields = fetch.fields(&request.fields);
            assert!(!fields.contains("if-none-match") && fields.get_all("range").count() == 1);
            let text = |name| fields.get_str(name).expect("set").to_owned();
            format!("{:?} | {} | {}", fetch.stored, text("range"), text("if-range"))
        }
    }
}

#[test]
fn what_is_missing() {
    const TO_STRONG: (&str, &str) = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT");
    let known: Lines<'_> = &[FRESH, TAG, OF_100];
    let unknown: Lines<'_> = &[FRESH, TAG, OF_SOME];
    let tail: Lines<'_> = &[FRESH, TAG, ("Content-Range", "bytes 10-19/20")];
    let prefix: Lines<'_> = &[FRESH, TAG, ("Content-Range", "bytes 0-9/100")];
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, Lines<'_>, &str)] = &[
        ("9111 3.4", "all behind a prefix", prefix, &[], "0..10 | bytes=10- | \"a\""),
        ("9111 3.4", "all, for a client that has something", prefix, &[("If-None-Match", "\"x\"")], "0..10 | bytes=10- | \"a\""),
        ("9111 3.4", "all, where the beginning is missing", known, &[], "nothing"),
        ("9111 3.4", "a range that goes on", known, &[("Range", "bytes=15-29")], "5..10 | bytes=20-29 | \"a\""),
        ("9111 3.4", "a range beyond the end", known, &[("Range", "bytes=15-299")], "5..10 | bytes=20-99 | \"a\""),
        ("9111 3.4", "an open range", known, &[("Range", "bytes=15-")], "5..10 | bytes=20- | \"a\""),
        ("9111 3.4", "a suffix", known, &[("Range", "bytes=-85")], "5..10 | bytes=20- | \"a\""),
        ("9111 3.4", "an open range of unknown length", unknown, &[("Range", "bytes=15-")], "5..10 | bytes=20- | \"a\""),
        ("9111 3.4", "a suffix of unknown length", unknown, &[("Range", "bytes=-85")], "nothing"),
        ("9111 3.4", "a range within", known, &[RANGE], "nothing"),
        ("9111 3.4", "a range within the tail", tail, &[("Range", "bytes=15-99")], "nothing"),
        ("9111 3.4", "a range that begins before", known, &[("Range", "bytes=9-29")], "nothing"),
        ("9111 3.4", "a range right behind", known, &[("Range", "bytes=20-29")], "nothing"),
        ("9111 3.4", "a range elsewhere", known, &[("Range", "bytes=40-49")], "nothing"),
        ("15.5.17", "a range behind the end", known, &[("Range", "bytes=100-")], "nothing"),
        ("14.2", "several ranges", known, &[("Range", "bytes=15-29,40-49")], "nothing"),
        ("13.1.5", "If-Range of the client matches", known, &[("Range", "bytes=15-29"), ("If-Range", "\"a\"")], "5..10 | bytes=20-29 | \"a\""),
        ("13.1.5", "If-Range of the client does not", known, &[("Range", "bytes=15-29"), ("If-Range", "\"b\"")], "nothing"),
        ("13.1.5", "If-Range without Range means nothing", prefix, &[("If-Range", "\"b\"")], "0..10 | bytes=10- | \"a\""),
        ("15.3.7.3", "a weak tag", &[FRESH, ("Content-Range", "bytes 0-9/100"), ("ETag", "W/\"a\"")], &[], "nothing"),
        ("15.3.7.3", "a weak tag and a strong date", &[FRESH, DATE, ("Content-Range", "bytes 0-9/100"), ("ETag", "W/\"a\""), TO_STRONG], &[], "nothing"),
        ("15.3.7.3", "no validator", &[FRESH, ("Content-Range", "bytes 0-9/100")], &[], "nothing"),
        ("15.3.7.3", "a strong date", &[FRESH, DATE, ("Content-Range", "bytes 0-9/100"), TO_STRONG], &[], "0..10 | bytes=10- | Thu, 01 Jan 2026 00:00:00 GMT"),
        ("8.8.2.2", "a date that may be weak", &[FRESH, DATE, ("Content-Range", "bytes 0-9/100"), ("Last-Modified", "@0")], &[], "nothing"),
        ("8.8.2.2", "a date with no Date to compare", &[FRESH, ("Content-Range", "bytes 0-9/100"), TO_STRONG], &[], "nothing"),
    ];
    let mut table = Table::default();
    for (section, what, stored, request, expected) in rows {
        table.row(section, what, missing(stored, "GET", request), expected);
    }
    table.row("14.2", "HEAD", missing(prefix, "HEAD", &[]), "nothing");
    table.finish();
}

/// `append SKIP of FETCHED -> FIRST+LENGTH of COMPLETE`, or the name of the outcome.
fn combination(old: Lines<'_>, asked: Lines<'_>, status: u16, new: Lines<'_>) -> String {
    match combines(stored(&part(old)), 10, &get(asked), &response(status, new)) {
        Combine::Append(append) => {
            let place = append.part.map_or("whole".to_owned(), |part| format!("{part:?}"));
            format!("append {} of {} -> {} {place}", append.skip, append.fetched_len, append.body_len)
        }
        Combine::Replace => "replace".into(),
        Combine::No(reason) => reason.to_string(),
    }
}

#[test]
fn what_combines() {
    const IF_RANGE: (&str, &str) = ("If-Range", "\"a\"");
    const NEXT: (&str, &str) = ("Content-Range", "bytes 20-29/100");
    const GZIP: (&str, &str) = ("Content-Encoding", "gzip");
    const TEXT: (&str, &str) = ("Content-Type", "text/plain");
    const CHANGED: (&str, &str) = ("Last-Modified", "@-9");
    const UNSURE: (&str, &str) = ("Last-Modified", "@0");
    let known: Lines<'_> = &[FRESH, TAG, OF_100];
    let unknown: Lines<'_> = &[FRESH, TAG, OF_SOME];
    let start: Lines<'_> = &[FRESH, TAG, ("Content-Range", "bytes 0-9/30")];
    let dated: Lines<'_> = &[FRESH, DATE, CHANGED, OF_100];
    let longer = "append 0 of 10 -> 20 Part { first: 10, complete_len: Some(100) }";
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, Lines<'_>, u16, Lines<'_>, &str)] = &[
        ("15.3.7.3", "the next bytes", known, &[], 206, &[TAG, NEXT], longer),
        ("15.3.7.3", "the last bytes", start, &[], 206, &[TAG, ("Content-Range", "bytes 10-29/30")], "append 0 of 20 -> 30 whole"),
        ("15.3.7.3", "overlapping bytes", known, &[], 206, &[TAG, ("Content-Range", "bytes 15-29/100")], "append 5 of 15 -> 20 Part { first: 10, complete_len: Some(100) }"),
        ("15.3.7.3", "all of them and more", known, &[], 206, &[TAG, ("Content-Range", "bytes 10-29/100")], "append 10 of 20 -> 20 Part { first: 10, complete_len: Some(100) }"),
        ("15.3.7.3", "a gap", known, &[], 206, &[TAG, ("Content-Range", "bytes 21-29/100")], "not-contiguous"),
        ("15.3.7.3", "bytes before", known, &[], 206, &[TAG, ("Content-Range", "bytes 5-29/100")], "not-contiguous"),
        ("15.3.7.3", "nothing new", known, &[], 206, &[TAG, ("Content-Range", "bytes 15-19/100")], "not-contiguous"),
        ("15.3.7.3", "another tag", known, &[IF_RANGE], 206, &[("ETag", "\"b\""), NEXT], "part-changed"),
        ("15.3.7.3", "the tag, weak", known, &[IF_RANGE], 206, &[("ETag", "W/\"a\""), NEXT], "part-changed"),
        ("15.3.7.3", "no tag", known, &[IF_RANGE], 206, &[NEXT], "no-strong-validator"),
        ("15.3.7.3", "a stored part with a weak tag", &[FRESH, OF_100, ("ETag", "W/\"a\"")], &[], 206, &[("ETag", "W/\"a\""), NEXT], "no-strong-validator"),
        ("15.3.7.3", "a stored part without validator", &[FRESH, OF_100], &[], 206, &[TAG, NEXT], "no-strong-validator"),
        ("8.8.2.2", "the strong date", dated, &[], 206, &[DATE, CHANGED, NEXT], longer),
        ("8.8.2.2", "the date, not strong in the new one", dated, &[], 206, &[CHANGED, NEXT], "part-changed"),
        ("8.8.2.2", "another date", dated, &[], 206, &[DATE, ("Last-Modified", "@-8"), NEXT], "part-changed"),
        ("8.8.2.2", "the date, and now a tag", dated, &[], 206, &[DATE, CHANGED, TAG, NEXT], "part-changed"),
        ("8.8.2.2", "no date", dated, &[], 206, &[DATE, NEXT], "no-strong-validator"),
        ("8.8.2.2", "a date that was weak", &[FRESH, DATE, UNSURE, OF_100], &[], 206, &[("Date", "@9"), UNSURE, NEXT], "no-strong-validator"),
        ("14.4", "another length", known, &[], 206, &[TAG, ("Content-Range", "bytes 20-29/99")], "part-changed"),
        ("14.4", "a length that is now known", unknown, &[], 206, &[TAG, NEXT], longer),
        ("14.4", "a length that is not known now", known, &[], 206, &[TAG, ("Content-Range", "bytes 20-29/*")], longer),
        ("14.4", "the rest, whose length is not known now", start, &[], 206, &[TAG, ("Content-Range", "bytes 10-29/*")], "append 0 of 20 -> 30 whole"),
        ("14.4", "beyond the length known before", start, &[], 206, &[TAG, ("Content-Range", "bytes 10-39/*")], "part-changed"),
        ("14.4", "a length never known", unknown, &[], 206, &[TAG, ("Content-Range", "bytes 20-29/*")], "append 0 of 10 -> 20 Part { first: 10, complete_len: None }"),
        ("14.4", "a length that has no room for what is stored", unknown, &[], 206, &[TAG, ("Content-Range", "bytes 10-11/12")], "part-changed"),
        ("14.4", "no Content-Range", known, &[], 206, &[TAG], "content-range"),
        ("14.4", "a Content-Length that does not agree", known, &[], 206, &[TAG, NEXT, ("Content-Length", "9")], "content-range"),
        ("14.6", "several parts", known, &[], 206, &[TAG, ("Content-Type", "multipart/byteranges; boundary=x")], "multipart"),
        ("8.4", "another coding", known, &[IF_RANGE], 206, &[TAG, NEXT, GZIP], "part-changed"),
        ("8.4", "the same coding", &[FRESH, TAG, OF_100, GZIP], &[], 206, &[TAG, NEXT, ("Content-Encoding", "GZIP")], longer),
        ("8.4", "no coding any more", &[FRESH, TAG, OF_100, GZIP], &[], 206, &[TAG, NEXT], "part-changed"),
        ("15.3.7", "a coding left out in answer to If-Range", &[FRESH, TAG, OF_100, TEXT, GZIP], &[IF_RANGE], 206, &[TAG, NEXT], longer),
        ("15.3.7", "nothing left out in answer to If-Range", &[FRESH, TAG, OF_100, TEXT, GZIP], &[IF_RANGE], 206, &[TAG, NEXT, TEXT], "part-changed"),
        ("15.3.7", "there was nothing else to leave out", &[FRESH, TAG, OF_100, GZIP], &[IF_RANGE], 206, &[TAG, NEXT], "part-changed"),
        ("9111 4.1", "a request that selects another variant", &[FRESH, TAG, OF_100, ("Vary", "Foo")], &[("Foo", "x")], 206, &[TAG, NEXT], "vary-mismatch"),
        ("13.1.5", "If-Range failed", known, &[IF_RANGE], 200, &[("ETag", "\"b\"")], "replace"),
        ("13.1.5", "the origin does not do ranges", known, &[IF_RANGE], 200, &[TAG], "replace"),
        ("9111 3.4", "an error", known, &[IF_RANGE], 503, &[], "replace"),
        ("15.5.17", "no such bytes", known, &[IF_RANGE], 416, &[], "request-specific"),
        ("15.5.13", "a failed condition", known, &[IF_RANGE], 412, &[], "request-specific"),
        ("9111 4.3.3", "not asked for", known, &[IF_RANGE], 304, &[TAG], "not-modified"),
    ];
    let mut table = Table::default();
    for (section, what, old, asked, status, new, expected) in rows {
        table.row(section, what, combination(old, asked, *status, new), expected);
    }
    table.finish();
}

/// A part of 10 bytes and a response to `asked` that is appended to it.
fn append(old: &Admitted, asked: Lines<'_>, new: Lines<'_>, secs: i64) -> millpond_policy::Combined {
    let (request, answer) = (get(asked), response(206, new));
    let Combine::Append(append) = combines(stored(old), 10, &request, &answer) else {
        panic!("does not combine")
    };
    let facts = RequestFacts::of(&request);
    combined((stored(old), None), &append, &request, &facts, &answer, times(secs), &Profile::default())
}

/// RFC 9111 section 3.4 and RFC 9110 section 15.3.7.3: the newer fields replace the older.
#[test]
fn combining_updates_the_fields() {
    let old = part(&[
        FRESH,
        DATE,
        TAG,
        ("Content-Range", "bytes 0-9/30"),
        ("Content-Type", "text/plain"),
        ("Foo", "1"),
    ]);
    let new: Lines<'_> = &[
        ("Cache-Control", "max-age=90"),
        ("Date", "@40"),
        TAG,
        ("Content-Range", "bytes 10-19/30"),
        ("Content-Length", "10"),
        ("Content-Digest", "sha-256=:AAAA:"),
        ("Foo", "2"),
    ];
    let longer = append(&old, &[("Range", "bytes=10-19"), ("If-Range", "\"a\"")], new, 40);
    let lines: Vec<_> = longer.head.fields.iter().map(|field| field.name_str().to_owned()).collect();
    assert_eq!(lines, ["ETag", "Content-Type", "Cache-Control", "Date", "Foo"]);
    assert_eq!(longer.head.fields.get("foo"), Some(&b"2"[..]));
    assert_eq!((longer.head.status.as_u16(), longer.fate), (200, Fate::Store));
    assert_eq!(longer.record.part, Some(Part { first: 0, complete_len: Some(30) }));
    assert!(longer.record.flags.contains(RecordFlags::PARTIAL));
    assert_eq!(
        (longer.record.max_age, longer.record.date, longer.record.response_time),
        (Some(90), at(40), at(40))
    );

    let rest = [("Cache-Control", "max-age=90"), ("Date", "@40"), TAG, ("Content-Range", "bytes 10-29/30")];
    let whole = append(&old, &[("Range", "bytes=10-")], &rest, 40);
    assert_eq!(whole.record.part, None);
    assert!(!whole.record.flags.contains(RecordFlags::PARTIAL));
    assert!(whole.record.replaces(&old.record) && !old.record.replaces(&whole.record));
}

#[test]
fn what_combining_may_not_do() {
    let old = part(&[FRESH, DATE, TAG, OF_100]);
    let next = ("Content-Range", "bytes 20-29/100");
    let fate = |asked: Lines<'_>, new: Lines<'_>| format!("{:?}", append(&old, asked, new, 9).fate);
    let mut table = Table::default();
    table.row(
        "9111 5.2.1.5",
        "request no-store",
        fate(&[("Cache-Control", "no-store")], &[TAG, next]),
        "Keep(RequestNoStore)",
    );
    table.row(
        "9111 5.2.2.5",
        "no-store",
        fate(&[], &[TAG, next, ("Cache-Control", "no-store")]),
        "Remove(NoStore)",
    );
    table.row(
        "9111 3.5",
        "Authorization",
        fate(&[("Authorization", "Basic eDp5")], &[TAG, next]),
        "Keep(Authorization)",
    );
    table.row("9111 7.3", "Set-Cookie", fate(&[], &[TAG, next, ("Set-Cookie", "a=b")]), "Keep(SetCookie)");
    table.finish();
    let older = append(&old, &[], &[TAG, next, ("Date", "@-30"), ("Cache-Control", "max-age=900")], 9);
    assert_eq!(
        (older.record.max_age, older.record.date),
        (Some(60), at(0)),
        "an older response brings no news"
    );
    assert_eq!(older.record.part, old.record.part);
}

/// RFC 9111 sections 4 and 4.1: whole responses are selected as ever; parts by the same rules, beside them.
#[test]
fn selecting() {
    let whole = |lines: Lines<'_>| {
        store(&get(&[]), &response(200, lines), &Profile::default()).expect("storable").record
    };
    let foo = |value, lines: Lines<'_>| {
        let answer = response(206, lines);
        store(&get(&[RANGE, ("Foo", value)]), &answer, &Profile::default()).expect("storable").record
    };
    let old_whole = whole(&[FRESH, ("Date", "@-9"), TAG]);
    let new_whole = whole(&[FRESH, ("Date", "@9"), ("ETag", "\"b\"")]);
    let old = part(&[FRESH, ("Date", "@-5"), TAG, OF_100]).record;
    let new = part(&[FRESH, ("Date", "@-3"), TAG, OF_100]).record;
    let other = part(&[FRESH, ("Date", "@-2"), ("ETag", "\"b\""), OF_100]).record;
    let longer = part(&[FRESH, ("Date", "@-1"), TAG, ("Content-Range", "bytes 10-19/101")]).record;
    let unknown = part(&[FRESH, ("Date", "@-1"), TAG, OF_SOME]).record;
    let for_x = foo("x", &[FRESH, ("Date", "@-1"), TAG, OF_100, ("Vary", "Foo")]);
    let for_y = foo("y", &[FRESH, ("Date", "@-1"), TAG, OF_100, ("Vary", "Foo")]);
    let fields = get(&[RANGE, ("Foo", "x")]).fields;
    let mut table = Table::default();
    let mut row = |what, records: &[&millpond_exchange::Record], expected| {
        let records = || records.iter().copied();
        let found =
            format!("{:?} {:?}", select(records(), &fields, None), parts_for(records(), &fields, None));
        table.row("4.1", what, found, expected);
    };
    row("nothing", &[], "None []");
    row("a whole response", &[&old_whole], "Some(0) []");
    row("a part is no whole response", &[&new], "None [0]");
    row("the newest part comes first", &[&old, &new], "None [1, 0]");
    row("beside an older whole response", &[&old_whole, &new], "Some(0) [1]");
    row("a newer whole response is something else", &[&new, &new_whole], "Some(1) []");
    row("a newer part is something else", &[&new, &other], "None [1]");
    row("a newer part of something longer", &[&new, &longer], "None [1]");
    row("a newer part of something of unknown length", &[&new, &unknown], "None [1, 0]");
    row("other variants", &[&for_y, &for_x], "None [1]");
    table.finish();
    let mut private = new.clone();
    private.set_rare(|rare| rare.audience = millpond_exchange::Audience::Private("ann".into()));
    assert_eq!(parts_for([&private].into_iter(), &fields, None), []);
    assert_eq!(parts_for([&private].into_iter(), &fields, Some("ann")), [0]);
}

/// RFC 9111 section 4.3: parts are validated as whole responses are, and stay parts.
#[test]
fn validating() {
    let whole = store(&get(&[]), &response(200, &[FRESH, DATE, TAG]), &Profile::default()).expect("storable");
    let piece = part(&[FRESH, DATE, TAG, OF_100]);
    let asked = get(&[RANGE, ("If-Range", "\"a\""), ("If-None-Match", "\"x\"")]);
    let fields = conditional_part_request(&piece.record, &asked.fields).expect("there is a validator");
    let sent = RequestHead { fields, ..asked.clone() };
    let values: Vec<_> = ["range", "if-range", "if-none-match"].map(|name| sent.fields.get_str(name)).into();
    assert_eq!(values, [Some("bytes=10-19"), Some("\"a\""), Some("\"a\"")]);
    let none = part(&[FRESH, OF_100]);
    assert_eq!(conditional_part_request(&none.record, &asked.fields), None);

    let judge = |entries: &[&Admitted], selected| {
        let entries: Vec<_> = entries.iter().map(|entry| stored(entry)).collect();
        let facts = RequestFacts::of(&asked);
        validated(&entries, selected, &sent, &facts, &response(304, &[TAG]), times(50), &Profile::default())
    };
    let Validated::Freshen(updates) = judge(&[&whole, &piece], Some(1)) else { panic!("not freshened") };
    assert_eq!(updates.iter().map(|update| update.index).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(updates[0].record.part, piece.record.part);
    assert!(updates[0].record.flags.contains(RecordFlags::PARTIAL) && updates[1].record.part.is_none());
    let Validated::Freshen(updates) = judge(&[&piece, &whole], Some(1)) else { panic!("not freshened") };
    assert_eq!(updates[0].index, 1);
    let Validated::Freshen(updates) = judge(&[&piece, &whole], None) else { panic!("not freshened") };
    assert_eq!(updates[0].index, 1, "a whole response answers");
    let Validated::Refetch(_) = judge(&[&piece], None) else { panic!("a part is no answer to this") };
    assert_eq!(conditional_request([&piece.record].into_iter(), None, &asked.fields), None);

    let head = |length| {
        let answer = response(200, &[TAG, ("Content-Length", length)]);
        let request = with_method("HEAD", &[]);
        let facts = RequestFacts::of(&request);
        freshened_by_head(stored(&piece), 10, &request, &facts, &answer, times(50), &Profile::default())
    };
    assert!(matches!(head("100"), HeadEffect::Freshen(update) if update.record.part == piece.record.part));
    assert!(matches!(head("10"), HeadEffect::Stale(_)), "the length is that of the whole");
}
