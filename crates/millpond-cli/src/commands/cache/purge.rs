//! `millpond cache purge`, and `millpond --clear-cache`.

use super::named::{normal, normal_host, normal_origin, stored_urls};
use super::{Cache, count, settle};
use crate::args::PlaceArgs;
use crate::args::cache::PurgeArgs;
use crate::commands::{print, runtime};
use crate::failure::Failure;
use millpond::engine::{Shared, SystemClock};
use millpond::exchange::{PurgeMode, Selector};
use millpond::sqlite::{InspectError, SqliteStore};
use millpond::store::{MemoryOptions, MemoryStore, Tiered};
use std::process::ExitCode;
use std::sync::Arc;

/// Purges what the options select.
pub(super) fn run(args: &PurgeArgs) -> Result<ExitCode, Failure> {
    // What is typed wrong is told first.
    let named = selector(args)?;
    let cache = Cache::of(&args.place)?;
    let selectors = match &args.url {
        Some(url) => stored_urls(&cache.config, url)?.into_iter().map(Selector::Url).collect(),
        None => vec![named],
    };
    if !cache.exists() {
        // Its servers may keep responses in memory, or elsewhere: it would be wrong to say that these are gone.
        return Err(InspectError::Missing { path: cache.file }.into());
    }
    let mode = if args.soft { PurgeMode::Soft } else { PurgeMode::Hard };
    let purged = purge(&cache, &selectors, mode)?;
    print(&format!("Purged {}.\n", count(purged, "entry", "entries")))?;
    Ok(ExitCode::SUCCESS)
}

/// Purges everything.
pub(crate) fn clear(place: &PlaceArgs) -> Result<ExitCode, Failure> {
    let cache = Cache::of(place)?;
    // A server that has only just begun makes its file before it answers anyone.
    if cache.exists() {
        purge(&cache, &[Selector::All], PurgeMode::Hard)?;
    }
    print("Cache cleared.\n")?;
    Ok(ExitCode::SUCCESS)
}

fn purge(cache: &Cache, selectors: &[Selector], mode: PurgeMode) -> Result<u64, Failure> {
    let store = cache.open()?;
    // As a server purges: what is stored for a URL that stands for the one named (No-Vary-Search) goes as well.
    let memory = MemoryStore::new(MemoryOptions { capacity: 0, ..MemoryOptions::default() });
    let tiers = Tiered::new(memory, Arc::<SqliteStore>::clone(&store));
    let shared = Shared::new(tiers, Arc::new(SystemClock));
    runtime()?.block_on(async {
        let mut purged = 0;
        for selector in selectors {
            purged += shared.purge(selector, mode).await?;
        }
        settle(&store).await?;
        Ok(purged)
    })
}

/// Exactly one of the options is given: the command line's definition sees to that.
fn selector(args: &PurgeArgs) -> Result<Selector, Failure> {
    let origin = args.origin.as_deref().map(normal_origin).transpose()?;
    Ok(if let Some(url) = &args.url {
        Selector::Url(normal(url)?)
    } else if let Some(prefix) = &args.prefix {
        Selector::Prefix(normal(prefix)?)
    } else if let Some(tag) = &args.tag {
        Selector::Tag { origin, tag: tag.clone() }
    } else if let (Some(group), Some(origin)) = (&args.group, origin) {
        Selector::Group { origin, group: group.clone() }
    } else if let Some(host) = &args.host {
        Selector::Host(normal_host(host)?)
    } else {
        Selector::All
    })
}
