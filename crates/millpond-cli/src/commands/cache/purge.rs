//! `millpond cache purge`, and `millpond --clear-cache`.

use super::{Cache, count, normal, normal_host, normal_origin, settle};
use crate::args::PlaceArgs;
use crate::args::cache::PurgeArgs;
use crate::commands::{print, runtime};
use crate::failure::Failure;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{PurgeMode, Selector};
use millpond::store::Store as _;
use std::process::ExitCode;

/// Purges what the options select.
pub(super) fn run(args: &PurgeArgs) -> Result<ExitCode, Failure> {
    let selector = selector(args)?;
    let mode = if args.soft { PurgeMode::Soft } else { PurgeMode::Hard };
    let purged = purge(&Cache::of(&args.place)?, &selector, mode)?;
    print(&format!("Purged {}.\n", count(purged, "entry", "entries")))?;
    Ok(ExitCode::SUCCESS)
}

/// Purges everything.
pub(crate) fn clear(place: &PlaceArgs) -> Result<ExitCode, Failure> {
    purge(&Cache::of(place)?, &Selector::All, PurgeMode::Hard)?;
    print("Cache cleared.\n")?;
    Ok(ExitCode::SUCCESS)
}

fn purge(cache: &Cache, selector: &Selector, mode: PurgeMode) -> Result<u64, Failure> {
    // A server that has only just begun makes its file before it answers anyone.
    if !cache.exists() {
        return Ok(0);
    }
    let store = cache.open()?;
    runtime()?.block_on(async {
        let purged = store.remove(selector, mode, SystemClock.now()).await?;
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
