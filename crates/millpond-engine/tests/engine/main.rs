//! The engine through its public surface, under a settable clock and an origin that does as it is told.

mod conditions;
mod crowd;
mod faults;
mod large;
mod life;
mod methods;
mod model;
mod options;
mod personal;
mod purging;
mod support;
mod uncacheable;
mod vary;
