//! Exchanges made by hand, and what tapes have of them.

use futures_util::StreamExt as _;
use millpond_exchange::{Body, BodyError, Frame, RequestHead, ResponseHead, StatusCode, Timestamp};
use millpond_recorder::{Answer, Asked, Found, Mode, Recording, TapeOptions, Tapes};
use millpond_tape::{Content, ReadAt, Recorded};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-11-21T17:00:00Z
pub const NOW: Timestamp = Timestamp::from_secs(1_795_280_400);

pub fn open(dir: &Path, mode: Mode) -> Arc<Tapes> {
    open_with(TapeOptions::new(dir, mode))
}

pub fn open_with(options: TapeOptions) -> Arc<Tapes> {
    Tapes::open(options, NOW).unwrap()
}

pub fn get(path: &str) -> RequestHead {
    RequestHead::get("a.example", path)
}

pub fn ok(fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::new(StatusCode::OK);
    head.fields = fields.iter().copied().collect();
    head
}

/// A body that comes in these pieces, its length unknown.
pub fn pieces(pieces: &[&str]) -> Body {
    let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::Data(piece.to_string().into()))).collect();
    Body::from_stream(futures_util::stream::iter(frames))
}

/// A body that comes in pieces and then breaks off.
pub fn broken(come: &[&str], error: BodyError) -> Body {
    let good = pieces(come).into_stream();
    Body::from_stream(good.chain(futures_util::stream::iter([Err(error)])))
}

/// Reads a body to its end.
pub async fn read(body: Body) -> Result<String, BodyError> {
    let mut text = Vec::new();
    let mut stream = body.into_stream();
    while let Some(frame) = stream.next().await {
        if let Frame::Data(data) = frame? {
            text.extend_from_slice(&data);
        }
    }
    Ok(String::from_utf8(text).unwrap())
}

pub fn begin(tapes: &Tapes, head: &RequestHead) -> Recording {
    tapes.begin(&Asked::new(head, None), NOW).unwrap()
}

/// Records a whole exchange.
pub async fn record(tapes: &Tapes, path: &str, content: &str) {
    let mut recording = begin(tapes, &get(path));
    recording.response_head(&ok(&[("Content-Type", "text/plain")]));
    assert_eq!(read(recording.response_body(pieces(&[content]))).await.unwrap(), content);
}

/// What the tapes have for a GET, as text.
pub fn replayed(tapes: &Tapes, path: &str) -> Option<String> {
    let head = get(path);
    match tapes.find(&Asked::new(&head, None)) {
        Found::Hit(answer) => Some(text_of(&answer)),
        Found::Miss(_) => None,
    }
}

pub fn text_of(answer: &Answer) -> String {
    text(&answer.content)
}

pub fn text(content: &Content) -> String {
    String::from_utf8(content.to_bytes(u64::MAX).unwrap().unwrap().to_vec()).unwrap()
}

/// The recordings in a directory.
pub fn sessions(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir.join("sessions"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "idx"))
        .collect();
    found.sort();
    found
}

/// The exchanges on all recordings of a directory.
pub fn on_tape(dir: &Path) -> Vec<Recorded> {
    sessions(dir).iter().flat_map(|path| exchanges(path)).collect()
}

/// The exchanges on a tape.
pub fn exchanges(path: &Path) -> Vec<Recorded> {
    let source: Arc<dyn ReadAt> = Arc::new(File::open(path).unwrap());
    millpond_tape::open(source).unwrap().map(|exchange| exchange.unwrap().1).collect()
}
