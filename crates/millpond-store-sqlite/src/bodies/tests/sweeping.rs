//! Files that nobody knows, and those of processes that are gone.

use super::*;
use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The moment before which files are old here.
fn old() -> SystemTime {
    UNIX_EPOCH + 10 * DAY
}

fn keep_at(bodies: &Bodies, written: SystemTime) -> StoredBody {
    let kept = keep(bodies, b"content", false, ID);
    let file = OpenOptions::new().write(true).open(path(bodies, &kept)).expect("a file");
    file.set_times(FileTimes::new().set_modified(written)).expect("it is dated");
    kept
}

#[test]
fn only_old_bodies_that_nobody_knows_are_removed() {
    let (_parent, bodies) = bodies();
    let mut writer = bodies.create(false, ID).expect("it begins");
    writer.write(&noise(CHUNK)).expect("it writes");
    let known = keep_at(&bodies, UNIX_EPOCH + DAY);
    let orphan = keep_at(&bodies, UNIX_EPOCH + DAY);
    let young = keep_at(&bodies, UNIX_EPOCH + 11 * DAY);
    let shard = bodies.dir().join(&orphan.name[..2]);
    let others = [
        bodies.dir().join("notes"),
        shard.join("notes"),
        shard.join("0123"),
        bodies.dir().join("0".repeat(32)),
    ];
    for other in &others {
        fs::write(other, b"not ours").expect("it writes");
    }
    let mut asked = Vec::new();
    let swept = bodies.sweep_orphans(1_000, old(), |name| {
        asked.push(name.to_owned());
        Ok(name == known.name)
    });
    let swept = swept.expect("it sweeps");
    assert_eq!(swept, Swept { looked: 3, removed: 1, removed_bytes: 7, round: true });
    assert!(asked.len() == 2 && !asked.contains(&young.name), "{asked:?}");
    assert!(read(&bodies, &known, ID).is_ok() && read(&bodies, &young, ID).is_ok());
    assert!(matches!(read(&bodies, &orphan, ID), Err(BodyFault::Missing)));
    assert!(others.iter().all(|other| other.exists()));
    let kept = writer.finish().expect("it finishes");
    assert!(read(&bodies, &kept, ID).is_ok());
}

#[test]
fn a_sweep_goes_on_where_the_last_one_ended() {
    let (_parent, bodies) = bodies();
    let names: BTreeSet<_> = (0..50).map(|_| keep_at(&bodies, UNIX_EPOCH).name).collect();
    let mut seen = Vec::new();
    let mut calls = 0;
    loop {
        calls += 1;
        let swept = bodies.sweep_orphans(7, old(), |name| {
            seen.push(name.to_owned());
            // Some go, which must not make the next be passed over.
            Ok(seen.len() % 3 != 0)
        });
        let swept = swept.expect("it sweeps");
        assert!(swept.looked <= 7);
        if swept.round {
            break;
        }
        assert_eq!(swept.looked, 7);
    }
    assert_eq!(calls, 8);
    assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (50, names));
    assert_eq!(files(bodies.dir()).len(), 50 - 50 / 3);
    let again = bodies.sweep_orphans(1_000, old(), |_| Ok(true)).expect("it sweeps");
    assert_eq!(again, Swept { looked: 34, round: true, ..Swept::default() });
}

#[test]
fn an_error_does_not_remove_and_does_not_stand_in_the_way() {
    let (_parent, bodies) = bodies();
    for _ in 0..3 {
        keep_at(&bodies, UNIX_EPOCH);
    }
    let mut failures = 0;
    loop {
        match bodies.sweep_orphans(10, old(), |_| Err(io::Error::other("the database is locked"))) {
            Err(_) => failures += 1,
            Ok(swept) => break assert_eq!(swept, Swept { round: true, ..Swept::default() }),
        }
    }
    assert_eq!((failures, files(bodies.dir()).len()), (3, 3));
}
