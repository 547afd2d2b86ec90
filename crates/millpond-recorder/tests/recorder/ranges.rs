//! Requests with ranges and conditions.

use crate::support::*;
use millpond_exchange::{RequestHead, StatusCode};
use millpond_recorder::{Asked, Found, Mode, Tapes};

fn with(name: &str, value: &str) -> RequestHead {
    let mut head = get("/");
    head.fields = [(name, value)].into_iter().collect();
    head
}

async fn record_status(tapes: &Tapes, head: &RequestHead, status: StatusCode) {
    let mut recording = begin(tapes, head);
    let mut response = ok(&[]);
    response.status = status;
    recording.response_head(&response);
    read(recording.response_body(pieces(&["some"]))).await.unwrap();
}

fn status(tapes: &Tapes, head: &RequestHead) -> Option<u16> {
    match tapes.find(&Asked::new(head, None)) {
        Found::Hit(answer) => Some(answer.head.status.as_u16()),
        Found::Miss(_) => None,
    }
}

#[tokio::test]
async fn parts_and_unchanged_answer_only_who_asked_for_them() {
    let dir = tempfile::tempdir().unwrap();
    let (range, tag) = (with("Range", "bytes=0-3"), with("If-None-Match", "\"1\""));
    let tapes = open(dir.path(), Mode::ReadWrite);
    record_status(&tapes, &range, StatusCode::PARTIAL_CONTENT).await;
    record_status(&tapes, &tag, StatusCode::NOT_MODIFIED).await;
    assert_eq!(status(&tapes, &get("/")), None);
    assert_eq!(status(&tapes, &with("Range", "bytes=4-")), None);
    record(&tapes, "/", "whole").await;
    let check = |tapes: &Tapes| {
        assert_eq!(status(tapes, &get("/")), Some(200));
        assert_eq!(status(tapes, &range), Some(206));
        assert_eq!(status(tapes, &with("Range", "bytes=4-")), Some(200));
        assert_eq!(status(tapes, &tag), Some(304));
        assert_eq!(status(tapes, &with("If-None-Match", "\"2\"")), Some(200));
    };
    check(&tapes);
    tapes.close();
    check(&open(dir.path(), Mode::ReadOnlyFailOnMiss));
}
