//! What is kept over restarts of every kind, and what people find in the file.

use crate::client::{Client, Reply};
use crate::origin::{Asked, Origin, page, reply};
use crate::server::{Pond, Server};
use crate::{MIB, pattern, until};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Pages of many kinds.
fn library() -> Origin {
    let fresh = ("Cache-Control", "max-age=6000");
    Origin::start(move |asked: &Asked, stream| {
        let path = &*asked.path;
        stream.write_all(&match path {
            "/small" => page(b"small\n"),
            "/middle" => page(&pattern(path, 300 * 1024)),
            "/large" => page(&pattern(path, 20 * MIB)),
            "/language" => {
                let body = format!("in {}\n", asked.field("accept-language"));
                reply("200 OK", &[fresh, ("Vary", "Accept-Language")], body.as_bytes())
            }
            "/asking" => {
                let fields = [("Cache-Control", "no-cache"), ("ETag", "\"one\"")];
                match asked.field("if-none-match") {
                    "\"one\"" => reply("304 Not Modified", &fields, b""),
                    _ => reply("200 OK", &fields, b"asked each time\n"),
                }
            }
            "/sum" => b"HTTP/1.1 200 OK\r\nCache-Control: max-age=6000\r\nTrailer: X-Sum\r\n\
                Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n"
                .to_vec(),
            "/gone" => reply("404 Not Found", &[fresh], b"no such page\n"),
            _ => reply("500 Internal Server Error", &[], b""),
        })
    })
}

/// Asks for everything, checks every byte, and gives what X-Cache said.
fn read_all(server: &Server) -> Vec<String> {
    let mut client = server.client();
    let mut told = Vec::new();
    let mut check = |reply: Reply, expected: &[u8]| {
        assert!(reply.body == expected, "{} bytes instead of {}", reply.body.len(), expected.len());
        told.push(reply.field("x-cache").to_owned());
    };
    check(client.get("/small"), b"small\n");
    check(client.get("/middle"), &pattern("/middle", 300 * 1024));
    check(client.get("/large"), &pattern("/large", 20 * MIB));
    for language in ["de", "fr", "cy"] {
        let fields = format!("Accept-Language: {language}\r\n");
        check(client.ask("/language", &fields).unwrap(), format!("in {language}\n").as_bytes());
    }
    check(client.get("/gone"), b"no such page\n");
    let sum = client.ask("/sum", "TE: trailers\r\nConnection: TE\r\n").unwrap();
    assert_eq!(sum.trailers, [("x-sum".to_owned(), "42".to_owned())], "{sum:?}");
    check(sum, b"abc");
    told
}

#[test]
fn everything_is_a_hit_after_a_restart() {
    let (pond, origin) = (Pond::new(), library());
    let server = pond.serve(&origin, &[]);
    assert_eq!(read_all(&server), ["MISS"; 8]);
    assert_eq!(server.get("/asking").told(), (200, "MISS"));
    server.stop();
    let asked = origin.count();
    for _ in 0..2 {
        let server = pond.serve(&origin, &[]);
        assert_eq!(read_all(&server), ["HIT"; 8]);
        assert_eq!(origin.count(), asked, "nothing was fetched");
        let range = server.client().ask("/large", "Range: bytes=15000000-15000009\r\n").unwrap();
        assert_eq!(
            (range.told(), &range.body[..]),
            ((206, "HIT"), &pattern("/large", 20 * MIB)[15_000_000..][..10])
        );
        let log = server.stop();
        assert_eq!(log.iter().filter(|line| line.contains(" WARN ")).collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn what_must_be_validated_is_validated_after_a_restart() {
    let (pond, origin) = (Pond::new(), library());
    let server = pond.serve(&origin, &[]);
    assert_eq!(server.get("/asking").told(), (200, "MISS"));
    server.stop();
    for _ in 0..2 {
        let server = pond.serve(&origin, &[]);
        let reply = server.get("/asking");
        assert_eq!((reply.told(), reply.text()), ((200, "HIT"), "asked each time\n"), "{reply:?}");
        assert!(reply.cache_status().contains("fwd-status=304"), "{reply:?}");
        server.stop();
    }
}

/// A page for every path, and clients that fetch one after the other until the server is gone. Gives the paths whose
/// responses came whole, and when.
struct Writing {
    done: Arc<Mutex<Vec<(String, Instant)>>>,
    stop: Arc<AtomicBool>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

fn unique(path: &str) -> Vec<u8> {
    // Every tenth goes into a file of its own.
    pattern(path, if path.ends_with('7') { 90_000 } else { 700 })
}

impl Writing {
    fn start(server: &Server, round: usize) -> Self {
        let (done, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let client = |number: usize| {
            let (done, stop, address) = (Arc::clone(&done), Arc::clone(&stop), server.address);
            std::thread::spawn(move || {
                let mut client = Client::to(address);
                for page in 0.. {
                    let path = format!("/{round}/{number}/{page}");
                    // An error is a server that is gone: it may have taken the request.
                    let Ok(reply) = client.ask(&path, "") else { return };
                    assert!(reply.status == 200 && reply.body == unique(&path), "{path}: {reply:?}");
                    done.lock().unwrap().push((path, Instant::now()));
                    if stop.load(Ordering::SeqCst) || reply.field("connection") == "close" {
                        return;
                    }
                }
            })
        };
        let clients = (0..4).map(client).collect();
        Self { done, stop, clients }
    }

    /// Waits until so many responses came.
    fn reached(&self, count: usize) {
        until("enough responses", || (self.done.lock().unwrap().len() >= count).then_some(()));
    }

    fn ended(self) -> Vec<(String, Instant)> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        std::mem::take(&mut *self.done.lock().unwrap())
    }
}

fn pages() -> Origin {
    Origin::pages(|asked| page(&unique(&asked.path)))
}

/// The paths that are no hits. A hit with other bytes than its own fails the test.
fn missing(server: &Server, done: &[(String, Instant)]) -> Vec<(String, Instant)> {
    let mut client = server.client();
    let mut lost = Vec::new();
    for (path, at) in done {
        let reply = client.ask(path, "Cache-Control: only-if-cached\r\n").unwrap();
        if reply.status == 504 {
            lost.push((path.clone(), *at));
        } else {
            assert!(reply.told() == (200, "HIT") && reply.body == unique(path), "{path}: {reply:?}");
        }
    }
    lost
}

#[test]
fn sigterm_loses_nothing() {
    let (pond, origin) = (Pond::new(), pages());
    let server = pond.serve(&origin, &[]);
    let writing = Writing::start(&server, 1);
    writing.reached(300);
    let log = server.stop();
    let done = writing.ended();
    assert!(log.iter().any(|line| line.contains("stopped")), "{log:#?}");
    let server = pond.serve(&origin, &[]);
    assert_eq!(missing(&server, &done), [], "of {} responses", done.len());
}

/// How long before the kill the youngest of the lost ones may have come, at least: the commit interval, and what a commit
/// takes on a machine that has other things to do.
const MAY_BE_LOST: Duration = Duration::from_millis(200 + 150);

/// Kills a server that writes; gives how long before that the first of the lost responses had come.
fn oldest_lost() -> Duration {
    let (pond, origin) = (Pond::new(), pages());
    let mut worst = Duration::ZERO;
    for round in 1..=3 {
        let server = pond.serve(&origin, &[]);
        let writing = Writing::start(&server, round);
        writing.reached(20);
        pond.wait_for_row(&origin.url_of(&format!("/{round}/0/0")));
        writing.reached(200 * round);
        let killed = Instant::now();
        server.kill();
        let done = writing.ended();
        let starting = Instant::now();
        let server = pond.serve(&origin, &[]);
        println!("round {round}: started in {:?}", starting.elapsed());
        let lost = missing(&server, &done);
        let age = lost.iter().map(|(_, at)| killed.saturating_duration_since(*at)).max().unwrap_or_default();
        println!("round {round}: {} of {} lost, the oldest {age:?} old", lost.len(), done.len());
        assert!(lost.len() < done.len(), "something is kept");
        worst = worst.max(age);
        assert_eq!(server.complaints(), [""; 0]);
        server.kill();
    }
    let verified = pond.cache(&["verify", "--json"]);
    assert!(verified.contains("\"right\":true") || verified.contains("\"right\": true"), "{verified}");
    worst
}

#[test]
fn kill_loses_no_more_than_the_last_commit_interval() {
    let mut ages = Vec::new();
    for _ in 0..3 {
        let age = oldest_lost();
        if age <= MAY_BE_LOST {
            return;
        }
        ages.push(age);
    }
    panic!("each time older ones than {MAY_BE_LOST:?} were lost: {ages:?}");
}

#[test]
fn the_file_tells_people_what_is_kept() {
    let (pond, origin) = (Pond::new(), library());
    let server = pond.serve(&origin, &[]);
    read_all(&server);
    server.stop();
    let server = pond.serve(&origin, &[]);
    for path in ["/small", "/middle"] {
        assert!(server.get(path).hit(), "from the file");
    }
    server.stop();
    let database = pond.database();
    let query = "SELECT status, size, hits, file IS NOT NULL, stored <= fresh_until, used IS NOT NULL,
                 purged_soft, kept FROM cache WHERE url = ?";
    let row = |path: &str| {
        let get = |row: &rusqlite::Row| {
            let number = |at| row.get::<_, i64>(at);
            Ok([
                number(0)?,
                number(1)?,
                number(2)?,
                number(3)?,
                number(4)?,
                number(5)?,
                number(6)?,
                number(7)?,
            ])
        };
        database.query_row(query, [origin.url_of(path)], get).unwrap()
    };
    let (small, middle) = (row("/small"), row("/middle"));
    assert_eq!((&small[..2], &small[3..7]), (&[200, 6][..], &[0, 1, 1, 0][..]));
    assert_eq!((&middle[..2], &middle[3..7]), (&[200, 300 * 1024][..], &[1, 1, 1, 0][..]));
    assert!(small[2] > 0 && middle[2] > 0, "hits: {} and {}", small[2], middle[2]);
    assert_eq!(row("/large")[..7], [200, 20 * MIB as i64, 0, 1, 1, 1, 0]);
    assert_eq!(row("/gone")[..2], [404, 13]);
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM cache"), 8);
    assert_eq!(count("SELECT count(*) FROM cache WHERE url LIKE '%/language'"), 3);
    pond.cache(&["purge", "--url", &origin.url_of("/small"), "--soft"]);
    assert_eq!(row("/small")[6], 1);
    pond.cache(&["purge", "--url", &origin.url_of("/large")]);
    assert_eq!(count("SELECT count(*) FROM cache"), 7);
}
