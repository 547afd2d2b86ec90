//! RFC 9110 section 14: ranges of a complete stored response, and section 13.1.5: If-Range.

use crate::common::{Lines, Table, get, response, store, with_method};
use millpond_policy::{Profile, RangeAnswer, RequestFacts, range};

fn answer(method: &str, stored: Lines<'_>, request: Lines<'_>, total: u64) -> String {
    let record = store(&get(&[]), &response(200, stored), &Profile::default()).expect("storable").record;
    let request = with_method(method, request);
    match range(&request.fields, &RequestFacts::of(&request), total, &record) {
        RangeAnswer::Whole => "whole".into(),
        RangeAnswer::Part(part) => format!("{}-{}", part.start, part.end),
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
        ("14.2", "bytes=0-1,3-4", "whole"),
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
