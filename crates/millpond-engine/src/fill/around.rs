//! The stored parts that a part from the origin is joined with, and the bytes of all of them in their order.
//!
//! What must not live here: which parts belong together (that is the policy's), and what their fields become.

use crate::part::is_worth_joining;
use futures_util::StreamExt as _;
use futures_util::stream::{self, Stream};
use millpond_exchange::{Body, BodyError, BodyErrorKind, BodyStream, Frame, RequestHead, ResponseHead};
use millpond_policy::{Join, Stored};
use millpond_store::{Entry, Store as _, StoreError, Tiered};
use std::sync::Arc;

/// The stored parts that a response is joined with, one of them at least, and how.
pub(super) struct Around {
    before: Option<Arc<Entry>>,
    behind: Option<Arc<Entry>>,
    pub(super) join: Join,
}

impl Around {
    /// `part`, and behind it what goes on where it ends.
    pub(super) fn append(part: &Arc<Entry>, join: Join) -> Self {
        Self { before: Some(Arc::clone(part)), behind: None, join }
    }

    /// The parts that `response` to the request `sent` is joined with: `before`, or else one of `entries` that it goes on
    /// from, and one of `entries` that goes on from it. Those that are too long for what comes are left as they are.
    pub(super) fn of(
        before: Option<&Arc<Entry>>,
        entries: &[Arc<Entry>],
        sent: &RequestHead,
        response: &ResponseHead,
    ) -> Option<Self> {
        let records = entries.iter().map(|entry| &entry.record);
        let parts = millpond_policy::parts_for(records, &sent.fields, None);
        let parts: Vec<&Arc<Entry>> = parts.into_iter().map(|index| &entries[index]).collect();
        let joins = |before: Option<&Arc<Entry>>, behind: Option<&Arc<Entry>>| {
            millpond_policy::joins(before.map(sized), behind.map(sized), sent, response).ok()
        };
        let is_worth_it = |part: &Arc<Entry>, join: Option<Join>| {
            join.is_some_and(|join| is_worth_joining(part, join.body_len.saturating_sub(part.body_len)))
        };
        let first = || parts.iter().copied().find(|&part| is_worth_it(part, joins(Some(part), None)));
        let before = before.or_else(first);
        let behind = parts.iter().copied().find(|&part| is_worth_it(part, joins(None, Some(part))));
        let all = behind.and_then(|behind| Some((Some(behind), joins(before, Some(behind))?)));
        let (behind, join) = match all {
            Some(all) => all,
            None => (None, joins(Some(before?), None)?),
        };
        Some(Self { before: before.cloned(), behind: behind.cloned(), join })
    }

    /// True when there is a part behind what comes.
    pub(super) fn reaches_beyond(&self) -> bool {
        self.behind.is_some()
    }

    /// The parts, the newer first.
    pub(super) fn parts(&self) -> Option<(&Arc<Entry>, Option<&Arc<Entry>>)> {
        let age = |part: &Arc<Entry>| (part.record.date, part.record.response_time);
        Some(match (&self.before, &self.behind) {
            (Some(before), Some(behind)) if age(before) < age(behind) => (behind, Some(before)),
            (Some(before), behind) => (before, behind.as_ref()),
            (None, behind) => (behind.as_ref()?, None),
        })
    }
}

/// A part as the policy sees it.
pub(super) fn stored(part: &Arc<Entry>) -> Stored<'_> {
    Stored { record: &part.record, head: &part.head }
}

fn sized(part: &Arc<Entry>) -> (Stored<'_>, u64) {
    (stored(part), part.body_len)
}

/// The bytes of the parts around a response.
pub(super) struct Stretches {
    before: Body,
    behind: Body,
    join: Join,
}

impl Stretches {
    /// Begins to read them.
    ///
    /// # Errors
    /// As [`millpond_store::Store::read`].
    pub(super) async fn read(store: &Tiered, around: &Around) -> Result<Self, StoreError> {
        let before = match &around.before {
            Some(part) => store.read(part, None).await?,
            None => Body::Empty,
        };
        let behind = match &around.behind {
            Some(part) => store.read(part, Some(around.join.overlap..part.body_len)).await?,
            None => Body::Empty,
        };
        Ok(Self { before, behind, join: around.join })
    }

    /// The bytes before, those of `fetched` that are not among them, and the bytes behind. Trailers are left out: they are
    /// about a message that had a part of this alone.
    pub(super) fn with(self, fetched: Body) -> Body {
        let Self { before, behind, join } = self;
        let fetched = exactly(fetched, join.fetched_len, join.skip);
        let stream: BodyStream = Box::pin(before.into_stream().chain(fetched).chain(behind.into_stream()));
        Body::Stream { stream, length: Some(join.body_len) }
    }
}

/// The bytes of `body` from `skip` on, and an error where it has not `len` of them: what comes behind must not be taken for
/// what is missing.
fn exactly(body: Body, len: u64, skip: u64) -> impl Stream<Item = Result<Frame, BodyError>> + Send {
    let state = Some((body.into_stream(), 0u64));
    stream::unfold(state, move |state| async move {
        let (mut frames, mut received) = state?;
        loop {
            let failed = |kind, message: &'static str| Some((Err(BodyError::new(kind, message)), None));
            match frames.next().await {
                Some(Ok(Frame::Data(piece))) => {
                    let size = piece.len() as u64;
                    let known = skip.saturating_sub(received).min(size);
                    received += size;
                    if received > len {
                        return failed(BodyErrorKind::Malformed, "the body is longer than announced");
                    }
                    if known < size {
                        let piece = piece.slice(known as usize..);
                        return Some((Ok(Frame::Data(piece)), Some((frames, received))));
                    }
                }
                Some(Ok(Frame::Trailers(_))) => {}
                Some(Err(error)) => return Some((Err(error), None)),
                None if received < len => {
                    return failed(BodyErrorKind::Cut, "the body is shorter than announced");
                }
                None => return None,
            }
        }
    })
}
