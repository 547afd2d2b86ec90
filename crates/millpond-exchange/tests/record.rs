//! Facts that are not kept as they came, and what a record takes.

use millpond_exchange::{Admission, Part, Rare, RareFacts, Record, RecordFlags, Timestamp};
use proptest::prelude::*;
use std::borrow::Cow;

fn plain() -> Record {
    let time = Timestamp::from_secs(1_000_000);
    Record {
        status: 200,
        request_time: time,
        response_time: time,
        date: time,
        initial_age: 0,
        max_age: None,
        expires: None,
        last_modified: None,
        stale_from: None,
        flags: RecordFlags::default(),
        admission: Admission::default(),
        etag: None,
        vary: Box::default(),
        rare: Rare::default(),
    }
}

#[test]
fn the_text_of_last_modified_is_the_one_received() {
    let time = Timestamp::from_secs(784_111_777);
    for (text, time, kept) in [
        (None, None, 0),
        (Some("Sun, 06 Nov 1994 08:49:37 GMT"), Some(time), 0),
        (Some("sun, 06 nov 1994 08:49:37 gmt"), Some(time), 29),
        (Some("Sunday, 06-Nov-94 08:49:37 GMT"), Some(time), 30),
        (Some("Sun, 06 Nov 1994 08:49:38 GMT"), Some(time), 29),
        (Some("yesterday"), None, 9),
        (Some(""), None, 0),
    ] {
        let mut record = plain();
        record.set_last_modified(text.map(str::as_bytes), time);
        assert_eq!(record.last_modified_text().as_deref(), text.map(str::as_bytes));
        assert_eq!((record.last_modified, record.has_last_modified()), (time, text.is_some()));
        let rare = if matches!(record.last_modified_text(), Some(Cow::Borrowed(_))) {
            size_of::<RareFacts>()
        } else {
            0
        };
        assert_eq!(record.memory(), kept + rare, "{text:?}");
        record.set_last_modified(None, None);
        assert_eq!(record, plain());
    }
}

#[test]
fn a_time_that_is_no_date_has_no_date() {
    let date = |millis| {
        Timestamp::from_millis(millis).http_date().map(|date| String::from_utf8_lossy(&date).into_owned())
    };
    assert_eq!(date(0).as_deref(), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    assert_eq!(date(253_402_300_799_000).as_deref(), Some("Fri, 31 Dec 9999 23:59:59 GMT"));
    for millis in [1, -1000, 253_402_300_800_000, i64::MIN, i64::MAX] {
        assert_eq!(date(millis), None);
    }
}

/// Of very many records each has room for these.
#[test]
fn rare_facts_take_one_word_while_there_are_none() {
    assert_eq!((size_of::<Rare>(), size_of::<Option<Timestamp>>(), size_of::<Record>()), (8, 8, 112));
    let mut record = plain();
    assert_eq!((record.memory(), record.part), (0, None));
    let part = Some(Part { first: 1, complete_len: None });
    record.set_rare(|rare| rare.part = part);
    assert_eq!((record.memory(), record.part), (size_of::<RareFacts>(), part));
    assert_ne!(record, plain());
    record.set_rare(|rare| rare.part = None);
    assert_eq!((record.memory(), &record), (0, &plain()));
}

proptest! {
    #[test]
    fn times_are_what_they_were_made_of(one in any::<i64>(), two in any::<i64>()) {
        let (first, second) = (Timestamp::from_millis(one), Timestamp::from_millis(two));
        prop_assert_eq!((first.as_millis(), second.as_millis()), (one.max(-i64::MAX), two.max(-i64::MAX)));
        prop_assert_eq!(first.cmp(&second), one.max(-i64::MAX).cmp(&two.max(-i64::MAX)));
    }
}
