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
    const MANY: &str = "a,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,b";
    const MANY_SPACED: &str = "a ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,b";
    const CODING: Lines<'_> = &[("Vary", "Accept-Encoding")];
    const LANGUAGE: Lines<'_> = &[("Vary", "Accept-Language")];
    const AGENT: Lines<'_> = &[("Vary", "User-Agent")];
    const COOKIE: Lines<'_> = &[("Vary", "Cookie")];
    const CREDENTIALS: Lines<'_> = &[("Vary", "Authorization, proxy-AUTHORIZATION")];
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
        ("cookies: same value", COOKIE, &[("Cookie", "a=1; b=2")], &[("cookie", "a=1; b=2")], true),
        ("cookies: another value", COOKIE, &[("Cookie", "a=1")], &[("Cookie", "a=2")], false),
        ("cookies: lines combined", COOKIE, &[("Cookie", "a=1; b=2")], &[("Cookie", "a=1"), ("Cookie", "b=2")], true),
        ("cookies: lines combined, the other way", COOKIE, &[("Cookie", "a=1"), ("Cookie", "b=2")], &[("Cookie", "a=1; b=2")], true),
        ("cookies: absent before", COOKIE, &[], &[("Cookie", "a=1")], false),
        ("cookies: absent now", COOKIE, &[("Cookie", "a=1")], &[], false),
        ("cookies: absent both times", COOKIE, &[], &[], true),
        ("cookies: empty is not absent", COOKIE, &[], &[("Cookie", "")], false),
        ("cookies: empty is empty", COOKIE, &[("Cookie", "")], &[("Cookie", "")], true),
        ("cookies: case and whitespace count", COOKIE, &[("Cookie", "a=1;b=2")], &[("Cookie", "A=1; b=2")], false),
        ("credentials: both the same", CREDENTIALS, &[("Proxy-Authorization", "Basic YTpi"), ("Cookie", "a")], &[("proxy-authorization", "Basic YTpi")], true),
        ("credentials: one differs", CREDENTIALS, &[("Proxy-Authorization", "Basic YTpi")], &[("Proxy-Authorization", "Basic YTpj")], false),
        ("credentials: the same in another field", CREDENTIALS, &[("Proxy-Authorization", "Basic YTpi")], &[("Authorization", "Basic YTpi")], false),
        ("codings: order, case and whitespace", CODING, &[("Accept-Encoding", "gzip, deflate,BR")], &[("accept-encoding", "br ,Deflate, gzip")], true),
        ("codings: weights written differently", CODING, &[("Accept-Encoding", "br;q=1.0, gzip; q=0.50")], &[("Accept-Encoding", "gzip;Q=0.5,br")], true),
        ("codings: another weight", CODING, &[("Accept-Encoding", "gzip;q=0.5, br")], &[("Accept-Encoding", "gzip;q=0.4, br")], false),
        ("codings: q=0 forbids", CODING, &[("Accept-Encoding", "gzip")], &[("Accept-Encoding", "gzip, identity;q=0")], false),
        ("codings: empty is identity, absent is anything", CODING, &[("Accept-Encoding", "")], &[], false),
        ("codings: malformed still equals itself", CODING, &[("Accept-Encoding", "gzip;q=2")], &[("Accept-Encoding", "gzip;q=2")], true),
        ("codings: malformed equals nothing else", CODING, &[("Accept-Encoding", "gzip;q=2")], &[("Accept-Encoding", "gzip")], false),
        ("codings: more than are sorted equal themselves", CODING, &[("Accept-Encoding", MANY)], &[("Accept-Encoding", MANY)], true),
        ("codings: more than are sorted, in another form", CODING, &[("Accept-Encoding", MANY)], &[("Accept-Encoding", MANY_SPACED)], false),
        ("lists: more than are rewritten, in another form", FOO, &[("Foo", MANY)], &[("Foo", MANY_SPACED)], false),
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

/// What a record keeps goes into files and their copies: nothing of it may be what lets a user in.
#[test]
fn of_credentials_only_a_digest_is_kept() {
    const SECRET: &str = "sid=31d4d96e407aad42";
    let mut table = Table::default();
    let mut kept = Vec::new();
    for name in ["Cookie", "Authorization", "proxy-Authorization"] {
        // A record of a shared cache keeps an answer to Authorization only where the origin says so.
        let lines = [("Vary", name), ("Cache-Control", "public, max-age=60")];
        let asked = get(&[(name, SECRET), ("Foo", SECRET)]);
        let record = store(&asked, &response(200, &lines), &Profile::default()).expect("storable").record;
        let value = record.vary[0].value.as_deref().expect("the field was there");
        let shown = String::from_utf8_lossy(value).contains("31d4d96e");
        table.row("4.1", name, format!("{} {shown}", value.len()), "32 false");
        let normal = normalise_vary(name, &asked.fields).map(std::borrow::Cow::into_owned);
        table.row(
            "4.1",
            &format!("{name}: fills are shared by it"),
            format!("{:?}", normal.as_deref()),
            format!("{:?}", Some(value)),
        );
        kept.push(value.to_vec());
    }
    kept.sort_unstable();
    kept.dedup();
    table.row("4.1", "the same value in other fields looks different", kept.len().to_string(), "3");
    table.finish();
}

/// Whoever has read a digest in a file must not be taken for the user it stands for.
#[test]
fn a_digest_is_no_value() {
    let record = stored(&[("Vary", "Cookie")], &[("Cookie", "a=1")]);
    let mut asked = get(&[]).fields;
    let mut digest = record.vary[0].value.clone().expect("the field was there");
    let told = asked.append("Cookie", &digest).is_ok();
    assert!(!told || select([&record].into_iter(), &asked, None).is_none());
    // A digest may hold bytes that no field value has: a record made to hold one that has none.
    digest.fill(b'x');
    let mut made = record;
    made.vary[0].value = Some(digest);
    let asked = fields(&[("Cookie", "x".repeat(32).as_str())]);
    assert_eq!(select([&made].into_iter(), &asked, None), None);
}

/// What is in no canonical form is brought into it once for all variants, with the same outcome as for each alone.
#[test]
fn among_many_variants_each_is_compared_as_if_alone() {
    let mut table = Table::default();
    for (name, values, asked) in [
        ("Accept-Encoding", ["gzip", "br, gzip", "zstd"], "gzip , BR"),
        ("Accept-Language", ["en", "de, en;q=0.5", "fr"], "en;q=0.50, de"),
        ("Accept", ["text/html", "text/html,*/*;q=0.5", "*/*"], "text/html , */*;q=0.500"),
        ("Foo", ["1", "1,2", "3"], "1 ,2"),
        ("Cookie", ["a=1", "b=2", "c=3"], "b=2"),
        ("User-Agent", ["a", "b", "c"], "b"),
    ] {
        let records = values.map(|value| stored(&[("Vary", name)], &[(name, value)]));
        for lines in [&[(name, asked)][..], &[("Other", "1"), (name, asked)]] {
            for turned in 0..3 {
                let turn = |at: usize| &records[(at + turned) % 3];
                let found = select((0..3).map(turn), &fields(lines), None).map(|at| (at + turned) % 3);
                table.row("4.1", name, format!("{found:?}"), "Some(1)");
            }
        }
    }
    table.finish();
}

#[test]
fn more_names_than_are_kept_are_any() {
    let many = |count: usize| (0..count).map(|at| format!("x-{at}")).collect::<Vec<_>>().join(",");
    let outcome = |vary: &str| {
        let lines = [("Vary", vary), ("Cache-Control", "max-age=60")];
        store(&get(&[]), &response(200, &lines), &Profile::default()).map(|stored| stored.record.vary.len())
    };
    assert_eq!(outcome(&many(64)), Ok(64));
    assert_eq!(outcome(&many(65)), Err(millpond_policy::Reason::VaryAny));
}

/// 64 variants, and the field that a few bytes of HPACK repeat: the work must not be that of sorting it 64 times.
#[test]
fn a_long_field_is_not_sorted_for_each_variant() {
    let records: Vec<Record> = (0..64)
        .map(|at| stored(&[("Vary", "Accept-Encoding")], &[("Accept-Encoding", &format!("x{at}"))]))
        .collect();
    let members = (0..1_950).rev().map(|at| format!("{at}")).collect::<Vec<_>>();
    let time = |value: &str| {
        let asked = fields(&[("Accept-Encoding", value)]);
        (0..5)
            .map(|_| {
                let begun = std::time::Instant::now();
                assert_eq!(select(records.iter(), &asked, None), None);
                begun.elapsed()
            })
            .min()
            .expect("five times")
    };
    // Against what one comparison of the bytes takes, generously: sorting took some thousand times as long.
    let (long, short) = (time(&members.join(",")), time("gzip"));
    assert!(long < short * 60, "{long:?} for the long one, {short:?} for the short");
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

/// "When a cache has multiple stored responses for a target URI and one or more omits the Vary header field, the cache SHOULD
/// choose the most recent stored response with a valid Vary field value."
#[test]
fn one_that_says_what_it_varies_on_is_preferred_to_one_that_omits_it() {
    let at = |lines: Lines<'_>, request: Lines<'_>, secs: i64| {
        let (head, facts) = (get(request), RequestFacts::of(&get(request)));
        let answer = response(200, lines);
        admit(&head, &facts, &answer, times(secs), None, &Profile::default()).expect("storable").record
    };
    let french = [("Accept-Language", "fr")];
    let varied =
        |lifetime: &str, secs| at(&[("Cache-Control", lifetime), ("Vary", "Accept-Language")], &french, secs);
    let plain = |secs| at(&[("Cache-Control", "max-age=60")], &[], secs);
    let guessed = at(&[("Last-Modified", "@-9000"), ("Vary", "Accept-Language")], &french, 0);
    let purged = Record { stale_from: Some(crate::common::at(5)), ..varied("max-age=60", 0) };
    #[rustfmt::skip]
    let rows: &[(&str, &[&Record], Option<usize>)] = &[
        ("an older one that varies", &[&varied("max-age=60", 0), &plain(10)], Some(0)),
        ("in whatever order", &[&plain(10), &varied("max-age=60", 0)], Some(1)),
        ("the newest of those that vary", &[&varied("max-age=60", 0), &plain(10), &varied("max-age=60", 5)], Some(2)),
        ("a newer one that varies", &[&plain(0), &varied("max-age=60", 10)], Some(1)),
        ("one that was stale by then may have made way", &[&varied("max-age=9", 0), &plain(10)], Some(1)),
        ("as may one that states no lifetime", &[&guessed, &plain(10)], Some(1)),
        ("and one that was purged", &[&purged, &plain(10)], Some(1)),
    ];
    let mut table = Table::default();
    for (what, records, expected) in rows {
        let found = select(records.iter().copied(), &get(&french).fields, None);
        table.row("4.1", what, format!("{found:?}"), format!("{expected:?}"));
    }
    let other = select([&varied("max-age=60", 0), &plain(10)].into_iter(), &get(&[]).fields, None);
    table.row("4.1", "which the request does not select", format!("{other:?}"), "Some(1)");
    table.finish();
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
