//! From a usable stored response, or one on its way into the store, to the answer a request gets: whole, a 304, a part,
//! several parts, or a head alone.

use crate::answer::{Answer, AnswerHead, Outcome};
use crate::engine::Shared;
use crate::fill::{FillHead, FillReader, Membership};
use crate::multipart::{Multipart, Source};
use millpond_exchange::{Body, Fields, Method, Record, RequestHead, ResponseHead, StatusCode};
use millpond_policy::{
    CacheStatus, ContentRange, Evaluate, PartAnswer, PartRange, RangeAnswer, RequestFacts, RequestFlags,
};
use millpond_store::{Entry, Store as _, StoreError};
use std::ops::Range;
use std::sync::Arc;

/// What part of a response a request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Whole,
    NotModified,
    Part(PartRange),
    /// Two parts or more, in the order in which they are sent.
    Parts(Vec<PartRange>),
    Unsatisfiable {
        complete_len: u64,
    },
}

/// A response, as far as the shape of an answer depends on it.
#[derive(Clone, Copy)]
pub(crate) struct Whence<'a> {
    pub record: &'a Record,
    pub head: &'a ResponseHead,
    /// Bytes of its body, where that is known.
    pub length: Option<u64>,
}

/// The shape of the answer to a request that may be answered from this response; `None` where that is a part which does not
/// have what is asked for.
fn shape(from: Whence<'_>, request: &RequestHead, facts: &RequestFacts) -> Option<Shape> {
    let Whence { record, length, .. } = from;
    let not_modified = || {
        facts.is_conditional()
            && millpond_policy::precondition(record, facts, &request.fields) == Evaluate::NotModified
    };
    if record.part.is_some() {
        let shape = shape_of_part(from, request, facts, length?)?;
        return Some(if not_modified() { Shape::NotModified } else { shape });
    }
    if not_modified() {
        return Some(Shape::NotModified);
    }
    let Some(length) = length.filter(|_| facts.has(RequestFlags::RANGE)) else { return Some(Shape::Whole) };
    let part_range = |body: Range<u64>| {
        let (first, last) = (body.start, body.end - 1);
        PartRange { body, content_range: ContentRange { first, last, complete_len: Some(length) } }
    };
    Some(match millpond_policy::range(&request.fields, facts, length, record) {
        RangeAnswer::Parts(_) if is_coded(from.head) => Shape::Whole,
        RangeAnswer::Whole => Shape::Whole,
        RangeAnswer::Part(body) => Shape::Part(part_range(body)),
        RangeAnswer::Parts(bodies) => Shape::Parts(bodies.into_iter().map(part_range).collect()),
        RangeAnswer::Unsatisfiable => Shape::Unsatisfiable { complete_len: length },
    })
}

fn shape_of_part(
    from: Whence<'_>,
    request: &RequestHead,
    facts: &RequestFacts,
    length: u64,
) -> Option<Shape> {
    match millpond_policy::part_answer(&request.fields, facts, length, from.record) {
        PartAnswer::Covers(range) => Some(Shape::Part(range)),
        PartAnswer::CoversAll(ranges) => (!is_coded(from.head)).then_some(Shape::Parts(ranges)),
        PartAnswer::Unsatisfiable { complete_len } => Some(Shape::Unsatisfiable { complete_len }),
        PartAnswer::Outside | PartAnswer::IfRangeFailed | PartAnswer::NotARange => None,
    }
}

/// True where the bytes of the representation are coded. Content-Encoding would then stand over multipart/byteranges, which
/// is not coded, and clients would try to decode that.
pub(crate) fn is_coded(head: &ResponseHead) -> bool {
    head.fields.contains("content-encoding")
}

/// True when this response has what is asked for.
pub(crate) fn has_what_is_asked(from: Whence<'_>, request: &RequestHead, facts: &RequestFacts) -> bool {
    shape(from, request, facts).is_some()
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

fn whence(entry: &Entry) -> Whence<'_> {
    Whence { record: &entry.record, head: &entry.head, length: Some(entry.body_len) }
}

/// The status of the answer that a request gets from `entry`; `None` where that is a part which lacks what is asked for.
pub(crate) fn status_of(entry: &Entry, request: &RequestHead, facts: &RequestFacts) -> Option<StatusCode> {
    Some(match shape(whence(entry), request, facts)? {
        Shape::Whole => entry.head.status,
        Shape::NotModified => StatusCode::NOT_MODIFIED,
        Shape::Part(_) | Shape::Parts(_) => StatusCode::PARTIAL_CONTENT,
        Shape::Unsatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
    })
}

/// Answers from a stored entry whose body lies in memory; `None` where it is a part that lacks what is asked for.
pub(crate) fn from_entry(
    entry: &Arc<Entry>,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Option<Answer> {
    let shape = shape(whence(entry), request, facts)?;
    let body = match &shape {
        Shape::Whole if request.method != Method::HEAD => Body::Memory(entry.content()),
        Shape::Part(range) => Body::Memory(entry.content().slice(range.body.clone())),
        Shape::Parts(ranges) => {
            let slice = |range: &PartRange| Body::Memory(entry.content().slice(range.body.clone()));
            let parts = ranges.iter().map(|range| (range.content_range, Source::Ready(slice(range))));
            return Some(several(&entry.head, parts, story));
        }
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
    shared: &Arc<Shared>,
    entry: &Arc<Entry>,
    request: &RequestHead,
    facts: &RequestFacts,
    story: Story,
) -> Result<Answer, StoreError> {
    let shape = shape(whence(entry), request, facts).ok_or(StoreError::Gone)?;
    let body = match &shape {
        Shape::Whole if request.method != Method::HEAD => shared.store.read(entry, None).await?,
        Shape::Part(range) => shared.store.read(entry, Some(range.body.clone())).await?,
        Shape::Parts(ranges) => {
            let parts: Vec<_> = ranges.iter().map(|range| (Arc::clone(entry), range.clone())).collect();
            // In a box: few ask for several ranges, and every connection has room for this future.
            return Box::pin(from_several(shared, &entry.head, &parts, story)).await;
        }
        _ => Body::Empty,
    };
    Ok(with_body(entry, request, shape, body, story))
}

/// Answers with several ranges, each out of a stored entry, under the `head` of the newest of these.
///
/// # Errors
/// What the tiers say when they cannot read the first. The others are read when their turn comes: a request for many would
/// otherwise hold a piece of each.
pub(crate) async fn from_several(
    shared: &Arc<Shared>,
    head: &ResponseHead,
    ranges: &[(Arc<Entry>, PartRange)],
    story: Story,
) -> Result<Answer, StoreError> {
    let mut parts = Vec::new();
    for (entry, range) in ranges {
        let body = range.body.clone();
        let source = if entry.body.is_some() {
            Source::Ready(Body::Memory(entry.content().slice(body)))
        } else if parts.is_empty() {
            Source::Ready(shared.store.read(entry, Some(body)).await?)
        } else {
            let (shared, entry) = (Arc::clone(shared), Arc::clone(entry));
            Source::Later(Box::pin(async move { shared.store.read(&entry, Some(body)).await }))
        };
        parts.push((range.content_range, source));
    }
    Ok(several(head, parts, story))
}

/// The answer with several ranges of a representation.
fn several(
    head: &ResponseHead,
    parts: impl IntoIterator<Item = (ContentRange, Source)>,
    story: Story,
) -> Answer {
    let multipart = Multipart::of(head);
    let mut own = cut_head(head);
    set(&mut own.fields, "Content-Type", multipart.content_type());
    // RFC 9110 section 15.3.7.2: it "MUST NOT" have a Content-Range of its own.
    own.fields.remove("content-range");
    story.answer(AnswerHead::Own(own), multipart.body(parts), None)
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

/// The first byte that an answer from a fill would wait for; `None` where it has no range of it.
pub(crate) fn first_byte(head: &FillHead, request: &RequestHead, facts: &RequestFacts) -> Option<u64> {
    let from = Whence { record: &head.record, head: &head.head, length: head.announced_len };
    match shape(from, request, facts)? {
        Shape::Part(range) => Some(range.body.start),
        Shape::Parts(ranges) => ranges.first().map(|range| range.body.start),
        Shape::Whole | Shape::NotModified | Shape::Unsatisfiable { .. } => None,
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
    let from = Whence { record: &head.record, head: &head.head, length: head.announced_len };
    let shape = match shape(from, request, facts)? {
        // A body is read in the order in which it comes: there may be no place to keep what is wanted later.
        Shape::Parts(ranges) if !ranges.is_sorted_by_key(|range| range.body.start) => {
            if head.record.part.is_some() {
                return None;
            }
            Shape::Whole
        }
        shape => shape,
    };
    Some(match shape {
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
        Shape::Parts(ranges) => {
            let body = |range: &PartRange| FillReader::body(member.again(), head, Some(range.body.clone()));
            let parts = ranges.iter().map(|range| (range.content_range, Source::Ready(body(range))));
            several(&head.head, parts, story)
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
    let mut head = cut_head(head);
    set(&mut head.fields, "Content-Range", range.to_string());
    head
}

/// The head of a 206, but for what says which bytes it has. RFC 9530 section 2: Content-Digest is of the content of the
/// message, which is another one now; so is Content-MD5.
fn cut_head(head: &ResponseHead) -> ResponseHead {
    let mut head = ResponseHead { status: StatusCode::PARTIAL_CONTENT, reason: None, ..head.clone() };
    head.fields.retain(|field| !field.is("content-digest") && !field.is("content-md5"));
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
