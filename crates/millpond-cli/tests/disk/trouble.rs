//! The ground taken from under a running server, and put back: the answers stay right, and the log says once what happened.

use crate::origin::{Origin, page};
use crate::server::{Pond, Server, noise};
use crate::{MIB, pattern, until};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Small pages, and those under `/large` with files of their own.
fn origin() -> Origin {
    Origin::pages(|asked| page(&content(&asked.path)))
}

fn content(path: &str) -> Vec<u8> {
    let length = match path {
        path if path.starts_with("/large") => 200_000,
        path if path.starts_with("/huge") => 3 * MIB,
        _ => 900,
    };
    pattern(path, length)
}

/// Asks for these pages, all of which must be answered rightly.
fn ask(server: &Server, name: &str, numbers: std::ops::Range<usize>) {
    let mut client = server.client();
    for number in numbers {
        let path = format!("/{name}/{number}");
        let reply = client.get(&path);
        assert!(reply.status == 200 && reply.body == content(&path), "{path}: {reply:?}");
    }
}

/// The rows of the database `file` whose URLs end with `path`. Of a copy: SQLite does not find what only the server's
/// process sees.
fn rows(file: &Path, path: &str) -> i64 {
    let place = tempfile::tempdir().unwrap();
    let copy = |end: &str| {
        let of = |file: &Path| format!("{}{end}", file.display());
        fs::copy(of(file), of(&place.path().join("copy"))).is_ok()
    };
    if !copy("") {
        return 0;
    }
    // There is no log where all of it is in the database.
    copy("-wal");
    let Ok(database) = Connection::open(place.path().join("copy")) else { return 0 };
    let found =
        database.query_row("SELECT count(*) FROM cache WHERE url LIKE '%' || ?", [path], |row| row.get(0));
    found.unwrap_or(0)
}

/// Asks for new pages until one of them is in the database `file`.
fn caching_resumes(server: &Server, file: &Path, name: &str) {
    let mut number = 0;
    until("new pages are kept on disk", || {
        number += 1;
        ask(server, name, number..number + 1);
        ask(server, &format!("large/{name}"), number..number + 1);
        let kept = |path: String| rows(file, &path) > 0;
        (kept(format!("/{name}/%")) && kept(format!("/large/{name}/%"))).then_some(())
    });
}

/// A server started anew finds what was kept.
fn restart_hits(pond: &Pond, origin: &Origin, name: &str) {
    let server = pond.serve(origin, &[]);
    for path in [format!("/{name}/1"), format!("/large/{name}/1")] {
        until("what was kept is a hit", || server.get(&path).hit().then_some(()));
    }
    assert_eq!(server.complaints(), [""; 0]);
    let verified = pond.cache(&["verify", "--json"]);
    assert!(verified.contains("\"right\": true") || verified.contains("\"right\":true"), "{verified}");
}

/// The warnings that name `path`.
fn warnings(server: &Server, path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    server.lines(" WARN ").into_iter().filter(|line| line.contains(path)).collect()
}

#[test]
fn the_directory_is_removed() {
    let (pond, origin) = (Pond::new(), origin());
    let server = pond.serve(&origin, &["--set", "memory.size=1MiB"]);
    ask(&server, "small", 0..50);
    ask(&server, "large", 0..50);
    pond.wait_for_row(&origin.url_of("/large/49"));
    fs::remove_dir_all(pond.place()).unwrap();
    for _ in 0..2 {
        ask(&server, "small", 0..50);
        ask(&server, "large", 0..50);
    }
    caching_resumes(&server, &pond.file(), "new");
    let told = warnings(&server, &pond.place());
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("gone"), "{told:#?}");
    server.stop();
    restart_hits(&pond, &origin, "new");
}

#[test]
fn the_directory_cannot_be_made() {
    let (pond, origin) = (Pond::new(), origin());
    let blocking = pond.around().join("file");
    fs::write(&blocking, "no directory").unwrap();
    let place = blocking.join("cache");
    let server = pond.serve_at(&place, &origin, &[]);
    ask(&server, "small", 0..20);
    let before = origin.count();
    ask(&server, "small", 0..20);
    assert_eq!(origin.count(), before, "they are hits from memory");
    let down = server.lines("the store is down");
    assert!(down.len() == 1 && down[0].contains(place.to_str().unwrap()), "{down:#?}");
    fs::remove_file(&blocking).unwrap();
    caching_resumes(&server, &place.join("millpond.db"), "new");
    server.wait_for("the store is up again");
    server.stop();
}

/// Writes noise over a file, as long as it is.
fn spoil(file: &Path) {
    use std::os::unix::fs::FileExt as _;
    let length = fs::metadata(file).unwrap().len().max(64 * 1024);
    fs::File::options().write(true).open(file).unwrap().write_all_at(&noise(length as usize), 0).unwrap();
}

/// How many databases were set aside in the directory.
fn set_aside(pond: &Pond) -> usize {
    let names =
        fs::read_dir(pond.place()).unwrap().flatten().map(|file| file.file_name().into_string().unwrap());
    names
        .filter(|name| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm"))
        .count()
}

#[test]
fn noise_is_written_over_the_database_of_a_running_server() {
    let (pond, origin) = (Pond::new(), origin());
    let server = pond.serve(&origin, &["--set", "memory.size=1MiB"]);
    ask(&server, "small", 0..200);
    ask(&server, "large", 0..20);
    pond.wait_for_row(&origin.url_of("/large/19"));
    spoil(&pond.file());
    let mut spoiled = 1;
    for _ in 0..2 {
        ask(&server, "small", 0..200);
        ask(&server, "large", 0..20);
    }
    // The other half of a database that is written to is its log.
    for file in ["millpond.db-wal", "millpond.db"] {
        if let Ok(found) = fs::metadata(pond.place().join(file))
            && found.len() > 0
        {
            spoil(&pond.place().join(file));
            spoiled += 1;
        }
        ask(&server, "small", 0..200);
    }
    caching_resumes(&server, &pond.file(), "new");
    let (told, aside) = (server.lines("set aside"), set_aside(&pond));
    assert!(aside > 0 && told.len() >= aside, "{aside}: {told:#?}");
    assert!(told.len() <= spoiled, "what took the place of the damaged file is left alone: {told:#?}");
    assert!(told.iter().all(|line| line.contains(pond.file().to_str().unwrap())), "{told:#?}");
    server.stop();
    restart_hits(&pond, &origin, "new");
}

#[test]
fn noise_is_written_over_the_database_of_a_stopped_server() {
    let (pond, origin) = (Pond::new(), origin());
    let server = pond.serve(&origin, &[]);
    ask(&server, "small", 0..50);
    server.stop();
    spoil(&pond.file());
    let server = pond.serve(&origin, &[]);
    ask(&server, "small", 0..50);
    caching_resumes(&server, &pond.file(), "new");
    let told = warnings(&server, &pond.file());
    assert_eq!((told.len(), set_aside(&pond)), (1, 1), "{told:#?}");
    assert!(told[0].contains("set aside"), "{told:#?}");
    server.stop();
    restart_hits(&pond, &origin, "new");
}

/// True where a process may mount file systems that only it sees.
fn may_mount() -> bool {
    Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|output| output.status.success())
}

/// The log tells once of each time the store could not be written, and of its end.
fn told_once_each(server: &Server, pond: &Pond) {
    let (told, again) = (warnings(server, &pond.place()), server.lines("takes entries again"));
    assert!(!told.is_empty() && told.len() <= again.len() + 1, "{told:#?}");
}

#[test]
fn the_disk_is_full() {
    if !may_mount() {
        println!("not run: no file system can be mounted here");
        return;
    }
    let (pond, origin) = (Pond::new(), origin());
    fs::create_dir(pond.place()).unwrap();
    let mount = "mount -t tmpfs -o size=24m tmpfs \"$1\" && shift && exec \"$@\"";
    let server = pond.serve_by(
        &["unshare", "-rm", "sh"],
        mount,
        &pond.place(),
        &origin,
        &["--set", "memory.size=1MiB"],
    );
    let disk = server.sees(&pond.place());
    let file = disk.join("millpond.db");
    caching_resumes(&server, &file, "first");
    // The server is not alone on the disk.
    let other = disk.join("other");
    fs::write(&other, vec![0; 20 * MIB]).unwrap();
    ask(&server, "large", 0..60);
    ask(&server, "small", 0..600);
    ask(&server, "huge", 0..2);
    ask(&server, "large", 0..60);
    told_once_each(&server, &pond);
    fs::remove_file(&other).unwrap();
    caching_resumes(&server, &file, "new");
    server.stop();
}

/// No file may grow beyond a mebibyte: to the server that is a disk that takes no more, for good.
#[test]
fn files_may_not_grow() {
    let (pond, origin) = (Pond::new(), origin());
    let limit = "trap '' XFSZ; ulimit -f 2048; shift; exec \"$@\"";
    let server = pond.serve_by(&["sh"], limit, &pond.place(), &origin, &[]);
    ask(&server, "huge", 0..2);
    ask(&server, "small", 0..3000);
    ask(&server, "large", 0..30);
    ask(&server, "small", 0..3000);
    told_once_each(&server, &pond);
    let before = origin.count();
    ask(&server, "last", 0..20);
    ask(&server, "last", 0..20);
    assert_eq!(origin.count(), before + 20, "they are kept in memory");
    server.stop();
    restart_hits_some(&pond, &origin);
}

/// What was kept before the limit was met is still there.
fn restart_hits_some(pond: &Pond, origin: &Origin) {
    let server = pond.serve(origin, &[]);
    ask(&server, "small", 0..50);
    caching_resumes(&server, &pond.file(), "new");
    assert_eq!(server.complaints(), [""; 0]);
    server.stop();
}
