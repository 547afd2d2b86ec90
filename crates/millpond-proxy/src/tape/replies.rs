//! Replies of recording and replay.

use super::playback::answer_body;
use crate::note::Note;
use crate::problem::Problem;
use crate::reply::{own_reply, push, push_status};
use millpond_exchange::{Body, ResponseHead, StatusCode};
use millpond_front::{Reply, WireHead};
use millpond_policy::{CacheStatus, Forward};
use millpond_recorder::{Answer, Miss, MissBody, TapeOptions};

/// The detail of Cache-Status where a tape answered.
const FROM_TAPE: &str = "tape";

/// A recorded answer, as it was but for what tells where it comes from. There is no X-Request-Id of ours in it: who asks again is told
/// the same again. The log has one.
pub(super) fn recorded(answer: &Answer, paced: bool, note: Note) -> Reply<Note> {
    let mut wire = wire_head(&answer.head);
    push(&mut wire, "X-Cache", "HIT");
    push_status(&mut wire, &CacheStatus { hit: true, detail: Some(FROM_TAPE), ..CacheStatus::default() });
    let status = answer.head.status;
    let body = answer_body(answer, paced);
    let bodiless = matches!(body, Body::Empty) || status == StatusCode::NOT_MODIFIED;
    Reply { announce: answer.announce.filter(|_| bodiless), ..Reply::new(wire, body, note) }
}

/// What an origin answered, as it will be answered from a tape.
pub(super) fn fetched(
    head: &ResponseHead,
    body: Body,
    fwd: Forward,
    stored: bool,
    note: Note,
) -> Reply<Note> {
    let mut wire = wire_head(head);
    push(&mut wire, "X-Cache", "MISS");
    push_status(&mut wire, &CacheStatus { fwd: Some(fwd), stored, ..CacheStatus::default() });
    let announce = head.fields.get_str("content-length").and_then(|value| value.parse().ok());
    let announce = announce.filter(|_| matches!(body, Body::Empty));
    Reply { announce, ..Reply::new(wire, body, note) }
}

/// The answer to a request that no tape has.
pub(super) fn missed(miss: &Miss, options: &TapeOptions, note: Note) -> Reply<Note> {
    let status = StatusCode::from_u16(options.miss_status).unwrap_or(StatusCode::GATEWAY_TIMEOUT);
    let note = Note { outcome: "miss", reason: Some("no-recording"), ..note };
    let said = CacheStatus { detail: Some("no-recording"), ..CacheStatus::default() };
    let (head, body) = match options.miss_body {
        MissBody::Problem => {
            let detail = format!("Nothing may be fetched here, and there is {miss}.");
            Problem::new(status, "no-recording", detail).response(&note.request_id)
        }
        MissBody::Text => {
            let mut head = ResponseHead::new(status);
            for (name, value) in
                [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
            {
                if let Err(error) = head.fields.append(name, value) {
                    tracing::warn!(name, %error, "field left out of a reply");
                }
            }
            (head, Body::from_bytes(format!("Cache miss for {}", miss.url)))
        }
    };
    own_reply(&head, body, Some(&said), note)
}

/// `head` without the X-Cache of whoever answered: ours takes its place. The tape keeps it.
fn wire_head(head: &ResponseHead) -> WireHead {
    let mut wire = WireHead::with_reason(head.status, head.reason_phrase());
    if head.fields.contains("x-cache") {
        wire.copy_where(&head.fields, |field| !field.is("x-cache"));
    } else {
        wire.copy(&head.fields);
    }
    wire
}
