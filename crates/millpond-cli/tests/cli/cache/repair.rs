//! `cache verify`.

use super::{Pond, stop};
use crate::support::Reply;
use rusqlite::Connection;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

fn change(pond: &Pond, sql: &str) {
    let changed = Connection::open(pond.file()).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

fn findings(pond: &Pond) -> Vec<String> {
    let ended = pond.cache(&["verify", "--json"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    json["findings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The one body file there is.
fn body_file(pond: &Pond) -> std::path::PathBuf {
    let bodies = pond.file().with_file_name("millpond.db-bodies");
    let list = |dir| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let shards = list(bodies).into_iter().filter(|path| !path.ends_with("tmp"));
    let mut files: Vec<_> = shards.flat_map(list).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_sound_cache_is_right() {
    let pond = Pond::holding(&["/a", "/b", "/large"]);
    assert_eq!(pond.told(&["verify"]), "Checked 3 entries and 1 body file: nothing is wrong.\n");
    assert_eq!(pond.told(&["verify", "--repair"]), "Checked 3 entries and 1 body file: nothing is wrong.\n");
    assert_eq!(pond.listed(&[]), ["/a", "/b", "/large"]);
}

/// What is done to a cache, what is said of it, and what is left after the repair.
fn broken(what: impl Fn(&Pond), said: &[&str], left: &[&str]) {
    let pond = Pond::holding(&["/a", "/b", "/large"]);
    what(&pond);
    let found = findings(&pond);
    for part in said {
        assert!(found.iter().any(|finding| finding.contains(part)), "no {part:?} in {found:#?}");
    }
    assert_eq!(pond.listed(&[]), ["/a", "/b", "/large"], "a look changes nothing");
    let told = pond.told(&["verify", "--repair"]);
    assert!(told.contains("found and repaired"), "{told}");
    assert_eq!(pond.listed(&[]), left);
    let again = pond.told(&["verify"]);
    assert!(again.ends_with("nothing is wrong.\n"), "{again}");
    let serving = pond.serve(&[]);
    for path in ["/a", "/b", "/large"] {
        let kept = if left.contains(&path) { "HIT" } else { "MISS" };
        assert_eq!(serving.get(path).field("x-cache"), kept, "{path}");
    }
    stop(serving);
}

#[test]
fn a_changed_body_is_found_and_removed() {
    broken(
        |pond| change(pond, "UPDATE entry SET body = x'00' WHERE url LIKE '%/a'"),
        &["/a: "],
        &["/b", "/large"],
    );
}

#[test]
fn changed_facts_are_found_and_removed() {
    let sql = "UPDATE entry SET facts = substr(facts, 2) WHERE url LIKE '%/b'";
    broken(|pond| change(pond, sql), &["/b: "], &["/a", "/large"]);
}

#[test]
fn an_entry_under_anothers_url_is_found_and_removed() {
    let pond = Pond::holding(&["/a", "/b"]);
    change(&pond, "UPDATE entry SET url = replace(url, '/a', '/c') WHERE url LIKE '%/a'");
    let found = findings(&pond);
    assert!(found.iter().any(|finding| finding.contains("/c: it stands under another key")), "{found:#?}");
    pond.told(&["verify", "--repair"]);
    assert_eq!(pond.listed(&[]), ["/b"]);
}

#[test]
fn a_damaged_url_does_not_act_on_a_terminal() {
    let pond = Pond::holding(&["/a"]);
    change(&pond, "UPDATE entry SET url = url || char(27) || '[2J' || char(10) || char(155)");
    for command in [&["ls"][..], &["verify"]] {
        let told = pond.cache(command).stdout;
        assert!(told.contains("/a?[2J??"), "{told:?}");
        assert!(!told.contains(['\u{1b}', '\u{9b}']), "{told:?}");
    }
}

#[test]
fn a_body_file_that_is_gone_is_found_and_its_entry_removed() {
    broken(|pond| fs::remove_file(body_file(pond)).unwrap(), &["/large: "], &["/a", "/b"]);
}

#[test]
fn a_changed_or_cut_body_file_is_found_and_removed() {
    let flip = |pond: &Pond| {
        let file = body_file(pond);
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    let cut = |pond: &Pond| {
        let file = fs::OpenOptions::new().write(true).open(body_file(pond)).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length - 1).unwrap();
    };
    broken(flip, &["/large: "], &["/a", "/b"]);
    broken(cut, &["/large: "], &["/a", "/b"]);
}

#[test]
fn files_that_belong_to_nothing_are_found_once_they_are_old() {
    let stray = |pond: &Pond, age: u64| {
        // The name of a body: what is called otherwise is not ours.
        let body = body_file(pond);
        let shard = body.file_name().unwrap().to_str().unwrap()[..2].to_owned();
        let path = body.with_file_name(format!("{shard}{}", "0".repeat(30)));
        let file = fs::File::create(&path).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the time of a file is real")]
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    };
    broken(|pond| stray(pond, 3600), &["000000: belongs to no entry"], &["/a", "/b", "/large"]);
    let pond = Pond::holding(&["/a", "/large"]);
    stray(&pond, 0);
    assert!(pond.told(&["verify"]).ends_with("nothing is wrong.\n"), "a server may be writing it");
}

#[test]
fn sums_out_of_step_are_found_and_mended() {
    broken(
        |pond| change(pond, "UPDATE totals SET entries = 7, row_bytes = row_bytes + 1"),
        &["the sum `entries` says 7, and the rows add up to 3", "`row_bytes`"],
        &["/a", "/b", "/large"],
    );
}

#[test]
fn noise_over_the_database_is_found_and_the_file_set_aside() {
    let pond = Pond::holding(&["/a"]);
    fs::write(pond.file(), vec![0x5a; 20_000]).unwrap();
    let found = findings(&pond);
    assert!(found[0].starts_with("the database is damaged: "), "{found:?}");
    let listed = pond.cache(&["ls"]);
    assert_eq!(listed.code, Some(1));
    assert!(listed.stderr.contains("verify --repair"), "{}", listed.stderr);
    pond.told(&["verify", "--repair"]);
    assert!(!pond.file().exists());
    let serving = pond.serve(&[]);
    assert_eq!(serving.get("/a").field("x-cache"), "MISS");
    assert_eq!(serving.get("/a").field("x-cache"), "HIT");
    stop(serving);
    assert_eq!(pond.listed(&[]), ["/a"]);
}

#[test]
fn what_a_server_changes_meanwhile_is_no_mistake() {
    let pond = Pond::new();
    // Small enough that what is fetched drives out what was fetched before.
    let serving = pond.serve(&["--set", "disk.size=16MiB", "--set", "memory.size=1MiB"]);
    let (address, done) = (serving.address, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| {
            let mut fetched = 0;
            while fetched < 100 || !done.load(Ordering::SeqCst) {
                for page in ["large", "a"] {
                    Reply::read(Reply::ask(address, &format!("/{page}?{fetched}")));
                }
                fetched += 1;
            }
        });
        let looks: Vec<_> = (0..5).map(|_| pond.cache(&["verify", "--json"])).collect();
        done.store(true, Ordering::SeqCst);
        fetching.join().unwrap();
        // Before the first commit there is nothing to look at.
        for look in looks.iter().filter(|look| !look.stderr.contains("there is no cache")) {
            assert_eq!(look.code, Some(0), "{look:?}");
        }
    });
    stop(serving);
    let verified = pond.json(&["verify"]);
    assert!(verified["right"] == true && verified["files"].as_u64().unwrap() < 100, "{verified:#}");
    assert!(pond.json(&["stats"])["disk_bytes"].as_u64().unwrap() <= 16 << 20);
}
