//! One request through the cache: lookup, verdict, fill, answer.
//!
//! What lives here: the order of things, coalescing, fills, and `explain`, which tells the same without doing it. What must not: rules (they are in `millpond-policy`), sockets and
//! wire formats (in the doors), the layout of stores.

mod answer;
mod bypass;
mod clock;
mod content;
mod context;
mod counters;
mod engine;
pub mod explain;
mod fill;
mod handle;
mod head;
mod hit;
mod language;
mod multipart;
mod origin;
mod part;
mod posted;
mod search;
mod serve;
mod shared_fetch;
mod slow;
mod told;

pub use answer::{Answer, AnswerHead, EngineError, Outcome};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{CachePost, ContentKeys, Context, Exchange, RangeFill, Target};
pub use counters::{Counter, Counters, CountersSnapshot};
pub use engine::{Engine, Shared};
pub use origin::{
    FetchLimits, InterimSink, NoOrigin, Origin, OriginError, OriginFault, OriginRequest, OriginResponse,
    Tunnel, Upgrade, Upstream,
};
