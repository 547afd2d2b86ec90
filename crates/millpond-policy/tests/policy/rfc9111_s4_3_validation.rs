//! RFC 9111 section 4.3: validation, freshening by 304 and by HEAD; section 3.2: updating stored fields.

use crate::common::{Lines, Table, at, fields, get, private, response, store, times, verdict, with_method};
use millpond_exchange::{Record, RequestHead, ResponseHead};
use millpond_policy::{
    Admitted, Fate, Freshened, HeadEffect, Profile, RequestFacts, Stored, Validated, conditional_request,
    freshened_by_head, reuse, validated,
};

fn entry(lines: Lines<'_>) -> Admitted {
    store(&get(&[]), &response(200, lines), &Profile::default()).expect("storable")
}

fn views(entries: &[Admitted]) -> Vec<Stored<'_>> {
    entries.iter().map(|entry| Stored { record: &entry.record, head: &entry.head }).collect()
}

/// Validates `entries` 100 seconds on, for a client that sends `client`.
fn validate(
    entries: &[Admitted],
    selected: Option<usize>,
    client: &RequestHead,
    answer: &ResponseHead,
    profile: &Profile,
) -> Validated {
    let chosen = selected.map(|index| &entries[index].record);
    let sent = conditional_request(entries.iter().map(|e| &e.record), chosen, &client.fields);
    let sent = RequestHead { fields: sent.unwrap_or_else(|| client.fields.clone()), ..client.clone() };
    let facts = RequestFacts::of(client);
    validated(&views(entries), selected, &sent, &facts, answer, times(100), profile)
}

fn freshened(entries: &[Admitted], answer: Lines<'_>) -> Freshened {
    match validate(entries, Some(0), &get(&[]), &response(304, answer), &Profile::default()) {
        Validated::Freshen(mut all) => all.remove(0),
        other => panic!("not freshened: {other:?}"),
    }
}

/// Section 4.3.1.
#[test]
fn the_request_that_validates() {
    let tagged = entry(&[("ETag", "\"a\""), ("Last-Modified", "@-900")]).record;
    let weak = entry(&[("ETag", "W/\"b\"")]).record;
    let dated = entry(&[("Last-Modified", "@-900")]).record;
    let none = entry(&[("Cache-Control", "max-age=60")]).record;
    let client: Lines<'_> = &[
        ("Abc", "1"),
        ("If-None-Match", "\"client\""),
        ("If-Modified-Since", "@-5"),
        ("Range", "bytes=0-1"),
        ("If-Range", "\"client\""),
    ];
    let last_modified = crate::common::date(-900);
    let all = [&tagged, &weak, &dated, &none, &weak];
    #[rustfmt::skip]
    let rows: &[(&str, Option<&Record>, Option<Lines<'_>>)] = &[
        ("both validators", Some(&tagged), Some(&[("Abc", "1"), ("If-None-Match", "\"a\""), ("If-Modified-Since", &last_modified)])),
        ("a weak tag", Some(&weak), Some(&[("Abc", "1"), ("If-None-Match", "W/\"b\"")])),
        ("a date", Some(&dated), Some(&[("Abc", "1"), ("If-Modified-Since", &last_modified)])),
        ("no validator", Some(&none), None),
        ("nothing selected: the tags of all", None, Some(&[("Abc", "1"), ("If-None-Match", "\"a\", W/\"b\"")])),
    ];
    let mut table = Table::default();
    for (what, selected, expected) in rows {
        let found = conditional_request(all.into_iter(), *selected, &fields(client));
        let text = |f: millpond_exchange::Fields| String::from_utf8_lossy(f.wire()).into_owned();
        table.row(
            "4.3.1",
            what,
            format!("{:?}", found.map(text)),
            format!("{:?}", expected.map(|e| text(fields(e)))),
        );
    }
    table.finish();
}

/// (what, stored responses, the selected one, fields of the 304, outcome)
type IdentifyRow<'a> = (&'a str, &'a [Lines<'a>], Option<usize>, Lines<'a>, &'a str);

/// Section 4.3.4: which stored response a 304 is about.
#[test]
fn what_a_304_identifies() {
    let one_tag: &[Lines<'_>] = &[&[("ETag", "\"a\"")]];
    let weak_tag: &[Lines<'_>] = &[&[("ETag", "W/\"a\"")]];
    let both: &[Lines<'_>] = &[&[("ETag", "\"a\""), ("Last-Modified", "@-900"), ("Date", "@0")]];
    let plain: &[Lines<'_>] = &[&[("Cache-Control", "max-age=60")]];
    let dated: &[Lines<'_>] = &[&[("Last-Modified", "@-900"), ("Date", "@0")]];
    let twins: &[Lines<'_>] =
        &[&[("ETag", "\"a\""), ("Date", "@-9")], &[("ETag", "\"a\""), ("Date", "@-5")], &[("ETag", "\"b\"")]];
    let same_date: &[Lines<'_>] =
        &[&[("Last-Modified", "@-900"), ("Date", "@-9")], &[("Last-Modified", "@-900"), ("Date", "@-5")]];
    let weak_twins: &[Lines<'_>] =
        &[&[("ETag", "W/\"a\""), ("Date", "@-9")], &[("ETag", "W/\"a\""), ("Date", "@-5")]];
    #[rustfmt::skip]
    let rows: &[IdentifyRow<'_>] = &[
        ("same strong tag", one_tag, Some(0), &[("ETag", "\"a\"")], "[0]"),
        ("same weak tag", weak_tag, Some(0), &[("ETag", "W/\"a\"")], "[0]"),
        ("weak form of a strong tag", one_tag, Some(0), &[("ETag", "W/\"a\"")], "[0]"),
        ("no validator, one was asked about", one_tag, Some(0), &[], "[0]"),
        ("no validator, one was asked about by date", dated, Some(0), &[], "[0]"),
        ("nothing was asked", plain, Some(0), &[], "unmatched-304"),
        ("same date", dated, Some(0), &[("Last-Modified", "@-900")], "[0]"),
        ("another date", dated, Some(0), &[("Last-Modified", "@-800")], "unmatched-304"),
        ("another tag, to a question about one tag only", one_tag, Some(0), &[("ETag", "\"z\"")], "[0]"),
        ("another tag, where the date may have been compared", both, Some(0), &[("ETag", "\"z\"")], "unmatched-304"),
        ("all with the strong tag, the newest first", twins, None, &[("ETag", "\"a\"")], "[1, 0]"),
        ("all with the strong tag, the selected first", twins, Some(0), &[("ETag", "\"a\"")], "[0, 1]"),
        ("the date of several: the selected one", same_date, Some(0), &[("Last-Modified", "@-900")], "[0]"),
        ("another variant's tag", twins, None, &[("ETag", "\"b\"")], "[2]"),
        ("no validator, several asked about", twins, None, &[], "unmatched-304"),
        ("unknown tag, several asked about", twins, None, &[("ETag", "\"z\"")], "unmatched-304"),
        ("the newest with the weak tag", weak_twins, None, &[("ETag", "W/\"a\"")], "[1]"),
    ];
    let mut table = Table::default();
    for (what, entries, selected, answer, expected) in rows {
        let entries: Vec<Admitted> = entries.iter().map(|lines| entry(lines)).collect();
        let found = validate(&entries, *selected, &get(&[]), &response(304, answer), &Profile::default());
        let found = match found {
            Validated::Freshen(all) => format!("{:?}", all.iter().map(|f| f.index).collect::<Vec<_>>()),
            Validated::Refetch(reason) => reason.to_string(),
            other => format!("{other:?}"),
        };
        table.row("4.3.4", what, found, expected);
    }
    table.finish();
}

/// Section 4.3.3: any other answer.
#[test]
fn answers_that_are_no_304() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, u16, &str)] = &[
        ("a full response replaces", "max-age=60", 200, "Replace"),
        ("so does an error of the client", "max-age=60, stale-if-error=90", 404, "Replace"),
        ("a server error is passed on", "max-age=60", 503, "Replace"),
        ("unless stale-if-error covers it", "max-age=60, stale-if-error=90", 503, "ServeStale(StaleIfError)"),
        ("and nothing forbids it", "max-age=60, stale-if-error=90, must-revalidate", 503, "Replace"),
    ];
    let mut table = Table::default();
    for (what, directives, status, expected) in rows {
        let entries = [entry(&[("ETag", "\"a\""), ("Cache-Control", directives)])];
        let found = validate(&entries, Some(0), &get(&[]), &response(*status, &[]), &Profile::default());
        table.row("4.3.3", what, format!("{found:?}"), expected);
    }
    table.finish();
}

/// Section 3.2.
#[test]
fn which_fields_are_updated() {
    let names = [
        ("Test-Header", true),
        ("Cache-Control", true),
        ("Content-Encoding", false),
        ("Content-Location", true),
        ("Content-MD5", false),
        ("Content-Range", false),
        ("Content-Security-Policy", true),
        ("Content-Type", true),
        ("Expires", true),
        ("Set-Cookie", true),
        ("X-Frame-Options", true),
    ];
    for (name, updated) in names {
        let old = [("ETag", "\"a\""), ("Expires", "@60"), (name, "max-age=1")];
        let new = [("ETag", "\"a\""), (name, "max-age=2"), (name, "public")];
        let head = freshened(&[entry(&old[if name == "Expires" { 0..2 } else { 0..3 }])], &new).head;
        let found: Vec<&[u8]> = head.fields.get_all(name).collect();
        let expected: &[&[u8]] = if updated { &[b"max-age=2", b"public"] } else { &[b"max-age=1"] };
        assert_eq!(found, expected, "{name}");
    }
    let head =
        freshened(&[entry(&[("ETag", "\"a\""), ("X-Kept", "1")])], &[("Content-Length", "0"), ("Age", "9")])
            .head;
    assert_eq!(head.fields.get("x-kept"), Some(&b"1"[..]), "what the 304 omits is kept");
    assert!(!head.fields.contains("content-length") && !head.fields.contains("age"));
    let listed = entry(&[("ETag", "\"a\""), ("Cache-Control", "max-age=9, no-cache=\"set-cookie\"")]);
    let head = freshened(&[listed], &[("Set-Cookie", "a=b")]).head;
    assert!(!head.fields.contains("set-cookie"), "what the stored no-cache names is not kept");
    let head = freshened(&[entry(&[("ETag", "\"a\"")])], &[("ETag", "\"z\"")]).head;
    assert_eq!(head.fields.get("etag"), Some(&b"\"a\""[..]), "the tag names the stored bytes");
}

#[test]
fn a_304_makes_fresh_again() {
    let judged = |old: Lines<'_>, new: Lines<'_>, later: i64| {
        let record = freshened(&[entry(old)], new).record;
        verdict(reuse(&record, &RequestFacts::default(), at(later), &Profile::default()))
    };
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, Lines<'_>, i64, &str)] = &[
        ("the stored lifetime begins anew", &[("Cache-Control", "max-age=60")], &[("Date", "@100")], 110, "fresh 50"),
        ("without Date, from receipt", &[("Cache-Control", "max-age=60"), ("Date", "@0")], &[], 110, "fresh 50"),
        ("a new lifetime", &[("Cache-Control", "max-age=60")], &[("Cache-Control", "max-age=9")], 100, "fresh 9"),
        ("a new Age", &[("Cache-Control", "max-age=60")], &[("Age", "50")], 100, "fresh 10"),
        ("the old Age is forgotten", &[("Cache-Control", "max-age=60"), ("Age", "59")], &[], 100, "fresh 60"),
        ("the old Expires stays", &[("Expires", "@130"), ("Date", "@0")], &[("Date", "@100")], 100, "fresh 30"),
        ("a soft purge is over", &[("Cache-Control", "max-age=60")], &[], 100, "fresh 60"),
        ("its own targeted field stays", &[("Millpond-Cache-Control", "max-age=60")], &[("Cache-Control", "max-age=9")], 100, "fresh 60"),
        ("its own targeted field stays over the other", &[("Millpond-Cache-Control", "max-age=60"), ("CDN-Cache-Control", "max-age=5")], &[], 100, "fresh 60"),
        ("a new targeted field", &[("Millpond-Cache-Control", "max-age=60")], &[("Millpond-Cache-Control", "max-age=9")], 100, "fresh 9"),
        ("now no-cache", &[("Cache-Control", "max-age=60")], &[("Cache-Control", "no-cache")], 100, "validate response-no-cache"),
    ];
    let mut table = Table::default();
    for (what, old, new, later, expected) in rows {
        let mut with_tag = vec![("ETag", "\"a\"")];
        with_tag.extend_from_slice(old);
        table.row("4.3.4", what, judged(&with_tag, new, *later), expected);
    }
    table.finish();
}

#[test]
fn what_an_update_may_not_do() {
    let old: Lines<'_> = &[("ETag", "\"a\""), ("Cache-Control", "max-age=60")];
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, Lines<'_>, &str)] = &[
        ("4.3.4", "the ordinary case", &[], &[], "Store"),
        ("5.2.2.5", "no-store", &[], &[("Cache-Control", "no-store")], "Remove(NoStore)"),
        ("5.2.2.7", "private", &[], &[("Cache-Control", "private, max-age=60")], "Remove(Private)"),
        ("4.1", "Vary: *", &[], &[("Vary", "*")], "Remove(VaryAny)"),
        ("5.2.1.5", "the request says no-store", &[("Cache-Control", "no-store")], &[], "Keep(RequestNoStore)"),
        ("3.5", "the request is authorised", &[("Authorization", "x")], &[], "Keep(Authorization)"),
        ("3.5", "the request is authorised, the response public", &[("Authorization", "x")], &[("Cache-Control", "public, max-age=60")], "Store"),
    ];
    let mut table = Table::default();
    for (section, what, client, answer, expected) in rows {
        let found =
            validate(&[entry(old)], Some(0), &get(client), &response(304, answer), &Profile::default());
        let Validated::Freshen(all) = found else { panic!("{what}: {found:?}") };
        table.row(section, what, format!("{:?}", all[0].fate), expected);
    }
    table.finish();
}

/// Where the key names the user, an authorised request may update what it fetched.
#[test]
fn an_authorised_request_updates_its_own_entry() {
    let profile = Profile { force_cache: Some(std::time::Duration::from_secs(60)), ..Profile::default() };
    let request = get(&[("Authorization", "x")]);
    let facts = RequestFacts::of(&request);
    let answer = response(200, &[("ETag", "\"a\"")]);
    let admitted =
        millpond_policy::admit(&request, &facts, &answer, times(0), Some("ann"), &profile).expect("storable");
    let Validated::Freshen(all) = validate(&[admitted], Some(0), &request, &response(304, &[]), &profile)
    else {
        panic!("not freshened")
    };
    assert_eq!(all[0].fate, Fate::Store);
}

#[test]
fn vary_and_audience_survive() {
    let request = get(&[("Foo", "1")]);
    let facts = RequestFacts::of(&request);
    let lines =
        [("ETag", "\"a\""), ("Vary", "Foo"), ("Cache-Control", "private, max-age=60"), ("Cache-Tag", "t")];
    let admitted =
        millpond_policy::admit(&request, &facts, &response(200, &lines), times(0), Some("ann"), &private())
            .expect("storable");
    let entries = [admitted];
    let found = validate(&entries, Some(0), &get(&[("Foo", "1")]), &response(304, &[]), &private());
    let Validated::Freshen(all) = found else { panic!("{found:?}") };
    assert!(all[0].record.same_selectors(&entries[0].record));
    assert_eq!(all[0].record.tags, entries[0].record.tags);
    assert_eq!(all[0].fate, Fate::Store);
    let found = validate(
        &entries,
        Some(0),
        &get(&[("Foo", "1"), ("Bar", "2")]),
        &response(304, &[("Vary", "Bar")]),
        &private(),
    );
    let Validated::Freshen(all) = found else { panic!("{found:?}") };
    assert_eq!(&*all[0].record.vary[0].name, "bar", "a new Vary is about this request");
}

/// Section 4.3.5.
#[test]
fn head_freshens() {
    let old: Lines<'_> =
        &[("ETag", "\"a\""), ("Last-Modified", "@-9"), ("Cache-Control", "max-age=60"), ("X-A", "1")];
    #[rustfmt::skip]
    let rows: &[(&str, u16, Lines<'_>, &str)] = &[
        ("agrees in nothing said", 200, &[("Cache-Control", "max-age=1000"), ("X-A", "2")], "fresh 1000"),
        ("agrees in all", 200, &[("ETag", "\"a\""), ("Last-Modified", "@-9"), ("Content-Length", "10")], "fresh 60"),
        ("another tag", 200, &[("ETag", "\"b\"")], "validate head-mismatch"),
        ("another date", 200, &[("Last-Modified", "@-8")], "validate head-mismatch"),
        ("another length", 200, &[("Content-Length", "11")], "validate head-mismatch"),
        ("a length that is none", 200, &[("Content-Length", "x")], "validate head-mismatch"),
        ("another status", 410, &[("X-A", "2")], "nothing"),
    ];
    let entry = entry(old);
    let request = with_method("HEAD", &[]);
    let facts = RequestFacts::of(&request);
    let view = Stored { record: &entry.record, head: &entry.head };
    let mut table = Table::default();
    for (what, status, answer, expected) in rows {
        let answer = response(*status, answer);
        let effect = freshened_by_head(view, 10, &request, &facts, &answer, times(100), &Profile::default());
        let judged =
            |record: &Record| verdict(reuse(record, &RequestFacts::default(), at(100), &Profile::default()));
        let found = match effect {
            HeadEffect::Nothing => "nothing".into(),
            HeadEffect::Freshen(freshened) => {
                assert_eq!(freshened.head.fields.get("x-a"), answer.fields.get("x-a").or(Some(b"1")));
                judged(&freshened.record)
            }
            HeadEffect::Stale(record) => judged(&record),
        };
        table.row("4.3.5", what, found, expected);
    }
    table.finish();
}
