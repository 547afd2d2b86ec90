//! The engine through its public surface, under a settable clock and an origin that does as it is told.

mod changed_parts;
mod conditions;
mod content;
mod crowd;
mod faults;
mod joined_parts;
mod languages;
mod large;
mod life;
mod methods;
mod model;
mod no_vary_search;
mod options;
mod parts;
mod personal;
mod purging;
mod several_ranges;
mod slow;
mod support;
mod tiers;
mod uncacheable;
mod vary;
mod withdrawn;
