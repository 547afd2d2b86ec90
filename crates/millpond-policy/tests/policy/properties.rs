//! Properties that hold for every input.

use crate::common::{START, at, get, response, times};
use millpond_exchange::{Fields, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond_policy::directives::{ResponseDirectives, each_directive};
use millpond_policy::{
    CacheStatus, EntityTag, Profile, RequestFacts, Stored, Times, Verdict, admit, cache_groups, cache_tags,
    conditional_request, current_age, dates, entity_tags, freshness_lifetime, invalidated_by,
    normalise_request, normalise_vary, not_modified_head, precondition, range, resolve_same_origin, reuse,
    select, validated,
};
use proptest::prelude::*;

/// Values that look like something, and bytes that do not.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("max-age=60"),
        Just("s-maxage"),
        Just("no-cache"),
        Just("private=\"a\""),
        Just("no-store"),
        Just(","),
        Just("\""),
        Just("\\"),
        Just("="),
        Just(" "),
        Just(";q=0.5"),
        Just("gzip"),
        Just("*"),
        Just("W/\"a\""),
        Just("bytes=0-5"),
        Just("-"),
        Just("4294967296"),
        Just("Sun, 06 Nov 1994 08:49:37 GMT"),
        Just("http://x/"),
        Just("must-understand"),
        Just("public"),
        Just("stale-while-revalidate=9"),
        Just("(a b)"),
        Just("\u{e9}"),
    ];
    let sensible = prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![3 => sensible, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "Cache-Control",
        "CDN-Cache-Control",
        "Millpond-Cache-Control",
        "Expires",
        "Date",
        "Age",
        "Last-Modified",
        "ETag",
        "Vary",
        "Pragma",
        "Connection",
        "Set-Cookie",
        "Accept-Encoding",
        "Accept-Language",
        "Range",
        "If-Range",
        "If-None-Match",
        "If-Modified-Since",
        "If-Match",
        "Authorization",
        "Cookie",
        "Location",
        "Content-Location",
        "Cache-Tag",
        "Surrogate-Key",
        "Cache-Groups",
        "Content-Length",
        "Foo",
    ])
}

prop_compose! {
    fn any_fields()(pairs in prop::collection::vec((name(), value()), 0..8)) -> Fields {
        pairs.into_iter().collect()
    }
}

prop_compose! {
    fn any_response()(status in 100u16..=999, fields in any_fields()) -> ResponseHead {
        ResponseHead { fields, ..ResponseHead::new(StatusCode::from_u16(status).expect("in range")) }
    }
}

fn request(fields: Fields) -> RequestHead {
    RequestHead { fields, ..get(&[]) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    /// No parser panics, whatever the bytes.
    #[test]
    fn parsers_are_total(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let _ = dates::parse_date(&bytes);
        let _ = dates::parse_delta_seconds(&bytes);
        let _ = ResponseDirectives::parse([&bytes[..], text.as_bytes()].into_iter());
        each_directive(&bytes, |directive| { let _ = (directive.text(), directive.seconds()); });
        let _ = entity_tags([&bytes[..]].into_iter()).count();
        let _ = EntityTag::parse(&bytes).is_strong();
        let _ = resolve_same_origin(&get(&[]), &text);
        CacheStatus { key: Some(&text), detail: Some(&text), ..CacheStatus::default() }.write(&mut Vec::new());
    }

    /// No function panics, whatever the fields and times.
    #[test]
    fn functions_are_total(
        asked in any_fields(),
        other in any_fields(),
        answer in any_response(),
        update in any_response(),
        method in prop::sample::select(vec!["GET", "HEAD", "POST"]),
        moments in prop::array::uniform3(any::<i64>()),
        len in any::<u64>(),
    ) {
        let mut head = RequestHead { method: method.parse().expect("a method"), ..request(asked) };
        normalise_request(&mut head);
        let facts = RequestFacts::of(&head);
        let [sent, received, now] = moments.map(Timestamp::from_millis);
        let times = Times { request_time: sent, response_time: received };
        let profile = Profile::default();
        let _ = invalidated_by(&head, &answer);
        let _ = (cache_tags(&answer.fields), cache_groups(&answer.fields));
        let Ok(admitted) = admit(&head, &facts, &answer, times, None, &profile) else { return Ok(()) };
        let record = &admitted.record;
        let later = request(other);
        let later_facts = RequestFacts::of(&later);
        let _ = reuse(record, &later_facts, now, &profile);
        let _ = precondition(record, &later_facts, &later.fields);
        let _ = range(&later.fields, &later_facts, len, record);
        let _ = not_modified_head(&admitted.head);
        let fields = conditional_request([record].into_iter(), Some(record), &later.fields);
        let sent = RequestHead { fields: fields.unwrap_or_default(), ..later.clone() };
        let update = ResponseHead { status: StatusCode::NOT_MODIFIED, ..update };
        let stored = [Stored { record, head: &admitted.head }];
        let _ = validated(&stored, Some(0), &sent, &later_facts, &update, Times { response_time: now, ..times }, &profile);
    }

    /// The same for responses that state a lifetime, each in one of the ways there are.
    #[test]
    fn never_fresh_beyond_what_is_stated(
        secs in 0i64..100,
        way in 0usize..4,
        age in prop::option::of(0i64..50),
        past in 0i64..50,
        asked in any_fields(),
        later in 0i64..120,
    ) {
        let head = get(&[]);
        let profile = Profile::default();
        let (dated, stated) = (crate::common::date(-past), crate::common::date(secs - past));
        let changed = crate::common::date(-past - secs * 10);
        let mut answer = response(200, &[("ETag", "\"a\""), ("Date", &dated)]);
        let (name, value) = match way {
            0 => ("Cache-Control", format!("max-age={secs}")),
            1 => ("Cache-Control", format!("s-maxage={secs}, max-age=9999")),
            2 => ("Expires", stated),
            _ => ("Last-Modified", changed),
        };
        answer.fields.append(name, value).expect("valid");
        if let Some(age) = age {
            answer.fields.append("Age", age.to_string()).expect("valid");
        }
        let admitted = admit(&head, &RequestFacts::of(&head), &answer, times(0), None, &profile).expect("storable");
        let facts = RequestFacts::of(&request(asked));
        let left = secs - past.max(age.unwrap_or(0)) - later;
        let verdict = reuse(&admitted.record, &facts, at(later), &profile);
        if let Verdict::Fresh { ttl } = verdict {
            prop_assert_eq!(ttl, left);
            prop_assert!(ttl > 0);
        } else if facts == RequestFacts::default() {
            prop_assert!(left <= 0, "fresh for {} seconds, but {:?}", left, verdict);
        }
    }

    /// A verdict of fresh means that the age is below the lifetime, and at most the largest stated lifetime
    /// has passed.
    #[test]
    fn never_fresh_beyond_the_lifetime(asked in any_fields(), answer in any_response(), later in 0i64..5_000_000_000) {
        let head = get(&[]);
        let profile = Profile::default();
        let Ok(admitted) = admit(&head, &RequestFacts::of(&head), &answer, times(0), None, &profile) else {
            return Ok(());
        };
        let record = &admitted.record;
        let facts = RequestFacts::of(&request(asked));
        if let Verdict::Fresh { ttl } = reuse(record, &facts, at(later), &profile) {
            let lifetime = freshness_lifetime(record, &profile);
            prop_assert!(ttl > 0);
            prop_assert_eq!(ttl, i64::from(lifetime.secs) - i64::from(current_age(record, at(later))));
            prop_assert!(later < i64::from(lifetime.secs));
            prop_assert!(facts.max_age.is_none_or(|max_age| later <= i64::from(max_age)));
            prop_assert!(facts.min_fresh.is_none_or(|min_fresh| ttl >= i64::from(min_fresh)));
        }
    }

    /// What is stored for one value of a selecting field is not used for another, and is used for the same.
    #[test]
    fn never_reused_across_vary(
        first in prop::option::of("[a-c,;=\" ]{0,6}"),
        second in prop::option::of("[a-c,;=\" ]{0,6}"),
        name in prop::sample::select(vec!["Foo", "User-Agent", "Cookie", "Accept-Encoding", "Accept-Language"]),
    ) {
        let with = |value: &Option<String>| request(value.iter().map(|value| (name, value)).collect());
        let (first, second) = (with(&first), with(&second));
        let lines = [("Cache-Control", "max-age=60"), ("Vary", name)];
        let admitted = admit(&first, &RequestFacts::of(&first), &response(200, &lines), times(0), None, &Profile::default());
        let record = admitted.expect("storable").record;
        let same = normalise_vary(name, &first.fields) == normalise_vary(name, &second.fields);
        prop_assert_eq!(select([&record].into_iter(), &second.fields, None).is_some(), same);
        let letters = |head: &RequestHead| {
            let mut found: Vec<u8> = head.fields.get(name).unwrap_or(b"-").to_ascii_lowercase();
            found.retain(|b| !b" ,;=\"".contains(b));
            found.sort_unstable();
            found
        };
        if same {
            prop_assert_eq!(letters(&first), letters(&second), "a normal form loses nothing but form");
        }
    }

    /// What goes upstream is what requests are compared by.
    #[test]
    fn the_normal_form_is_stable(asked in any_fields()) {
        let mut head = request(asked);
        let before: Vec<_> = ["accept-encoding", "accept-language"]
            .map(|name| normalise_vary(name, &head.fields).map(std::borrow::Cow::into_owned)).into();
        normalise_request(&mut head);
        let after: Vec<_> = ["accept-encoding", "accept-language"]
            .map(|name| head.fields.get(name).map(<[u8]>::to_vec)).into();
        prop_assert_eq!(before, after);
    }
}

/// The times of all tables lie within what a date can say.
#[test]
fn the_start_is_a_date() {
    assert_eq!(dates::parse_date(dates::format_date(at(0)).as_bytes()), Some(Timestamp::from_secs(START)));
}
