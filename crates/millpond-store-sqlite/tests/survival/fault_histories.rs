//! A history with everything a store does in it, run again and again with another write, sync, truncation or change of
//! a name failing each time.

use crate::child::{EIO, ENOSPC, Fault, Faults, Shim, calls, die_of_any_panic, given_directory, tell};
use crate::support::{
    Clock, PATIENCE, body_files, content, integrity, numbered, open, options, runtime, scratch, store, until,
    versioned,
};
use crate::witness::{Testimony, Witness};
use bytes::Bytes;
use millpond_exchange::{PurgeMode, Selector};
use millpond_store::laws::{UNTIL, body_of, entry, head};
use millpond_store::{Store, StoreError};
use millpond_store_sqlite::{Health, SqliteStore};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// What fails, by name.
const FAULTS: [(&str, Fault); 6] = [
    ("one call", Fault { kinds: calls::CHANGES, count: 1, error: EIO, half: 0 }),
    ("three calls", Fault { kinds: calls::CHANGES, count: 3, error: EIO, half: 0 }),
    ("torn", Fault { kinds: calls::CHANGES, count: 1, error: EIO, half: 1 }),
    ("short", Fault { kinds: calls::WRITE, count: 1, error: EIO, half: 2 }),
    (
        "full",
        Fault { kinds: calls::WRITE | calls::NAME | calls::LENGTH, count: u64::MAX, error: ENOSPC, half: 1 },
    ),
    ("dead", Fault { kinds: calls::CHANGES, count: u64::MAX, error: EIO, half: 0 }),
];

/// Reading that fails. Here a miss is all that may come of it.
const READING: [(&str, Fault); 2] = [
    ("one read", Fault { kinds: calls::READ, count: 1, error: EIO, half: 0 }),
    ("reads", Fault { kinds: calls::READ, count: 5, error: EIO, half: 0 }),
];

/// A history is allowed to fail at every step, never to lie; what it does depends on nothing but what it is answered.
struct History {
    directory: PathBuf,
    clock: Clock,
    testimony: Testimony,
    store: Option<Arc<SqliteStore>>,
}

impl History {
    fn new(directory: &Path) -> Self {
        std::fs::create_dir(directory).unwrap();
        Self {
            directory: directory.to_owned(),
            clock: Clock::new(),
            testimony: Testimony::default(),
            store: None,
        }
    }

    fn start(&mut self) {
        self.store = Some(SqliteStore::start(options(&self.directory, &self.clock)));
    }

    fn witness(&self) -> Arc<Witness> {
        Witness::new(self.store.clone().unwrap(), &self.testimony)
    }

    async fn flush(&self) {
        if let Some(store) = &self.store {
            store.flush().await;
        }
    }

    async fn close(&mut self) {
        if let Some(store) = self.store.take() {
            tokio::task::spawn_blocking(move || store.close()).await.unwrap();
        }
    }

    async fn put(&self, number: u64, version: u64, length: usize, tags: &[&str]) {
        let body = content(number, version, length, version.is_multiple_of(2));
        let stored = store(&*self.witness(), &numbered(number), versioned(version, tags), &body).await;
        Self::allowed("put", stored);
    }

    /// Looks up and reads everything; the witness compares.
    async fn look(&self) {
        for number in 0..10 {
            let witness = self.witness();
            let _ = witness.lookup(numbered(number).as_bytes());
            let Ok(found) = witness.variants(&numbered(number)).await else { continue };
            for entry in found.entries.iter() {
                let _ = body_of(&*witness, entry, None).await;
                let _ = body_of(&*witness, entry, Some(260_000..263_000)).await;
            }
        }
    }

    async fn refresh(&self, number: u64, tags: &[&str]) {
        let witness = self.witness();
        let Ok(found) = witness.variants(&numbered(number)).await else { return };
        for entry in found.entries.iter() {
            let epoch = witness.epoch();
            let fresh = witness.refresh(entry, versioned(1_000, tags), head("fresh"), UNTIL, epoch).await;
            Self::allowed("refresh", fresh);
        }
    }

    async fn purge(&self, selector: Selector, mode: PurgeMode) {
        let purged = self.witness().remove(&selector, mode, self.clock.now()).await;
        Self::allowed("purge", purged);
    }

    async fn abandon(&self, number: u64) {
        let witness = self.witness();
        let new = entry(&*witness, &numbered(number), versioned(1, &[]));
        if let Ok(mut writer) = witness.writer(new).await {
            let written = writer.write(Bytes::from(content(number, 1, 400_000, false))).await;
            Self::allowed("write", written);
        }
    }

    fn allowed<T>(what: &str, result: Result<T, StoreError>) {
        if let Err(error) = result {
            let fine = matches!(
                error,
                StoreError::Unavailable(_)
                    | StoreError::Gone
                    | StoreError::Corrupt(_)
                    | StoreError::Superseded
            );
            assert!(fine, "{what}: {error}");
        }
    }

    async fn run(&mut self) {
        self.start();
        for (number, length) in [(0, 100), (1, 5_000), (2, 300_000), (3, 600_000)] {
            self.put(number, 1, length, &["low"]).await;
        }
        self.flush().await;
        self.look().await;
        self.refresh(0, &["low"]).await;
        self.refresh(2, &["new"]).await;
        self.put(3, 2, 500_000, &["low"]).await;
        self.put(4, 2, 3_000, &[]).await;
        self.abandon(5).await;
        self.flush().await;
        self.purge(Selector::Key(numbered(1)), PurgeMode::Hard).await;
        self.purge(Selector::Tag { origin: None, tag: "new".to_owned() }, PurgeMode::Soft).await;
        self.put(6, 1, 270_000, &["low"]).await;
        self.purge(Selector::Tag { origin: None, tag: "low".to_owned() }, PurgeMode::Hard).await;
        self.look().await;
        self.put(7, 1, 200, &[]).await;
        self.put(8, 1, 300_000, &[]).await;
        self.close().await;
        self.start();
        self.put(9, 1, 20_000, &["low"]).await;
        self.look().await;
        self.flush().await;
    }

    /// The faults are over: the store comes back, takes new entries, and is whole, also after a restart.
    async fn recover(&mut self) {
        let store_again = self.store.clone().unwrap();
        until("the store is up again", async || (store_again.health() == Health::Up).then_some(())).await;
        self.look().await;
        let (key, body) = (numbered(100), content(100, 1, 50_000, false));
        until("the store takes entries again", async || {
            let witness = self.witness();
            let _ = store(&*witness, &key, versioned(1, &[]), &body).await;
            store_again.flush().await;
            let found = witness.variants(&key).await.ok()?;
            let found = found.entries.first()?.clone();
            (body_of(&*witness, &found, None).await.ok()? == body).then_some(())
        })
        .await;
        drop(store_again);
        self.close().await;
        integrity(&self.directory);
        self.store = Some(open(&self.directory, &self.clock));
        self.look().await;
        let found = self.witness().variants(&key).await.unwrap();
        assert_eq!(found.entries.len(), 1, "what was stored after the faults survives a restart");
        self.close().await;
        assert_eq!(self.testimony.findings(), Vec::<String>::new());
    }
}

/// Histories that wait for their store to come back; it tries again at intervals, and they wait together.
#[derive(Default)]
struct Ward(Vec<(String, History)>);

impl Ward {
    async fn recover(&mut self) {
        for (name, mut history) in self.0.drain(..) {
            tell(&format!("recovery after {name}"));
            history.recover().await;
            std::fs::remove_dir_all(&history.directory).unwrap();
        }
    }
}

async fn with_every_fault(directory: &Path, faults: &[(&str, Fault)], stride: u64) {
    let control = Faults::here();
    for (name, fault) in faults {
        let (mut first, mut covered, began) = (1, 0, Instant::now());
        let mut ward = Ward::default();
        loop {
            tell(&format!("{name} from call {first} on"));
            let mut history = History::new(&directory.join(format!("{first}")));
            control.arm(*fault, first);
            history.run().await;
            let (fired, seen, what) = control.disarm();
            let finished = fired == 0;
            assert!(!finished || seen > 40, "only {seen} calls: the faults are not in the way of the store");
            covered += u64::from(!finished);
            let up = history.store.as_ref().is_some_and(|store| store.health() == Health::Up);
            ward.0.push((format!("{name} from call {first} on ({what})"), history));
            if up || ward.0.len() > 40 || finished {
                // Who is up is not waited for; who is down waits for the others.
                let (down, up): (Vec<_>, Vec<_>) = ward.0.drain(..).partition(|(_, history)| {
                    history.store.as_ref().is_some_and(|store| store.health() != Health::Up)
                });
                let together = down.len() > 40 || finished;
                ward.0 = up;
                ward.recover().await;
                ward.0 = down;
                if together {
                    ward.recover().await;
                }
            }
            if finished {
                break;
            }
            first += stride;
        }
        assert!(began.elapsed() < 20 * PATIENCE);
        tell(&format!("summary: {name}: {covered} points"));
    }
}

/// How many points to go on by: all of them with `SURVIVAL_EVERY_POINT=1`.
pub fn stride(usual: u64) -> u64 {
    if std::env::var_os("SURVIVAL_EVERY_POINT").is_some() { 1 } else { usual }
}

/// Runs one of the children below and prints what it covered.
pub fn run_with_faults(name: &str) {
    let (shim, directory) = (Shim::build(), scratch());
    let command = shim.around(name, directory.path());
    for line in crate::child::Again::start(command).finish() {
        if let Some(summary) = line.strip_prefix("summary: ") {
            println!("{summary}");
        }
    }
}

#[test]
fn the_faults_are_felt() {
    run_with_faults("fault_histories::files_that_fail");
}

#[test]
#[ignore = "run by `the_faults_are_felt` in a process with faults"]
fn files_that_fail() {
    let Some(directory) = given_directory() else { return };
    let (faults, path) = (Faults::here(), directory.join("file"));
    let fault = |kinds, half| Fault { kinds, count: 1, error: ENOSPC, half };
    let full =
        |result: std::io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(ENOSPC as i32));
    faults.arm(fault(calls::NAME, 0), 2);
    let mut file = File::create(&path).unwrap();
    full(std::fs::rename(&path, directory.join("other")));
    assert_eq!(faults.disarm(), (1, 2, "rename /other".to_owned()));
    for (half, written) in [(0, ""), (1, "ab"), (2, "abcd")] {
        faults.arm(fault(calls::WRITE, half), 1);
        let result = file.write_all(b"abcd");
        if half == 2 {
            result.unwrap();
        } else {
            full(result);
        }
        faults.disarm();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
        file.rewind().unwrap();
        file.set_len(0).unwrap();
    }
    faults.arm(fault(calls::CHANGES, 0), 3);
    file.set_len(5).unwrap();
    file.sync_data().unwrap();
    full(file.sync_all());
    file.sync_all().unwrap();
    faults.arm(fault(calls::READ, 0), 1);
    full(std::fs::read(&path).map(drop));
    faults.disarm();
}

#[test]
fn no_failing_write_or_sync_tears_or_lies() {
    run_with_faults("fault_histories::history_with_failing_changes");
}

#[test]
#[ignore = "run by `no_failing_write_or_sync_tears_or_lies` in a process with faults"]
fn history_with_failing_changes() {
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    runtime().block_on(with_every_fault(&directory, &FAULTS, stride(3)));
}

#[test]
fn no_failing_read_lies() {
    run_with_faults("fault_histories::history_with_failing_reads");
}

#[test]
#[ignore = "run by `no_failing_read_lies` in a process with faults"]
fn history_with_failing_reads() {
    let Some(directory) = given_directory() else { return };
    die_of_any_panic();
    runtime().block_on(with_every_fault(&directory, &READING, stride(3)));
    assert!(body_files(&directory).is_empty());
}
