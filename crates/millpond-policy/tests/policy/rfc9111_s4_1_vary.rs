//! RFC 9111 section 4.1: calculating cache keys with Vary.

use crate::common::{Lines, Table, fields, get, response, store, times};
use millpond_exchange::Record;
use millpond_policy::{Profile, RequestFacts, admit, normalise_request, normalise_vary, select};

fn stored(vary: Lines<'_>, request: Lines<'_>) -> Record {
    let mut lines = vec![("Cache-Control", "max-age=60")];
    lines.extend_from_slice(vary);
    store(&get(request), &response(200, &lines), &Profile::default()).expect("storable").record
}

#[test]
fn matching() {
    const FOO: Lines<'_> = &[("Vary", "Foo")];
    const TWO: Lines<'_> = &[("Vary", "Foo"), ("vary", "BAR, foo")];
    const CODING: Lines<'_> = &[("Vary", "Accept-Encoding")];
    const LANGUAGE: Lines<'_> = &[("Vary", "Accept-Language")];
    const AGENT: Lines<'_> = &[("Vary", "User-Agent")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, Lines<'_>, Lines<'_>, bool)] = &[
        ("same value", FOO, &[("Foo", "1")], &[("foo", "1")], true),
        ("another value", FOO, &[("Foo", "1")], &[("Foo", "2")], false),
        ("a longer value", FOO, &[("Foo", "1")], &[("Foo", "11")], false),
        ("case of the value counts", FOO, &[("Foo", "a")], &[("Foo", "A")], false),
        ("absent before", FOO, &[], &[("Foo", "1")], false),
        ("absent now", FOO, &[("Foo", "1")], &[], false),
        ("absent both times", FOO, &[], &[], true),
        ("empty is not absent", FOO, &[], &[("Foo", "")], false),
        ("other fields do not count", FOO, &[("Foo", "1"), ("Other", "2")], &[("Foo", "1"), ("Other", "3")], true),
        ("lines combined", FOO, &[("Foo", "1, 2")], &[("Foo", "1"), ("Foo", "2")], true),
        ("lines combined, the other way", FOO, &[("Foo", "1"), ("Foo", "2")], &[("Foo", "1,2")], true),
        ("whitespace around commas", FOO, &[("Foo", "1,2")], &[("Foo", " 1 ,\t2 ")], true),
        ("whitespace elsewhere", FOO, &[("Foo", "1 2")], &[("Foo", "1  2")], false),
        ("whitespace in a quoted string", FOO, &[("Foo", "\"a, b\"")], &[("Foo", "\"a,b\"")], false),
        ("order of unknown lists counts", FOO, &[("Foo", "1, 2")], &[("Foo", "2, 1")], false),
        ("two fields, both", TWO, &[("Foo", "1"), ("Bar", "x")], &[("Bar", "x"), ("Foo", "1")], true),
        ("two fields, one differs", TWO, &[("Foo", "1"), ("Bar", "x")], &[("Foo", "1"), ("Bar", "y")], false),
        ("a comma in User-Agent is no separator", AGENT, &[("User-Agent", "a, b")], &[("User-Agent", "a,b")], false),
        ("codings: order, case and whitespace", CODING, &[("Accept-Encoding", "gzip, deflate,BR")], &[("accept-encoding", "br ,Deflate, gzip")], true),
        ("codings: weights written differently", CODING, &[("Accept-Encoding", "br;q=1.0, gzip; q=0.50")], &[("Accept-Encoding", "gzip;Q=0.5,br")], true),
        ("codings: another weight", CODING, &[("Accept-Encoding", "gzip;q=0.5, br")], &[("Accept-Encoding", "gzip;q=0.4, br")], false),
        ("codings: q=0 forbids", CODING, &[("Accept-Encoding", "gzip")], &[("Accept-Encoding", "gzip, identity;q=0")], false),
        ("codings: empty is identity, absent is anything", CODING, &[("Accept-Encoding", "")], &[], false),
        ("codings: malformed still equals itself", CODING, &[("Accept-Encoding", "gzip;q=2")], &[("Accept-Encoding", "gzip;q=2")], true),
        ("codings: malformed equals nothing else", CODING, &[("Accept-Encoding", "gzip;q=2")], &[("Accept-Encoding", "gzip")], false),
        ("languages: case and whitespace", LANGUAGE, &[("Accept-Language", "en, de")], &[("Accept-Language", "eN ,  De")], true),
        ("languages: order by weight", LANGUAGE, &[("Accept-Language", "en;q=0.5, de")], &[("Accept-Language", "de, en;q=0.5")], true),
        ("languages: order of equals may matter", LANGUAGE, &[("Accept-Language", "en, de")], &[("Accept-Language", "de, en")], false),
    ];
    let mut table = Table::default();
    for (what, vary, first, second, expected) in rows {
        let record = stored(vary, first);
        let found = select([&record].into_iter(), &fields(second), None).is_some();
        table.row("4.1", what, found.to_string(), expected.to_string());
    }
    table.finish();
}

#[test]
fn the_newest_date_wins_whatever_the_order() {
    let with_date = |secs: &str| {
        let lines = [("Cache-Control", "max-age=60"), ("Date", secs)];
        store(&get(&[]), &response(200, &lines), &Profile::default()).expect("storable").record
    };
    let (old, new) = (with_date("@-20"), with_date("@-10"));
    let none = fields(&[]);
    assert_eq!(select([&old, &new].into_iter(), &none, None), Some(1));
    assert_eq!(select([&new, &old].into_iter(), &none, None), Some(0));
    assert_eq!(select([&new, &new].into_iter(), &none, None), Some(0), "of equals the first");
    assert_eq!(select(std::iter::empty(), &none, None), None);
}

#[test]
fn private_entries_are_seen_by_their_partition_alone() {
    let request = get(&[]);
    let facts = RequestFacts::of(&request);
    let lines = [("Cache-Control", "private, max-age=60")];
    let record =
        admit(&request, &facts, &response(200, &lines), times(0), Some("ann"), &crate::common::private())
            .expect("storable")
            .record;
    let found = |partition| select([&record].into_iter(), &request.fields, partition);
    assert_eq!((found(Some("ann")), found(Some("bob")), found(None)), (Some(0), None, None));
}

/// What a request is compared by is also what goes to the origin.
#[test]
fn the_normal_form_goes_upstream() {
    #[rustfmt::skip]
    let rows: &[(Lines<'_>, Lines<'_>)] = &[
        (&[("Accept-Encoding", "gzip, br;q=0.90"), ("Host", "x")], &[("Host", "x"), ("Accept-Encoding", "gzip,br;q=0.9")]),
        (&[("Accept-Encoding", "gzip"), ("accept-encoding", "br")], &[("Accept-Encoding", "br,gzip")]),
        (&[("Accept-Encoding", "*;q=0, identity;q=0.001")], &[("Accept-Encoding", "identity;q=0.001,*;q=0")]),
        (&[("Accept-Encoding", "")], &[("Accept-Encoding", "")]),
        (&[("Accept-Language", "fr-CH, fr;q=0.9, *;q=0.5")], &[("Accept-Language", "fr-ch,fr;q=0.9,*;q=0.5")]),
        (&[("Accept-Language", "en;level=1, de")], &[("Accept-Language", "en;level=1,de")]),
        (&[("Accept", "text/html, */*")], &[("Accept", "text/html, */*")]),
    ];
    let mut table = Table::default();
    for (before, after) in rows {
        let mut request = get(before);
        normalise_request(&mut request);
        let found = String::from_utf8_lossy(request.fields.wire()).into_owned();
        table.row("4.1", &format!("{before:?}"), found, String::from_utf8_lossy(fields(after).wire()));
        for name in ["accept-encoding", "accept-language"] {
            let once = normalise_vary(name, &request.fields).map(std::borrow::Cow::into_owned);
            let raw = request.fields.get(name).map(<[u8]>::to_vec);
            table.row("4.1", "the form is its own form", format!("{once:?}"), format!("{raw:?}"));
        }
    }
    table.finish();
}
