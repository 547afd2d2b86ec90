//! What is answered, in which order, and what is not.

use crate::support::*;
use futures_util::StreamExt as _;
use millpond_exchange::{Method, RequestHead};
use millpond_recorder::{Asked, Found, MissReason, Mode, Repeat, TapeOptions, Tapes};
use millpond_tape::Format;
use millpond_tape::matching::MatchRules;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

#[tokio::test]
async fn repeated_requests_are_answered_in_order_and_then_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    for content in ["one", "two"] {
        record(&tapes, "/", content).await;
    }
    tapes.close();
    for (repeat, expected) in [
        (Repeat::Last, ["one", "two", "two", "two"].map(Some)),
        (Repeat::Loop, ["one", "two", "one", "two"].map(Some)),
        (Repeat::Miss, [Some("one"), Some("two"), None, None]),
    ] {
        let tapes = open_with(TapeOptions { repeat, ..TapeOptions::new(dir.path(), Mode::ReadOnly) });
        let given: Vec<_> = (0..4).map(|_| replayed(&tapes, "/")).collect();
        assert_eq!(given.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{repeat:?}");
        assert_eq!(tapes.totals().hits, if repeat == Repeat::Miss { 2 } else { 4 });
    }
    let tapes =
        open_with(TapeOptions { repeat: Repeat::Miss, ..TapeOptions::new(dir.path(), Mode::ReadOnly) });
    let head = get("/");
    let reasons: Vec<_> = (0..3).map(|_| tapes.find(&Asked::new(&head, None))).collect();
    assert!(matches!(reasons[2], Found::Miss(MissReason::Exhausted)), "{reasons:?}");
}

#[tokio::test]
async fn what_is_recorded_answers_in_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    assert_eq!(replayed(&tapes, "/"), None);
    record(&tapes, "/", "one").await;
    assert_eq!(replayed(&tapes, "/").as_deref(), Some("one"));
    tapes.close();
    // Where nothing is given twice, what a client had from the origin was given.
    let once = || TapeOptions { repeat: Repeat::Miss, ..TapeOptions::new(dir.path(), Mode::ReadWrite) };
    let tapes = open_with(once());
    assert_eq!(replayed(&tapes, "/").as_deref(), Some("one"));
    assert_eq!(replayed(&tapes, "/"), None);
    record(&tapes, "/", "two").await;
    assert_eq!(replayed(&tapes, "/"), None);
    tapes.close();
    let tapes = open_with(once());
    assert_eq!(
        [replayed(&tapes, "/"), replayed(&tapes, "/")],
        ["one", "two"].map(|text| Some(text.to_owned()))
    );
}

#[tokio::test]
async fn tapes_of_several_runs_answer_in_the_order_of_time() {
    let (early, late) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = open(early.path(), Mode::WriteOnly);
    record(&first, "/", "early").await;
    first.close();
    let options = TapeOptions::new(late.path(), Mode::WriteOnly);
    let second =
        millpond_recorder::Tapes::open(options, NOW.saturating_add(std::time::Duration::from_secs(60)))
            .unwrap();
    let head = get("/");
    let later = NOW.saturating_add(std::time::Duration::from_secs(60));
    let mut recording = second.begin(&Asked::new(&head, None), later).unwrap();
    recording.response_head(&ok(&[]));
    read(recording.response_body(pieces(&["late"]))).await.unwrap();
    second.close();
    // Names say the opposite of times.
    let both = tempfile::tempdir().unwrap();
    std::fs::copy(sessions(late.path()).remove(0), both.path().join("a.flows")).unwrap();
    std::fs::copy(sessions(early.path()).remove(0), both.path().join("b.mitm")).unwrap();
    std::fs::write(both.path().join("notes.txt"), "no tape").unwrap();
    let tapes = open(both.path(), Mode::ReadOnly);
    assert_eq!(
        [replayed(&tapes, "/"), replayed(&tapes, "/")],
        ["early", "late"].map(|text| Some(text.to_owned()))
    );
}

#[tokio::test]
async fn reading_and_writing_have_directories_of_their_own() {
    let (reads, writes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tapes = open(reads.path(), Mode::WriteOnly);
    record(&tapes, "/known", "old").await;
    tapes.close();
    let nested = writes.path().join("new/dir");
    let options =
        |mode| TapeOptions { read_dir: Some(reads.path().to_owned()), ..TapeOptions::new(&nested, mode) };
    let tapes = open_with(options(Mode::ReadWrite));
    assert_eq!(replayed(&tapes, "/known").as_deref(), Some("old"));
    record(&tapes, "/unknown", "new").await;
    tapes.close();
    assert_eq!((sessions(reads.path()).len(), sessions(&nested).len()), (1, 1));
    let tapes = open_with(options(Mode::ReadOnly));
    assert_eq!(replayed(&tapes, "/unknown"), None);
}

#[tokio::test]
async fn method_url_and_content_must_be_the_same_unless_ruled_out() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let post = RequestHead { method: Method::POST, ..get("/?a=1") };
    let mut recording = begin(&tapes, &post);
    read(recording.request_body(pieces(&["{\"x\": 1}"]))).await.unwrap();
    recording.response_head(&ok(&[]));
    read(recording.response_body(pieces(&["yes"]))).await.unwrap();
    tapes.close();
    let rules = |change: fn(&mut MatchRules)| {
        let mut options = TapeOptions::new(dir.path(), Mode::ReadOnlyFailOnMiss);
        change(&mut options.rules);
        open_with(options)
    };
    let strict = rules(|_| {});
    let ask = |tapes: &millpond_recorder::Tapes, head: &RequestHead, tunnel, content: &str| {
        let mut asked = Asked::new(head, tunnel);
        asked.content = Some(bytes::Bytes::from(content.to_owned()).into());
        matches!(tapes.find(&asked), Found::Hit(_))
    };
    assert!(ask(&strict, &post, None, "{\"x\": 1}"));
    assert!(!ask(&strict, &post, None, "{\"x\": 2}"));
    assert!(!ask(&strict, &RequestHead { method: Method::PUT, ..post.clone() }, None, "{\"x\": 1}"));
    assert!(!ask(
        &strict,
        &RequestHead { path_and_query: "/?a=2".into(), ..post.clone() },
        None,
        "{\"x\": 1}"
    ));
    assert!(!ask(&strict, &post, Some("b.example:80"), "{\"x\": 1}"));
    assert!(ask(&rules(|rules| rules.ignore_body = true), &post, None, "{\"x\": 2}"));
    assert!(ask(&rules(|rules| rules.ignore_host = true), &post, Some("b.example:80"), "{\"x\": 1}"));
}

#[tokio::test]
async fn a_miss_says_what_was_nearest_and_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/items?page=1", "one").await;
    tapes.close();
    let mut options = TapeOptions::new(dir.path(), Mode::ReadOnlyFailOnMiss);
    options.rules.redact = Some(millpond_tape::redact::Rules::new([""; 0], ["token"], [""; 0]));
    let tapes = open_with(options);
    let head = get("/items?page=2&token=s3cr3t");
    let asked = Asked::new(&head, None);
    let Found::Miss(reason) = tapes.find(&asked) else { panic!("found") };
    let miss = tapes.miss(&asked, reason);
    let text = miss.to_string();
    assert!(text.contains("GET http://a.example/items?page=2&token=REDACTED"), "{text}");
    assert!(text.contains("/items?page=1"), "{text}");
    assert!(!text.contains("s3cr3t") && !format!("{miss:?}").contains("s3cr3t"));
    assert_eq!(tapes.totals().misses, 1);
    assert_eq!(tapes.latest_misses(), [miss]);
}

#[tokio::test]
async fn an_index_beside_the_tape_is_kept_and_made_anew_when_it_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    record(&tapes, "/a", "one").await;
    tapes.close();
    let tape = sessions(dir.path()).remove(0);
    let index = tape.with_extension("mitm.idx");
    let whole = std::fs::read(&index).unwrap();
    // Damaged, of another tape, gone, and of a tape that has grown since.
    let damaged: Vec<u8> = whole.iter().map(|byte| byte ^ 1).collect();
    for bytes in [Some(damaged), Some(whole[..whole.len() / 2].to_vec()), None] {
        match bytes {
            Some(bytes) => std::fs::write(&index, bytes).unwrap(),
            None => std::fs::remove_file(&index).unwrap(),
        }
        assert_eq!(replayed(&open(dir.path(), Mode::ReadOnly), "/a").as_deref(), Some("one"));
    }
    std::fs::write(&index, &whole).unwrap();
    let other = tempfile::tempdir().unwrap();
    let tapes = open(other.path(), Mode::WriteOnly);
    record(&tapes, "/b", "two").await;
    tapes.close();
    let more = std::fs::read(sessions(other.path()).remove(0)).unwrap();
    let all = [std::fs::read(&tape).unwrap(), more].concat();
    std::fs::write(&tape, all).unwrap();
    let tapes = open(dir.path(), Mode::ReadOnly);
    assert_eq!(
        (replayed(&tapes, "/a").as_deref(), replayed(&tapes, "/b").as_deref()),
        (Some("one"), Some("two"))
    );
}

/// Replaces text by other text of the same length, in a file that is the same afterwards but for the time it was written at.
fn rewrite(path: &Path, old: &str, new: &str) {
    let raw = std::fs::read(path).unwrap();
    let at = raw.windows(old.len()).position(|part| part == old.as_bytes()).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(new.as_bytes(), at as u64).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(new.len() as u64)).unwrap();
}

#[tokio::test]
async fn a_tape_that_was_changed_in_its_middle_does_not_answer_what_it_no_longer_has() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    let large = "x".repeat(10_000);
    for path in ["/first", "/one", "/two", "/last"] {
        record(&tapes, path, &large).await;
    }
    tapes.close();
    let tape = sessions(dir.path()).remove(0);
    // While it is closed: there is an index beside it.
    rewrite(&tape, "/one", "/ONE");
    let tapes = open(dir.path(), Mode::ReadOnly);
    assert_eq!(replayed(&tapes, "/ONE").as_deref(), Some(&*large));
    assert_eq!(replayed(&tapes, "/one"), None);
    // While it answers.
    rewrite(&tape, "/two", "/2wo");
    let head = get("/two");
    let found = tapes.find(&Asked::new(&head, None));
    assert!(matches!(found, Found::Miss(MissReason::Changed)), "{found:?}");
}

/// Records a POST whose content is `content` and described by `fields`; `whole` unless its upload does not end.
async fn record_post(tapes: &Tapes, fields: &[(&str, &str)], content: &str, whole: bool) -> RequestHead {
    let mut head = RequestHead { method: Method::POST, ..get("/") };
    head.fields = fields.iter().copied().collect();
    let mut recording = begin(tapes, &head);
    let mut sent = recording.request_body(pieces(&[content])).into_stream();
    sent.next().await;
    while whole && sent.next().await.is_some() {}
    recording.response_head(&ok(&[]));
    read(recording.response_body(pieces(&["yes"]))).await.unwrap();
    head
}

fn why_not(tapes: &Tapes, head: &RequestHead, content: &str) -> MissReason {
    let mut asked = Asked::new(head, None);
    asked.content = Some(bytes::Bytes::from(content.to_owned()).into());
    match tapes.find(&asked) {
        Found::Miss(reason) => reason,
        Found::Hit(answer) => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_request_whose_upload_did_not_end_answers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::ReadWrite);
    let head = record_post(&tapes, &[], "part", false).await;
    assert_eq!(why_not(&tapes, &head, "part"), MissReason::RequestIncomplete);
    tapes.close();
    for format in [Format::Mitm, Format::Json, Format::Har] {
        let converted = converted(&sessions(dir.path())[0], format);
        let tapes = open(converted.path(), Mode::ReadOnly);
        assert_eq!(why_not(&tapes, &head, "part"), MissReason::RequestIncomplete, "{format}");
    }
}

/// A directory with the tape in another format.
fn converted(tape: &Path, format: Format) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = File::create(dir.path().join("tape").with_extension(format.extension())).unwrap();
    let mut writer = millpond_tape::writer(format, file);
    for exchange in exchanges(tape) {
        writer.write(&exchange).unwrap();
    }
    writer.finish().unwrap();
    dir
}

#[tokio::test]
async fn a_request_whose_body_cannot_be_redacted_is_never_answered() {
    let dir = tempfile::tempdir().unwrap();
    let rules = || millpond_tape::redact::Rules::new([""; 0], [""; 0], ["token"]);
    let open = |mode| {
        let mut options = TapeOptions::new(dir.path(), mode);
        options.rules.redact = Some(rules());
        open_with(options)
    };
    let tapes = open(Mode::ReadWrite);
    let fields = [("Content-Type", "application/json"), ("Content-Encoding", "br")];
    let head = record_post(&tapes, &fields, "no brotli", true).await;
    let exchange = on_tape(dir.path()).remove(0);
    assert!(exchange.request.content.is_none(), "{exchange:?}");
    // One without any body is something else, and may answer what has none.
    let empty = record_post(&tapes, &fields, "", true).await;
    for mode in [None, Some(Mode::ReadOnly)] {
        let again = mode.map(open);
        let tapes = again.as_ref().unwrap_or(&tapes);
        assert_eq!(why_not(tapes, &head, "no brotli"), MissReason::NoRequestContent);
        assert_eq!(why_not(tapes, &head, "nor is this"), MissReason::NoRequestContent);
        let elsewhere = RequestHead { path_and_query: "/elsewhere".into(), ..head.clone() };
        assert_eq!(why_not(tapes, &elsewhere, "no brotli"), MissReason::Unredactable);
        assert!(matches!(tapes.find(&Asked::new(&empty, None)), Found::Hit(_)));
    }
}

#[tokio::test]
async fn a_request_whose_body_was_not_recorded_answers_where_bodies_do_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = TapeOptions::new(dir.path(), Mode::ReadWrite);
    options.rules.redact = Some(millpond_tape::redact::Rules::new([""; 0], [""; 0], ["token"]));
    options.rules.ignore_body = true;
    let tapes = open_with(options.clone());
    let fields = [("Content-Type", "application/json"), ("Content-Encoding", "br")];
    let head = record_post(&tapes, &fields, "no brotli", true).await;
    assert!(matches!(tapes.find(&Asked::new(&head, None)), Found::Hit(_)));
    tapes.close();
    assert!(matches!(open_with(options).find(&Asked::new(&head, None)), Found::Hit(_)));
}

#[tokio::test]
async fn a_recording_that_was_stopped_while_it_was_converted_answers_once() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/", "once").await;
    tapes.close();
    let tape = sessions(dir.path()).remove(0);
    for format in [Format::Json, Format::Har] {
        let other = converted(&tape, format);
        let beside = tape.with_extension(format.extension());
        std::fs::copy(other.path().join("tape").with_extension(format.extension()), &beside).unwrap();
        let options = TapeOptions { repeat: Repeat::Miss, ..TapeOptions::new(dir.path(), Mode::ReadOnly) };
        let tapes = open_with(options);
        let given = [replayed(&tapes, "/"), replayed(&tapes, "/")];
        assert_eq!(given, [Some("once".to_owned()), None], "{format}");
        std::fs::remove_file(beside).unwrap();
    }
}

#[tokio::test]
async fn directories_are_for_their_owner() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("tapes");
    let tapes = open(&made, Mode::WriteOnly);
    for path in [made.clone(), made.join("sessions")] {
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700, "{}", path.display());
    }
    drop(tapes);
}
