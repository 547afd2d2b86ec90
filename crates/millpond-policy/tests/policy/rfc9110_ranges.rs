//! RFC 9110 section 14: ranges, one or several, of a complete stored response, and section 13.1.5: If-Range.

use crate::common::{Lines, Table, get, response, store, with_method};
use millpond_policy::{MAX_OVERLAPS, MAX_RANGES, MAX_UNORDERED, Profile, RangeAnswer, RequestFacts, range};

fn answer(method: &str, stored: Lines<'_>, request: Lines<'_>, total: u64) -> String {
    let record = store(&get(&[]), &response(200, stored), &Profile::default()).expect("storable").record;
    let request = with_method(method, request);
    match range(&request.fields, &RequestFacts::of(&request), total, &record) {
        RangeAnswer::Whole => "whole".into(),
        RangeAnswer::Part(part) => format!("{}-{}", part.start, part.end),
        RangeAnswer::Parts(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| format!("{}-{}", part.start, part.end)).collect();
            parts.join(", ")
        }
        RangeAnswer::Unsatisfiable => "unsatisfiable".into(),
    }
}

#[test]
fn ranges() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str)] = &[
        ("14.1.2", "bytes=0-1", "0-2"),
        ("14.1.2", "bytes=1-", "1-10"),
        ("14.1.2", "bytes=-1", "9-10"),
        ("14.1.2", "bytes=-99", "0-10"),
        ("14.1.2", "bytes=0-99", "0-10"),
        ("14.1.2", "bytes=9-9", "9-10"),
        ("14.1.2", "bytes=0-99999999999999999999999", "0-10"),
        ("14.2", "BYTES=0-1", "0-2"),
        ("14.2", "bytes= 0-1 ", "0-2"),
        ("15.5.17", "bytes=10-", "unsatisfiable"),
        ("15.5.17", "bytes=10-11", "unsatisfiable"),
        ("15.5.17", "bytes=99999999999999999999999-", "unsatisfiable"),
        ("15.5.17", "bytes=-0", "unsatisfiable"),
        ("14.2", "bytes=2-1", "whole"),
        ("14.2", "bytes=", "whole"),
        ("14.2", "bytes=-", "whole"),
        ("14.2", "bytes=a-b", "whole"),
        ("14.2", "bytes=0 - 1", "whole"),
        ("14.2", "bytes 0-1", "whole"),
        ("14.2", "lines=0-1", "whole"),
        ("14.2", "", "whole"),
    ];
    let mut table = Table::default();
    for (section, value, expected) in rows {
        let found = answer("GET", &[("Cache-Control", "max-age=60")], &[("Range", value)], 10);
        table.row(section, value, found, expected);
    }
    let plain: Lines<'_> = &[("Cache-Control", "max-age=60")];
    table.row("14.2", "no Range", answer("GET", plain, &[], 10), "whole");
    table.row(
        "14.2",
        "two lines",
        answer("GET", plain, &[("Range", "bytes=0-1"), ("Range", "bytes=0-1")], 10),
        "whole",
    );
    table.row("14.2", "HEAD", answer("HEAD", plain, &[("Range", "bytes=0-1")], 10), "whole");
    table.row("14.1.2", "of nothing", answer("GET", plain, &[("Range", "bytes=0-1")], 0), "whole");
    table.finish();
}

/// RFC 9110 sections 14.2 and 15.3.7.2. Of what a request names twice or side by side, one part is made.
#[test]
fn several_ranges() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str)] = &[
        ("15.3.7.2", "bytes=0-1,3-4", "0-2, 3-5"),
        ("15.3.7.2", "bytes=0-0,-1", "0-1, 9-10"),
        ("15.3.7.2", "bytes=-1,0-0,4-4", "9-10, 0-1, 4-5"),
        ("5.6.1.2", "bytes= 0-1 ,, 3-4 ,", "0-2, 3-5"),
        ("14.1.1", "bytes=0-1,", "0-2"),
        ("15.3.7.2", "bytes=0-1,2-3", "0-4"),
        ("15.3.7.2", "bytes=2-3,0-1", "0-4"),
        ("15.3.7.2", "bytes=0-4,2-6", "0-7"),
        ("15.3.7.2", "bytes=8-9,0-1,7-7,4-4", "7-10, 0-2, 4-5"),
        ("15.3.7.2", "bytes=5-,-5", "5-10"),
        ("15.3.7.2", "bytes=0-99,3-4", "0-10"),
        ("14.2", "bytes=0-1,10-", "0-2"),
        ("14.2", "bytes=0-1,10-,4-4,-0", "0-2, 4-5"),
        ("15.5.17", "bytes=10-,-0", "unsatisfiable"),
        ("15.5.17", "bytes=10-,99999999999999999999999-", "unsatisfiable"),
        ("14.1.1", "bytes=0-1,4-3", "whole"),
        ("14.1.1", "bytes=0-1,x", "whole"),
        ("14.1.1", "bytes=0-1,3 - 4", "whole"),
        ("14.1.1", "bytes=,", "whole"),
        ("14.1.1", "lines=0-1,3-4", "whole"),
        ("14.2", "bytes=0-9,1-2,3-4", "0-10"),
        ("14.2", "bytes=0-9,1-2,3-4,5-6", "whole"),
        ("14.2", "bytes=0-,0-,0-,0-", "whole"),
    ];
    let mut table = Table::default();
    let fresh: Lines<'_> = &[("Cache-Control", "max-age=60")];
    for (section, value, expected) in rows {
        table.row(section, value, answer("GET", fresh, &[("Range", value)], 10), expected);
    }
    let several = ("Range", "bytes=0-1,3-4");
    table.row("14.2", "HEAD", answer("HEAD", fresh, &[several], 10), "whole");
    table.row("14.1.2", "of nothing", answer("GET", fresh, &[several], 0), "whole");
    let tagged: Lines<'_> = &[("ETag", "\"a\"")];
    table.row("13.1.5", "If-Range", answer("GET", tagged, &[several, ("If-Range", "\"a\"")], 10), "0-2, 3-5");
    table.row("13.1.5", "another", answer("GET", tagged, &[several, ("If-Range", "\"b\"")], 10), "whole");
    table.finish();
}

/// RFC 9110 section 14.2: what is taken for abuse, to the last one that is not.
#[test]
fn bounds_of_several_ranges() {
    let ask = |ranges: Vec<String>| {
        let value = format!("bytes={}", ranges.join(","));
        answer("GET", &[("Cache-Control", "max-age=60")], &[("Range", &value)], 10_000)
    };
    let apart = |count: usize| (0..count).map(|at| format!("{0}-{0}", at * 10)).collect::<Vec<_>>();
    assert_eq!(ask(apart(MAX_RANGES)).split(", ").count(), MAX_RANGES);
    assert_eq!(ask(apart(MAX_RANGES + 1)), "whole");
    assert_eq!(ask(vec![String::new(); MAX_RANGES + 1]), "whole", "what is empty counts too");

    let backwards = |count| apart(count).into_iter().rev().collect();
    assert_eq!(ask(backwards(MAX_UNORDERED)).split(", ").count(), MAX_UNORDERED);
    assert_eq!(ask(backwards(MAX_UNORDERED + 1)), "whole");

    let overlapping = |count| (0..=count).map(|at| format!("{}-{}", at * 10, at * 10 + 10)).collect();
    assert_eq!(ask(overlapping(MAX_OVERLAPS)), format!("0-{}", MAX_OVERLAPS * 10 + 11));
    assert_eq!(ask(overlapping(MAX_OVERLAPS + 1)), "whole");
}

#[test]
fn if_range() {
    let tagged: Lines<'_> = &[("ETag", "\"a\""), ("Last-Modified", "@-9"), ("Date", "@0")];
    let weak: Lines<'_> = &[("ETag", "W/\"a\""), ("Last-Modified", "@0"), ("Date", "@0")];
    let no_date: Lines<'_> = &[("ETag", "W/\"a\""), ("Last-Modified", "@-9")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str, &str)] = &[
        ("the empty tag", &[("ETag", "\"\"")], "\"\"", "0-2"),
        ("a lone quote is no tag", &[("ETag", "\"")], "\"", "whole"),
        ("the strong tag", tagged, "\"a\"", "0-2"),
        ("another tag", tagged, "\"b\"", "whole"),
        ("the tag, sent weak", tagged, "W/\"a\"", "whole"),
        ("the tag, stored weak", weak, "W/\"a\"", "whole"),
        ("the date", tagged, "@-9", "0-2"),
        ("a later date", tagged, "@-8", "whole"),
        ("a date that is weak", weak, "@0", "whole"),
        ("a date with no Date to compare", no_date, "@-9", "whole"),
        ("neither", tagged, "", "whole"),
    ];
    let mut table = Table::default();
    for (what, stored, value, expected) in rows {
        let found = answer("GET", stored, &[("Range", "bytes=0-1"), ("If-Range", value)], 10);
        table.row("13.1.5", what, found, expected);
    }
    table.finish();
}
