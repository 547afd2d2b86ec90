//! The policy, checked through its public functions: a table for each section of an RFC, then properties,
//! then a comparison with another implementation.

mod always_validate;
mod common;
mod differential;
mod no_vary_search;
mod part_model;
mod profile_options;
mod properties;
mod rfc10008;
mod rfc5861;
mod rfc8246;
mod rfc9110_preconditions;
mod rfc9110_ranges;
mod rfc9110_s12_languages;
mod rfc9110_s14_parts;
mod rfc9110_s14_parts_together;
mod rfc9110_s15_1_heuristic;
mod rfc9110_s15_3_7_3_joins;
mod rfc9111_s3_storing;
mod rfc9111_s4_1_vary;
mod rfc9111_s4_2_freshness;
mod rfc9111_s4_3_validation;
mod rfc9111_s4_4_invalidation;
mod rfc9111_s5_2_directives;
mod rfc9211;
mod rfc9213;
mod rfc9213_beside_cache_control;
mod rfc9875;
mod stale_when_slow;
mod withdrawing;
