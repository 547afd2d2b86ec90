//! Hostile origins: what becomes of the client they answer, and of the next one.

use crate::hostile_rows::{First, Next, ROWS, Row};
use crate::rows;
use crate::support::{Client, Origin, Proxy, Reply, Step, Then, proxy};
use std::fmt::Write as _;

/// Short, so that waiting for it takes no time; long enough for a loaded machine only where it must pass.
const SHORT: &str = "300ms";

pub async fn check(row: &Row) {
    let origin = Origin::script([(row.step)()]).await;
    let mut setup = proxy(&origin);
    if matches!(row.first, First::Problem(504)) {
        setup = setup.set("limits.first_byte_timeout", SHORT).set("limits.connect_timeout", SHORT);
    }
    if row.name == "stalls_within_the_body" {
        setup = setup.set("limits.between_reads_timeout", SHORT);
    }
    let proxy = setup.start();
    let mut client = proxy.client().await;
    client.send(format!("{} /page HTTP/1.1\r\nHost: a.example\r\n\r\n", row.method)).await;
    let first = first(row, &mut client, &origin).await;
    // The origin has another chance, with as much time as it likes.
    let next = next_client(row, &proxy).await;
    let same = proxy.get("/other").await;
    assert_eq!((same.status, same.text().as_str()), (200, "sane"), "{}: another resource", row.name);
    match row.next {
        Next::Fetched => {
            assert_eq!((next.status, next.text().as_str()), (200, "sane"), "{}", row.name);
            assert_eq!(next.x_cache(), "MISS", "{}: {next:?}", row.name);
        }
        Next::Stored => {
            assert_eq!(
                (next.status, next.body.as_slice()),
                (first.status, first.body.as_slice()),
                "{}",
                row.name
            );
            assert_eq!(next.x_cache(), "HIT", "{}: {next:?}", row.name);
        }
    }
    if first.whole && !first.all("connection").any(|value| value.contains("close")) {
        let again = client.get("/again").await;
        assert_eq!((again.status, again.text().as_str()), (200, "sane"), "{}: the same connection", row.name);
    }
}

async fn next_client(row: &Row, proxy: &Proxy) -> Reply {
    let next = proxy.get("/page").await;
    for (name, value) in row.fields.iter().filter(|_| row.next == Next::Stored) {
        let own = ["X-Cache", "Cache-Status"].contains(name);
        assert!(own || next.get(name).as_deref() == *value, "{}: {name} in {next:?}", row.name);
    }
    next
}

/// Reads and judges what the first client gets.
async fn first(row: &Row, client: &mut Client, origin: &Origin) -> Reply {
    let head = client.head().await;
    origin.tell();
    let reply = client.finish(head, row.method).await;
    assert!(reply.interim.len() < 1000, "interim responses are bounded");
    judge(row.name, row.first, row.fields, &reply);
    let ids: Vec<_> = reply.all("x-request-id").collect();
    assert!(ids.len() == 1 && ids[0].len() == 32, "{}: {ids:?}", row.name);
    reply
}

/// That the first client got what it was to get, and the fields.
pub fn judge(name: &str, first: First, fields: &[(&str, Option<&str>)], reply: &Reply) {
    match first {
        First::Problem(status) => {
            let text = reply.problem(status);
            assert!(!text.contains("poison") && !text.contains("hello"), "{name}: {text}");
        }
        First::Cut(bytes) => {
            assert_eq!((reply.status, reply.whole), (200, false), "{name}: {reply:?}");
            assert!(bytes.as_bytes().starts_with(&reply.body), "{name}: {reply:?}");
        }
        First::Gets(status, body) => {
            assert_eq!((reply.status, reply.text().as_str()), (status, body), "{name}: {reply:?}");
            assert!(reply.whole, "{name}: {reply:?}");
        }
    }
    for (field, value) in fields {
        assert_eq!(reply.get(field).as_deref(), *value, "{name}: {field} in {reply:?}");
    }
}

/// A response that comes unasked, after the one that was asked for, answers nobody.
#[tokio::test]
async fn response_in_a_packet_of_its_own_answers_nobody() {
    let origin = Origin::start(|mut conn| async move {
        while let Some(request) = conn.request().await {
            let body = if request.line.starts_with("GET /first") { "first" } else { "other" };
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{body}")).await;
            if body == "first" {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
                conn.note(&request);
            }
        }
    })
    .await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/first").await.text(), "first");
    // Noted twice: once when asked, once when the poison was sent.
    origin.until_asked(2).await;
    assert_eq!(proxy.get("/second").await.text(), "other");
    assert_eq!(origin.connections(), 2, "a connection with unasked bytes on it is not used again");
}

/// The bounds on heads are settings, and hold for origins too.
#[tokio::test]
async fn configured_bounds_on_heads_hold_for_origins() {
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: a\r\n".repeat(10));
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(3000));
    for (answer, setting, limit) in
        [(many, "limits.head_fields", 8.into()), (large, "limits.head_bytes", "2KiB".into())]
    {
        let limit: millpond_config::SettingValue = limit;
        let origin = Origin::script([answer.clone()]).await;
        proxy(&origin).set(setting, limit).start().get("/").await.problem(502);
        let origin = Origin::script([answer]).await;
        assert_eq!(proxy(&origin).start().get("/").await.status, 200, "{setting}");
    }
}

/// Whoever waits for a fill that is cut is cut as well, and never told that it is whole.
#[tokio::test]
async fn waiters_of_a_cut_fill_are_cut() {
    let origin = Origin::start(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\n").await;
        conn.send("short").await;
        // Goes on when the test has a second reader.
        conn.head().await;
    })
    .await;
    let proxy = proxy(&origin).set("limits.between_reads_timeout", SHORT).start();
    let (mut one, mut two) = (proxy.client().await, proxy.client().await);
    one.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.until_asked(1).await;
    two.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (one, two) = (one.reply().await, two.reply().await);
    assert!(!one.whole && !two.whole, "{one:?} {two:?}");
    assert_eq!((one.text().as_str(), two.text().as_str()), ("short", "short"));
    assert_eq!(proxy.running.as_ref().unwrap().counters().stored, 0);
}

/// The old entry outlives a validation that fails half-way.
#[tokio::test]
async fn stored_entry_outlives_a_cut_replacement() {
    let steps: [Step; 3] = [
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=10\r\nETag: \"a\"\r\nContent-Length: 3\r\n\r\nold".into(),
        crate::support::step(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=10\r\nContent-Length: 9\r\n\r\nnew",
            Then::Close,
        ),
        "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=10\r\nETag: \"a\"\r\n\r\n".into(),
    ];
    let origin = Origin::script(steps).await;
    let proxy = proxy(&origin).start();
    assert_eq!(proxy.get("/page").await.text(), "old");
    proxy.later(11);
    assert!(!proxy.get("/page").await.whole);
    let third = proxy.get("/page").await;
    assert_eq!((third.text().as_str(), third.x_cache().as_str()), ("old", "HIT"));
    assert_eq!(origin.asked()[2].get("if-none-match").as_deref(), Some("\"a\""));
}

/// Rows (name, what the origin does, what becomes of it) as a table of docs/hostile.md.
pub fn table(rows: impl Iterator<Item = (&'static str, &'static str, First, Next)>) -> String {
    let mut table =
        "| test | the origin | its client sees | the next client gets |\n|---|---|---|---|\n".to_owned();
    for (name, what, first, next) in rows {
        let first = match first {
            First::Problem(status) => format!("{status} problem"),
            First::Cut("") => "a head and a cut connection".to_owned(),
            First::Cut(bytes) => format!("`{bytes}`, then a cut connection"),
            // What origins say when they are not hostile.
            First::Gets(_, "sane") => "200, `sane`: the request was sent again".to_owned(),
            First::Gets(status, "") => format!("{status}, no content"),
            First::Gets(status, body) => format!("{status}, `{body}`"),
        };
        let next = match next {
            Next::Fetched => "what the origin says then; nothing was stored",
            Next::Stored => "the same, from the store",
        };
        writeln!(table, "| {name} | {what} | {first} | {next} |").unwrap();
    }
    table
}

fn own_table() -> String {
    table(ROWS.iter().map(|row| (row.name, row.what, row.first, row.next)))
}

/// The documentation is these rows. `MILLPOND_BLESS=1 cargo test` writes it anew.
#[test]
fn the_documentation_has_every_row() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hostile.md");
    const MARK: &str = "<!-- the table below is written by the test suite of millpond-proxy -->\n\n";
    let text = std::fs::read_to_string(PATH).unwrap();
    let (before, after) = text.split_once(MARK).expect("the mark that begins the table");
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(PATH, format!("{before}{MARK}{}", own_table())).unwrap();
    } else {
        assert_eq!(after, own_table(), "run with MILLPOND_BLESS=1 to write docs/hostile.md anew");
    }
}

/// Both tables of malformed messages name tests that exist here, and all of them.
#[test]
fn every_documented_row_is_a_test() {
    let documented = |file: &str| -> Vec<String> {
        let path = format!("{}/../../docs/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let (_, table) = text.split_once("<!-- the table below").unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| test "));
        rows.map(|line| line.split('|').nth(1).unwrap().trim().to_owned()).collect()
    };
    assert_eq!(documented("hostile.md"), ROWS.iter().map(|row| row.name).collect::<Vec<_>>());
    assert_eq!(documented("framing.md"), rows::ROWS.iter().map(|row| row.name).collect::<Vec<_>>());
}
