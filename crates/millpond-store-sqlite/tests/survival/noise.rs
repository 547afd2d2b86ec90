//! Noise over the files of the store, while it runs and while it does not: service goes on, what is found is right, and
//! what comes later is kept.

use crate::log;
use crate::support::{
    Clock, Random, bodies, body_files, content, database, integrity, numbered, open, options, runtime,
    scratch, store, until, versioned,
};
use crate::witness::{Testimony, Witness};
use millpond_exchange::{PurgeMode, Selector};
use millpond_store::Store;
use millpond_store::laws::body_of;
use millpond_store_sqlite::SqliteStore;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ENTRIES: u64 = 24;

fn beside(directory: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", database(directory).display()))
}

/// In rows and in files, of one chunk and of several.
fn length(number: u64) -> usize {
    [300, 3_000, 12_000, 100_000, 700_000, 14_000][number as usize % 6]
}

async fn fill(store_to_fill: &dyn Store, version: u64) {
    for number in 0..ENTRIES {
        let body = content(number, version, length(number), number % 2 == 0);
        store(store_to_fill, &numbered(number), versioned(version, &["all"]), &body).await.unwrap();
    }
}

/// How many entries are found and read to the end. The witness compares them; an error is as good as a miss.
async fn readable(witness: &Witness) -> u64 {
    let mut readable = 0;
    for number in 0..ENTRIES {
        let Ok(found) = witness.variants(&numbered(number)).await else { continue };
        for entry in found.entries.iter() {
            readable += u64::from(body_of(witness, entry, None).await.is_ok());
        }
    }
    readable
}

/// What can happen to a file.
#[derive(Clone, Copy, Debug)]
enum Noise {
    Random,
    Zeros,
    Header,
    Middle,
    Holes,
    Half,
    Empty,
    Longer,
    Gone,
}

const NOISES: [Noise; 9] = [
    Noise::Random,
    Noise::Zeros,
    Noise::Header,
    Noise::Middle,
    Noise::Holes,
    Noise::Half,
    Noise::Empty,
    Noise::Longer,
    Noise::Gone,
];

impl Noise {
    fn make(self, path: &Path) {
        let Ok(found) = fs::metadata(path) else { return };
        let length = found.len();
        let noise = |from: u64, length: u64| {
            let file = File::options().write(true).open(path).unwrap();
            file.write_all_at(&content(99, length, length as usize, false), from).unwrap();
        };
        let cut = |length: u64| File::options().write(true).open(path).unwrap().set_len(length).unwrap();
        match self {
            Self::Random => noise(0, length),
            Self::Zeros => {
                let file = File::options().write(true).open(path).unwrap();
                file.write_all_at(&vec![0; length as usize], 0).unwrap();
            }
            Self::Header => noise(0, length.min(100)),
            Self::Middle => noise(length / 2, length / 4),
            Self::Holes => (0..8).for_each(|at| noise(at * length / 8 + length / 50, length.min(40))),
            Self::Half => cut(length / 2),
            Self::Empty => cut(0),
            Self::Longer => noise(length, 10_000),
            Self::Gone => fs::remove_file(path).unwrap(),
        }
    }
}

/// After whatever happened: what is found is right, new entries are kept, also through a restart, and the file is whole
/// in the end.
async fn goes_on(
    directory: &Path,
    clock: &Clock,
    running: Arc<SqliteStore>,
    testimony: &Testimony,
    what: &str,
) {
    let mut running = running;
    let (key, body) = (numbered(500), content(500, 1, 30_000, false));
    let (small, small_body) = (numbered(501), content(501, 1, 2_000, false));
    let read = async |witness: &Witness, key, body: &[u8]| {
        let found = witness.variants(key).await.ok()?;
        let found = found.entries.first()?.clone();
        (body_of(witness, &found, None).await.ok()? == body).then_some(())
    };
    // Until noise nobody has met yet is met, it may take what is written beside it.
    for restart in 0.. {
        assert!(restart < 10, "the store does not come to rest after {what}: {:?}", running.stats());
        let witness = Witness::new(running.clone(), testimony);
        readable(&witness).await;
        until(&format!("caching resumes after {what}"), async || {
            let _ = store(&*witness, &key, versioned(1, &[]), &body).await;
            let _ = store(&*witness, &small, versioned(1, &[]), &small_body).await;
            running.flush().await;
            read(&witness, &key, &body).await?;
            read(&witness, &small, &small_body).await
        })
        .await;
        running.close();
        running =
            until("the store can be opened", async || SqliteStore::open(options(directory, clock)).ok())
                .await;
        let witness = Witness::new(running.clone(), testimony);
        let kept = read(&witness, &key, &body).await.and(read(&witness, &small, &small_body).await);
        readable(&witness).await;
        running.flush().await;
        if kept.is_some() && sound(directory) {
            break;
        }
    }
    running.close();
    assert_eq!(testimony.findings(), Vec::<String>::new(), "after {what}");
    integrity(directory);
}

fn sound(directory: &Path) -> bool {
    let connection = rusqlite::Connection::open(database(directory)).unwrap();
    let line = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    line.is_ok_and(|line| line == "ok")
}

/// A store with entries, and the log not yet emptied into the database, as a kill leaves it.
async fn killed(clock: &Clock, testimony: &Testimony) -> tempfile::TempDir {
    let (directory, picture) = (scratch(), scratch());
    let kept = open(directory.path(), clock);
    let witness = Witness::new(kept.clone(), testimony);
    fill(&*witness, 1).await;
    kept.flush().await;
    for end in ["-wal", "-shm", ""] {
        fs::copy(beside(directory.path(), end), beside(picture.path(), end)).unwrap();
    }
    for file in body_files(directory.path()) {
        let target = bodies(picture.path()).join(file.strip_prefix(bodies(directory.path())).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
    picture
}

#[test]
fn noise_while_stopped() {
    runtime().block_on(async {
        for ends in [&[""][..], &["-wal"], &["-shm"], &["", "-wal"], &["-wal", "-shm"]] {
            for noise in NOISES {
                let (clock, testimony) = (Clock::new(), Testimony::default());
                let directory = killed(&clock, &testimony).await;
                for end in ends {
                    noise.make(&beside(directory.path(), end));
                }
                let kept = open(directory.path(), &clock);
                goes_on(directory.path(), &clock, kept, &testimony, &format!("{noise:?} over {ends:?}"))
                    .await;
            }
        }
    });
}

#[test]
fn noise_over_a_database_that_was_closed() {
    runtime().block_on(async {
        for noise in NOISES {
            let (directory, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
            let kept = open(directory.path(), &clock);
            fill(&*Witness::new(kept.clone(), &testimony), 1).await;
            kept.close();
            noise.make(&database(directory.path()));
            let kept = open(directory.path(), &clock);
            let damaged = matches!(noise, Noise::Random | Noise::Header);
            assert!(!damaged || kept.stats().healed == 1, "{noise:?} is seen at the start, and told");
            goes_on(directory.path(), &clock, kept, &testimony, &format!("{noise:?}")).await;
        }
    });
}

#[test]
fn noise_while_running() {
    runtime().block_on(async {
        for ends in [&[""][..], &["-wal"], &["", "-wal"]] {
            for noise in NOISES {
                let (directory, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
                let kept = open(directory.path(), &clock);
                fill(&*Witness::new(kept.clone(), &testimony), 1).await;
                kept.flush().await;
                for end in ends {
                    noise.make(&beside(directory.path(), end));
                }
                goes_on(
                    directory.path(),
                    &clock,
                    kept,
                    &testimony,
                    &format!("{noise:?} over {ends:?}, running"),
                )
                .await;
            }
        }
    });
}

#[test]
fn a_database_that_is_noise_is_told_of_while_running() {
    log::listen();
    runtime().block_on(async {
        let (directory, clock) = (scratch(), Clock::new());
        let kept = open(directory.path(), &clock);
        fill(&*kept, 1).await;
        kept.flush().await;
        for end in ["", "-wal"] {
            Noise::Random.make(&beside(directory.path(), end));
        }
        let mut version = 1;
        until("the damage is found and the file set aside", async || {
            version += 1;
            for number in 0..ENTRIES {
                let body = content(number, version, 100, false);
                let _ = store(&*kept, &numbered(number), versioned(version, &[]), &body).await;
                let _ = kept.variants(&numbered(number)).await;
            }
            kept.flush().await;
            let stats = kept.stats();
            (stats.healed + stats.reopened > 0).then_some(())
        })
        .await;
        let mut names = fs::read_dir(directory.path()).unwrap().map(|item| item.unwrap().file_name());
        assert!(
            names.any(|name| name.to_string_lossy().contains("damaged")),
            "the noise is kept for inspection"
        );
        assert!(log::told(directory.path(), "damaged"), "it is logged");
    });
}

/// What can happen to the files of bodies.
type Mischief = fn(&[PathBuf]);

const MISCHIEFS: [(&str, Mischief); 8] = [
    ("torn", |files| files.iter().for_each(|file| Noise::Middle.make(file))),
    ("cut short", |files| files.iter().for_each(|file| Noise::Half.make(file))),
    ("emptied", |files| files.iter().for_each(|file| Noise::Empty.make(file))),
    ("lengthened", |files| files.iter().for_each(|file| Noise::Longer.make(file))),
    ("deleted", |files| files.iter().for_each(|file| Noise::Gone.make(file))),
    ("one bit", |files| {
        for path in files {
            let mut bytes = fs::read(path).unwrap();
            let at = bytes.len() - 1;
            bytes[at] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    }),
    ("swapped", |files| {
        let all: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
        for (at, file) in files.iter().enumerate() {
            fs::write(file, &all[(at + 1) % all.len()]).unwrap();
        }
    }),
    ("made directories", |files| {
        for file in files {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }
    }),
];

#[test]
fn bodies_are_right_or_not_given() {
    runtime().block_on(async {
        for (what, mischief) in MISCHIEFS {
            for running in [true, false] {
                let (directory, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
                let mut kept = open(directory.path(), &clock);
                fill(&*Witness::new(kept.clone(), &testimony), 1).await;
                kept.flush().await;
                if !running {
                    kept.close();
                }
                let files = body_files(directory.path());
                assert!(files.len() >= 8, "bodies lie in files");
                mischief(&files);
                if !running {
                    kept = open(directory.path(), &clock);
                }
                let witness = Witness::new(kept.clone(), &testimony);
                let first = readable(&witness).await;
                let whole = (0..ENTRIES).filter(|number| length(*number) <= 16 << 10).count() as u64;
                assert!(first >= whole, "{what}: bodies in rows are not concerned");
                assert!(first == whole || what == "lengthened", "{what}: nothing torn passes for whole");
                fill(&*witness, 2).await;
                kept.flush().await;
                assert_eq!(readable(&witness).await, ENTRIES, "{what}: what is stored again is kept");
                goes_on(directory.path(), &clock, kept, &testimony, what).await;
            }
        }
    });
}

#[test]
fn rows_are_right_or_not_given() {
    // Bytes of bodies, facts and indexes changed in the file. SQLite notices some of that when it comes by, and the sums of
    // the rows the rest of what is given out; what nobody comes by the check finds.
    runtime().block_on(async {
        let (mut random, mut healed, mut dropped) = (Random::new(7), 0, 0);
        for round in 0..12 {
            let (directory, clock, testimony) = (scratch(), Clock::new(), Testimony::default());
            let kept = open(directory.path(), &clock);
            fill(&*Witness::new(kept.clone(), &testimony), 1).await;
            kept.close();
            let file = File::options().write(true).open(database(directory.path())).unwrap();
            let length = file.metadata().unwrap().len();
            // Few enough that some files lose rows alone.
            for _ in 0..=(round % 4) * 12 {
                file.write_all_at(&random.next().to_le_bytes()[..3], 8_192 + random.below(length - 8_200))
                    .unwrap();
            }
            drop(file);
            let what = format!("scattered bytes, {round}");
            let kept = open(directory.path(), &clock);
            let witness = Witness::new(kept.clone(), &testimony);
            if round % 2 == 0 {
                readable(&witness).await;
            }
            let found = kept.check().unwrap();
            assert!(found.repaired, "{what}: {found:?}");
            assert_eq!(kept.check().unwrap().findings, [], "{what}: once is enough after {found:?}");
            integrity(directory.path());
            let all = Selector::Tag { origin: None, tag: "all".to_owned() };
            witness.remove(&all, PurgeMode::Hard, clock.now()).await.unwrap();
            assert_eq!(readable(&witness).await, 0, "{what}: the purge left something after {found:?}");
            healed += kept.stats().healed;
            dropped += kept.stats().corrupt_entries;
            goes_on(directory.path(), &clock, kept, &testimony, &what).await;
        }
        assert!(healed > 0 && dropped > 0, "both ways were taken: {healed} files, {dropped} rows");
    });
}
