//! Looking into a cache, checking and saving it, while others change it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::{BEGINNING, Place, noise, numbered, plain, put, stored};
use millpond_exchange::Timestamp;
use millpond_store::Store as _;
use millpond_store_sqlite::{Filter, Finding, InspectError, Inspector, SqliteStore, Verified, verify};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const NOW: Timestamp = Timestamp::from_secs(BEGINNING);
/// When every file is old.
const MUCH_LATER: Timestamp = Timestamp::from_secs(1 << 40);

/// A cache of `count` entries with tags, the first with its body in a file, that nobody uses.
async fn filled(count: usize) -> Place {
    let place = Place::new();
    let store = SqliteStore::open(place.options()).unwrap();
    put(&*store, &numbered(0), plain(), &noise(7, 600_000)).await.unwrap();
    for at in 1..count {
        let tags = vec![format!("tag-{}", at % 7).into(), "all".into()];
        put(&*store, &numbered(at), plain().with_rare(|rare| rare.tags = tags), b"body").await.unwrap();
    }
    store.flush().await;
    store.close();
    place
}

/// Saves `place` beside it.
fn saved(place: &Place, progress: &mut dyn FnMut(u64, u64)) -> PathBuf {
    let to = place.directory().join("copy.sqlite");
    Inspector::open(place.path()).unwrap().backup(&to, progress).unwrap();
    to
}

fn checked(path: &Path) -> Verified {
    verify(path, false, NOW, &mut |_, _| {}).unwrap()
}

/// Everything in the tables that a copy has.
fn content(path: &Path) -> Vec<String> {
    let sql = Connection::open(path).unwrap();
    let mut found = Vec::new();
    for select in [
        "SELECT quote(seq) || quote(url) || quote(id) || quote(queue) || quote(facts) || quote(body) FROM entry ORDER BY seq",
        "SELECT kind || name || origin || seq FROM label ORDER BY seq, kind, name",
        "SELECT next_seq || ' ' || entries || ' ' || row_bytes || ' ' || file_bytes || ' ' || probation FROM totals",
    ] {
        let mut statement = sql.prepare(select).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        found.extend(rows.map(Result::unwrap));
    }
    found
}

/// The same content; tells no more than the first difference.
fn assert_same(copy: &Path, cache: &Path) {
    let (copy, cache) = (content(copy), content(cache));
    let differ = copy.iter().zip(&cache).find(|(copy, cache)| copy != cache);
    assert_eq!((differ, copy.len()), (None, cache.len()));
}

#[tokio::test]
async fn a_copy_has_everything_and_opens_as_a_cache() {
    let place = filled(300).await;
    let to = saved(&place, &mut |_, _| {});
    assert_same(&to, &place.path());
    assert_eq!(checked(&to).findings, []);
    let mut options = place.options();
    options.path = to;
    let copy = SqliteStore::open(options).unwrap();
    for at in [0, 1, 299] {
        let found = stored(&*copy, &numbered(at)).await;
        assert_eq!(found.len(), 1, "{at}");
        copy.read(&found[0], None).await.unwrap();
    }
    copy.close();
}

/// What servers do between two steps, and that they can shorten their log there.
#[tokio::test]
async fn a_copy_follows_what_changes_while_it_is_made() {
    let place = filled(700).await;
    let server = place.sql();
    let mut calls = 0;
    let to = saved(&place, &mut |_, _| {
        calls += 1;
        // After the first step: rows it has read and rows it has not, moved and removed.
        if calls == 1 {
            for url in ["%/5", "%/690"] {
                let (seq, next): (i64, i64) = server
                    .query_row("SELECT seq, next_seq FROM entry, totals WHERE url LIKE ?", [url], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .unwrap();
                server.execute("UPDATE entry SET seq = ? WHERE seq = ?", [next, seq]).unwrap();
                server.execute("UPDATE label SET seq = ? WHERE seq = ?", [next, seq]).unwrap();
                server.execute("UPDATE totals SET next_seq = next_seq + 1", []).unwrap();
            }
            for url in ["%/6", "%/691"] {
                server
                    .execute("DELETE FROM label WHERE seq = (SELECT seq FROM entry WHERE url LIKE ?)", [url])
                    .unwrap();
                assert_eq!(server.execute("DELETE FROM entry WHERE url LIKE ?", [url]), Ok(1));
            }
            let sums = "UPDATE totals SET entries = entries - 2, row_bytes = row_bytes - 8, probation = probation - 2, \
                        probation_bytes = probation_bytes - 8";
            server.execute(sums, []).unwrap();
        }
        let busy: i64 = server.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0, "the copy is in the way of a checkpoint");
    });
    assert!(calls >= 3, "the copy was made in one go");
    assert_same(&to, &place.path());
    assert_eq!(checked(&to).findings, []);
}

/// A name that SQLite could take for a URI.
#[tokio::test]
async fn a_copy_does_not_go_into_another_database() {
    let place = filled(2).await;
    let victim = place.directory().join("victim.db");
    Connection::open(&victim).unwrap().execute_batch("CREATE TABLE precious (a)").unwrap();
    // Every other path of these tests is absolute.
    std::env::set_current_dir(place.directory()).unwrap();
    let name = Path::new("file:victim.db");
    Inspector::open(place.path()).unwrap().backup(name, &mut |_, _| {}).unwrap();
    let left =
        Connection::open(&victim).unwrap().query_row("SELECT count(*) FROM precious", [], |row| row.get(0));
    assert_eq!(left, Ok(0));
    assert_eq!(checked(name).entries, 2);
}

/// Whatever the cache's own files are open to.
#[tokio::test]
async fn a_copy_is_for_its_user_alone() {
    for mode in [0o644, 0o600] {
        let place = filled(2).await;
        let mode_of = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        let bodies = under(&place.directory().join("cache.sqlite-bodies"));
        let body = bodies.iter().find(|path| is_body(path)).unwrap();
        fs::set_permissions(body, fs::Permissions::from_mode(mode)).unwrap();
        let to = saved(&place, &mut |_, _| {});
        let copied = under(&place.directory().join("copy.sqlite-bodies"));
        assert!(copied.iter().any(|path| is_body(path)), "{copied:?}");
        for path in copied {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode_of(&path), wanted, "{}", path.display());
        }
        assert_eq!((mode_of(&to), mode_of(body)), (0o600, mode));
        assert_eq!(checked(&to).findings, []);
    }
}

/// A directory and all there is under it.
fn under(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(under(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn is_body(path: &Path) -> bool {
    path.is_file() && path.file_name().unwrap().len() == 32
}

/// What a column may hold after damage that the structure does not show.
#[tokio::test]
async fn a_row_that_cannot_be_listed_is_found_and_removed() {
    for change in
        ["status = 70000", "status = 'ok'", "status = 404", "hits = x'00'", "url = x'2f'", "id = 'x'"]
    {
        let place = filled(3).await;
        place.sql().execute(&format!("UPDATE entry SET {change} WHERE url LIKE '%/1'"), []).unwrap();
        let found = checked(&place.path()).findings;
        let entries = found.iter().filter(|finding| matches!(finding, Finding::Entry { .. })).count();
        assert_eq!((entries, found.len()), (1, 1), "{change}: {found:?}");
        let repaired = verify(&place.path(), true, NOW, &mut |_, _| {}).unwrap();
        assert!(repaired.repaired);
        assert_eq!(checked(&place.path()).findings, [], "{change}");
        let left = Inspector::open(place.path()).unwrap().list(&Filter::default(), 10, None).unwrap();
        assert_eq!(left.len(), 2, "{change}");
    }
}

#[tokio::test]
async fn a_repair_removes_no_files_but_bodies() {
    let place = filled(2).await;
    let bodies = place.directory().join("cache.sqlite-bodies");
    let shard = bodies.join("ab");
    fs::create_dir_all(&shard).unwrap();
    let named = |last: char| format!("ab{}{last}", "0".repeat(29));
    let orphan = shard.join(named('1'));
    fs::write(&orphan, b"x").unwrap();
    let others = [
        bodies.join("README"),
        shard.join("notes.txt"),
        bodies.join(named('2')),
        shard.join("cd".repeat(16)),
    ];
    for other in &others {
        fs::write(other, b"not ours").unwrap();
    }
    let directory = shard.join(named('3'));
    fs::create_dir(&directory).unwrap();
    let link = shard.join(named('4'));
    symlink(&others[0], &link).unwrap();
    let found = verify(&place.path(), true, MUCH_LATER, &mut |_, _| {}).unwrap();
    assert_eq!(found.findings, [Finding::Orphan { path: orphan.clone() }]);
    assert!(found.repaired && !orphan.exists());
    for other in others.iter().chain([&directory, &link]) {
        assert!(other.symlink_metadata().is_ok(), "{} was removed", other.display());
    }
    assert_eq!(checked(&place.path()).findings, []);
}

/// A directory where the body of an entry should be.
#[tokio::test]
async fn a_directory_in_the_place_of_a_body_is_no_obstacle() {
    let place = filled(3).await;
    let body =
        under(&place.directory().join("cache.sqlite-bodies")).into_iter().find(|path| is_body(path)).unwrap();
    fs::remove_file(&body).unwrap();
    fs::create_dir(&body).unwrap();
    let found = verify(&place.path(), true, NOW, &mut |_, _| {}).unwrap();
    assert!(found.repaired && found.findings.len() == 1, "{found:?}");
    assert!(body.is_dir());
    assert_eq!(checked(&place.path()).findings, []);
}

/// A server that has met the damage has begun another file, and that one is nobody's to repair.
#[tokio::test]
async fn what_took_the_place_of_the_checked_file_is_left_alone() {
    let place = filled(3).await;
    let sound = saved(&place, &mut |_, _| {});
    place.sql().execute("UPDATE entry SET facts = x'00', hits = 9", []).unwrap();
    let before = content(&sound);
    let done = verify(&place.path(), true, NOW, &mut |_, _| {
        if sound.exists() {
            fs::rename(&sound, place.path()).unwrap();
        }
    });
    assert!(matches!(done, Err(InspectError::Replaced { .. })), "{done:?}");
    assert_eq!(content(&place.path()), before);
}

#[tokio::test]
async fn sums_of_many_steps_are_those_of_the_rows() {
    let place = filled(3).await;
    let sql = place.sql();
    let columns = "url, key_hash, key, variant, id, born, queue, status, stored_at, fresh_until, sweep_at, body_len, \
                   stored_len, coding, hits, used_at, facts, facts_sum, body_sum, body";
    let statement = format!(
        "WITH RECURSIVE n (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
         INSERT INTO entry (seq, {columns}) SELECT n, {columns} FROM n, entry WHERE url LIKE '%/1'"
    );
    sql.execute(&statement, []).unwrap();
    sql.execute("UPDATE entry SET status = 404, hits = seq, stored_at = seq WHERE seq % 3 = 0", []).unwrap();
    let totals = Inspector::open(place.path()).unwrap().totals(NOW).unwrap();
    for status in [200, 404] {
        let number = |what: &str| place.value(&format!("SELECT {what} FROM entry WHERE status = {status}"));
        let found = totals.by_status.iter().find(|sums| sums.status == status).unwrap();
        assert_eq!(found.entries as i64, number("count(*)"), "{status}");
        assert_eq!(found.hits as i64, number("sum(hits)"), "{status}");
        assert_eq!(found.body_bytes as i64, number("sum(body_len)"), "{status}");
        assert_eq!(found.oldest.as_millis(), number("min(stored_at)"), "{status}");
        assert_eq!(found.newest.as_millis(), number("max(stored_at)"), "{status}");
    }
    assert_eq!(totals.by_status.len(), 2);
}
