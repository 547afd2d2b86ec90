//! Hostile origins over HTTP/2: what becomes of the client they answer, and of the next one.

use crate::hostile;
use crate::hostile_http2_rows::{ROWS, Row, Then};
use crate::hostile_rows::{First, Next};
use crate::support::origin2::Origin2;
use crate::support::{Proxy, Reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Short, so that waiting for it takes no time; long enough for a handshake on a loaded machine.
const SHORT: &str = "500ms";

/// The first request gets what the row says, every other one a sound answer.
async fn origin(row: &'static Row) -> Origin2 {
    let first = Arc::new(AtomicBool::new(true));
    Origin2::start(move |mut conn| {
        let first = Arc::clone(&first);
        async move {
            conn.greet(&[]).await;
            if first.load(Ordering::SeqCst) {
                let Some(stream) = conn.request().await else { return };
                first.store(false, Ordering::SeqCst);
                conn.send((row.frames)(stream)).await;
                match row.then {
                    Then::Keep => {}
                    Then::Close => return,
                    Then::Repeat(frames) => return conn.repeat(frames(stream)).await,
                }
            }
            conn.go_on().await;
        }
    })
    .await
}

fn proxy(row: &Row, origin: &Origin2) -> Proxy {
    let mut setup = origin.setup();
    if matches!(row.first, First::Problem(504)) {
        setup = setup.set("limits.first_byte_timeout", SHORT).set("limits.connect_timeout", SHORT);
    }
    if row.name == "http2_stalls_within_the_body" {
        setup = setup.set("limits.between_reads_timeout", SHORT);
    }
    setup.start()
}

pub async fn check(row: &'static Row) {
    let origin = origin(row).await;
    let proxy = proxy(row, &origin);
    let mut client = proxy.client().await;
    let first = client.ask(row.method, "/page", "").await;
    judge(row, &first);
    let again = usize::from(matches!(row.first, First::Gets(_, "sane")));
    assert_eq!(origin.asked(), 1 + again, "{}: requests", row.name);
    // The origin has come to its senses.
    let next = proxy.get("/page").await;
    let expected = match row.next {
        Next::Fetched => (200, "sane".to_owned(), "MISS".to_owned()),
        Next::Stored => (first.status, first.text(), "HIT".to_owned()),
    };
    assert_eq!((next.status, next.text(), next.x_cache()), expected, "{}: {next:?}", row.name);
    let other = proxy.get("/other").await;
    assert_eq!((other.status, other.text().as_str()), (200, "sane"), "{}: another resource", row.name);
}

fn judge(row: &Row, reply: &Reply) {
    assert!(reply.interim.is_empty(), "{}: {reply:?}", row.name);
    hostile::judge(row.name, row.first, row.fields, reply);
}

fn table() -> String {
    hostile::table(ROWS.iter().map(|row| (row.name, row.what, row.first, row.next)))
}

/// The documentation is these rows. `MILLPOND_BLESS=1 cargo test` writes it anew.
#[test]
fn the_documentation_has_every_row() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hostile.md");
    const MARK: &str =
        "<!-- this table is written by the tests of millpond-proxy of origins over HTTP/2 -->\n\n";
    const END: &str = "\n<!-- to here -->\n";
    let text = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = text.split_once(MARK).expect("the mark that begins the table");
    let (old, after) = rest.split_once(END).expect("the mark that ends it");
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(PATH, format!("{before}{MARK}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(old, table(), "run with MILLPOND_BLESS=1 to write docs/hostile.md anew");
    }
}
