//! RFC 9110 section 13 as a cache applies it (RFC 9111 section 4.3.2), and section 15.4.5: the 304.

use crate::common::{Lines, Table, fields, get, response, store};
use millpond_policy::{Profile, RequestFacts, not_modified_head, precondition};

#[test]
fn evaluation() {
    const TAG: Lines<'_> = &[("ETag", "\"a\""), ("Last-Modified", "@-900"), ("Cache-Control", "max-age=60")];
    const WEAK: Lines<'_> = &[("ETag", "W/\"a\""), ("Cache-Control", "max-age=60")];
    const DATED: Lines<'_> = &[("Last-Modified", "@-900"), ("Date", "@0")];
    const PLAIN: Lines<'_> = &[("Cache-Control", "max-age=60"), ("Date", "@0")];
    const BARE: Lines<'_> = &[("ETag", "a"), ("Cache-Control", "max-age=60")];
    #[rustfmt::skip]
    let rows: &[(&str, &str, u16, Lines<'_>, Lines<'_>, &str)] = &[
        ("13.1.2", "none", 200, TAG, &[], "Send"),
        ("13.1.2", "match", 200, TAG, &[("If-None-Match", "\"a\"")], "NotModified"),
        ("13.1.2", "no match", 200, TAG, &[("If-None-Match", "\"b\"")], "Send"),
        ("13.1.2", "case counts", 200, TAG, &[("If-None-Match", "\"A\"")], "Send"),
        ("13.1.2", "any", 200, TAG, &[("If-None-Match", "*")], "NotModified"),
        ("13.1.2", "any, among others", 200, TAG, &[("If-None-Match", "\"x\""), ("If-None-Match", "*")], "NotModified"),
        ("13.1.2", "one of several", 200, TAG, &[("If-None-Match", "\"x\", \"a\" ,\"y\"")], "NotModified"),
        ("13.1.2", "one of several lines", 200, TAG, &[("If-None-Match", "\"x\""), ("If-None-Match", "\"a\"")], "NotModified"),
        ("8.8.3", "a comma within a tag", 200, &[("ETag", "\"a,b\""), ("Expires", "@9")], &[("If-None-Match", "\"x\", \"a,b\"")], "NotModified"),
        ("8.8.3.2", "weak comparison, stored weak", 200, WEAK, &[("If-None-Match", "\"a\"")], "NotModified"),
        ("8.8.3.2", "weak comparison, sent weak", 200, TAG, &[("If-None-Match", "W/\"a\"")], "NotModified"),
        ("8.8.3", "obs-text", 200, &[("ETag", "\"\u{fc}\""), ("Expires", "@9")], &[("If-None-Match", "\"\u{fc}\"")], "NotModified"),
        ("8.8.3", "unquoted as it came", 200, BARE, &[("If-None-Match", "a")], "NotModified"),
        ("8.8.3", "unquoted is not quoted", 200, TAG, &[("If-None-Match", "a")], "Send"),
        ("13.1.2", "nothing stored to compare", 200, DATED, &[("If-None-Match", "\"a\"")], "Send"),
        ("13.1.3", "unchanged since", 200, DATED, &[("If-Modified-Since", "@-900")], "NotModified"),
        ("13.1.3", "unchanged since later", 200, DATED, &[("If-Modified-Since", "@-800")], "NotModified"),
        ("13.1.3", "changed since", 200, DATED, &[("If-Modified-Since", "@-901")], "Send"),
        ("13.1.3", "not a date", 200, DATED, &[("If-Modified-Since", "yesterday")], "Send"),
        ("13.1.3", "twice", 200, DATED, &[("If-Modified-Since", "@-900"), ("If-Modified-Since", "@-900")], "Send"),
        ("9111 4.3.2", "no Last-Modified: Date", 200, PLAIN, &[("If-Modified-Since", "@0")], "NotModified"),
        ("9111 4.3.2", "no Last-Modified: Date is later", 200, PLAIN, &[("If-Modified-Since", "@-1")], "Send"),
        ("13.2.2", "If-None-Match before If-Modified-Since", 200, TAG, &[("If-None-Match", "\"a\""), ("If-Modified-Since", "@-999")], "NotModified"),
        ("13.2.2", "If-Modified-Since does not rescue", 200, TAG, &[("If-None-Match", "\"b\""), ("If-Modified-Since", "@0")], "Send"),
        ("9111 4.3.2", "If-Match is for the origin", 200, TAG, &[("If-Match", "\"a\"")], "Forward"),
        ("9111 4.3.2", "If-Unmodified-Since is for the origin", 200, TAG, &[("If-Unmodified-Since", "@0"), ("If-None-Match", "\"a\"")], "Forward"),
        ("13.2.1", "not for an error", 404, TAG, &[("If-None-Match", "\"a\"")], "Send"),
    ];
    let mut table = Table::default();
    for (section, what, status, lines, request, expected) in rows {
        let record =
            store(&get(&[]), &response(*status, lines), &Profile::default()).expect("storable").record;
        let request = get(request);
        let found = precondition(&record, &RequestFacts::of(&request), &request.fields);
        table.row(section, what, format!("{found:?}"), expected);
    }
    table.finish();
}

/// The suite tests If-Modified-Since in an obsolete format.
#[test]
fn obsolete_dates_count() {
    let lines = [("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Cache-Control", "max-age=60")];
    let record = store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record;
    let request = get(&[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")]);
    let found = precondition(&record, &RequestFacts::of(&request), &request.fields);
    assert_eq!(found, millpond_policy::Evaluate::NotModified);
}

#[test]
fn the_304_has_these_fields() {
    let all: Lines<'_> = &[
        ("Cache-Control", "max-age=60"),
        ("Content-Location", "/x"),
        ("Content-Type", "text/plain"),
        ("Date", "@0"),
        ("ETag", "\"a\""),
        ("Expires", "@60"),
        ("Last-Modified", "@-9"),
        ("Set-Cookie", "a=b"),
        ("Vary", "Foo"),
        ("Vary", "Bar"),
    ];
    let names = |lines: Lines<'_>| -> Vec<String> {
        let head = not_modified_head(&response(200, lines));
        assert_eq!(head.status, 304);
        head.fields.iter().map(|field| field.name_str().to_owned()).collect()
    };
    assert_eq!(names(all), ["Cache-Control", "Content-Location", "Date", "ETag", "Expires", "Vary", "Vary"]);
    assert_eq!(names(&all[6..7]), ["Last-Modified"], "without an ETag");
    assert!(fields(all).contains("set-cookie"));
}
