//! RFC 9110 section 12.5.4 and RFC 4647: a stored response for a request whose Accept-Language is another than the one that
//! fetched it; and section 12.5.1: how Accept is compared.

use crate::common::{Lines, Table, fields, get, response, store, times};
use millpond_exchange::{Record, ResponseHead};
use millpond_policy::{
    LanguageFit, LanguageMatch, Profile, RequestFacts, Stored, admit, normalise_vary, select, select_language,
};
use std::borrow::Cow;

const UNORDERED: LanguageMatch = LanguageMatch::Unordered;
const PREFERRED: LanguageMatch = LanguageMatch::Preferred;

fn under(languages: LanguageMatch) -> Profile {
    Profile { languages, ..Profile::default() }
}

fn stored(accept_language: &str, language: &str, secs: i64) -> (Record, ResponseHead) {
    let mut lines = vec![("Vary", "Accept-Language, X-Team"), ("Cache-Control", "max-age=60")];
    lines.extend(language.split('|').filter(|tag| !tag.is_empty()).map(|tag| ("Content-Language", tag)));
    let request = get(&[("Accept-Language", accept_language), ("X-Team", "a")]);
    let head = response(200, &lines);
    let facts = RequestFacts::of(&request);
    let admitted = admit(&request, &facts, &head, times(secs), None, &Profile::default()).expect("storable");
    (admitted.record, admitted.head)
}

fn chosen(
    entries: &[(Record, ResponseHead)],
    request: Lines<'_>,
    languages: LanguageMatch,
) -> Option<(usize, LanguageFit)> {
    let entries = entries.iter().map(|(record, head)| Stored { record, head });
    select_language(entries, &fields(request), None, &under(languages))
}

/// `exact` where the fields match as they are, else how the response suits, else `no`.
fn found(first: &str, language: &str, second: &str, languages: LanguageMatch) -> &'static str {
    let entry = stored(first, language, 0);
    let request: Lines<'_> = &[("Accept-Language", second), ("X-Team", "a")];
    if select([&entry.0].into_iter(), &fields(request), None).is_some() {
        return "exact";
    }
    match chosen(&[entry], request, languages) {
        Some((0, LanguageFit::SameLanguages)) => "same",
        Some((0, LanguageFit::Preferred)) => "preferred",
        Some(_) => "another",
        None => "no",
    }
}

#[test]
fn in_another_order() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("9110 12.5.4", "as written", "en, de", "", "en, de", "exact"),
        ("9110 12.5.4", "case, whitespace, q=1", "en, de", "", "EN;q=1.000 ,\tDe;Q=1", "exact"),
        ("9110 12.5.4", "order by weight", "de;q=0.5, en", "", "en;q=1.0, de;q=0.50", "exact"),
        ("9110 12.5.4", "order of equals", "en, de", "", "de, en", "same"),
        ("9110 12.5.4", "order of equals below the first", "fr, en;q=0.5, de;q=0.5", "", "fr;q=1, de;q=0.5, en;q=0.5", "same"),
        ("9110 12.5.4", "with a wildcard", "en, *", "", "*, en", "same"),
        ("9110 12.5.4", "another weight", "en, de", "", "de, en;q=0.9", "no"),
        ("9110 12.5.4", "one language more", "en, de", "", "de, en, fr", "no"),
        ("9110 12.5.4", "one language less", "en, de", "", "de", "no"),
        ("9110 12.5.4", "twice the same", "en, de", "", "de, de", "no"),
        ("9110 12.5.4", "not a list of languages", "en, de", "", "de; en", "no"),
        ("9110 8.5", "says the first of both orders", "en, de;q=0.5, fr;q=0.5", "en", "en, fr;q=0.5, de;q=0.5", "same"),
        ("9110 8.5", "the first of its own order", "en, de", "en", "de, en", "no"),
        ("9110 8.5", "the first of the other order", "en, de", "de", "de, en", "same"),
        ("9110 8.5", "the first of its own order, with a region", "en, de", "en-GB", "de, en", "no"),
        ("9110 8.5", "none of the languages", "en, de", "fr", "de, en", "same"),
        ("9110 8.5", "several languages", "en, de", "en, de", "de, en", "no"),
        ("9110 8.5", "several lines", "en, de", "de|en", "de, en", "no"),
        ("9110 8.5", "no tag", "en, de", "?", "de, en", "no"),
        ("9111 4.1", "preferred alone", "en, de", "de", "fr;q=0.5, de", "no"),
    ];
    let mut table = Table::default();
    for (section, what, first, language, second, expected) in rows {
        table.row(section, what, found(first, language, second, UNORDERED), expected);
        let exactly = if *expected == "exact" { "exact" } else { "no" };
        table.row(
            section,
            &format!("{what}: exact"),
            found(first, language, second, LanguageMatch::Exact),
            exactly,
        );
    }
    table.finish();
}

#[test]
fn in_the_preferred_language() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("4647 3.4", "liked best by both", "en, de", "de", "fr;q=0.5, de;q=1.0", "preferred"),
        ("4647 3.4", "liked best, in another case", "en, de", "DE", "fr;q=0.5, De", "preferred"),
        ("4647 3.4", "alone in the list", "de, en;q=0.1", "de", "de", "preferred"),
        ("4647 3.4", "alone below 1", "de", "de", "de;q=0.7, fr;q=0.6", "preferred"),
        ("4647 3.4", "a region", "de-AT, en;q=0.5", "de-AT", "de-at, it;q=0.1", "preferred"),
        ("4647 3.4", "found by leaving out the region, for the same", "de-AT, en;q=0.5", "de", "de-AT, it;q=0.5", "preferred"),
        ("4647 3.4", "it was looked up only after another", "en, de-AT", "de", "de-AT, it;q=0.5", "no"),
        ("4647 3.4", "the origin may have the region", "de", "de", "de-AT, it;q=0.5", "no"),
        ("4647 3.4", "the origin may have the plain one", "de-AT", "de-AT", "de", "no"),
        ("4647 2.1", "no prefix without a hyphen", "den, en;q=0.5", "de", "den, it;q=0.5", "no"),
        ("9110 12.4.2", "two liked alike", "en, de", "de", "fr, de", "no"),
        ("9110 12.4.2", "liked less by the one that fetched it", "en, de;q=0.9", "de", "de, fr;q=0.5", "no"),
        ("9110 12.4.2", "liked less by this one", "en, de", "de", "fr, de;q=0.9", "no"),
        ("9110 12.4.2", "not wanted at all", "en, de", "de", "de;q=0", "no"),
        ("9110 12.5.4", "anything", "*, de", "de", "*, fr;q=0.5", "no"),
        ("9110 12.5.4", "a substitute for what was asked", "fr", "en", "en", "no"),
        ("9110 8.5", "does not say its language", "en, de", "", "fr;q=0.5, de", "no"),
        ("9110 8.5", "several languages", "en, de", "de, en", "fr;q=0.5, de", "no"),
        ("9111 4.1", "the same languages come first", "en, de", "de", "de, en", "same"),
    ];
    let mut table = Table::default();
    for (section, what, first, language, second, expected) in rows {
        table.row(section, what, found(first, language, second, PREFERRED), expected);
    }
    table.finish();
}

#[test]
fn everything_else_must_match() {
    let entry = stored("en, de", "", 0);
    let entries = [entry];
    let none: Lines<'_> = &[("X-Team", "a")];
    let other: Lines<'_> = &[("Accept-Language", "de, en"), ("X-Team", "b")];
    let missing: Lines<'_> = &[("Accept-Language", "de, en")];
    for request in [none, other, missing] {
        assert_eq!(chosen(&entries, request, PREFERRED), None, "{request:?}");
    }
    let plain = store(&get(&[]), &response(200, &[("Cache-Control", "max-age=60")]), &Profile::default());
    let plain = plain.expect("storable");
    let request: Lines<'_> = &[("Accept-Language", "de, en"), ("X-Team", "a")];
    assert_eq!(
        chosen(&[(plain.record, plain.head)], request, PREFERRED),
        None,
        "it does not vary on the language"
    );
}

#[test]
fn the_better_fit_then_the_newest() {
    let request: Lines<'_> = &[("Accept-Language", "de, en;q=0.5, fr;q=0.5"), ("X-Team", "a")];
    let (older, newer) = (stored("de, fr;q=0.5, en;q=0.5", "", 0), stored("de, fr;q=0.5, en;q=0.5", "", 9));
    let preferred = stored("de, it;q=0.5", "de", 20);
    let same = Some(LanguageFit::SameLanguages);
    let found = |entries: &[_]| chosen(entries, request, PREFERRED).map(|(index, _)| index);
    assert_eq!(found(&[older.clone(), newer.clone(), preferred.clone()]), Some(1));
    assert_eq!(found(&[newer.clone(), older, preferred.clone()]), Some(0));
    assert_eq!(chosen(&[preferred, newer.clone()], request, PREFERRED).map(|(_, fit)| fit), same);
    // A list that only its length makes dear is not looked at.
    let long = (0..40).map(|at| format!("x-{at}")).collect::<Vec<_>>().join(",");
    assert_eq!(chosen(&[newer], &[("Accept-Language", long.as_str()), ("X-Team", "a")], PREFERRED), None);
}

#[test]
fn accept() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &str, bool)] = &[
        ("5.6.1", "whitespace around commas", "text/html, */*", " text/html ,*/*", true),
        ("5.6.6", "whitespace around semicolons", "text/html;level=1, */*;q=0.1", "text/html ; level=1,*/* ;q=0.1", true),
        ("12.4.2", "q=1 is what goes without saying", "text/html;q=1.0, */*;q=0.10", "text/html, */*;q=0.1", true),
        ("12.4.2", "q in the other case", "*/*;Q=0.100", "*/*;q=0.1", true),
        ("12.4.2", "another weight", "*/*;q=0.1", "*/*;q=0.2", false),
        ("12.4.2", "not a weight", "*/*;q=2", "*/*", false),
        ("12.4.2", "a weight that does not end the member", "a/b;q=1;c=d", "a/b;c=d", false),
        ("12.4.2", "two weights", "a/b;q=1;q=1", "a/b;q=1", false),
        ("12.5.1", "another parameter", "text/html;level=1", "text/html", false),
        ("12.5.1", "origins read an order into it", "text/html, text/plain", "text/plain, text/html", false),
        ("12.5.1", "what differs in case is sent as it is", "Text/HTML", "text/html", false),
        ("5.6.4", "quoted strings", "a/b;c=\"d, e; f\"", "a/b;c=\"d,e;f\"", false),
        ("5.6.4", "an unclosed one is itself", "a/b;c=\"d", "a/b;c=\"d", true),
        ("5.6.1", "empty members", "text/html,,", "text/html", true),
    ];
    let mut table = Table::default();
    for (section, what, first, second, expected) in rows {
        let lines = [("Vary", "Accept"), ("Cache-Control", "max-age=60")];
        let record = store(&get(&[("Accept", *first)]), &response(200, &lines), &Profile::default());
        let record = record.expect("storable").record;
        let second = fields(&[("accept", *second)]);
        let matches = select([&record].into_iter(), &second, None).is_some();
        table.row(section, what, matches.to_string(), expected.to_string());
        let normal = normalise_vary("accept", &second).map(Cow::into_owned);
        let same = normal.as_deref() == record.vary[0].value.as_deref();
        table.row(section, &format!("{what}: as fills compare it"), same.to_string(), expected.to_string());
        let again = normal.map(|value| fields(&[("accept", std::str::from_utf8(&value).expect("text"))]));
        let again = again.and_then(|fields| normalise_vary("accept", &fields).map(Cow::into_owned));
        let once = normalise_vary("accept", &second).map(Cow::into_owned);
        table.row(
            section,
            &format!("{what}: its own normal form"),
            format!("{again:?}"),
            format!("{once:?}"),
        );
    }
    table.finish();
}
