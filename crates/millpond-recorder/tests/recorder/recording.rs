//! What reaches the tape, and when.

use crate::support::*;
use futures_util::StreamExt as _;
use millpond_exchange::{Body, BodyError, BodyErrorKind, Fields, Frame, RequestHead, StatusCode, Version};
use millpond_recorder::{Asked, Mode, TapeOptions, Totals};
use millpond_tape::Format;
use std::path::Path;

#[tokio::test]
async fn a_whole_exchange_is_on_the_tape_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let mut head = get("/a?b=c");
    head.fields = [("Host", "a.example"), ("X-One", "1"), ("x-one", "2")].into_iter().collect();
    let mut recording = begin(&tapes, &head);
    recording.from_client(
        Some("192.0.2.1:4000".parse().unwrap()),
        Some("127.0.0.1:3142".parse().unwrap()),
        true,
    );
    let sent =
        recording.request_body(Body::Stream { stream: pieces(&["ab", "c"]).into_stream(), length: Some(3) });
    assert_eq!(sent.length(), Some(3));
    assert_eq!(read(sent).await.unwrap(), "abc");
    let mut answer = ok(&[("Content-Type", "text/plain"), ("X-Two", "2")]);
    answer.reason = Some("Fine".into());
    answer.version = Version::HTTP_10;
    recording.response_head(&answer);
    assert_eq!(read(recording.response_body(pieces(&["hel", "lo"]))).await.unwrap(), "hello");
    // No close: it is there before the client has the end.
    let all = on_tape(dir.path());
    let [exchange] = all.as_slice() else { panic!("{all:?}") };
    let request = &exchange.request;
    assert_eq!(
        (&*request.method, &*request.path, &*request.host, request.port),
        (&b"GET"[..], &b"/a?b=c"[..], "a.example", 80)
    );
    let fields: Vec<_> = request.fields.iter().collect();
    assert_eq!(fields, [(&b"Host"[..], &b"a.example"[..]), (b"X-One", b"1"), (b"x-one", b"2")]);
    assert_eq!(text(request.content.as_ref().unwrap()), "abc");
    assert!(request.ended.is_some() && !exchange.aborted && exchange.error.is_none());
    let response = exchange.response.as_ref().unwrap();
    assert_eq!(
        (response.status, &*response.reason, &*response.version),
        (200, &b"Fine"[..], &b"HTTP/1.0"[..])
    );
    assert_eq!(response.fields.get_str("x-two"), Some("2"));
    assert_eq!(text(response.content.as_ref().unwrap()), "hello");
    assert_eq!(exchange.client.peer, Some(("192.0.2.1".to_owned(), 4000)));
    assert!(exchange.client.tls && exchange.server.tls);
    assert_eq!(exchange.server.address, Some(("a.example".to_owned(), 80)));
    assert!(exchange.created >= NOW.as_secs() as f64 && response.ended.unwrap() >= response.started);
    assert_eq!(tapes.totals(), Totals { recorded: 1, ..Totals::default() });
}

#[tokio::test]
async fn the_last_piece_waits_for_the_tape() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let mut recording = begin(&tapes, &get("/"));
    recording.response_head(&ok(&[]));
    let body = Body::Stream { stream: pieces(&["one", "two"]).into_stream(), length: Some(6) };
    let mut stream = recording.response_body(body).into_stream();
    let first = stream.next().await.unwrap().unwrap();
    assert!(matches!(first, Frame::Data(data) if data == "one"));
    assert_eq!(tapes.totals().recorded, 0);
    let last = stream.next().await.unwrap().unwrap();
    assert!(matches!(last, Frame::Data(data) if data == "two"));
    assert_eq!(on_tape(dir.path()).len(), 1, "the client has all of it, and the tape nothing");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn more_than_was_announced_is_no_whole_answer() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    for come in [&["one", "two", "more"][..], &["one", "twomore"]] {
        let mut recording = begin(&tapes, &get("/"));
        recording.response_head(&ok(&[]));
        let body = Body::Stream { stream: pieces(come).into_stream(), length: Some(6) };
        let mut stream = recording.response_body(body).into_stream();
        assert!(matches!(stream.next().await, Some(Ok(Frame::Data(data))) if data == "one"));
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind, BodyErrorKind::Malformed);
        assert!(stream.next().await.is_none());
    }
    tapes.close();
    assert!(on_tape(dir.path()).iter().all(|exchange| exchange.aborted && exchange.error.is_some()));
    assert_eq!(tapes.totals(), Totals { aborted: 2, ..Totals::default() });
}

#[tokio::test]
async fn trailers_are_kept_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    let trailer = |value| Frame::Trailers([("X-Sum", value)].into_iter().collect());
    let with = |value| {
        let end = futures_util::stream::iter([Ok(trailer(value))]);
        Body::from_stream(pieces(&["data"]).into_stream().chain(end))
    };
    let mut recording = begin(&tapes, &get("/"));
    read(recording.request_body(with("up"))).await.unwrap();
    recording.response_head(&ok(&[]));
    let mut frames: Vec<_> = recording.response_body(with("down")).into_stream().collect().await;
    assert!(
        matches!(frames.pop(), Some(Ok(Frame::Trailers(fields))) if fields.get_str("x-sum") == Some("down"))
    );
    let exchange = on_tape(dir.path()).remove(0);
    assert_eq!(exchange.request.trailers.unwrap().get_str("x-sum"), Some("up"));
    assert_eq!(exchange.response.unwrap().trailers.unwrap().get_str("x-sum"), Some("down"));
}

#[tokio::test]
async fn a_response_without_content_is_on_the_tape_when_finish_returns() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let head = RequestHead { method: millpond_exchange::Method::HEAD, ..get("/") };
    let mut recording = begin(&tapes, &head);
    recording.response_head(&ok(&[("Content-Length", "5")]));
    recording.finish().await;
    let exchange = on_tape(dir.path()).remove(0);
    assert_eq!(exchange.response.unwrap().fields.get_str("content-length"), Some("5"));
}

#[tokio::test]
async fn what_breaks_off_is_marked_and_keeps_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    let cut = || BodyError::new(BodyErrorKind::Cut, "the origin went away");
    // The origin breaks off.
    let mut recording = begin(&tapes, &get("/origin"));
    recording.response_head(&ok(&[]));
    assert!(read(recording.response_body(broken(&["pa", "rt"], cut()))).await.is_err());
    // It ends before the announced length; the part that is there never looks complete.
    let mut recording = begin(&tapes, &get("/short"));
    recording.response_head(&ok(&[]));
    let body = Body::Stream { stream: pieces(&["part"]).into_stream(), length: Some(9) };
    assert_eq!(read(recording.response_body(body)).await.unwrap(), "part");
    // It breaks off behind its announced length: the client must not have the last piece.
    let mut recording = begin(&tapes, &get("/behind"));
    recording.response_head(&ok(&[]));
    let body = Body::Stream { stream: broken(&["pa", "rt"], cut()).into_stream(), length: Some(4) };
    let mut stream = recording.response_body(body).into_stream();
    assert!(matches!(stream.next().await, Some(Ok(Frame::Data(data))) if data == "pa"));
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_none());
    // The client goes away within the body, before the head, and the origin cannot be reached.
    let mut recording = begin(&tapes, &get("/client"));
    recording.response_head(&ok(&[]));
    let mut stream = recording.response_body(pieces(&["part", "rest"])).into_stream();
    stream.next().await;
    drop(stream);
    drop(begin(&tapes, &get("/early")));
    begin(&tapes, &get("/unreachable")).fail("origin-connect");
    tapes.close();
    let all = on_tape(dir.path());
    let facts: Vec<_> = all
        .iter()
        .map(|exchange| {
            let path = String::from_utf8_lossy(&exchange.request.path).into_owned();
            let content = exchange.response.as_ref().and_then(|response| response.content.as_ref()).map(text);
            (path, exchange.aborted, exchange.error.is_some(), content)
        })
        .collect();
    let part = Some("part".to_owned());
    let expected = [
        ("/origin", part.clone()),
        ("/short", part.clone()),
        ("/behind", part.clone()),
        ("/client", part),
        ("/early", None),
        ("/unreachable", None),
    ];
    assert_eq!(facts, expected.map(|(path, content)| (path.to_owned(), true, true, content)));
    assert_eq!(tapes.totals(), Totals { aborted: 6, ..Totals::default() });
    // None of these is an answer.
    let again = open(dir.path(), Mode::ReadOnly);
    for path in ["/origin", "/short", "/behind", "/client", "/early", "/unreachable"] {
        assert_eq!(replayed(&again, path), None, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_over_when_the_response_is_keeps_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let mut recording = begin(&tapes, &get("/"));
    let mut sent = recording.request_body(pieces(&["first", "second"])).into_stream();
    sent.next().await;
    recording.response_head(&ok(&[]));
    read(recording.response_body(pieces(&["no"]))).await.unwrap();
    sent.next().await;
    let exchange = on_tape(dir.path()).remove(0);
    assert_eq!(text(exchange.request.content.as_ref().unwrap()), "first");
    assert_eq!(exchange.metadata["millpond_request_incomplete"], true);
    assert!(exchange.request.ended.is_none());
}

#[tokio::test]
async fn times_of_pieces_are_kept_where_they_are_wanted() {
    for timing in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let tapes = open_with(TapeOptions { timing, ..TapeOptions::new(dir.path(), Mode::WriteOnly) });
        let mut recording = begin(&tapes, &get("/"));
        recording.response_head(&ok(&[]));
        read(recording.response_body(pieces(&["one", "three"]))).await.unwrap();
        let sizes: Vec<_> = on_tape(dir.path()).remove(0).timing.iter().map(|chunk| chunk.bytes).collect();
        assert_eq!(sizes, if timing { vec![3, 5] } else { vec![] });
    }
}

#[tokio::test]
async fn secrets_do_not_reach_the_tape() {
    const SECRETS: [&str; 4] = ["s3cr3t-1", "s3cr3t-2", "s3cr3t-3", "s3cr3t-4"];
    for (mode, responses, kept) in [
        (Mode::WriteOnly, None, vec![]),
        (Mode::ReadWrite, None, vec!["s3cr3t-3"]),
        (Mode::ReadWrite, Some(true), vec![]),
        (Mode::WriteOnly, Some(false), vec!["s3cr3t-3"]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let tapes =
            open_with(TapeOptions { redact_responses: responses, ..TapeOptions::new(dir.path(), mode) });
        let mut head = get("/");
        head.fields = [("Authorization", "Bearer s3cr3t-1"), ("Cookie", "id=s3cr3t-2")].into_iter().collect();
        let mut recording = begin(&tapes, &head);
        recording.response_head(&ok(&[("Set-Cookie", "id=s3cr3t-3; Path=/")]));
        read(recording.response_body(pieces(&["public"]))).await.unwrap();
        let raw = std::fs::read(sessions(dir.path()).remove(0)).unwrap();
        let raw = String::from_utf8_lossy(&raw);
        let found: Vec<_> = SECRETS.into_iter().filter(|secret| raw.contains(secret)).collect();
        assert_eq!(found, kept, "{mode} {responses:?}");
        assert!(raw.contains("Authorization") && raw.contains("public"));
        assert_eq!(tapes.totals().redacted, 1);
        assert!(!format!("{tapes:?}").contains("s3cr3t"));
    }
}

#[tokio::test]
async fn other_formats_are_there_when_it_stops() {
    for (format, ending) in [(Format::Json, "jsonl"), (Format::Har, "har")] {
        let dir = tempfile::tempdir().unwrap();
        let tapes = open_with(TapeOptions { format, ..TapeOptions::new(dir.path(), Mode::WriteOnly) });
        record(&tapes, "/a", "one").await;
        record(&tapes, "/b", "two").await;
        assert_eq!(endings(dir.path()), ["mitm"]);
        tapes.close();
        assert_eq!(endings(dir.path()), [ending]);
        assert_eq!(on_tape(dir.path()).len(), 2);
        let again = open(dir.path(), Mode::ReadOnlyFailOnMiss);
        assert_eq!(replayed(&again, "/b").as_deref(), Some("two"), "{format}");
    }
}

fn endings(dir: &Path) -> Vec<String> {
    let ending = |path: &std::path::PathBuf| path.extension().unwrap().to_str().unwrap().to_owned();
    sessions(dir).iter().map(ending).collect()
}

#[tokio::test]
async fn a_run_that_records_nothing_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path(), Mode::WriteOnly).close();
    assert!(sessions(dir.path()).is_empty());
}

#[tokio::test]
async fn a_large_body_is_not_held() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 200 * 1024 * 1024 / PIECE;
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    let mut recording = begin(&tapes, &get("/large"));
    recording.response_head(&ok(&[]));
    let piece = bytes::Bytes::from(vec![b'x'; PIECE]);
    let frames =
        futures_util::stream::iter(std::iter::repeat_n(piece, PIECES).map(|piece| Ok(Frame::Data(piece))));
    let length = (PIECE * PIECES) as u64;
    let mut stream = recording
        .response_body(Body::Stream { stream: Box::pin(frames), length: Some(length) })
        .into_stream();
    let before = peak_memory();
    while let Some(frame) = stream.next().await {
        frame.unwrap();
    }
    let head = get("/large");
    let found = tapes.find(&Asked::new(&head, None));
    let millpond_recorder::Found::Hit(answer) = found else { panic!("{found:?}") };
    assert_eq!(answer.content.len(), length);
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB more at the peak");
}

/// The most memory this process ever had, KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn statuses_of_http_are_told_from_others() {
    let mut response = millpond_tape::RecordedResponse { status: 42, ..Default::default() };
    assert!(millpond_recorder::response_head(&response).is_none());
    response.status = 404;
    response.fields = [("Good", "1"), ("Bad name", "2")].into_iter().collect();
    let head = millpond_recorder::response_head(&response).unwrap();
    assert_eq!((head.status, head.fields.len()), (StatusCode::NOT_FOUND, 1));
    assert_eq!(head.fields, [("Good", "1")].into_iter().collect::<Fields>());
}
