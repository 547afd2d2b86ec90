//! One request through the cache: lookup, verdict, fill, answer.
//!
//! What lives here: the order of things, coalescing, fills. What must not: rules (they are in `millpond-policy`), sockets and
//! wire formats (in the doors), the layout of stores.

mod answer;
mod bypass;
mod clock;
mod context;
mod counters;
mod engine;
mod fill;
mod handle;
mod head;
mod hit;
mod origin;
mod part;
mod serve;
mod shared_fetch;
mod told;

pub use answer::{Answer, AnswerHead, EngineError, Outcome};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{Context, Exchange, RangeFill, Target};
pub use counters::{Counter, Counters, CountersSnapshot};
pub use engine::{Engine, Shared};
pub use origin::{
    FetchLimits, InterimSink, NoOrigin, Origin, OriginError, OriginFault, OriginRequest, OriginResponse,
    Tunnel, Upgrade, Upstream,
};
