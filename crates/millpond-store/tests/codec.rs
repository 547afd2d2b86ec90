//! The form in which a persistent store keeps record, head and trailers: everything comes back, nothing else is taken,
//! and what version 1 wrote stays readable.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use millpond_exchange::{
    Admission, Audience, Fields, Part, Rare, Record, RecordFlags, ResponseHead, StatusCode, Timestamp,
    VarySelector, Version,
};
use millpond_store::codec::{CodecError, Facts, VERSION, decode, encode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// What version 1 wrote for [`typical`] and [`full`].
const TYPICAL_V1: &[u8] = include_bytes!("data/facts-v1-typical.bin");
const FULL_V1: &[u8] = include_bytes!("data/facts-v1.bin");

fn bytes_of(facts: &Facts) -> Vec<u8> {
    encode(&facts.record, &facts.head, &facts.trailers)
}

/// Millisecond 250 of 14 March 2026, 12:00:00 UTC.
const RESPONSE_TIME: Timestamp = Timestamp::from_millis(1_773_489_600_250);

/// What an ordinary origin sends for an ordinary file.
fn typical() -> Facts {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields = [
        ("Date", "Sat, 14 Mar 2026 12:00:00 GMT"),
        ("Server", "nginx/1.28.0"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", "10240"),
        ("Last-Modified", "Fri, 13 Mar 2026 08:30:00 GMT"),
        ("ETag", "\"69b3c6e8-2800\""),
        ("Cache-Control", "public, max-age=3600"),
        ("Vary", "Accept-Encoding"),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Backend", "web-3"),
    ]
    .into_iter()
    .collect();
    let mut record = Record {
        status: 200,
        request_time: Timestamp::from_millis(1_773_489_600_180),
        response_time: RESPONSE_TIME,
        date: Timestamp::from_secs(1_773_489_600),
        initial_age: 0,
        max_age: Some(3600),
        expires: None,
        last_modified: None,
        stale_from: None,
        flags: RecordFlags::PUBLIC
            | RecordFlags::HEURISTIC_STATUS
            | RecordFlags::STRONG_ETAG
            | RecordFlags::HAS_DATE,
        admission: Admission::Standards,
        etag: Some(b"\"69b3c6e8-2800\"".as_slice().into()),
        vary: [VarySelector { name: "accept-encoding".into(), value: Some(b"gzip, br".as_slice().into()) }]
            .into(),
        rare: Rare::default(),
    };
    let modified = Timestamp::from_secs(1_773_390_600);
    record.set_last_modified(Some(b"Fri, 13 Mar 2026 08:30:00 GMT"), Some(modified));
    Facts { record, head, trailers: Fields::new() }
}

/// Everything there can be.
fn full() -> Facts {
    let Facts { record, mut head, .. } = typical();
    head.status = StatusCode::PARTIAL_CONTENT;
    head.reason = Some("Some Of It".into());
    head.version = Version::HTTP_2;
    for (name, value) in [("x-odd", ""), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Odd", "\u{e9}\t!")]
    {
        head.fields.append(name, value).unwrap();
    }
    let mut record = Record {
        status: 200,
        request_time: Timestamp::from_millis(1_773_489_601_000),
        date: Timestamp::from_secs(-5),
        initial_age: 17,
        expires: Some(0),
        stale_from: Some(Timestamp::from_millis(1_773_489_700_001)),
        flags: RecordFlags::all() - RecordFlags::DISAGREES - RecordFlags::WITHDRAWN,
        admission: Admission::NegativeTtl,
        etag: Some(b"W/\"other\"".as_slice().into()),
        vary: [
            VarySelector { name: "accept".into(), value: None },
            VarySelector { name: "x-shop".into(), value: Some(Box::default()) },
        ]
        .into(),
        ..record
    };
    record.set_last_modified(Some(b"yesterday"), record.last_modified);
    record.set_rare(|rare| {
        rare.s_maxage = Some(u32::MAX);
        rare.stale_while_revalidate = Some(60);
        rare.stale_if_error = Some(86_400);
        rare.audience = Audience::Private("user 7".into());
        rare.tags = ["news".into(), "".into()].into();
        rare.groups = ["Gr\u{fc}ppe".into()].into();
        rare.part = Some(Part { first: 1 << 40, complete_len: Some(u64::MAX) });
    });
    let trailers = [("Server-Timing", "db;dur=53"), ("x-sum", "abc")].into_iter().collect();
    Facts { record, head, trailers }
}

#[test]
fn version_1_is_what_it_was() {
    for (written, facts) in [(TYPICAL_V1, typical()), (FULL_V1, full())] {
        assert_eq!(decode(written).unwrap(), facts);
        assert_eq!(VERSION, 1, "a later version keeps the files of this one, and adds its own");
        assert_eq!(bytes_of(&facts), written);
    }
}

#[test]
fn what_is_not_the_values_takes_few_bytes() {
    let facts = typical();
    let selected: usize =
        facts.record.vary.iter().filter_map(|vary| vary.value.as_ref()).map(|v| v.len()).sum();
    let values: usize = facts.head.fields.iter().map(|field| field.value.len()).sum();
    let beyond = bytes_of(&facts).len() - values - selected;
    assert!(beyond <= 64, "{beyond} bytes");
}

#[test]
fn what_is_kept_in_memory_has_no_room_to_spare() {
    let head = decode(&bytes_of(&typical())).unwrap().head;
    let mut shrunk = head.fields.clone();
    shrunk.shrink();
    assert_eq!(head.fields.memory(), shrunk.memory());
}

/// Whatever a damaged byte makes of it, what is decoded is something that can be written again.
#[test]
fn cut_and_damaged_bytes_never_panic() {
    for written in [TYPICAL_V1, FULL_V1] {
        for length in 0..written.len() {
            assert!(decode(&written[..length]).is_err(), "cut to {length} bytes");
        }
        for at in 0..written.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = written.to_vec();
                damaged[at] = byte;
                if let Ok(facts) = decode(&damaged) {
                    assert_eq!(decode(&bytes_of(&facts)), Ok(facts), "byte {at} = {byte}");
                }
            }
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    assert_eq!(decode(&[]), Err(CodecError::Truncated));
    assert_eq!(decode(&[VERSION + 1, 0]), Err(CodecError::Version(VERSION + 1)));
    assert_eq!(decode(&[TYPICAL_V1, &[0]].concat()), Err(CodecError::Trailing));
    // Version, no bits, status 99.
    assert_eq!(decode(&[1, 0, 99]), Err(CodecError::Invalid("the status")));
    // Status 200, one line of name length 1.
    let line = |name: u8, value: u8| [1, 0, 0xc8, 1, 1, 2, name, 1, value, 0, 0, 0, 0];
    assert!(decode(&line(b'a', b'b')).is_ok());
    assert_eq!(decode(&line(b' ', b'b')), Err(CodecError::Invalid("a field")));
    assert_eq!(decode(&line(b'a', b'\n')), Err(CodecError::Invalid("a field value")));
    assert_eq!(decode(&line(b'a', 0)), Err(CodecError::Invalid("a field")));
    assert_eq!(decode(&line(b'a', b' ')), Err(CodecError::Invalid("a field value")));
}

#[test]
fn a_reason_phrase_that_would_be_a_field_is_refused() {
    let Facts { record, mut head, trailers } = typical();
    head.reason = Some("OK\r\nSet-Cookie: a=b".into());
    assert_eq!(decode(&encode(&record, &head, &trailers)), Err(CodecError::Invalid("the reason phrase")));
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 1_700_000_000_000..1_900_000_000_000_i64]
        .prop_map(Timestamp::from_millis)
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "Date",
            "date",
            "DATE",
            "ETag",
            "etag",
            "Etag",
            "Last-Modified",
            "Vary",
            "NEL"
        ])
        .prop_map(str::to_owned),
        "[!#-'*+.^_`|~0-9a-zA-Z-]{1,80}",
    ]
}

/// Field lines; those of values that cannot be sent are left out.
fn any_fields() -> impl Strategy<Value = Fields> {
    let value = prop_oneof![vec(any::<u8>(), 0..12), "[ -~]{0,200}".prop_map(String::into_bytes)];
    vec((any_name(), value), 0..16).prop_map(|lines| lines.into_iter().collect())
}

fn any_head() -> impl Strategy<Value = ResponseHead> {
    let versions = [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
    (100..1000_u16, option::of("[ -~\u{e9}]{0,20}"), prop::sample::select(versions.to_vec()), any_fields())
        .prop_map(|(status, reason, version, fields)| ResponseHead {
            status: StatusCode::from_u16(status).unwrap(),
            reason: reason.map(Into::into),
            version,
            fields,
        })
}

/// A value of the record that may or may not be the one in the head.
fn any_text() -> impl Strategy<Value = Option<Option<Box<[u8]>>>> {
    option::of(option::of(vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice)))
}

fn any_record() -> impl Strategy<Value = Record> {
    let times = (any_time(), any_time(), any_time(), option::of(any_time()), option::of(any_time()));
    let seconds = (any::<u32>(), vec(option::of(any::<u32>()), 5));
    let admission = prop::sample::select(vec![
        Admission::Standards,
        Admission::DefaultTtl,
        Admission::ForceCache,
        Admission::NegativeTtl,
    ]);
    let kind = (any::<u16>(), any::<u32>(), admission, option::of(".{0,10}"));
    let value = option::of(vec(any::<u8>(), 0..20).prop_map(Vec::into_boxed_slice));
    let name = prop_oneof![Just("accept-encoding".to_owned()), Just("cookie".to_owned()), ".{0,10}"];
    let vary = vec((name, value), 0..4);
    let labels = || vec(".{0,10}".prop_map(String::into_boxed_str), 0..4);
    let part = option::of((any::<u64>(), option::of(any::<u64>())));
    (times, seconds, kind, vary, labels(), labels(), part).prop_map(
        |(times, (initial_age, seconds), (status, flags, admission, partition), vary, tags, groups, part)| {
            let selector = |(name, value): (String, _)| VarySelector { name: name.into(), value };
            let record = Record {
                status,
                request_time: times.0,
                response_time: times.1,
                date: times.2,
                initial_age,
                max_age: seconds[1],
                expires: seconds[2],
                last_modified: times.3,
                stale_from: times.4,
                flags: RecordFlags::from_bits_truncate(flags),
                admission,
                etag: None,
                vary: vary.into_iter().map(selector).collect(),
                rare: Rare::default(),
            };
            record.with_rare(|rare| {
                rare.audience = partition.map_or(Audience::Shared, |owner| Audience::Private(owner.into()));
                (rare.s_maxage, rare.stale_while_revalidate, rare.stale_if_error) =
                    (seconds[0], seconds[3], seconds[4]);
                (rare.tags, rare.groups) = (tags, groups);
                rare.part = part.map(|(first, complete_len)| Part { first, complete_len });
            })
        },
    )
}

proptest! {
    #[test]
    fn everything_comes_back(
        mut record in any_record(),
        head in any_head(),
        trailers in any_fields(),
        etag in any_text(),
        modified in any_text(),
        same_status in any::<bool>(),
    ) {
        if same_status {
            record.status = head.status.as_u16();
        }
        record.etag = etag.unwrap_or_else(|| head.fields.get("etag").map(Into::into));
        let modified = modified.unwrap_or_else(|| head.fields.get("last-modified").map(Into::into));
        record.set_last_modified(modified.as_deref(), record.last_modified);
        let written = encode(&record, &head, &trailers);
        prop_assert_eq!(decode(&written), Ok(Facts { record, head, trailers }));
        for length in 0..written.len() {
            prop_assert!(decode(&written[..length]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_can_be_written_again(rest in vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![VERSION];
        bytes.extend(rest);
        if let Ok(facts) = decode(&bytes) {
            prop_assert_eq!(decode(&bytes_of(&facts)), Ok(facts));
        }
    }
}
