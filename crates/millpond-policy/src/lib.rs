//! RFC 9111 and its companions as pure functions: no clock, no I/O, no runtime; `now` is an argument.
//!
//! The way of a request through the policy: [`RequestFacts::of`] once; [`select`] among the stored records of
//! the key; [`reuse`] for the one selected; [`precondition`] and [`range`] for what is sent of it. Where no whole
//! response is selected: [`parts_for`], [`part_answer`], [`missing_for`], [`combines`], [`joins`] and [`combined`]. When the
//! origin is asked: [`conditional_request`], then [`validated`] or [`admit`]; [`stale_on_error`] when it fails;
//! [`invalidated_by`] after unsafe requests. Every verdict carries its [`Reason`]; every deviation from the RFC
//! is a field of the [`Profile`].

mod admit;
mod body_key;
pub mod cache_status;
mod canonical;
mod combine;
mod connection;
mod content_range;
pub mod dates;
pub mod directives;
mod etag;
mod freshen;
mod freshness;
mod graphql;
mod invalidate;
mod join;
mod language;
mod lists;
mod no_vary_search;
mod parts;
mod precondition;
mod profile;
mod range;
mod range_set;
mod reason;
mod request;
mod reuse;
mod selecting;
mod stored;
mod tags;
mod targeted;
mod validate;
mod vary;
mod withdraw;

pub use admit::{Admitted, admit};
pub use body_key::content_digest;
pub use cache_status::{CacheStatus, Forward};
pub use combine::{Combine, Combined, combined, combines};
pub use connection::remove_connection_fields;
pub use content_range::{ContentRange, RANGE_FILL_MAX, content_range};
pub use etag::{EntityTag, entity_tags};
pub use freshen::{Fate, Freshened};
pub use freshness::{Basis, Lifetime, current_age, freshness_lifetime};
pub use graphql::is_graphql_query;
pub use invalidate::{invalidated_by, invalidates, resolve_same_origin};
pub use join::{Join, joins};
pub use language::{LanguageFit, select_language};
pub use no_vary_search::{NO_VARY_SEARCH_MAX, SearchVariance, no_vary_search};
pub use parts::{
    Completion, Fetch, PartAnswer, PartRange, combining_validator, conditional_part_request, missing_for,
    part_answer, parts_for, parts_together,
};
pub use precondition::{Evaluate, not_modified_head, precondition};
pub use profile::{CacheKind, LanguageMatch, Profile};
pub use range::{RangeAnswer, range};
pub use range_set::{MAX_OVERLAPS, MAX_RANGES, MAX_UNORDERED};
pub use reason::Reason;
pub use request::{MethodClass, RequestFacts, RequestFlags};
pub use reuse::{StaleCause, Verdict, reuse, stale_on_error, stale_since, time_to_live};
pub use stored::{Times, remove_own_fields};
pub use tags::{cache_groups, cache_tags, invalidated_groups};
pub use targeted::OWN_TARGET;
pub use validate::{
    HeadEffect, MAX_TAGS, Stored, Validated, conditional_request, freshened_by_head, remove_conditions,
    validated,
};
pub use vary::{
    may_be_given, normalise_request, normalise_vary, select, selects, vary_names, vary_selectors,
};
pub use withdraw::{is_withdrawn, withdrawn, withdraws};
