//! The ground taken from under a store: directories gone, replaced or read-only, and a disk that is full.

use crate::child::{
    Again, DIRECTORY, ENOSPC, Fault, Faults, Shim, again, calls, die_of_any_panic, given_directory, tell,
};
use crate::log;
use crate::support::{
    Clock, content, database, integrity, numbered, open, options, runtime, scratch, store, until, versioned,
};
use crate::witness::{Testimony, Witness};
use millpond_store::laws::body_of;
use millpond_store::{Store, StoreError};
use millpond_store_sqlite::{Health, Inspector, OpenError, SqliteOptions, SqliteStore, verify};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

async fn put(kept: &dyn Store, number: u64, version: u64, length: usize) -> Result<(), StoreError> {
    let body = content(number, version, length, false);
    store(kept, &numbered(number), versioned(version, &[]), &body).await.map(drop)
}

async fn has(kept: &dyn Store, number: u64) -> bool {
    let Ok(found) = kept.variants(&numbered(number)).await else { return false };
    let Some(found) = found.entries.first() else { return false };
    body_of(kept, found, None).await.is_ok()
}

/// New entries, in rows and in files, are written to the file again and found by another process.
async fn caching_resumes(
    directory: &Path,
    clock: &Clock,
    kept: &Arc<SqliteStore>,
    testimony: &Testimony,
    from: u64,
) {
    let witness = Witness::new(kept.clone(), testimony);
    let mut version = 100;
    until("caching resumes", async || {
        version += 1;
        let _ = put(&*witness, from, version, 3_000).await;
        let _ = put(&*witness, from + 1, version, 300_000).await;
        kept.flush().await;
        if !database(directory).exists() {
            return None;
        }
        let other = Witness::new(SqliteStore::open(options(directory, clock)).ok()?, testimony);
        (has(&*other, from).await && has(&*other, from + 1).await).then_some(())
    })
    .await;
    assert_eq!(kept.health(), Health::Up);
    assert_eq!(testimony.findings(), Vec::<String>::new());
}

#[test]
fn a_directory_that_is_removed_under_a_running_store() {
    log::listen();
    runtime().block_on(async {
        for bodies_only in [false, true] {
            let (parent, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
            let directory = parent.path().join("cache");
            let kept = open(&directory, &clock);
            let witness = Witness::new(kept.clone(), &testimony);
            for number in 0..6 {
                put(&*witness, number, 1, if number % 2 == 0 { 500 } else { 400_000 }).await.unwrap();
            }
            kept.flush().await;
            fs::remove_dir_all(if bodies_only {
                crate::support::bodies(&directory)
            } else {
                directory.clone()
            })
            .unwrap();
            for number in 0..6 {
                has(&*witness, number).await;
            }
            caching_resumes(&directory, &clock, &kept, &testimony, 10).await;
            let told = kept.stats().reopened > 0 && log::told(&directory, "gone or another one");
            assert!(bodies_only || told, "it is counted, and logged");
            kept.close();
            integrity(&directory);
        }
    });
}

#[test]
fn a_directory_that_is_replaced_under_a_running_store() {
    runtime().block_on(async {
        let (parent, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
        let (directory, elsewhere) = (parent.path().join("cache"), parent.path().join("other"));
        let other = open(&elsewhere, &clock);
        put(&*Witness::new(other.clone(), &testimony), 50, 1, 5_000).await.unwrap();
        other.close();
        let kept = open(&directory, &clock);
        let witness = Witness::new(kept.clone(), &testimony);
        put(&*witness, 1, 1, 5_000).await.unwrap();
        kept.flush().await;
        fs::rename(&directory, parent.path().join("away")).unwrap();
        fs::rename(&elsewhere, &directory).unwrap();
        caching_resumes(&directory, &clock, &kept, &testimony, 10).await;
        until("the entries of the new file are found", async || has(&*witness, 50).await.then_some(())).await;
        assert!(!has(&*witness, 1).await, "those of the old file are not");
        kept.close();
        integrity(&directory);
    });
}

#[test]
fn a_file_in_place_of_the_directory() {
    log::listen();
    // Who runs the tests may be allowed everything; nobody is allowed this.
    runtime().block_on(async {
        let (parent, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
        let directory = parent.path().join("cache");
        fs::write(&directory, "not a directory").unwrap();
        let refused = SqliteStore::open(options(&directory, &clock)).err().unwrap();
        assert!(matches!(refused, OpenError::Directory { .. }), "{refused}");
        let kept = SqliteStore::start(options(&directory, &clock));
        down_and_back(&directory, &clock, &kept, &testimony, || fs::remove_file(&directory).unwrap()).await;
    });
}

/// A store that cannot work says so at once, for everything, and comes back when it is mended.
async fn down_and_back(
    directory: &Path,
    clock: &Clock,
    kept: &Arc<SqliteStore>,
    testimony: &Testimony,
    mend: impl FnOnce(),
) {
    until("the store is down", async || (kept.health() != Health::Up).then_some(())).await;
    let Health::Down { reason } = kept.health() else { unreachable!() };
    assert!(reason.contains(&*directory.to_string_lossy()), "the reason names the place: {reason}");
    assert!(matches!(put(&**kept, 1, 1, 10).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(kept.variants(&numbered(1)).await, Err(StoreError::Unavailable(_))));
    let all = millpond_exchange::Selector::All;
    let purged = kept.remove(&all, millpond_exchange::PurgeMode::Hard, clock.now()).await;
    assert!(matches!(purged, Err(StoreError::Unavailable(_))), "{purged:?}");
    assert!(log::told(directory, "down"), "it is logged");
    mend();
    until("the store is up", async || (kept.health() == Health::Up).then_some(())).await;
    caching_resumes(directory, clock, kept, testimony, 10).await;
    kept.close();
    integrity(directory);
}

/// A command that runs the test `name` with a file system of its own at `directory`: the first line of the script may
/// mount there. `None` where this user may not have one.
fn with_mount(name: &str, directory: &Path, mount: &str) -> Option<Command> {
    let may = Command::new("unshare").args(["-rm", "sh", "-c", mount]).env(DIRECTORY, directory).output();
    if !may.is_ok_and(|may| may.status.success()) {
        return None;
    }
    let child = again(name, directory);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &format!("{mount} && exec \"$@\""), "sh"]);
    command.arg(child.get_program()).args(child.get_args()).env(DIRECTORY, directory);
    Some(command)
}

fn heard(name: &str, child: Command) {
    for line in Again::start(child).finish() {
        println!("{name}: {line}");
    }
}

#[test]
fn a_full_disk_is_survived_and_used_again_when_there_is_room() {
    let directory = scratch();
    let mount = format!("mount -t tmpfs -o size=4m tmpfs \"${DIRECTORY}\"");
    let Some(child) = with_mount("disk::on_a_small_disk", directory.path(), &mount) else {
        println!("no tmpfs may be mounted here: a disk that says it is full, by a shim");
        let shim = Shim::build();
        heard("shim", shim.around("disk::on_a_disk_said_to_be_full", directory.path()));
        return;
    };
    heard("tmpfs of 4 MiB", child);
}

#[test]
fn a_store_that_fills_its_own_small_disk_goes_on() {
    let directory = scratch();
    let mount = format!("mount -t tmpfs -o size=12m tmpfs \"${DIRECTORY}\"");
    match with_mount("disk::on_a_disk_of_its_own", directory.path(), &mount) {
        Some(child) => heard("tmpfs of 12 MiB", child),
        None => println!("no tmpfs may be mounted here"),
    }
}

#[test]
#[ignore = "run by `a_store_that_fills_its_own_small_disk_goes_on` on a small tmpfs"]
fn on_a_disk_of_its_own() {
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    log::listen();
    runtime().block_on(fill_and_purge(&directory));
}

/// Fills the disk with a store that was told of a much larger one, again with what else lies there taking the rest, and
/// has everything purged by another process.
async fn fill_and_purge(directory: &Path) {
    let (clock, ballast) = (Clock::new(), directory.join("ballast"));
    let kept = SqliteStore::start(options(directory, &clock));
    let mut number = 0;
    for full in [false, true] {
        if full {
            // To the last byte, whatever the store has left.
            let mut file = fs::File::create(&ballast).unwrap();
            while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        }
        for _ in 0..600 {
            number += 1;
            let length = [200, 9_000, 60_000, 100_000, 300_000][number as usize % 5];
            let _ = put(&*kept, number, 1, length).await;
            if number % 50 == 0 {
                kept.flush().await;
            }
        }
        kept.flush().await;
        if !full {
            let age = newest(&*kept, number).await;
            assert!(age < 100, "what came last is kept: {age} entries ago, {:?}", kept.stats());
        }
    }
    let lines = log::count(directory, "cannot write to the store");
    assert!(lines <= 2, "an outage is told once: {lines} times");
    kept.close();
    // A command that was told to remove everything does so, whatever the disk says.
    let command = SqliteOptions { upkeep: false, ..options(directory, &clock) };
    let command = SqliteStore::open(command).unwrap();
    command
        .remove(&millpond_exchange::Selector::All, millpond_exchange::PurgeMode::Hard, clock.now())
        .await
        .unwrap();
    command.close();
    let left = fs::metadata(database(directory)).unwrap().len();
    assert!(left < 1 << 20 && crate::support::body_files(directory).is_empty(), "{left} bytes are left");
    fs::remove_file(&ballast).unwrap();
    let kept = open(directory, &clock);
    put(&*kept, 1, 2, 9_000).await.unwrap();
    kept.flush().await;
    assert!(has(&*kept, 1).await);
    kept.close();
    integrity(directory);
}

/// How many entries ago the newest was stored that is still there.
async fn newest(kept: &dyn Store, last: u64) -> u64 {
    for age in 0..last {
        if has(kept, last - age).await {
            return age;
        }
    }
    last
}

#[test]
fn a_disk_said_to_be_full_is_survived() {
    let (shim, directory) = (Shim::build(), scratch());
    heard("shim", shim.around("disk::on_a_disk_said_to_be_full", directory.path()));
}

#[test]
#[ignore = "run by `a_full_disk_is_survived_and_used_again_when_there_is_room` on a small tmpfs"]
fn on_a_small_disk() {
    let Some(directory) = given_directory() else { return };
    let ballast = directory.join("ballast");
    let fill = || fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    runtime().block_on(full_and_freed(&directory, fill, || fs::remove_file(&ballast).unwrap()));
}

#[test]
#[ignore = "run by `a_disk_said_to_be_full_is_survived` in a process with faults"]
fn on_a_disk_said_to_be_full() {
    let Some(directory) = given_directory() else { return };
    let faults = Faults::here();
    let full =
        Fault { kinds: calls::WRITE | calls::NAME | calls::LENGTH, count: u64::MAX, error: ENOSPC, half: 1 };
    runtime().block_on(full_and_freed(&directory, || faults.arm(full, 200), || drop(faults.disarm())));
}

/// Fills the disk, with entries of every size, and frees it.
async fn full_and_freed(directory: &Path, fill: impl FnOnce(), free: impl FnOnce()) {
    die_of_any_panic();
    log::listen();
    let (clock, testimony) = (Clock::new(), Testimony::default());
    let kept = SqliteStore::start(options(directory, &clock));
    let witness = Witness::new(kept.clone(), &testimony);
    put(&*witness, 1, 1, 9_000).await.unwrap();
    put(&*witness, 2, 1, 200_000).await.unwrap();
    kept.flush().await;
    fill();
    let mut refused = 0;
    for number in 3..600 {
        let length = [2_000, 40_000, 9_000, 300_000][number as usize % 4];
        refused += u64::from(put(&*witness, number, 1, length).await.is_err());
        if number % 20 == 0 {
            kept.flush().await;
            for earlier in 1..number {
                has(&*witness, earlier).await;
            }
        }
    }
    kept.flush().await;
    let stats = kept.stats();
    let told = refused + stats.refused + stats.lost + stats.evicted;
    tell(&format!(
        "{refused} writes refused, {} lost, {} evicted, {:?}",
        stats.lost,
        stats.evicted,
        kept.health()
    ));
    assert!(told > 0, "the disk was full, and nobody says so: {stats:?}");
    assert!(log::told(directory, ""), "it is logged");
    assert_eq!(testimony.findings(), Vec::<String>::new());
    free();
    until("the store is up", async || (kept.health() == Health::Up).then_some(())).await;
    caching_resumes(directory, &clock, &kept, &testimony, 1_000).await;
    kept.close();
    integrity(directory);
    let kept = open(directory, &clock);
    let witness = Witness::new(kept.clone(), &testimony);
    assert!(has(&*witness, 1_000).await && has(&*witness, 1_001).await, "what came later survives a restart");
    assert_eq!(testimony.findings(), Vec::<String>::new());
    tell("caching resumed");
}

#[test]
fn a_read_only_directory() {
    let directory = scratch();
    fs::create_dir(directory.path().join("cache")).unwrap();
    let place = format!("\"${DIRECTORY}/cache\"");
    let mount = format!("mount --bind {place} {place} && mount -o remount,bind,ro {place}");
    match with_mount("disk::in_a_read_only_directory", directory.path(), &mount) {
        Some(child) => heard("read-only mount", child),
        None => {
            println!("nothing may be mounted here: only `a_file_in_place_of_the_directory` speaks of this");
        }
    }
}

#[test]
#[ignore = "run by `a_read_only_directory` with a read-only mount"]
fn in_a_read_only_directory() {
    log::listen();
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    let (cache, clock) = (directory.join("cache"), Clock::new());
    assert!(fs::write(cache.join("x"), "x").is_err(), "the directory is read-only");
    let refused = SqliteStore::open(options(&cache, &clock)).err().unwrap();
    tell(&format!("refused: {refused}"));
    runtime().block_on(async {
        // What is there can be looked at all the same.
        let remount = |how: &str| {
            let done = Command::new("mount").args(["-o", how]).arg(&cache).status().unwrap();
            assert!(done.success());
        };
        remount("remount,bind,rw");
        let kept = open(&cache, &clock);
        put(&*kept, 1, 1, 3_000).await.unwrap();
        put(&*kept, 2, 1, 300_000).await.unwrap();
        kept.close();
        drop(kept);
        remount("remount,bind,ro");
        let found = verify(&database(&cache), false, clock.now(), &mut |_, _| {}).unwrap();
        assert_eq!((found.entries, found.files, found.findings), (2, 1, Vec::new()));
        assert_eq!(Inspector::open(database(&cache)).unwrap().totals(clock.now()).unwrap().entries, 2);

        let kept = SqliteStore::start(options(&cache, &clock));
        down_and_back(&cache, &clock, &kept, &Testimony::default(), || {
            let mended = Command::new("mount").args(["-o", "remount,bind,rw"]).arg(&cache).status().unwrap();
            assert!(mended.success());
        })
        .await;
    });
    tell("caching began when the directory could be written");
}

/// A store is closed at any time, in the middle of a check too: that is no failure of the check.
#[test]
fn closing_is_not_taken_for_a_check_that_failed() {
    log::listen();
    runtime().block_on(async {
        let (place, clock) = (scratch(), Clock::new());
        let options =
            SqliteOptions { check_every: Some(Duration::from_millis(1)), ..options(place.path(), &clock) };
        for _ in 0..8 {
            let kept = SqliteStore::open(options.clone()).unwrap();
            // The next one begins a moment after that.
            until("a check", async || (kept.stats().checks > 0).then_some(())).await;
            for number in 0..20 {
                put(&*kept, number, 1, 3_000).await.unwrap();
            }
            kept.close();
        }
        assert!(has(&*SqliteStore::open(options).unwrap(), 19).await);
        assert!(!log::told(place.path(), "could not be checked"));
    });
}
