//! `millpond cache`: looking at, purging, filling, checking and saving what is stored on disk. One module for each
//! subcommand.
//!
//! What lives here: finding and opening the cache that the settings name, and what the subcommands print alike.

mod admit;
mod backup;
mod export;
mod import;
mod import_tape;
mod ls;
mod named;
mod purge;
mod show;
mod stats;
mod verify;
mod warm;

use crate::args::PlaceArgs;
use crate::args::cache::CacheAction;
use crate::failure::Failure;
use crate::logging;
use crate::settings::Settings;
use millpond::config::{Config, StoreUrl};
use millpond::engine::{Clock, SystemClock};
use millpond::exchange::Timestamp;
use millpond::proxy::disk_options;
use millpond::sqlite::{Health, Inspector, SqliteOptions, SqliteStore};
use millpond::store::StoreError;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

pub(crate) use purge::clear;
pub(super) use show::admission;

/// Runs one of the subcommands.
pub(crate) fn run(action: CacheAction) -> Result<ExitCode, Failure> {
    match action {
        CacheAction::Ls(args) => ls::run(args),
        CacheAction::Show(args) => show::run(&args),
        CacheAction::Purge(args) => purge::run(&args),
        CacheAction::Warm(args) => warm::run(&args),
        CacheAction::Stats(args) => stats::run(&args),
        CacheAction::Verify(args) => verify::run(&args),
        CacheAction::Backup(args) => backup::run(&args),
        CacheAction::Import(args) => import::run(&args),
        CacheAction::Export(args) => export::run(&args),
    }
}

/// The cache that the settings name.
struct Cache {
    config: Config,
    limits: stats::Limits,
    file: PathBuf,
}

impl Cache {
    fn of(place: &PlaceArgs) -> Result<Self, Failure> {
        Self::named_by(&place.settings())
    }

    /// Also begins the log, so that what the store has to say is heard.
    fn named_by(settings: &Settings) -> Result<Self, Failure> {
        let resolved = settings.resolve()?;
        let limits = stats::Limits::of(&resolved);
        let config = resolved.config;
        logging::start(config.log);
        let why =
            if config.store == Some(StoreUrl::Memory) { "`store` is \"memory\"" } else { "none is named" };
        let file = config.store_file().ok_or(Failure::NoDirectory(why))?;
        Ok(Self { config, limits, file })
    }

    /// Whether anything was ever stored.
    fn exists(&self) -> bool {
        // What cannot be looked at is for the store to complain of.
        self.file.try_exists().unwrap_or(true)
    }

    fn inspect(&self) -> Result<Inspector, Failure> {
        Ok(Inspector::open(&self.file)?)
    }

    /// Opens the store itself. A command was told nothing of the limits of the server whose store it is: what is there
    /// stays, but for what the command itself removes.
    fn open(&self) -> Result<Arc<SqliteStore>, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let options = SqliteOptions { upkeep: false, ..disk_options(&self.config, &self.file, &clock) };
        Ok(SqliteStore::open(options)?)
    }
}

/// Waits until everything is written.
async fn settle(store: &SqliteStore) -> Result<(), Failure> {
    store.flush().await;
    if let Health::Down { reason } = store.health() {
        return Err(StoreError::Unavailable(reason).into());
    }
    match store.stats().lost {
        0 => Ok(()),
        lost => {
            let what = format!("{} could not be written", count(lost, "entry", "entries"));
            Err(StoreError::Unavailable(what).into())
        }
    }
}

/// A time as `2026-01-31T12:00:00Z`; `forever` beyond the calendar, `-` before it.
pub(super) fn time(at: Timestamp) -> String {
    const END_OF_CALENDAR: i64 = 253_402_300_800;
    match u64::try_from(at.as_secs()) {
        Err(_) => "-".to_owned(),
        Ok(_) if at.as_secs() >= END_OF_CALENDAR => "forever".to_owned(),
        Ok(secs) => humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string(),
    }
}

/// A number of bytes for people: exact, and in the unit that fits.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = None;
    for name in UNITS {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{bytes} B"),
        Some(unit) => format!("{value:.1} {unit}"),
    }
}

/// `1 entry`, `2 entries`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
