//! Tapes merged and checked.

use millpond_tape::matching::MatchRules;
use millpond_tape::merge::{MergeError, Policy, Progress, merge, verify};
use millpond_tape::{
    Content, Format, ReadAt, Recorded, RecordedRequest, RecordedResponse, TapeError, open, writer,
};
use std::sync::Arc;

fn exchange(path: &str, status: u16, created: f64) -> Recorded {
    Recorded {
        id: format!("{path}-{status}"),
        created,
        request: RecordedRequest {
            method: b"GET".to_vec(),
            scheme: b"http".to_vec(),
            host: "a".into(),
            port: 80,
            path: path.into(),
            version: b"HTTP/1.1".to_vec(),
            started: created,
            ..RecordedRequest::default()
        },
        response: Some(RecordedResponse {
            status,
            version: b"HTTP/1.1".to_vec(),
            content: Some(Content::Memory(path.to_owned().into())),
            started: created,
            ..RecordedResponse::default()
        }),
        ..Recorded::default()
    }
}

fn tape(format: Format, exchanges: &[Recorded]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut to = writer(format, &mut bytes);
    for exchange in exchanges {
        to.write(exchange).expect("memory");
    }
    to.finish().expect("memory");
    bytes
}

fn source(bytes: Vec<u8>) -> Arc<dyn ReadAt> {
    Arc::new(bytes::Bytes::from(bytes))
}

fn two_tapes() -> [Arc<dyn ReadAt>; 2] {
    let aborted = |path, created| Recorded { aborted: true, ..exchange(path, 206, created) };
    let mitm =
        [exchange("/a", 200, 1.0), exchange("/b", 200, 5.0), exchange("/c", 200, 0.5), aborted("/c", 6.0)];
    let json = [exchange("/a", 201, 3.0), aborted("/d", 0.1), exchange("/d", 201, 0.2)];
    [source(tape(Format::Mitm, &mitm)), source(tape(Format::Json, &json))]
}

/// Paths and statuses of what two tapes become.
fn merged(tapes: &[Arc<dyn ReadAt>], policy: Policy) -> Vec<(String, u16)> {
    let mut bytes = Vec::new();
    let mut to = writer(Format::Mitm, &mut bytes);
    let mut steps = Vec::new();
    let rules = MatchRules::default();
    let done = merge(tapes, &rules, policy, &mut *to, &mut |step| steps.push(step)).expect("merged");
    to.finish().expect("memory");
    assert_eq!(steps.last(), Some(&Progress::Written(done.written, done.written)));
    assert_eq!(steps.len() as u64, done.read + done.written);
    open(source(bytes))
        .expect("a tape")
        .map(|exchange| {
            let (_, exchange) = exchange.expect("an exchange");
            let response = exchange.response.expect("a response");
            let content = response.content.expect("recorded").to_bytes(99).expect("readable").expect("short");
            assert_eq!(content, exchange.request.path);
            (String::from_utf8(exchange.request.path).expect("text"), response.status)
        })
        .collect()
}

fn expected(all: &[(&str, u16)]) -> Vec<(String, u16)> {
    all.iter().map(|(path, status)| ((*path).to_owned(), *status)).collect()
}

#[test]
fn tapes_of_any_format_are_merged_by_time() {
    let tapes = two_tapes();
    let all = [("/d", 206), ("/d", 201), ("/c", 200), ("/a", 200), ("/a", 201), ("/b", 200), ("/c", 206)];
    assert_eq!(merged(&tapes, Policy::All), expected(&all));
    assert_eq!(
        merged(&tapes, Policy::First),
        expected(&[("/d", 201), ("/c", 200), ("/a", 200), ("/b", 200)])
    );
    // What broke off does not take the place of what is whole.
    assert_eq!(merged(&tapes, Policy::Last), expected(&[("/d", 201), ("/c", 200), ("/a", 201), ("/b", 200)]));
}

#[test]
fn what_lies_before_a_tear_is_merged_and_the_tear_told() {
    let mut torn = tape(Format::Mitm, &[exchange("/a", 200, 1.0), exchange("/b", 200, 2.0)]);
    torn.truncate(torn.len() - 10);
    let tapes = [source(torn), source(tape(Format::Mitm, &[exchange("/c", 200, 0.0)]))];
    let mut to = writer(Format::Json, std::io::sink());
    let done = merge(&tapes, &MatchRules::default(), Policy::All, &mut *to, &mut |_| ()).expect("merged");
    assert_eq!((done.read, done.written), (2, 2));
    assert!(matches!(done.broken[..], [(0, TapeError::Torn { .. })]), "{:?}", done.broken);

    let unknown = [Arc::clone(&tapes[1]), source(b"no tape".to_vec())];
    let failed = merge(&unknown, &MatchRules::default(), Policy::All, &mut *to, &mut |_| ());
    assert!(matches!(failed, Err(MergeError::Read { tape: 1, .. })));
}

#[test]
fn a_check_counts_what_there_is() {
    let mut aborted = exchange("/a", 200, 1.0);
    aborted.aborted = true;
    let mut unanswered = exchange("/b", 200, 1.0);
    unanswered.response = None;
    let mut bodiless = exchange("/c", 200, 1.0);
    bodiless.response.as_mut().expect("a response").content = None;
    let mut bytes = tape(Format::Mitm, &[aborted, unanswered, bodiless, exchange("/dd", 200, 1.0)]);
    let mut seen = 0;
    let whole = verify(open(source(bytes.clone())).expect("a tape"), &mut |count| seen = count);
    assert!(whole.is_whole(), "{whole:?}");
    let counts = (whole.exchanges, whole.answers, whole.aborted, whole.without_response, whole.body_bytes);
    assert_eq!((counts, seen), ((4, 1, 1, 1, 5), 4));

    let end = bytes.len();
    bytes.extend_from_slice(b"99:");
    let torn = verify(open(source(bytes)).expect("a tape"), &mut |_| ());
    assert_eq!((torn.exchanges, torn.torn_at(), torn.is_whole()), (4, Some(end as u64), false));
}
