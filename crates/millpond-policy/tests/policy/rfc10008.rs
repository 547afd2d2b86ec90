//! RFC 10008: content as a part of the key, and which of it is GraphQL that only reads.

use crate::common::{Lines, Table, fields, response, store, times, with_method};
use millpond_exchange::RequestHead;
use millpond_policy::{
    Profile, RangeAnswer, Reason, RequestFacts, admit, content_digest, is_graphql_query, range,
};
use proptest::prelude::*;

const JSON: Lines<'_> = &[("Content-Type", "application/json")];

fn digest(lines: Lines<'_>, content: &str) -> [u8; 32] {
    content_digest(&fields(lines), content.as_bytes())
}

#[test]
fn what_is_the_same_content() {
    const TEXT: Lines<'_> = &[("Content-Type", "text/plain")];
    const SUFFIX: Lines<'_> = &[("Content-Type", "application/graphql+JSON; charset=utf-8")];
    const AS_IS: Lines<'_> = &[("Content-Type", "application/json"), ("Cache-Control", "no-transform")];
    const CODED: Lines<'_> = &[("Content-Type", "application/json"), ("Content-Encoding", "identity")];
    const TWICE: Lines<'_> = &[("Content-Type", "application/json"), ("Content-Type", "application/json")];
    #[rustfmt::skip]
    let rows: &[(&str, Lines<'_>, &str, &str, bool)] = &[
        ("whitespace", JSON, r#"{"a":[1,true]}"#, " {\t\"a\" :\r\n[ 1 , true ] } ", true),
        ("the order of members", JSON, r#"{"a":1,"b":{"c":2,"d":3}}"#, r#"{"b":{"d":3,"c":2},"a":1}"#, true),
        ("the order of elements", JSON, "[1,2]", "[2,1]", false),
        ("whitespace in strings", JSON, r#"{"a":"b c"}"#, r#"{"a":"bc"}"#, false),
        ("numbers as written", JSON, "[1]", "[1.0]", false),
        ("exponents as written", JSON, "[1e2]", "[100]", false),
        ("escapes as written", JSON, r#"["a"]"#, r#"["\u0061"]"#, false),
        ("no value and null", JSON, r#"{"a":null}"#, "{}", false),
        ("by the suffix of the subtype", SUFFIX, "[1, 2]", "[1,2]", true),
        ("text is no JSON", TEXT, "[1, 2]", "[1,2]", false),
        ("no type", &[], "[1, 2]", "[1,2]", false),
        ("two types", TWICE, "[1, 2]", "[1,2]", false),
        ("no-transform", AS_IS, "[1, 2]", "[1,2]", false),
        ("content with a coding", CODED, "[1, 2]", "[1,2]", false),
        ("not JSON", JSON, "[1, 2", "[1,2", false),
        ("more after it", JSON, "[1] 2", "[1]2", false),
        ("two members of one name", JSON, r#"{"a":1,"a":2}"#, r#"{"a":1, "a":2}"#, false),
        ("two members, one escaped", JSON, r#"{"a":1,"\u0061":2}"#, r#"{"a":1, "\u0061":2}"#, false),
        ("half a surrogate pair in a name", JSON, r#"{"\ud800":1}"#, r#"{"\ud800": 1}"#, false),
        ("a control byte in a string", JSON, "[\"\t\"]", "[ \"\t\"]", false),
        ("a leading zero", JSON, "[01]", "[ 01]", false),
        ("exactly the same", TEXT, "q=1", "q=1", true),
        ("nothing", TEXT, "", "", true),
    ];
    let mut table = Table::default();
    for (what, lines, one, other, same) in rows {
        let found = digest(lines, one) == digest(lines, other);
        table.row("RFC 10008 2.7", what, found.to_string(), same.to_string());
    }
    table.finish();
}

#[test]
fn what_the_content_means_belongs_to_it() {
    let variants: [Lines<'_>; 9] = [
        &[],
        &[("Content-Type", "")],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "text/plain"), ("Content-Encoding", "gzip")],
        &[("Content-Type", "text/plain"), ("Content-Language", "gzip")],
        &[("Content-Type", "text/plain"), ("Content-Type", "gzip")],
        &[("Content-Encoding", "text/plain"), ("Content-Type", "gzip")],
        &[("Content-Type", "text/plain"), ("Content-Location", "/a")],
        &[("Content-Type", "text/plain"), ("Content-Range", "bytes 0-0/2")],
    ];
    for (at, one) in variants.iter().enumerate() {
        for (other_at, other) in variants.iter().enumerate() {
            assert_eq!(digest(one, "q") == digest(other, "q"), at == other_at, "{one:?} {other:?}");
        }
    }
}

#[test]
fn nesting_is_bounded() {
    for (depth, same) in [(64, true), (65, false), (100_000, false)] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        let found = digest(JSON, &format!("{open}{close}")) == digest(JSON, &format!("{open} {close}"));
        assert_eq!(found, same, "{depth}");
    }
}

/// Normalising takes time that grows faster than the content, and strangers choose it.
#[test]
fn size_is_bounded() {
    let members = |count: u32| {
        let all: Vec<String> = (0..count).map(|n| format!("\"{n}\":{{\"a\":0}}")).collect();
        all.join(",")
    };
    // Each of them has another one inside.
    for (count, same) in [(2048, true), (2049, false)] {
        let text = members(count);
        assert_eq!(
            digest(JSON, &format!("{{{text}}}")) == digest(JSON, &format!("{{ {text}}}")),
            same,
            "{count}"
        );
    }
    for (length, same) in [(64 * 1024, true), (64 * 1024 + 1, false)] {
        let text = "x".repeat(length - 5);
        let (one, other) = (format!("[\"{text}\" ]"), format!("[ \"{text}\"]"));
        assert_eq!((one.len(), digest(JSON, &one) == digest(JSON, &other)), (length, same));
        assert_eq!(digest(JSON, &one), digest(JSON, &one), "the exact bytes are a key all the same");
    }
}

/// RFC 9110 section 9.3.3: "responses to POST requests are only cacheable when they include explicit freshness information".
#[test]
fn answers_to_post_state_their_lifetime() {
    type Row<'a> = (&'a str, &'a str, Lines<'a>, &'a str);
    const OLD: (&str, &str) = ("Last-Modified", "@-1000000");
    let minute = Profile { default_ttl: Some(std::time::Duration::from_secs(60)), ..Profile::default() };
    #[rustfmt::skip]
    let rows: &[Row<'_>] = &[
        ("a stated lifetime", "POST", &[OLD, ("Cache-Control", "max-age=60")], "Standards, Standards"),
        ("a guessed one", "POST", &[OLD], "no-freshness, DefaultTtl"),
        ("a guessed one, marked public", "POST", &[OLD, ("Cache-Control", "public")], "no-freshness, DefaultTtl"),
        ("a validator", "POST", &[("ETag", "\"a\"")], "no-freshness, DefaultTtl"),
        ("a guessed one for QUERY", "QUERY", &[OLD], "Standards, Standards"),
        ("a validator for QUERY", "QUERY", &[("ETag", "\"a\"")], "Standards, Standards"),
    ];
    let mut table = Table::default();
    for (what, method, lines, expected) in rows {
        let request = with_method(method, JSON);
        let facts = RequestFacts::of(&request).keyed_by_content();
        let judged = |profile: &Profile| {
            admit(&request, &facts, &response(200, lines), times(0), None, profile).map_or_else(
                |reason| reason.to_string(),
                |admitted| format!("{:?}", admitted.record.admission),
            )
        };
        let found = format!("{}, {}", judged(&Profile::default()), judged(&minute));
        table.row("9110 9.3.3", what, found, expected);
    }
    table.finish();
}

#[test]
fn answers_to_it_are_stored_as_those_to_get_are() {
    let query = with_method("QUERY", JSON);
    let facts = RequestFacts::of(&query);
    let fresh = response(200, &[("Cache-Control", "max-age=60")]);
    let profile = Profile::default();
    let keyed = facts.keyed_by_content();
    let stored =
        admit(&query, &keyed, &fresh, times(0), None, &profile).map(|admitted| admitted.record.max_age);
    assert_eq!(stored, Ok(Some(60)));
    let personal = response(200, &[("Cache-Control", "private, max-age=60")]);
    assert_eq!(admit(&query, &keyed, &personal, times(0), None, &profile).map(drop), Err(Reason::Private));
    // Without a key that has the content, nothing is.
    assert_eq!(store(&query, &fresh, &profile).map(drop), Err(Reason::Method));
}

#[test]
fn a_range_means_what_it_means_for_get() {
    let query = with_method("QUERY", &[("Range", "bytes=1-2")]);
    let facts = RequestFacts::of(&query).keyed_by_content();
    let fresh = response(200, &[("Cache-Control", "max-age=60")]);
    let record = admit(&query, &facts, &fresh, times(0), None, &Profile::default()).expect("stored").record;
    assert_eq!(range(&query.fields, &facts, 4, &record), RangeAnswer::Part(1..3), "RFC 10008 2.8");
}

fn graphql(path: &str, lines: Lines<'_>, content: &str) -> bool {
    let request = RequestHead { path_and_query: path.to_owned(), ..with_method("POST", lines) };
    is_graphql_query(&request, content.as_bytes())
}

#[test]
fn which_documents_only_read() {
    #[rustfmt::skip]
    let rows: &[(&str, bool)] = &[
        ("{ a }", true),
        ("query { a }", true),
        ("query Q($a: In = {b: [1]}) @d(x: {y: 1}) { a(b: \"} mutation {\") { c } }", true),
        ("fragment F on T { a } query Q { ...F }", true),
        ("# mutation { a }\n{ a }", true),
        ("{ a(b: \"\"\"\" } \\\"\"\" \"\"\") }", true),
        ("\u{feff},{ query mutation }", true),
        ("mutation { a }", false),
        ("subscription { a }", false),
        ("query Q { a } mutation M { b }", false),
        ("{ a } #\nmutation M { b }", false),
        ("{ a } #\rmutation M { b }", false),
        ("fragment F on T { a }", false),
        ("type T { a: Int }", false),
        ("{ a", false),
        ("{ a } }", false),
        ("{ a(b: \"", false),
        ("query", false),
        ("", false),
    ];
    let mut table = Table::default();
    for (document, expected) in rows {
        let plain = graphql("/graphql", &[("Content-Type", "application/graphql")], document);
        table.row("GraphQL 2.2", document, plain.to_string(), expected.to_string());
        let escaped =
            document.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
        let json =
            graphql("/graphql", JSON, &format!(r#"{{"variables": {{"query": 1}}, "query": "{escaped}"}}"#));
        table.row("GraphQL 2.2", &format!("{document} in JSON"), json.to_string(), expected.to_string());
    }
    table.finish();
}

#[test]
fn which_requests_ask_for_queries_alone() {
    const READ: &str = r#"{"query":"{a}"}"#;
    const FORM: Lines<'_> = &[("Content-Type", "application/x-www-form-urlencoded")];
    const CODED: Lines<'_> = &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    const UTF8: Lines<'_> = &[("Content-Type", "application/json; charset=UTF-8")];
    const UTF7: Lines<'_> = &[("Content-Type", "application/json; charset=utf-7")];
    const UTF7_QUOTED: Lines<'_> = &[("Content-Type", "application/json;a=b;CharSet=\"utf-7\"")];
    const UTF7_PLAIN: Lines<'_> = &[("Content-Type", "application/graphql;charset=utf-7")];
    let long = format!(r#"{{"query":"{{a}}","variables":"{}"}}"#, "x".repeat(64 * 1024));
    #[rustfmt::skip]
    let rows: &[(&str, &str, Lines<'_>, &str, bool)] = &[
        ("one", "/g", JSON, READ, true),
        ("another parameter", "/g?a=1", JSON, READ, true),
        ("a document in the URL", "/g?query=mutation{a}", JSON, READ, false),
        ("a document in the URL, escaped", "/g?a=1&%71uery=x", JSON, READ, false),
        ("a list", "/g", JSON, r#"[{"query":"{a}"}, {"query":"query Q {b}"}]"#, true),
        ("a list with a mutation", "/g", JSON, r#"[{"query":"{a}"}, {"query":"mutation {b}"}]"#, false),
        ("an empty list", "/g", JSON, "[]", false),
        ("by hash", "/g", JSON, r#"{"extensions":{"persistedQuery":{"sha256Hash":"0"}}}"#, false),
        ("two documents", "/g", JSON, r#"{"query":"{a}","query":"mutation {b}"}"#, false),
        ("two documents, one escaped", "/g", JSON, r#"{"query":"{a}","quer\u0079":"mutation {b}"}"#, false),
        ("two documents, one in capitals", "/g", JSON, r#"{"query":"{a}","Query":"mutation {b}"}"#, false),
        ("no text", "/g", JSON, r#"{"query":null}"#, false),
        ("an escaped mutation", "/g", JSON, r#"{"query":"\u006dutation {b}"}"#, false),
        ("nothing", "/g", JSON, "{}", false),
        ("not JSON", "/g", JSON, r#"{"query":"{a}""#, false),
        ("more after it", "/g", JSON, r#"{"query":"{a}"} {}"#, false),
        ("all members there are", "/g", JSON, r#"{"query":"{a}","variables":{"b":1},"operationName":null,"extensions":{}}"#, true),
        ("in capitals", "/g", JSON, r#"{"Query":"{a}"}"#, false),
        ("a document by its name besides", "/g", JSON, r#"{"query":"{a}","documentId":"m"}"#, false),
        ("a document in the URL by its name", "/g?documentId=m", JSON, READ, false),
        ("a document in the URL by its name, otherwise", "/g?doc_id=m", JSON, READ, false),
        ("a document in the URL by its hash", "/g?a=1;hash=m", JSON, READ, false),
        ("a document in the URL, in extensions", "/g?extensions={}", JSON, READ, false),
        ("a document in the URL, in capitals", "/g?Query=mutation{a}", JSON, READ, false),
        ("a document in the URL, as a list", "/g?query[]=mutation{a}", JSON, READ, false),
        ("a document in the URL, as a list, escaped", "/g?+query%5B0%5D=mutation{a}", JSON, READ, false),
        ("a parameter that is called like one", "/g?queries=1&identity=2", JSON, READ, true),
        ("a charset", "/g", UTF8, READ, true),
        ("another charset", "/g", UTF7, READ, false),
        ("another charset, quoted", "/g", UTF7_QUOTED, READ, false),
        ("another charset of a document", "/g", UTF7_PLAIN, "{a}", false),
        ("too long", "/g", JSON, long.as_str(), false),
        ("a form", "/g", FORM, "query={a}", false),
        ("no type", "/g", &[], READ, false),
        ("content with a coding", "/g", CODED, READ, false),
    ];
    let mut table = Table::default();
    for (what, path, lines, content, expected) in rows {
        let found = graphql(path, lines, content);
        table.row("GraphQL over HTTP 5", what, found.to_string(), expected.to_string());
    }
    table.finish();
}

/// A value of JSON, as text with whitespace and the order of members by choice.
fn json() -> impl Strategy<Value = (String, String)> {
    let leaf =
        prop_oneof![Just("null"), Just("-0.5e+1"), Just(r#""a \\\" \u00e9""#), Just("true"), Just(r#""""#)]
            .prop_map(|text| (text.to_owned(), format!(" {text}\n")));
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                let (one, other): (Vec<_>, Vec<_>) = items.into_iter().unzip();
                (format!("[{}]", one.join(",")), format!("[ {} ]", other.join(" , ")))
            }),
            prop::collection::btree_map("[a-d]{1,2}", inner, 0..4).prop_map(|members| {
                let one: Vec<_> =
                    members.iter().map(|(name, (one, _))| format!("\"{name}\":{one}")).collect();
                let other: Vec<_> =
                    members.iter().rev().map(|(name, (_, other))| format!("\"{name}\" :{other}")).collect();
                (format!("{{{}}}", one.join(",")), format!("{{\t{} }}", other.join(",")))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn the_same_json_however_it_is_written((one, other) in json()) {
        prop_assert_eq!(digest(JSON, &one), digest(JSON, &other), "{} {}", one, other);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}:,\"\\\\u0dquery é#]{0,24}") {
        for content in [&bytes[..], text.as_bytes(), format!("{{\"query\":\"{text}").as_bytes()] {
            let request = RequestHead { path_and_query: format!("/?{text}"), ..with_method("POST", JSON) };
            content_digest(&request.fields, content);
            is_graphql_query(&request, content);
        }
    }
}
