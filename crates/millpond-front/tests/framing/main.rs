//! Malformed requests: what the client is told, and that nothing behind them is taken for a request.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod against_hyper;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use rows::{Expect, ROWS, Row};
use std::fmt::Write as _;
use support::{connect, get};

/// Sends a row's bytes with another request behind them.
pub(crate) async fn check(row: &Row) {
    let mut client = connect();
    let (mut read, mut write) = tokio::io::split(client.io);
    let bytes = [row.bytes, get("/smuggled").as_bytes()].concat();
    // Larger than the pipe in part; the server may close before it has read everything.
    tokio::spawn(async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &bytes).await;
        // Held open: the server must close because it wants to.
        std::future::pending::<()>().await;
    });
    let mut out = Vec::new();
    let script = client.script.clone();
    let got = async { tokio::io::AsyncReadExt::read_to_end(&mut read, &mut out).await };
    let closed = tokio::time::timeout(std::time::Duration::from_secs(60), got).await.is_ok();
    client.buf = out;
    let text = String::from_utf8_lossy(&client.buf).into_owned();
    let replies = text.matches("HTTP/1.1 ").count();
    let lines = script.lines();
    let first = row.bytes.strip_prefix(b"\r\n").unwrap_or(row.bytes);
    let line = String::from_utf8_lossy(first).split(" HTTP/").next().unwrap_or_default().to_owned();
    match row.expect {
        Expect::Refused(status) => {
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {text}", row.name);
            assert!(text.contains("Connection: close\r\n"), "{text}");
            assert!(text.contains("Content-Type: application/problem+json\r\n"), "{text}");
            assert!(
                text.contains(&format!("\"status\":{status},")) && text.contains("\"request_id\":\"id-7\"")
            );
            assert!(text.contains("X-Request-Id: id-7\r\n"), "{text}");
            assert_eq!((closed, replies, lines.len()), (true, 1, 0), "{}: {lines:?}", row.name);
            assert_eq!(script.refused.lock().unwrap().len(), 1);
        }
        Expect::BodyError => {
            assert!(text.starts_with("HTTP/1.1 400 "), "{}: {text}", row.name);
            assert!(
                text.contains("X-Error: Malformed\r\n") && text.contains("Connection: close\r\n"),
                "{text}"
            );
            assert_eq!((closed, replies), (true, 1), "{}", row.name);
            assert_eq!(lines, [line], "{}", row.name);
        }
        Expect::Accepted => {
            assert_eq!((closed, replies), (false, 2), "{}: {text}", row.name);
            assert!(!text.contains("HTTP/1.1 4"), "{text}");
            assert_eq!(lines, [line, "GET /smuggled".to_owned()], "{}", row.name);
        }
    }
}

/// The rows as a table of docs/framing.md.
fn table() -> String {
    let mut table = "| test | bytes | answer | the request behind it |\n|---|---|---|---|\n".to_owned();
    for row in ROWS {
        let (answer, next) = match row.expect {
            Expect::Refused(status) => (format!("{status}, close"), "is never read"),
            Expect::BodyError => ("the service's reply to a body error, close".to_owned(), "is never read"),
            Expect::Accepted => ("the service's reply".to_owned(), "is answered"),
        };
        let shown = if row.bytes.len() > 250 {
            let (start, end) = (&row.bytes[..80], &row.bytes[row.bytes.len() - 20..]);
            format!("{}…{} ({} bytes)", start.escape_ascii(), end.escape_ascii(), row.bytes.len())
        } else {
            row.bytes.escape_ascii().to_string()
        };
        let shown = shown.replace('|', "\\|");
        let quote = if shown.contains('`') { "``" } else { "`" };
        writeln!(table, "| {} | {quote}{shown}{quote} | {answer} | {next} |", row.name).unwrap();
    }
    table
}

/// The documentation is these rows. `MILLPOND_BLESS=1 cargo test` writes it anew.
#[test]
fn the_documentation_has_every_row() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/framing.md");
    const MARK: &str = "<!-- the table below is written by the test suite of millpond-front -->\n\n";
    let text = std::fs::read_to_string(PATH).unwrap();
    let (before, after) = text.split_once(MARK).expect("the mark that begins the table");
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(PATH, format!("{before}{MARK}{}", table())).unwrap();
    } else {
        assert_eq!(after, table(), "run with MILLPOND_BLESS=1 to write docs/framing.md anew");
    }
}
