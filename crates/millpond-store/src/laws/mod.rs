//! The laws every store keeps, as a suite that any backend's tests can run.
//!
//! Each law is an async function over an empty store of its own. What a backend cannot do, by its own
//! [`Capabilities`], must be refused with the error made for it; the laws check that too.
//!
//! What must not live here: anything that knows one backend.

mod keeping;
mod kit;
mod nothing;
mod purging;
mod reading;
mod writing;

use crate::{Capabilities, Store};
use futures_util::future::BoxFuture;
pub use kit::{UNTIL, body_of, entry, head, key, put, record};
use std::sync::Arc;
use thiserror::Error;

/// A law that a store broke.
#[derive(Clone, Debug, Error)]
#[error("law `{law}` is broken: {what}")]
pub struct Violation {
    /// The name of the law.
    pub law: &'static str,
    /// What was seen.
    pub what: String,
}

/// What a law's function answers; the error says what was seen.
pub type Verdict = Result<(), String>;

/// One law.
#[derive(Clone, Copy)]
pub struct Law {
    /// Its name, as in reports.
    pub name: &'static str,
    check: fn(Arc<dyn Store>) -> BoxFuture<'static, Verdict>,
}

impl Law {
    /// Holds the law against `store`, which must be empty and of no other use meanwhile.
    ///
    /// # Errors
    /// [`Violation`] when the store broke it.
    pub async fn hold(&self, store: Arc<dyn Store>) -> Result<(), Violation> {
        (self.check)(store).await.map_err(|what| Violation { law: self.name, what })
    }
}

macro_rules! laws {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Law { name: stringify!($name), check: |store| Box::pin($module::$name(store)) }),*]
    };
}

/// The laws for stores that keep what they are given.
pub const LAWS: &[Law] = laws![
    writing::a_commit_is_visible,
    writing::nothing_is_visible_before_the_commit,
    writing::a_dropped_writer_leaves_nothing,
    writing::an_empty_body_is_kept,
    writing::trailers_are_kept,
    writing::tiny_chunks_make_the_same_body,
    writing::what_is_too_large_is_refused_when_announced,
    writing::what_is_too_large_is_refused_when_written,
    writing::of_concurrent_writers_the_last_commit_wins,
    reading::a_miss_is_no_error,
    reading::ranges_are_exact_and_clamped,
    reading::uncommitted_content_can_be_read,
    reading::a_partial_reader_outlives_its_writer,
    reading::entries_never_change,
    reading::a_reader_outlives_a_purge,
    reading::lookup_and_variants_agree,
    keeping::the_same_variant_is_replaced,
    keeping::other_variants_stay,
    keeping::the_oldest_variant_leaves,
    keeping::parts_stand_side_by_side,
    keeping::a_part_replaces_those_within,
    keeping::a_whole_replaces_parts,
    keeping::partitions_are_variants,
    keeping::a_refresh_keeps_body_and_identity,
    keeping::a_refresh_of_what_left_is_refused,
    keeping::a_refresh_of_what_was_replaced_is_refused,
    keeping::identities_differ,
    purging::by_key,
    purging::by_url,
    purging::by_prefix,
    purging::by_tag,
    purging::by_group,
    purging::by_host,
    purging::all,
    purging::a_soft_purge_keeps_the_earlier_time,
    purging::a_purge_overtakes_a_write,
    purging::a_purge_overtakes_a_refresh,
    purging::a_purge_spares_what_it_does_not_cover,
    purging::every_purge_advances_the_epoch,
];

/// The laws for stores that keep nothing.
pub const LAWS_OF_NOTHING: &[Law] =
    laws![nothing::every_lookup_misses, nothing::every_write_is_refused, nothing::a_purge_finds_nothing];

/// The laws that hold for a store with these capabilities.
pub fn laws_for(capabilities: &Capabilities) -> &'static [Law] {
    if capabilities.largest_object == 0 { LAWS_OF_NOTHING } else { LAWS }
}

/// Holds every law that applies against a fresh store from `make` each, and gives the ones that are broken.
pub async fn broken<F, S>(mut make: F) -> Vec<Violation>
where
    F: FnMut() -> S,
    S: Future<Output = Arc<dyn Store>>,
{
    let mut violations = Vec::new();
    let laws = laws_for(&make().await.capabilities());
    for law in laws {
        if let Err(violation) = law.hold(make().await).await {
            violations.push(violation);
        }
    }
    violations
}
