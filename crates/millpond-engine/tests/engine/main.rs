//! The engine through its public surface, under a settable clock and an origin that does as it is told.

mod conditions;
mod crowd;
mod faults;
mod large;
mod life;
mod methods;
mod model;
mod options;
mod parts;
mod personal;
mod purging;
mod support;
mod tiers;
mod uncacheable;
mod vary;
