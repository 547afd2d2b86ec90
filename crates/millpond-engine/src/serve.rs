//! From a usable stored response, or one on its way into the store, to the answer a request gets: whole, a 304, a part, or
//! a head alone.

use crate::answer::{Answer, AnswerHead, Outcome};
use crate::fill::{FillHead, FillReader, Membership};
use millpond_exchange::{Body, Fields, Method, Record, RequestHead, ResponseHead, StatusCode};
use millpond_policy::{CacheStatus, Evaluate, RangeAnswer, RequestFacts, RequestFlags};
use millpond_store::Entry;
use std::ops::Range;
use std::sync::Arc;

/// What part of a response a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    NotModified,
    Part(Range<u64>),
    Unsatisfiable,
}

fn shape(record: &Record, request: &RequestHead, facts: &RequestFacts, length: Option<u64>) -> Shape {
    if facts.is_conditional()
        && millpond_policy::precondition(record, facts, &request.fields) == Evaluate::NotModified
    {
        return Shape::NotModified;
    }
    let Some(length) = length.filter(|_| facts.has(RequestFlags::RANGE)) else { return Shape::Whole };
    match millpond_policy::range(&request.fields, facts, length, record) {
        RangeAnswer::Whole => Shape::Whole,
        RangeAnswer::Part(range) => Shape::Part(range),
        RangeAnswer::Unsatisfiable => Shape::Unsatisfiable,
    }
}

/// What the answer says about itself.
#[derive(Clone)]
pub(crate) struct Story {
    pub age: Option<u32>,
    pub outcome: Outcome,
    pub status: CacheStatus<'static>,
}

impl Story {
    fn answer(self, head: AnswerHead, body: Body, announce: Option<u64>) -> Answer {
        Answer {
            head,
            body,
            announce,
            age: self.age,
            outcome: self.outcome,
            status: self.status,
            upgrade: None,
        }
    }
}

/// Answers from a stored entry whose body lies in memory.
pub(crate) fn from_entry(
    entry: &Arc<Entry>,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Answer {
    let segments = entry.body.clone().unwrap_or_default();
    match shape(&entry.record, request, facts, Some(entry.body_len)) {
        Shape::Whole if request.method == Method::HEAD => {
            story.answer(AnswerHead::Stored(Arc::clone(entry)), Body::Empty, Some(entry.body_len))
        }
        Shape::Whole => {
            let body = if entry.trailers.is_empty() {
                Body::Memory(segments)
            } else {
                with_trailers(Body::Memory(segments), entry.trailers.clone())
            };
            story.answer(AnswerHead::Stored(Arc::clone(entry)), body, None)
        }
        Shape::Part(range) => {
            let head = part_head(&entry.head, &range, entry.body_len);
            story.answer(AnswerHead::Own(head), Body::Memory(segments.slice(range)), None)
        }
        shape => without_body(&shape, &entry.head, Some(entry.body_len), story),
    }
}

/// Answers from a fill, with the head everyone gets from the store later.
pub(crate) fn from_fill(
    head: &Arc<FillHead>,
    member: Membership,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Answer {
    match shape(&head.record, request, facts, head.announced_len) {
        Shape::Whole if request.method == Method::HEAD => {
            story.answer(AnswerHead::Own(head.head.clone()), Body::Empty, head.announced_len)
        }
        Shape::Whole => {
            let body = FillReader::body(member, head, None);
            story.answer(AnswerHead::Own(head.head.clone()), body, None)
        }
        Shape::Part(range) => {
            let own = part_head(&head.head, &range, head.announced_len.unwrap_or(range.end));
            let body = FillReader::body(member, head, Some(range));
            story.answer(AnswerHead::Own(own), body, None)
        }
        shape => without_body(&shape, &head.head, head.announced_len, story),
    }
}

fn without_body(shape: &Shape, head: &ResponseHead, length: Option<u64>, story: Story) -> Answer {
    let head = match shape {
        Shape::Unsatisfiable => unsatisfiable_head(head, length),
        _ => millpond_policy::not_modified_head(head),
    };
    story.answer(AnswerHead::Own(head), Body::Empty, None)
}

/// RFC 9110 section 15.3.7: a 206 carries Content-Range and the fields a 200 would have had.
fn part_head(head: &ResponseHead, range: &Range<u64>, length: u64) -> ResponseHead {
    let mut head = ResponseHead { status: StatusCode::PARTIAL_CONTENT, reason: None, ..head.clone() };
    set(&mut head.fields, "Content-Range", format!("bytes {}-{}/{length}", range.start, range.end - 1));
    head
}

/// RFC 9110 section 15.5.17.
fn unsatisfiable_head(head: &ResponseHead, length: Option<u64>) -> ResponseHead {
    let mut own = ResponseHead::new(StatusCode::RANGE_NOT_SATISFIABLE);
    for name in ["date", "etag", "last-modified"] {
        if let Some(value) = head.fields.get(name) {
            set(&mut own.fields, name, value);
        }
    }
    set(&mut own.fields, "Content-Range", format!("bytes */{}", length.unwrap_or(0)));
    own
}

/// Sets a field whose name and value are known to be valid.
fn set(fields: &mut Fields, name: &str, value: impl AsRef<[u8]>) {
    let valid = fields.set(name, value);
    debug_assert!(valid.is_ok(), "{name} is a valid field");
}

fn with_trailers(body: Body, trailers: Fields) -> Body {
    use futures_util::StreamExt as _;
    use millpond_exchange::Frame;
    let stream = body.into_stream().chain(futures_util::stream::iter([Ok(Frame::Trailers(trailers))]));
    Body::from_stream(stream)
}
