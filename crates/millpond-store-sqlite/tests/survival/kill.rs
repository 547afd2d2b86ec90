//! A process that writes as fast as it can, killed again and again.

use crate::child::{Again, again, die_of_any_panic, given_directory, tell};
use crate::support::{
    Clock, DATED, Random, bodies, body_files, content, integrity, numbered, open, options, runtime, scratch,
    store, until, version, versioned,
};
use millpond_exchange::{PurgeMode, Selector};
use millpond_store::Store;
use millpond_store::laws::body_of;
use millpond_store_sqlite::{SqliteOptions, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const KEYS: u64 = 60;
const TAGS: u64 = 7;
/// The variable that tells a child the number of its next version.
const NEXT: &str = "SURVIVAL_NEXT";

/// The body that belongs to a key and a version, and to no other.
fn body(number: u64, version: u64) -> Vec<u8> {
    let length = [40, 900, 5_000, 40_000, 300_000, 12_000, 100, 600_000][(number + version) as usize % 8];
    content(number, version, length, version.is_multiple_of(3))
}

fn tag(number: u64) -> String {
    format!("tag-{}", number % TAGS)
}

/// What a purge of these tests covers, in words that pass through a pipe.
fn selector(word: &str) -> Selector {
    match word.split_once('=') {
        Some(("key", number)) => Selector::Key(numbered(number.parse().unwrap())),
        Some(("tag", tag)) => Selector::Tag { origin: None, tag: tag.to_owned() },
        _ => Selector::All,
    }
}

fn covers(word: &str, number: u64) -> bool {
    match word.split_once('=') {
        Some(("key", key)) => key == number.to_string(),
        Some(("tag", name)) => name == tag(number),
        _ => true,
    }
}

#[test]
#[ignore = "run, and killed, by `fifty_kills_tear_nothing`"]
fn writes_until_it_is_killed() {
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    let first: u64 = std::env::var(NEXT).unwrap().parse().unwrap();
    let clock = Clock::new();
    let options = SqliteOptions { commit_interval: Duration::from_millis(5), ..options(&directory, &clock) };
    let kept = SqliteStore::open(options).unwrap();
    tell("open");
    runtime().block_on(async {
        let mut random = Random::new(first);
        for version in first.. {
            let number = random.below(KEYS);
            let record = versioned(version, &[&tag(number)]);
            store(&*kept, &numbered(number), record, &body(number, version)).await.unwrap();
            tell(&format!("put {number} {version}"));
            if random.below(40) == 0 {
                kept.flush().await;
                tell("flushed");
            }
            let word = match random.below(100) {
                0..3 => format!("key={}", random.below(KEYS)),
                3 => format!("tag={}", tag(random.next())),
                4 if version % 5 == 0 => "all".to_owned(),
                _ => continue,
            };
            tell(&format!("purging {word}"));
            kept.remove(&selector(&word), PurgeMode::Hard, clock.now()).await.unwrap();
            tell(&format!("purged {word}"));
        }
    });
}

/// What is known of a key from what the child has said.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// The newest version that was accepted.
    put: u64,
    /// The version that must be there, or a newer one.
    certain: Option<u64>,
    /// What is gone for ever: this version and all before.
    gone: u64,
}

/// What is known of all keys.
#[derive(Default)]
struct Ledger {
    keys: BTreeMap<u64, Told>,
    newest: u64,
    accepted: u64,
    purges: u64,
}

impl Ledger {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["put", number, version] => {
                let told = self.keys.entry(number.parse().unwrap()).or_default();
                told.put = version.parse().unwrap();
                self.newest = told.put;
                self.accepted += 1;
            }
            ["flushed"] => {
                self.keys
                    .values_mut()
                    .for_each(|told| told.certain = (told.put > told.gone).then_some(told.put));
            }
            ["purging", word] => {
                let covered = self.keys.iter_mut().filter(|(number, _)| covers(word, **number));
                covered.for_each(|(_, told)| told.certain = None);
            }
            ["purged", word] => {
                self.purges += 1;
                let covered = self.keys.iter_mut().filter(|(number, _)| covers(word, **number));
                covered.for_each(|(_, told)| told.gone = told.put);
            }
            _ => assert_eq!(line, "open"),
        }
    }

    /// Compares what is stored with what was said, and goes on from there.
    async fn compare(&mut self, kept: &SqliteStore) {
        let newest = self.newest + 1;
        for number in 0..KEYS {
            let told = self.keys.entry(number).or_default();
            let found = kept.variants(&numbered(number)).await.unwrap();
            assert!(found.entries.len() <= 1, "one variant is found twice");
            let Some(entry) = found.entries.first() else {
                assert_eq!(told.certain, None, "{number} was flushed and is lost");
                told.gone = newest;
                continue;
            };
            let found = version(entry).unwrap();
            assert!(found > told.gone, "{number} v{found} comes back though purged: {told:?}");
            assert!(told.certain.is_none_or(|least| found >= least), "{number} is only v{found}: {told:?}");
            assert!(found <= newest, "{number} v{found} was never stored");
            let content = body_of(kept, entry, None).await.unwrap();
            assert!(content == body(number, found), "the body of {number} v{found} is another");
            *told = Told { put: found, certain: Some(found), gone: found - 1 };
        }
        self.newest = newest;
    }
}

/// No file that no entry knows is left, once they are old, and none that a killed process had not finished.
async fn no_orphans(directory: &Path) {
    let kept = open(directory, &Clock::at(DATED));
    let unfinished = || std::fs::read_dir(bodies(directory).join("tmp")).map_or(0, Iterator::count);
    until("the orphans are swept", async || {
        let connection = rusqlite::Connection::open(crate::support::database(directory)).unwrap();
        let count = "SELECT count(*) FROM entry WHERE file IS NOT NULL";
        let known: i64 = connection.query_row(count, [], |row| row.get(0)).ok()?;
        (known > 0 && body_files(directory).len() as i64 == known && unfinished() <= 1).then_some(())
    })
    .await;
    kept.close();
}

fn rounds() -> u64 {
    std::env::var("SURVIVAL_KILLS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50)
}

#[test]
fn fifty_kills_tear_nothing() {
    let (directory, clock) = (scratch(), Clock::new());
    let (mut ledger, mut random) = (Ledger::default(), Random::new(50));
    for round in 0..rounds() {
        let mut command = again("kill::writes_until_it_is_killed", directory.path());
        command.env(NEXT, (ledger.newest + 1).to_string());
        let mut child = Again::start(command);
        for _ in 0..=random.below(300) {
            let line = child.line("").unwrap_or_else(|| panic!("round {round}: the child ended by itself"));
            ledger.hear(&line);
        }
        child.kill().iter().for_each(|line| ledger.hear(line));
        let kept: Arc<SqliteStore> = open(directory.path(), &clock);
        assert_eq!(kept.stats().healed, 0, "a kill does not damage the file");
        runtime().block_on(ledger.compare(&kept));
        kept.close();
        integrity(directory.path());
    }
    runtime().block_on(no_orphans(directory.path()));
    println!("{} kills, {} entries accepted, {} purges", rounds(), ledger.accepted, ledger.purges);
    assert!(ledger.accepted > 10 * rounds() && ledger.purges > 0);
}
