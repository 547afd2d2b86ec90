//! Requests that are not one, in frames: what is refused, by whom, and that nothing of it reaches the service.
//!
//! What a field could smuggle into a request in text must not get past the front.

use crate::raw::{
    self, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PROTOCOL_ERROR, RST_STREAM, connected, frame,
};
use millpond_front::FrontLimits;
use std::fmt::Write as _;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// A 400; other requests of the connection go on.
    Refused,
    /// RST_STREAM with PROTOCOL_ERROR; other requests go on.
    Reset,
    /// GOAWAY with PROTOCOL_ERROR.
    Closed,
    /// The service's reply.
    Accepted,
}

use Expect::{Accepted, Closed, Refused, Reset};

type Fields = &'static [(&'static str, &'static [u8])];

const GET: (&str, &[u8]) = (":method", b"GET");
const HTTP: (&str, &[u8]) = (":scheme", b"http");
const A: (&str, &[u8]) = (":authority", b"a");
const ROOT: (&str, &[u8]) = (":path", b"/hello");

/// Name, fields, what becomes of it.
const ROWS: &[(&str, Fields, Expect)] = &[
    ("plain", &[GET, HTTP, A, ROOT], Accepted),
    ("method with a space", &[(":method", b"GET /x"), HTTP, A, ROOT], Closed),
    ("method with line end", &[(":method", b"GET / HTTP/1.1\r\nx:"), HTTP, A, ROOT], Closed),
    ("method missing", &[HTTP, A, ROOT], Reset),
    ("scheme missing", &[GET, A, ROOT], Reset),
    ("scheme unknown", &[GET, (":scheme", b"ftp"), A, ROOT], Refused),
    ("path missing", &[GET, HTTP, A], Reset),
    ("path empty", &[GET, HTTP, A, (":path", b"")], Reset),
    ("path with a space", &[GET, HTTP, A, (":path", b"/a b")], Reset),
    ("path with a request in it", &[GET, HTTP, A, (":path", b"/ HTTP/1.1\r\nHost: b\r\n\r\n")], Reset),
    ("path with NUL", &[GET, HTTP, A, (":path", b"/\0")], Reset),
    ("path with tab", &[GET, HTTP, A, (":path", b"/a\tb")], Reset),
    ("path with DEL", &[GET, HTTP, A, (":path", b"/\x7f")], Reset),
    ("path with raw UTF-8", &[GET, HTTP, A, (":path", b"/\xc3\xa9")], Refused),
    ("path with angle bracket", &[GET, HTTP, A, (":path", b"/<a>")], Reset),
    ("path without slash", &[GET, HTTP, A, (":path", b"hello")], Reset),
    ("path that is a URL", &[GET, HTTP, A, (":path", b"http://b/")], Reset),
    ("path with query only", &[GET, HTTP, A, (":path", b"?a")], Refused),
    ("path asterisk with GET", &[GET, HTTP, A, (":path", b"*")], Refused),
    ("path twice", &[GET, HTTP, A, ROOT, ROOT], Reset),
    ("pseudo-field behind a field", &[GET, HTTP, A, ("x-a", b"b"), ROOT], Reset),
    ("pseudo-field unknown", &[GET, HTTP, A, ROOT, (":version", b"HTTP/1.1")], Closed),
    ("pseudo-field of a response", &[GET, HTTP, A, ROOT, (":status", b"200")], Reset),
    ("authority with userinfo", &[GET, HTTP, (":authority", b"user:secret@a"), ROOT], Refused),
    ("authority with a path", &[GET, HTTP, (":authority", b"a/b"), ROOT], Reset),
    ("authority with a space", &[GET, HTTP, (":authority", b"a b"), ROOT], Reset),
    ("authority with line end", &[GET, HTTP, (":authority", b"a\r\nx: y"), ROOT], Reset),
    ("authority with bad port", &[GET, HTTP, (":authority", b"a:99999"), ROOT], Refused),
    ("authority with empty port", &[GET, HTTP, (":authority", b"a:"), ROOT], Refused),
    ("authority with escape", &[GET, HTTP, (":authority", b"a%2eb"), ROOT], Reset),
    ("authority empty", &[GET, HTTP, (":authority", b""), ROOT], Reset),
    ("authority missing", &[GET, HTTP, ROOT], Refused),
    ("host in place of authority", &[GET, HTTP, ROOT, ("host", b"a")], Accepted),
    ("host malformed in place of authority", &[GET, HTTP, ROOT, ("host", b"a@b")], Refused),
    ("host the same as authority", &[GET, HTTP, A, ROOT, ("host", b"A")], Accepted),
    ("host other than authority", &[GET, HTTP, A, ROOT, ("host", b"b")], Refused),
    ("host twice", &[GET, HTTP, A, ROOT, ("host", b"a"), ("host", b"a")], Refused),
    ("name in upper case", &[GET, HTTP, A, ROOT, ("X-A", b"b")], Closed),
    ("name with a colon", &[GET, HTTP, A, ROOT, ("x-a: b\r\nx", b"c")], Closed),
    ("name with a space", &[GET, HTTP, A, ROOT, ("x a", b"b")], Closed),
    ("value with line end", &[GET, HTTP, A, ROOT, ("x-a", b"b\r\nx-c: d")], Closed),
    ("value with LF", &[GET, HTTP, A, ROOT, ("x-a", b"b\nx-c: d")], Closed),
    ("value with CR", &[GET, HTTP, A, ROOT, ("x-a", b"b\rx-c: d")], Closed),
    ("value with NUL", &[GET, HTTP, A, ROOT, ("x-a", b"b\0")], Closed),
    ("value with space before", &[GET, HTTP, A, ROOT, ("x-a", b" b")], Refused),
    ("value with tab behind", &[GET, HTTP, A, ROOT, ("x-a", b"b\t")], Refused),
    ("connection", &[GET, HTTP, A, ROOT, ("connection", b"close")], Reset),
    ("keep-alive", &[GET, HTTP, A, ROOT, ("keep-alive", b"5")], Reset),
    ("proxy-connection", &[GET, HTTP, A, ROOT, ("proxy-connection", b"close")], Reset),
    ("transfer-encoding", &[GET, HTTP, A, ROOT, ("transfer-encoding", b"chunked")], Reset),
    ("upgrade", &[GET, HTTP, A, ROOT, ("upgrade", b"h2c")], Reset),
    ("te other than trailers", &[GET, HTTP, A, ROOT, ("te", b"gzip")], Reset),
    ("length without a body", &[GET, HTTP, A, ROOT, ("content-length", b"5")], Reset),
    ("length not a number", &[GET, HTTP, A, ROOT, ("content-length", b"x")], Reset),
    ("length with a sign", &[GET, HTTP, A, ROOT, ("content-length", b"+0")], Reset),
    ("length twice", &[GET, HTTP, A, ROOT, ("content-length", b"0"), ("content-length", b"0")], Refused),
    ("lengths that differ", &[GET, HTTP, A, ROOT, ("content-length", b"0"), ("content-length", b"1")], Reset),
    ("tunnel for a protocol", &[(":method", b"CONNECT"), (":protocol", b"websocket"), HTTP, A, ROOT], Reset),
];

#[tokio::test(start_paused = true)]
async fn nothing_malformed_reaches_the_service() {
    let mut wrong = Vec::new();
    for (name, fields, expect) in ROWS {
        let got = outcome(fields).await;
        if got != Ok(*expect) {
            wrong.push(format!("{name}: {got:?} instead of {expect:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Sends the request, and behind it one that is sound.
async fn outcome(fields: Fields) -> Result<Expect, String> {
    let mut raw = connected(FrontLimits::default(), &[]).await;
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &raw::block(fields))).await;
    raw.send(raw::get(3, "/ready")).await;
    let (mut first, mut second) = (None, false);
    while let Some(frame) = raw.next().await {
        match (frame.kind, frame.stream) {
            (HEADERS, 1) => match frame.payload[0] {
                // Indexed :status fields (RFC 7541 appendix A).
                0x88 => first = Some(Accepted),
                0x8c => first = Some(Refused),
                _ => return Err(format!("{frame:?}")),
            },
            (HEADERS, 3) => second = frame.payload[0] == 0x88,
            (RST_STREAM, 1) if first.is_none() && frame.code() == PROTOCOL_ERROR => first = Some(Reset),
            (GOAWAY, _) if frame.code() == PROTOCOL_ERROR => first = Some(Closed),
            (RST_STREAM | GOAWAY, _) => return Err(format!("{frame:?}")),
            _ => {}
        }
        if first.is_some() && (second || first == Some(Closed)) {
            break;
        }
    }
    let expected: &[&str] = match first {
        Some(Accepted) => &["GET /hello", "GET /ready"],
        Some(Closed) => &[],
        _ => &["GET /ready"],
    };
    let mut lines = raw.script.lines();
    // The one behind may be answered first.
    lines.sort();
    if lines != expected {
        return Err(format!("{first:?}, but the service saw {lines:?}"));
    }
    first.ok_or_else(|| "closed without a word".to_owned())
}

/// The documentation is these rows. `MILLPOND_BLESS=1 cargo test` writes it anew.
#[test]
fn the_documentation_has_every_row() {
    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/framing.md");
    const MARK: &str = "<!-- this table is written by the HTTP/2 tests of millpond-front -->\n\n";
    const END: &str = "\n<!-- to here -->\n";
    let mut table = "| request | fields | answer |\n|---|---|---|\n".to_owned();
    for (name, fields, expect) in ROWS {
        let shown: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("`{}: {}`", name.escape_default(), value.escape_ascii()))
            .collect();
        let answer = match expect {
            Refused => "400",
            Reset => "RST_STREAM",
            Closed => "GOAWAY",
            Accepted => "the service's reply",
        };
        writeln!(table, "| {name} | {} | {answer} |", shown.join(" ")).unwrap();
    }
    let text = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = text.split_once(MARK).expect("the mark that begins the table");
    let (old, after) = rest.split_once(END).expect("the mark that ends it");
    if std::env::var_os("MILLPOND_BLESS").is_some() {
        std::fs::write(PATH, format!("{before}{MARK}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(old, table, "run with MILLPOND_BLESS=1 to write docs/framing.md anew");
    }
}
