//! The law suite, held on the store and on the store behind the memory tier while writes and syncs fail. A law may be broken
//! then, where it asks for what could not be kept; never without a failed call, and never by a lie: a witness stands between
//! law and store, and compares whatever comes out with what went in.

use crate::child::{EIO, ENOSPC, Fault, Faults, calls, die_of_any_panic, given_directory, tell};
use crate::fault_histories::{run_with_faults, stride};
use crate::support::{Clock, integrity, open, options, runtime, until};
use crate::witness::{Testimony, Witness};
use millpond_store::laws::{LAWS, Law};
use millpond_store::{MemoryOptions, MemoryStore, Store, Tiered};
use millpond_store_sqlite::{Health, SqliteStore};
use std::path::Path;
use std::sync::Arc;

const FAULTS: [(&str, Fault); 3] = [
    ("one call", Fault { kinds: calls::CHANGES, count: 1, error: EIO, half: 0 }),
    ("torn, three calls", Fault { kinds: calls::CHANGES, count: 3, error: EIO, half: 1 }),
    ("full", Fault { kinds: calls::WRITE | calls::NAME, count: u64::MAX, error: ENOSPC, half: 1 }),
];

/// The store on its own, or behind the memory tier.
type Arrangement = fn(Arc<SqliteStore>) -> Arc<dyn Store>;

fn alone(store: Arc<SqliteStore>) -> Arc<dyn Store> {
    store
}

fn tiered(store: Arc<SqliteStore>) -> Arc<dyn Store> {
    let options = MemoryOptions { capacity: 8 << 20, standalone: false, ..MemoryOptions::default() };
    Arc::new(Tiered::new(MemoryStore::new(options), store))
}

/// What came of all laws.
#[derive(Default)]
struct Totals {
    points: u64,
    broken: u64,
}

/// Holds one law with each call failing that it makes. Answers when a run has no fault left.
async fn hold(
    law: &Law,
    directory: &Path,
    arrangement: Arrangement,
    fault: Fault,
    step: u64,
    totals: &mut Totals,
) {
    let (control, clock) = (Faults::here(), Clock::new());
    for number in 0.. {
        let first = 1 + number * step;
        tell(&format!("{} with call {first} failing", law.name));
        let directory = directory.join(format!("{}-{first}", law.name));
        std::fs::create_dir(&directory).unwrap();
        let testimony = Testimony::default();
        let store = open(&directory, &clock);
        control.arm(fault, first);
        let verdict = law.hold(Witness::new(arrangement(Arc::clone(&store)), &testimony)).await;
        store.flush().await;
        let (fired, _, what) = control.disarm();
        assert_eq!(testimony.findings(), Vec::<String>::new(), "{} after {what} failed", law.name);
        if let Err(violation) = &verdict {
            assert!(fired > 0, "{violation}, and no call failed");
            let dropped = testimony.failed() + failures(&store);
            assert!(dropped > 0, "{violation}, and nothing told of a failure ({what})");
            totals.broken += 1;
        }
        drop(store);
        sound_after_restart(&directory, &clock, &testimony).await;
        std::fs::remove_dir_all(&directory).unwrap();
        if fired == 0 {
            break;
        }
        totals.points += 1;
    }
}

/// What the store itself counts of what it could not do.
fn failures(store: &SqliteStore) -> u64 {
    let stats = store.stats();
    let down = u64::from(store.health() != Health::Up);
    down + stats.lost
        + stats.refused
        + stats.failed_reads
        + stats.corrupt_entries
        + stats.busy_writes
        + stats.healed
        + stats.reopened
}

/// The file is whole, and whatever is in it is as it was given.
async fn sound_after_restart(directory: &Path, clock: &Clock, testimony: &Testimony) {
    // The store that was dropped may still be at its end.
    let store =
        until("the file can be opened", async || SqliteStore::open(options(directory, clock)).ok()).await;
    let witness = Witness::new(store.clone(), testimony);
    for key in testimony.keys() {
        let Ok(found) = witness.variants(&key).await else { continue };
        for entry in found.entries.iter() {
            millpond_store::laws::body_of(&*witness, entry, None).await.unwrap();
        }
    }
    assert_eq!(testimony.findings(), Vec::<String>::new());
    store.close();
    integrity(directory);
}

fn hold_all(arrangement: Arrangement, usual: u64) {
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    for (name, fault) in FAULTS {
        let mut totals = Totals::default();
        for law in LAWS {
            let law = hold(law, &directory, arrangement, fault, stride(usual), &mut totals);
            runtime().block_on(law);
        }
        assert!(totals.points > LAWS.len() as u64, "no law had a fault in its way");
        tell(&format!("summary: {name}: {} points, laws broken at {}", totals.points, totals.broken));
    }
}

#[test]
fn the_laws_are_never_broken_by_a_lie() {
    run_with_faults("fault_laws::laws_with_faults");
}

#[test]
#[ignore = "run by `the_laws_are_never_broken_by_a_lie` in a process with faults"]
fn laws_with_faults() {
    hold_all(alone, 5);
}

#[test]
fn the_laws_are_never_broken_by_a_lie_behind_the_memory_tier() {
    run_with_faults("fault_laws::tiered_laws_with_faults");
}

#[test]
#[ignore = "run by `the_laws_are_never_broken_by_a_lie_behind_the_memory_tier` in a process with faults"]
fn tiered_laws_with_faults() {
    hold_all(tiered, 5);
}
