//! Bodies that memory has no room for.

use crate::client::length;
use crate::origin::{Origin, head, page};
use crate::server::{Pond, Server};
use crate::{MIB, PATIENCE, pattern, until};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

const CROWD: usize = 100;
const LENGTH: usize = 40 * MIB;
/// Bytes that the origin sends before it is told to go on.
const BEGINNING: usize = 100 * 1024;
/// What the server may take more than before, bytes: a fraction of what a piece for each step of each client would come to.
const GROWTH: u64 = 64 * MIB as u64;

/// Who does not read for long is waited for: the machine may be slow, and the crowd has its turn first.
const SMALL_MEMORY: &[&str] = &["--set", "memory.size=4MiB", "--set", "limits.write_timeout=10m"];

/// A door that is opened once.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_timeout_while(open, PATIENCE, |open| !*open).unwrap());
    }
}

/// An origin that sends the beginning of `/large`, and the rest in pieces when `gate` is open; anything else at once.
fn slow(body: &Arc<Vec<u8>>, gate: &Arc<Gate>) -> Origin {
    let (body, gate) = (Arc::clone(body), Arc::clone(gate));
    Origin::start(move |asked, stream| {
        if asked.path != "/large" {
            return stream.write_all(&page(b"small"));
        }
        let fields = [("Cache-Control", "max-age=6000"), ("ETag", "\"one\"")];
        stream.write_all(head("200 OK", &fields, body.len()).as_bytes())?;
        let (beginning, rest) = body.split_at(BEGINNING);
        stream.write_all(beginning)?;
        gate.pass();
        rest.chunks(64 * 1024).try_for_each(|piece| stream.write_all(piece))
    })
}

#[test]
fn a_crowd_streams_one_fetch_that_memory_cannot_hold() {
    let (body, gate) = (Arc::new(pattern("large", LENGTH)), Arc::new(Gate::default()));
    let (pond, origin) = (Pond::new(), slow(&body, &gate));
    let server = pond.serve(&origin, SMALL_MEMORY);
    server.hit("/small");
    let (before, _) = server.resident();
    let mut slow = server.client();
    slow.send("/large", "").unwrap();
    assert_eq!(length(&slow.head().unwrap()), LENGTH);
    assert!(slow.body_is(&body[..1]).unwrap());
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let mut client = server.client();
                client.send("/large", "").unwrap();
                assert_eq!(length(&client.head().unwrap()), LENGTH);
                let (beginning, rest) = body.split_at(BEGINNING / 2);
                assert!(client.body_is(beginning).unwrap());
                begun.fetch_add(1, Ordering::SeqCst);
                assert!(client.body_is(rest).unwrap(), "every byte is right");
            });
        }
        until("everyone has begun to read", || (begun.load(Ordering::SeqCst) == CROWD).then_some(()));
        gate.open();
    });
    // One of them has not read on all the while, and held nobody up.
    assert!(slow.body_is(&body[1..]).unwrap());
    assert_eq!(origin.count_of("/large"), 1);
    pond.wait_for_row(&origin.url_of("/large"));
    hits_from_the_disk(&server, &body);
    assert_eq!(origin.count_of("/large"), 1);
    grew_little(&server, before);
    assert_eq!(server.complaints(), [""; 0]);
}

/// What a server may take more than the `before` bytes it had, however many clients there were.
fn grew_little(server: &Server, before: u64) {
    let grown = server.resident().1.saturating_sub(before);
    println!("resident memory grew by {grown} bytes, {GROWTH} are allowed");
    assert!(grown < GROWTH, "resident memory grew by {grown} bytes");
}

#[test]
fn a_crowd_of_hits_from_the_disk_takes_no_more_memory() {
    let (body, gate) = (Arc::new(pattern("large", LENGTH)), Arc::new(Gate::default()));
    gate.open();
    let (pond, origin) = (Pond::new(), slow(&body, &gate));
    let server = pond.serve(&origin, SMALL_MEMORY);
    server.hit("/large");
    server.stop();
    let server = pond.serve(&origin, SMALL_MEMORY);
    server.hit("/small");
    let (before, _) = server.resident();
    std::thread::scope(|scope| {
        for _ in 0..CROWD / 2 {
            scope.spawn(|| {
                let mut client = server.client();
                client.send("/large", "").unwrap();
                assert_eq!(client.head().unwrap().told(), (200, "HIT"));
                assert!(client.body_is(&body).unwrap(), "every byte is right");
            });
        }
    });
    assert_eq!(origin.count_of("/large"), 1);
    grew_little(&server, before);
}

fn hits_from_the_disk(server: &Server, body: &[u8]) {
    let mut client = server.client();
    for _ in 0..2 {
        client.send("/large", "").unwrap();
        assert_eq!(client.head().unwrap().told(), (200, "HIT"));
        assert!(client.body_is(body).unwrap());
    }
    let rows = [
        ("bytes=0-0", 0..1),
        ("bytes=262143-262145", 262_143..262_146),
        ("bytes=30000000-33000000", 30_000_000..33_000_001),
        ("bytes=-5", LENGTH - 5..LENGTH),
    ];
    for (range, expected) in rows {
        let reply = client.ask("/large", &format!("Range: {range}\r\n")).unwrap();
        assert_eq!(reply.told(), (206, "HIT"), "{range}");
        assert!(reply.body == body[expected], "{range}");
    }
    let reply = client.ask("/large", "If-None-Match: \"one\"\r\n").unwrap();
    assert_eq!(reply.told(), (304, "HIT"));
}

/// The files of bodies below `directory`; a server's lock is none.
fn files(directory: &Path) -> usize {
    let Ok(listing) = std::fs::read_dir(directory) else { return 0 };
    let count = |file: std::fs::DirEntry| match file.path() {
        path if path.is_dir() => files(&path),
        path => usize::from(path.file_name().is_some_and(|name| name != "lock")),
    };
    listing.flatten().map(count).sum()
}

#[test]
fn what_the_origin_cuts_is_not_stored() {
    let body = Arc::new(pattern("large", LENGTH / 4));
    let (sent, tries) = (Arc::clone(&body), AtomicUsize::new(0));
    let origin = Origin::start(move |_, stream| {
        let fields = [("Cache-Control", "max-age=6000")];
        stream.write_all(head("200 OK", &fields, sent.len()).as_bytes())?;
        if tries.fetch_add(1, Ordering::SeqCst) > 0 {
            return stream.write_all(&sent);
        }
        stream.write_all(&sent[..sent.len() / 2])?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
    let pond = Pond::new();
    let server = pond.serve(&origin, SMALL_MEMORY);
    let cut = server.client().ask("/large", "").unwrap_err();
    assert!(matches!(cut.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset), "{cut:?}");
    let bodies = pond.place().join("millpond.db-bodies");
    until("what came of it is gone", || (files(&bodies) == 0).then_some(()));
    assert_eq!(pond.cache(&["ls"]), "");
    let reply = server.get("/large");
    assert_eq!(reply.told(), (200, "MISS"));
    assert!(reply.body == *body);
    pond.wait_for_row(&origin.url_of("/large"));
    assert!(server.get("/large").hit());
    assert_eq!((origin.count(), files(&bodies)), (2, 1));
}

/// A client that leaves early takes nothing away from those who stay, nor from the store.
#[test]
fn what_its_first_client_left_is_finished_for_the_others() {
    let (body, gate) = (Arc::new(pattern("large", LENGTH / 4)), Arc::new(Gate::default()));
    let (pond, origin) = (Pond::new(), slow(&body, &gate));
    let server = pond.serve(&origin, SMALL_MEMORY);
    let mut first = server.client();
    first.send("/large", "").unwrap();
    first.head().unwrap();
    let mut second = server.client();
    second.send("/large", "").unwrap();
    assert_eq!(second.head().unwrap().cache_status(), "millpond; fwd=uri-miss; collapsed");
    drop(first);
    gate.open();
    assert!(second.body_is(&body).unwrap());
    pond.wait_for_row(&origin.url_of("/large"));
    assert!(server.get("/large").hit());
    assert_eq!(origin.count_of("/large"), 1);
}
