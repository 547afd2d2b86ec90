//! Indexes: what they keep, that damage is found, and the order in which recorded answers are given.

use bytes::Bytes;
use millpond_tape::index::{Fit, Index, IndexError, Lookup, Place, REQUEST_INCOMPLETE, Repeat, Silent};
use millpond_tape::matching::{Asked, MatchKey, MatchRules};
use millpond_tape::redact::{DROPPED, Rules};
use millpond_tape::{Content, ReadAt as _, Recorded, RecordedRequest, RecordedResponse};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::{Duration, SystemTime};

fn exchange(path: &str, status: u16) -> Recorded {
    Recorded {
        created: 1.5,
        request: RecordedRequest {
            method: b"GET".to_vec(),
            scheme: b"http".to_vec(),
            host: "a".into(),
            port: 80,
            path: path.into(),
            ..RecordedRequest::default()
        },
        response: Some(RecordedResponse {
            status,
            content: Some(Content::empty()),
            ..RecordedResponse::default()
        }),
        ..Recorded::default()
    }
}

fn index(rules: &MatchRules, exchanges: &[Recorded]) -> Index {
    let mut index = Index::new(rules);
    for (at, exchange) in exchanges.iter().enumerate() {
        index.push(100 * at as u64, exchange, rules).expect("readable");
    }
    index
}

fn key(path: &str) -> MatchKey {
    MatchRules::default().key(&Asked::from(&exchange(path, 200).request)).expect("readable")
}

#[test]
fn what_is_kept_comes_back() {
    let rules = MatchRules { redact: Some(Rules::new([""; 0], ["token"], [""; 0])), ..MatchRules::default() };
    let mut aborted = exchange("/aborted", 200);
    aborted.aborted = true;
    let mut unanswered = exchange("/unanswered", 200);
    unanswered.response = None;
    let mut bodiless = exchange("/bodiless", 200);
    bodiless.response.as_mut().expect("a response").content = None;
    let mut unchanged = bodiless.clone();
    unchanged.response.as_mut().expect("a response").status = 304;
    let switched = exchange("/switched", 101);
    let long = exchange(&format!("/?q={}é", "é".repeat(3000)), 200);
    let all = [exchange("/?token=s3cr3t", 200), aborted, unanswered, bodiless, unchanged, switched, long];
    let index = index(&rules, &all);
    let silent = [
        None,
        Some(Silent::Aborted),
        Some(Silent::NoResponse),
        Some(Silent::NoContent),
        None,
        Some(Silent::Switched),
        None,
    ];
    assert_eq!(index.iter().map(|entry| entry.silent).collect::<Vec<_>>(), silent);
    let first = index.get(0).expect("an entry");
    assert_eq!((first.method, first.url, first.status), ("GET", "http://a/?token=REDACTED", Some(200)));
    assert_eq!(index.get(2).expect("an entry").status, None);

    let read = Index::from_bytes(&index.to_bytes()).expect("an index");
    assert_eq!(read.iter().collect::<Vec<_>>(), index.iter().collect::<Vec<_>>());
    assert_eq!(read.len(), all.len());
}

#[test]
fn segments_are_appended() {
    let rules = MatchRules::default();
    let tape = Bytes::from_static(&[b'x'; 9000]);
    let mut index = Index::new(&rules);
    index.set_tape(&tape, 0, None).expect("readable");
    let mut kept = index.to_bytes();
    for at in 0..3_u16 {
        let from = index.len();
        index.push(u64::from(at), &exchange("/a", 200 + at), &rules).expect("readable");
        index.push(u64::from(at), &exchange("/b", 200 + at), &rules).expect("readable");
        index.set_tape(&tape, 3000 * u64::from(at), None).expect("readable");
        kept.extend(index.segment(from));
    }
    let read = Index::from_bytes(&kept).expect("an index");
    assert_eq!(read.iter().collect::<Vec<_>>(), index.iter().collect::<Vec<_>>());
    assert_eq!(read.tape_len(), 6000);
    assert_eq!(read.fit(&tape, &rules).expect("readable"), Fit::Grown(6000));
}

#[test]
fn every_damage_is_found() {
    let mut kept = index(&MatchRules::default(), &[exchange("/a", 200), exchange("/b", 200)]).to_bytes();
    for len in 0..kept.len() {
        assert!(Index::from_bytes(&kept[..len]).is_err(), "cut at {len}");
    }
    for at in 0..kept.len() {
        kept[at] ^= 0x10;
        assert!(Index::from_bytes(&kept).is_err(), "byte {at}");
        kept[at] ^= 0x10;
    }
    kept.push(0);
    assert_eq!(Index::from_bytes(&kept).map(drop), Err(IndexError::Damaged));
    assert_eq!(Index::from_bytes(b"millidx\xff").map(drop), Err(IndexError::Unknown));
}

#[test]
fn an_index_fits_its_tape_alone() {
    let rules = MatchRules::default();
    let tape = Bytes::from(vec![b'x'; 20_000]);
    let mut index = index(&rules, &[exchange("/a", 200)]);
    index.set_tape(&tape, 20_000, None).expect("readable");
    let fit = |tape: Vec<u8>, rules: &MatchRules| index.fit(&Bytes::from(tape), rules).expect("readable");
    assert_eq!(fit(vec![b'x'; 20_000], &rules), Fit::Whole);
    assert_eq!(fit(vec![b'x'; 20_001], &rules), Fit::Grown(20_000));
    assert_eq!(fit(vec![b'x'; 19_999], &rules), Fit::None);
    assert_eq!(fit(vec![b'y'; 20_000], &rules), Fit::None);
    let mut other_end = vec![b'x'; 20_000];
    other_end[19_999] = b'y';
    assert_eq!(fit(other_end, &rules), Fit::None);
    let other_rules = MatchRules { ignore_host: true, ..MatchRules::default() };
    assert_eq!(fit(vec![b'x'; 20_000], &other_rules), Fit::None);
}

#[test]
fn a_file_that_was_written_to_in_its_middle_does_not_fit() {
    let rules = MatchRules::default();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&vec![b'x'; 20_000]).expect("written");
    let mut index = index(&rules, &[exchange("/a", 200)]);
    index.set_tape(file.as_file(), 20_000, file.as_file().stamp().expect("a stamp")).expect("readable");
    let index = Index::from_bytes(&index.to_bytes()).expect("an index");
    let fit = |file: &File| index.fit(file, &rules).expect("readable");
    assert_eq!(fit(file.as_file()), Fit::Whole);
    file.write_all(b"more").expect("written");
    assert_eq!(fit(file.as_file()), Fit::Grown(20_000));
    file.as_file().set_len(20_000).expect("cut");
    file.as_file().write_all_at(b"y", 10_000).expect("written");
    let other_time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    file.as_file().set_modified(other_time).expect("a time set");
    assert_eq!(fit(file.as_file()), Fit::None);
    // Another file with the same beginning may have anything behind that.
    let mut other = tempfile::NamedTempFile::new().expect("a file");
    other.write_all(&vec![b'x'; 20_001]).expect("written");
    assert_eq!(fit(other.as_file()), Fit::None);
}

#[test]
fn what_has_no_whole_request_answers_nothing_unless_bodies_do_not_count() {
    let noted = |name: &str, value: Value| {
        let mut exchange = exchange("/a", 200);
        exchange.metadata.insert(name.into(), value);
        exchange
    };
    let all = [
        noted(DROPPED, json!(["request"])),
        noted(DROPPED, json!(["response"])),
        noted(REQUEST_INCOMPLETE, json!(true)),
        noted(REQUEST_INCOMPLETE, json!(false)),
    ];
    let silent = [Some(Silent::NoRequestContent), None, Some(Silent::RequestIncomplete), None];
    let strict = index(&MatchRules::default(), &all);
    assert_eq!(strict.iter().map(|entry| entry.silent).collect::<Vec<_>>(), silent);
    let kept = Index::from_bytes(&strict.to_bytes()).expect("an index");
    assert_eq!(kept.iter().map(|entry| entry.silent).collect::<Vec<_>>(), silent);
    let lax = index(&MatchRules { ignore_body: true, ..MatchRules::default() }, &all);
    assert!(lax.iter().all(|entry| entry.silent.is_none()));
}

#[test]
fn answers_are_given_in_order_and_then_as_told() {
    let rules = MatchRules::default();
    let mut aborted = exchange("/a", 500);
    aborted.aborted = true;
    let first = index(&rules, &[exchange("/a", 200), aborted, exchange("/b", 201), exchange("/a", 202)]);
    let second = index(&rules, &[exchange("/a", 203)]);
    let answers = |repeat| {
        let mut lookup = Lookup::new();
        lookup.add(0, &first);
        lookup.add(1, &second);
        assert_eq!((lookup.len(), lookup.answers(&key("/a")), lookup.never_given()), (4, 3, 4));
        let given: Vec<_> = (0..7)
            .map(|_| {
                let peeked = lookup.peek(&key("/a"), repeat);
                let place = lookup.next(&key("/a"), repeat);
                assert_eq!(peeked, place);
                place.map(|Place { tape, entry }| {
                    [&first, &second][tape as usize]
                        .get(entry as usize)
                        .and_then(|entry| entry.status)
                        .expect("a status")
                })
            })
            .collect();
        assert_eq!(lookup.next(&key("/c"), repeat), None);
        lookup.rewind();
        assert_eq!(lookup.next(&key("/a"), repeat), Some(Place { tape: 0, entry: 0 }));
        given
    };
    assert_eq!(answers(Repeat::Last), [200, 202, 203, 203, 203, 203, 203].map(Some));
    assert_eq!(answers(Repeat::Loop), [200, 202, 203, 200, 202, 203, 200].map(Some));
    assert_eq!(answers(Repeat::Miss), [Some(200), Some(202), Some(203), None, None, None, None]);
}

#[test]
fn a_single_answer_is_given_as_told() {
    let mut lookup = Lookup::new();
    lookup.add(0, &index(&MatchRules::default(), &[exchange("/a", 200)]));
    let place = Some(Place { tape: 0, entry: 0 });
    for repeat in [Repeat::Last, Repeat::Last, Repeat::Loop, Repeat::Loop, Repeat::Miss] {
        assert_eq!(lookup.next(&key("/a"), repeat), place);
    }
    assert_eq!(lookup.next(&key("/a"), Repeat::Miss), None);
}

#[test]
fn each_answer_is_given_to_one_of_many_threads() {
    let mut lookup = Lookup::new();
    (0..800).for_each(|entry| lookup.push(key("/a"), Place { tape: 0, entry }));
    let lookup = &lookup;
    let given: Vec<_> = thread::scope(|scope| {
        let ask = || (0..100).filter_map(|_| lookup.next(&key("/a"), Repeat::Miss)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(given.len(), 800);
    assert_eq!(given.into_iter().collect::<HashSet<_>>().len(), 800);
}
