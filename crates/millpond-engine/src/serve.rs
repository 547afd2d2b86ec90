//! From a usable stored response, or one on its way into the store, to the answer a request gets: whole, a 304, a part, or
//! a head alone.

use crate::answer::{Answer, AnswerHead, Outcome};
use crate::fill::{FillHead, FillReader, Membership};
use millpond_exchange::{Body, Fields, Method, Record, RequestHead, ResponseHead, StatusCode};
use millpond_policy::{
    CacheStatus, ContentRange, Evaluate, PartAnswer, PartRange, RangeAnswer, RequestFacts, RequestFlags,
};
use millpond_store::{Entry, Store as _, StoreError, Tiered};
use std::sync::Arc;

/// What part of a response a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    NotModified,
    Part(PartRange),
    Unsatisfiable { complete_len: u64 },
}

/// The shape of the answer to a request that may be answered from a response with this record and `length` bytes of body;
/// `None` where that is a part which does not have what is asked for.
fn shape(record: &Record, request: &RequestHead, facts: &RequestFacts, length: Option<u64>) -> Option<Shape> {
    let not_modified = || {
        facts.is_conditional()
            && millpond_policy::precondition(record, facts, &request.fields) == Evaluate::NotModified
    };
    if record.part.is_some() {
        let shape = shape_of_part(record, request, facts, length?)?;
        return Some(if not_modified() { Shape::NotModified } else { shape });
    }
    if not_modified() {
        return Some(Shape::NotModified);
    }
    let Some(length) = length.filter(|_| facts.has(RequestFlags::RANGE)) else { return Some(Shape::Whole) };
    Some(match millpond_policy::range(&request.fields, facts, length, record) {
        RangeAnswer::Whole => Shape::Whole,
        RangeAnswer::Part(body) => {
            let (first, last) = (body.start, body.end - 1);
            Shape::Part(PartRange {
                body,
                content_range: ContentRange { first, last, complete_len: Some(length) },
            })
        }
        RangeAnswer::Unsatisfiable => Shape::Unsatisfiable { complete_len: length },
    })
}

fn shape_of_part(record: &Record, request: &RequestHead, facts: &RequestFacts, length: u64) -> Option<Shape> {
    match millpond_policy::part_answer(&request.fields, facts, length, record) {
        PartAnswer::Covers(range) => Some(Shape::Part(range)),
        PartAnswer::Unsatisfiable { complete_len } => Some(Shape::Unsatisfiable { complete_len }),
        PartAnswer::Outside | PartAnswer::IfRangeFailed | PartAnswer::NotARange => None,
    }
}

/// True when a response with this record and so many bytes of body has what is asked for.
pub(crate) fn has_what_is_asked(
    record: &Record,
    request: &RequestHead,
    facts: &RequestFacts,
    length: u64,
) -> bool {
    shape(record, request, facts, Some(length)).is_some()
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

/// Answers from a stored entry whose body lies in memory; `None` where it is a part that lacks what is asked for.
pub(crate) fn from_entry(
    entry: &Arc<Entry>,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Option<Answer> {
    let shape = shape(&entry.record, request, facts, Some(entry.body_len))?;
    let body = match &shape {
        Shape::Whole if request.method != Method::HEAD => Body::Memory(entry.content()),
        Shape::Part(range) => Body::Memory(entry.content().slice(range.body.clone())),
        _ => Body::Empty,
    };
    Some(with_body(entry, request, shape, body, story))
}

/// Answers from a stored entry whose body lies further down.
///
/// # Errors
/// What the tiers say when it cannot read it. [`StoreError::Gone`] also where the entry is a part that lacks what is asked
/// for.
pub(crate) async fn from_below(
    tiers: &Tiered,
    entry: &Arc<Entry>,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Result<Answer, StoreError> {
    let shape = shape(&entry.record, request, facts, Some(entry.body_len)).ok_or(StoreError::Gone)?;
    let body = match &shape {
        Shape::Whole if request.method != Method::HEAD => tiers.read(entry, None).await?,
        Shape::Part(range) => tiers.read(entry, Some(range.body.clone())).await?,
        _ => Body::Empty,
    };
    Ok(with_body(entry, request, shape, body, story))
}

/// Puts the head that goes with it before `body`, which is what the shape of the answer needs.
fn with_body(entry: &Arc<Entry>, request: &RequestHead, shape: Shape, body: Body, story: Story) -> Answer {
    match shape {
        Shape::Whole if request.method == Method::HEAD => {
            story.answer(AnswerHead::Stored(Arc::clone(entry)), Body::Empty, Some(entry.body_len))
        }
        Shape::Whole => {
            let body =
                if entry.trailers.is_empty() { body } else { with_trailers(body, entry.trailers.clone()) };
            story.answer(AnswerHead::Stored(Arc::clone(entry)), body, None)
        }
        Shape::Part(range) => {
            story.answer(AnswerHead::Own(part_head(&entry.head, &range.content_range)), body, None)
        }
        shape => without_body(&shape, &entry.head, story),
    }
}

/// Answers from a fill, with the head everyone gets from the store later; `None` where it brings a part that lacks what is
/// asked for.
pub(crate) fn from_fill(
    head: &Arc<FillHead>,
    member: Membership,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Option<Answer> {
    Some(match shape(&head.record, request, facts, head.announced_len)? {
        Shape::Whole if request.method == Method::HEAD => {
            story.answer(AnswerHead::Own(head.head.clone()), Body::Empty, head.announced_len)
        }
        Shape::Whole => {
            let body = FillReader::body(member, head, None);
            story.answer(AnswerHead::Own(head.head.clone()), body, None)
        }
        Shape::Part(range) => {
            let own = part_head(&head.head, &range.content_range);
            let body = FillReader::body(member, head, Some(range.body));
            story.answer(AnswerHead::Own(own), body, None)
        }
        shape => without_body(&shape, &head.head, story),
    })
}

fn without_body(shape: &Shape, head: &ResponseHead, story: Story) -> Answer {
    let head = match shape {
        Shape::Unsatisfiable { complete_len } => unsatisfiable_head(head, *complete_len),
        _ => millpond_policy::not_modified_head(head),
    };
    story.answer(AnswerHead::Own(head), Body::Empty, None)
}

/// RFC 9110 section 15.3.7: a 206 carries Content-Range and the fields a 200 would have had.
fn part_head(head: &ResponseHead, range: &ContentRange) -> ResponseHead {
    let mut head = ResponseHead { status: StatusCode::PARTIAL_CONTENT, reason: None, ..head.clone() };
    set(&mut head.fields, "Content-Range", range.to_string());
    head
}

/// RFC 9110 section 15.5.17.
fn unsatisfiable_head(head: &ResponseHead, complete_len: u64) -> ResponseHead {
    let mut own = ResponseHead::new(StatusCode::RANGE_NOT_SATISFIABLE);
    for name in ["date", "etag", "last-modified"] {
        if let Some(value) = head.fields.get(name) {
            set(&mut own.fields, name, value);
        }
    }
    set(&mut own.fields, "Content-Range", format!("bytes */{complete_len}"));
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
