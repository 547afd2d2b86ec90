//! Filling a SQLite store with objects of one size, and what they take there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use millpond_store_sqlite::{SqliteOptions, SqliteStore};

use crate::objects::{Objects, now};
use crate::told::{Filled, Usage};

/// After so many objects the writer is waited for: what comes faster than it can write is not kept.
const AT_ONCE: u64 = 10_000;

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// The database file
    #[arg(long)]
    database: PathBuf,
    /// Scheme and authority of the URLs
    #[arg(long)]
    origin: String,
    /// Objects
    #[arg(long)]
    objects: u64,
    /// Bytes of each
    #[arg(long, default_value_t = 1024)]
    bytes: u64,
}

/// Fills.
pub async fn run(options: &Options) -> Result<Filled> {
    let objects = Objects::new(&options.origin);
    let mut settings = SqliteOptions::new(&options.database, Arc::new(now));
    settings.max_bytes = 100 << 30;
    settings.max_entries = settings.max_entries.max(options.objects * 2);
    let store = SqliteStore::open(settings)?;
    let began = Instant::now();
    let (mut head_bytes, mut url_bytes) = (0, 0);
    for number in 0..options.objects {
        let parts = objects.put(&*store, number, options.bytes).await?;
        head_bytes += parts.head;
        url_bytes += parts.url;
        if number % AT_ONCE == AT_ONCE - 1 {
            store.flush().await;
        }
    }
    store.flush().await;
    let seconds = began.elapsed().as_secs_f64();
    let entries = store.stats().entries;
    ensure!(entries == options.objects, "the store holds {entries} of {} objects", options.objects);
    store.close();
    drop(store);
    let usage = Usage::of(&options.database)?;
    Ok(Filled { seconds, body_bytes: options.objects * options.bytes, head_bytes, url_bytes, usage })
}
