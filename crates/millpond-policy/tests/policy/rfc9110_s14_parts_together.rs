//! RFC 9110 sections 14.2 and 15.3.7.3: several ranges, of which each is in a stored part, and not all in one.

use crate::common::{Lines, Table, get, response, store};
use millpond_policy::{Admitted, Profile, RequestFacts, Stored, parts_together};

const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");
const TAG: (&str, &str) = ("ETag", "\"a\"");

/// The ten bytes from `first` on, stored with `lines`.
fn part(first: u64, complete: &str, lines: Lines<'_>) -> Admitted {
    let content_range = format!("bytes {first}-{}/{complete}", first + 9);
    let lines = [lines, &[FRESH, ("Content-Range", &content_range)]].concat();
    store(&get(&[("Range", "bytes=0-9")]), &response(206, &lines), &Profile::default()).expect("storable")
}

/// `INDEX BODY CONTENT-RANGE` for each range, or `no`.
fn together(parts: &[Admitted], request: Lines<'_>) -> String {
    let request = get(request);
    let parts: Vec<_> =
        parts.iter().map(|part| (Stored { record: &part.record, head: &part.head }, 10)).collect();
    let Some(found) = parts_together(&request.fields, &RequestFacts::of(&request), &parts) else {
        return "no".into();
    };
    let found =
        found.iter().map(|(index, range)| format!("{index} {:?} {}", range.body, range.content_range));
    found.collect::<Vec<_>>().join(", ")
}

#[test]
fn several_parts_together() {
    let two = [part(0, "100", &[TAG]), part(40, "100", &[TAG])];
    let tail = [part(0, "100", &[TAG]), part(90, "*", &[TAG])];
    let unknown = [part(0, "*", &[TAG]), part(90, "*", &[TAG])];
    let lengths = [part(0, "*", &[TAG]), part(40, "100", &[TAG]), part(80, "101", &[TAG])];
    let changed = [part(0, "100", &[TAG]), part(40, "100", &[("ETag", "\"b\"")])];
    let weak = [part(0, "100", &[("ETag", "W/\"a\"")]), part(40, "100", &[("ETag", "W/\"a\"")])];
    let none = [part(0, "100", &[]), part(40, "100", &[])];
    let coded = [part(0, "100", &[TAG]), part(40, "100", &[TAG, ("Content-Encoding", "gzip")])];
    let three = [part(0, "100", &[TAG]), part(40, "100", &[("ETag", "\"b\"")]), part(40, "100", &[TAG])];
    #[rustfmt::skip]
    let rows: &[(&str, &str, &[Admitted], &str, &str)] = &[
        ("14.2", "each in its part", &two, "bytes=1-2,41-42", "0 1..3 bytes 1-2/100, 1 1..3 bytes 41-42/100"),
        ("15.3.7.2", "in the order of the request", &two, "bytes=41-42,1-2", "1 1..3 bytes 41-42/100, 0 1..3 bytes 1-2/100"),
        ("14.2", "of a length that one of them knows", &tail, "bytes=1-2,-2", "0 1..3 bytes 1-2/100, 1 8..10 bytes 98-99/100"),
        ("14.2", "of a length that none knows", &unknown, "bytes=1-2,-2", "no"),
        ("14.2", "positions, of a length that none knows", &unknown, "bytes=1-2,91-92", "0 1..3 bytes 1-2/*, 1 1..3 bytes 91-92/*"),
        ("14.4", "lengths that differ", &lengths, "bytes=1-2,41-42", "no"),
        ("14.2", "one of them is missing", &two, "bytes=1-2,30-31", "no"),
        ("14.2", "one of them is half there", &two, "bytes=1-12,41-42", "no"),
        ("14.2", "one of them has no byte", &two, "bytes=1-2,41-42,100-", "0 1..3 bytes 1-2/100, 1 1..3 bytes 41-42/100"),
        ("14.2", "one range", &two, "bytes=1-2", "no"),
        ("15.3.7.3", "another tag", &changed, "bytes=1-2,41-42", "no"),
        ("15.3.7.3", "a weak tag", &weak, "bytes=1-2,41-42", "no"),
        ("15.3.7.3", "no validator", &none, "bytes=1-2,41-42", "no"),
        ("15.3.7.3", "one between that does not belong", &three, "bytes=1-2,41-42", "0 1..3 bytes 1-2/100, 2 1..3 bytes 41-42/100"),
        ("8.4", "another coding", &coded, "bytes=1-2,41-42", "no"),
        ("14.2", "too many overlaps", &two, "bytes=1-9,2-3,4-5,6-7,41-42", "no"),
    ];
    let mut table = Table::default();
    for (section, what, parts, range, expected) in rows {
        table.row(section, what, together(parts, &[("Range", range)]), expected);
    }
    let range = ("Range", "bytes=1-2,41-42");
    table.row(
        "13.1.5",
        "If-Range",
        together(&two, &[range, ("If-Range", "\"a\"")]),
        "0 1..3 bytes 1-2/100, 1 1..3 bytes 41-42/100",
    );
    table.row("13.1.5", "If-Range of another", together(&two, &[range, ("If-Range", "\"b\"")]), "no");
    table.finish();
}
