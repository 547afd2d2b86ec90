//! The four modes: what is answered, what the origin is asked, what the tape has then.

use crate::setup::*;
use crate::support::Origin;
use millpond_recorder::Mode;

/// What one request in one mode does.
struct Row {
    mode: Mode,
    on_tape: bool,
    /// Status and content.
    answer: (u16, Option<&'static str>),
    x_cache: &'static str,
    /// Requests the origin gets.
    asked: usize,
    /// Exchanges the tape has more.
    recorded: usize,
    /// Hits, misses and attempts to reach an origin.
    totals: (u64, u64, u64),
}

const RECORDED: (u16, Option<&str>) = (200, Some("recorded"));
const LIVE: (u16, Option<&str>) = (200, Some("live"));
const MISS: (u16, Option<&str>) = (504, None);

#[rustfmt::skip]
const ROWS: [Row; 8] = [
    Row { mode: Mode::ReadOnly, on_tape: true, answer: RECORDED, x_cache: "HIT", asked: 0, recorded: 0, totals: (1, 0, 0) },
    Row { mode: Mode::ReadOnly, on_tape: false, answer: LIVE, x_cache: "MISS", asked: 1, recorded: 0, totals: (0, 1, 1) },
    Row { mode: Mode::WriteOnly, on_tape: true, answer: LIVE, x_cache: "MISS", asked: 1, recorded: 1, totals: (0, 0, 1) },
    Row { mode: Mode::WriteOnly, on_tape: false, answer: LIVE, x_cache: "MISS", asked: 1, recorded: 1, totals: (0, 0, 1) },
    Row { mode: Mode::ReadWrite, on_tape: true, answer: RECORDED, x_cache: "HIT", asked: 0, recorded: 0, totals: (1, 0, 0) },
    Row { mode: Mode::ReadWrite, on_tape: false, answer: LIVE, x_cache: "MISS", asked: 1, recorded: 1, totals: (0, 1, 1) },
    Row { mode: Mode::ReadOnlyFailOnMiss, on_tape: true, answer: RECORDED, x_cache: "HIT", asked: 0, recorded: 0, totals: (1, 0, 0) },
    Row { mode: Mode::ReadOnlyFailOnMiss, on_tape: false, answer: MISS, x_cache: "MISS", asked: 0, recorded: 0, totals: (0, 1, 0) },
];

/// An origin whose first answer is `recorded`, and each further one `live`.
async fn origin(on_tape: bool) -> Origin {
    let answer = |text: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let first = if on_tape { vec![answer("recorded")] } else { vec![] };
    Origin::script(first.into_iter().chain([answer("live"), answer("live")])).await
}

/// With content or without, which are looked up at different moments.
async fn check(row: &Row, method: &str, body: &str) {
    let name = format!("{method} in {}, {}on the tape", row.mode, if row.on_tape { "" } else { "not " });
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(row.on_tape).await;
    let url = at(&origin, "/thing?a=1");
    let ask = async |taping: &Taping| {
        let mut client = taping.client().await;
        client
            .send(format!(
                "{method} {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        client.reply_to(method).await
    };
    if row.on_tape {
        let recording = taping(dir.path(), Mode::WriteOnly);
        assert_eq!(ask(&recording).await.text(), "recorded", "{name}");
        recording.ended().await;
    }
    let before = (origin.asked().len(), on_tape(dir.path()).len());
    let taping = taping(dir.path(), row.mode);
    let reply = ask(&taping).await;
    assert_eq!((reply.status, reply.x_cache().as_str()), (row.answer.0, row.x_cache), "{name}: {reply:?}");
    if let Some(text) = row.answer.1 {
        assert_eq!(reply.text(), text, "{name}");
    }
    let after = (origin.asked().len(), on_tape(dir.path()).len());
    assert_eq!((after.0 - before.0, after.1 - before.1), (row.asked, row.recorded), "{name}");
    let totals = taping.tapes.totals();
    assert_eq!((totals.hits, totals.misses, totals.upstream_attempts), row.totals, "{name}");
    assert_eq!(totals.recorded, row.recorded as u64, "{name}");
    // Once more: what was recorded in this run answers, where tapes answer at all.
    let again = ask(&taping).await;
    let from_tape = matches!(row.mode, Mode::ReadWrite) || row.on_tape && row.mode != Mode::WriteOnly;
    assert_eq!(again.x_cache(), if from_tape { "HIT" } else { "MISS" }, "{name}, again");
    if from_tape {
        assert_eq!(Some(again.text().as_str()), row.answer.1, "{name}, again");
    }
}

#[tokio::test]
async fn the_modes_do_what_their_names_say() {
    for row in &ROWS {
        check(row, "GET", "").await;
        check(row, "POST", "{\"a\": 1}").await;
    }
}

#[tokio::test]
async fn reading_and_writing_may_have_directories_of_their_own() {
    let (reads, writes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = origin(true).await;
    let recording = taping(reads.path(), Mode::WriteOnly);
    recording.get(&at(&origin, "/known")).await;
    recording.ended().await;
    let read_dir = [("tape.read_dir", reads.path().to_str().unwrap().into())];
    let both = taping_with(writes.path(), Mode::ReadWrite, &read_dir);
    assert_eq!(both.get(&at(&origin, "/known")).await.text(), "recorded");
    assert_eq!(both.get(&at(&origin, "/unknown")).await.text(), "live");
    assert_eq!((on_tape(reads.path()).len(), on_tape(writes.path()).len()), (1, 1));
}

#[tokio::test]
async fn repeated_requests_are_answered_in_order_and_then_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(true).await;
    let recording = taping(dir.path(), Mode::WriteOnly);
    for _ in 0..2 {
        recording.get(&at(&origin, "/")).await;
    }
    recording.ended().await;
    for (repeat, expected) in [
        ("last", ["recorded", "live", "live", "live"].map(Some)),
        ("loop", ["recorded", "live", "recorded", "live"].map(Some)),
        ("miss", [Some("recorded"), Some("live"), None, None]),
    ] {
        let player = taping_with(dir.path(), Mode::ReadOnlyFailOnMiss, &[("tape.repeat", repeat.into())]);
        for expected in expected {
            let reply = player.get(&at(&origin, "/")).await;
            assert_eq!((reply.status == 200).then(|| reply.text()).as_deref(), expected, "{repeat}");
        }
    }
    assert_eq!(origin.asked().len(), 2);
}
