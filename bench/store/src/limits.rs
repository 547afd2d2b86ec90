//! Many bytes through a small store: its bounds are watched from outside all the while, and its hits compared with those
//! of the policies on paper.
//!
//! The capacity of the policies on paper is the bound of the store, every byte of it for content: what the store needs
//! for its database, its log and the room it keeps free is a loss that shows in the difference.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use millpond_store::{MemoryOptions, MemoryStore, Tiered};
use millpond_store_sqlite::{SqliteOptions, SqliteStore};

use crate::objects::{Objects, now};
use crate::simulate::{Lru, Policy, S3Fifo};
use crate::told::{Push, Pushed, Seen, Usage};
use crate::trace::{Zipf, size_of_object};

/// How long the watcher rests between two looks.
const REST: Duration = Duration::from_millis(1);

/// After so many bytes the writer is waited for: what comes faster than the disk takes it is not kept, which is right in
/// a server and would be a race here.
const AT_ONCE: u64 = 8 << 20;

/// Options of the command.
#[derive(Args)]
pub struct Options {
    /// The database file
    #[arg(long)]
    database: PathBuf,
    #[command(flatten)]
    push: Push,
}

/// Pushes.
pub async fn run(options: &Options) -> Result<Pushed> {
    let asked = &options.push;
    ensure!(asked.least > 0 && asked.least <= asked.most, "--least must lie between 1 and --most");
    let (disk_limit, memory_limit) = (asked.disk << 20, asked.memory << 20);
    let mut settings = SqliteOptions::new(&options.database, Arc::new(now));
    settings.max_bytes = disk_limit;
    let disk = SqliteStore::open(settings)?;
    let memory = MemoryStore::new(MemoryOptions {
        capacity: memory_limit,
        standalone: false,
        ..MemoryOptions::default()
    });
    let store = Tiered::new(memory.clone(), disk.clone());
    let watcher = Watcher::start(&options.database, memory);
    let mut tally = Tally::default();
    let began = Instant::now();
    push(asked, &store, &disk, &mut tally).await?;
    let seconds = began.elapsed().as_secs_f64();
    let seen = watcher.stop();
    let stats = disk.stats();
    disk.close();
    Ok(Pushed {
        seconds,
        requests: tally.requests,
        stored_bytes: tally.stored_bytes,
        disk_limit,
        memory_limit,
        seen,
        hits: tally.real.hits,
        s3_fifo_hits: tally.s3_fifo.hits,
        lru_hits: tally.lru.hits,
        requested_bytes: tally.requested_bytes,
        hit_bytes: tally.real.bytes,
        s3_fifo_hit_bytes: tally.s3_fifo.bytes,
        lru_hit_bytes: tally.lru.bytes,
        evicted: stats.evicted,
        moved: stats.moved,
        refused: stats.refused,
        lost: stats.lost,
    })
}

/// Hits of one kind of cache.
#[derive(Default)]
struct Hits {
    hits: u64,
    bytes: u64,
}

impl Hits {
    fn add(&mut self, hit: bool, bytes: u64) {
        if hit {
            self.hits += 1;
            self.bytes += bytes;
        }
    }
}

#[derive(Default)]
struct Tally {
    requests: u64,
    requested_bytes: u64,
    stored_bytes: u64,
    real: Hits,
    s3_fifo: Hits,
    lru: Hits,
}

/// Gets or stores, until enough was stored.
async fn push(
    asked: &Push,
    store: &dyn millpond_store::Store,
    disk: &SqliteStore,
    tally: &mut Tally,
) -> Result<()> {
    let enough = (asked.gigabytes * 1e9) as u64;
    let objects = Objects::new("http://127.0.0.1:9");
    let (mut s3_fifo, mut lru) = (S3Fifo::new(asked.disk << 20), Lru::new(asked.disk << 20));
    let mut unsettled = 0;
    for rank in Zipf::new(asked.objects, asked.exponent, asked.seed) {
        if tally.stored_bytes >= enough {
            break;
        }
        let bytes = size_of_object(rank, asked.least, asked.most);
        let hit = objects.get(store, rank as u64, bytes).await?;
        if !hit {
            objects.put(store, rank as u64, bytes).await?;
            tally.stored_bytes += bytes;
            unsettled += bytes;
        }
        if unsettled > AT_ONCE {
            disk.flush().await;
            unsettled = 0;
        }
        tally.requests += 1;
        tally.requested_bytes += bytes;
        tally.real.add(hit, bytes);
        tally.s3_fifo.add(s3_fifo.request(rank, bytes), bytes);
        tally.lru.add(lru.request(rank, bytes), bytes);
    }
    disk.flush().await;
    Ok(())
}

/// Looks at the store as often as it can.
struct Watcher {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: thread::JoinHandle<()>,
}

impl Watcher {
    fn start(database: &Path, memory: MemoryStore) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let thread = thread::spawn({
            let (database, stop, seen) = (database.to_owned(), Arc::clone(&stop), Arc::clone(&seen));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    seen.lock().unwrap_or_else(PoisonError::into_inner).look(&database, &memory);
                    thread::sleep(REST);
                }
            }
        });
        Self { stop, seen, thread }
    }

    fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watcher does not panic");
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Seen {
    fn look(&mut self, database: &Path, memory: &MemoryStore) {
        self.looks += 1;
        let stats = memory.stats();
        self.memory = self.memory.max(stats.bytes);
        self.memory_live = self.memory_live.max(stats.live_bytes);
        match Usage::of(database) {
            Ok(usage) => {
                let total = usage.total();
                if total.length > self.disk.length {
                    self.parts = usage;
                }
                self.disk.length = self.disk.length.max(total.length);
                self.disk.allocated = self.disk.allocated.max(total.allocated);
            }
            Err(error) => {
                self.failed.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }
}
