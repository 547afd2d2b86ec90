//! The table of hostile origins: each row is a test of its name and a line of docs/hostile.md.

use crate::support::Then::{Close, Keep, Repeat, Reset, ResetWhenTold};
use crate::support::{Step, step};

/// What the first client gets.
#[derive(Clone, Copy, Debug)]
pub enum First {
    /// An error report of millpond with this status and not a byte of the origin's.
    Problem(u16),
    /// A head, these bytes, and then a connection cut so that the client can tell.
    Cut(&'static str),
    /// A whole response.
    Gets(u16, &'static str),
}

/// What another client gets that asks for the same afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// What the origin says then: nothing was stored.
    Fetched,
    /// What the first one got.
    Stored,
}

pub struct Row {
    pub name: &'static str,
    /// What the origin does, in words.
    pub what: &'static str,
    pub method: &'static str,
    pub step: fn() -> Step,
    pub first: First,
    pub next: Next,
    /// Fields the first reply must have with exactly this value, or must not have.
    pub fields: &'static [(&'static str, Option<&'static str>)],
}

use First::{Cut, Gets, Problem};
use Next::{Fetched, Stored};

macro_rules! rows {
    ($($name:ident: $what:literal, $method:literal $bytes:expr, $then:expr => $first:expr, $next:expr
        $(, $field:literal = $value:expr)*;)*) => {
        /// All rows.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name), what: $what, method: $method, step: || step($bytes, $then),
            first: $first, next: $next, fields: &[$(($field, $value)),*],
        }),*];

        mod each {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::hostile::check(super::ROWS.iter().find(|row| row.name == stringify!($name)).unwrap()).await;
                }
            )*
        }
    };
}

const OK: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

/// A fresh 200 with these further lines and body.
fn ok(rest: &str) -> String {
    format!("{OK}{rest}")
}

/// A fresh, whole 200 whose head has these lines.
fn with(lines: &str) -> String {
    format!("{OK}{lines}Content-Length: 5\r\n\r\nhello")
}

/// A whole 200 that says nothing about freshness but what these lines say.
fn plain(lines: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 5\r\n\r\nhello")
}

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

rows! {
    // Bodies, RFC 9112 section 6 and 8.
    body_shorter_than_announced: "closes before Content-Length is reached",
        "GET" ok("Content-Length: 10\r\n\r\nshort"), Close => Cut("short"), Fetched;
    body_shorter_and_reset: "resets before Content-Length is reached",
        "GET" ok("Content-Length: 10\r\n\r\n"), ResetWhenTold => Cut(""), Fetched;
    body_longer_than_announced: "sends more than Content-Length",
        "GET" ok("Content-Length: 5\r\n\r\nhello, and more"), Keep => Gets(200, "hello"), Stored;
    response_behind_the_response: "sends a second response unasked",
        "GET" with("") + POISON, Keep => Gets(200, "hello"), Stored;
    response_behind_an_unstored_one: "sends a second response behind one that is not stored",
        "GET" plain("") + POISON, Keep => Gets(200, "hello"), Fetched;
    response_behind_the_last_chunk: "sends a second response behind a chunked one",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n") + POISON, Keep => Gets(200, "hello"), Stored;
    chunked_cut_within_a_chunk: "closes within a chunk",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n9\r\nhello"), Close => Cut("hello"), Fetched;
    chunked_cut_between_chunks: "closes between two chunks",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), Close => Cut("hello"), Fetched;
    chunked_cut_before_its_last_line: "closes behind the last chunk, before the empty line",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"), Close => Cut("hello"), Fetched;
    chunk_size_not_a_number: "writes a chunk size that is not hexadecimal",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"), Keep => Cut(""), Fetched;
    chunk_size_negative: "writes a negative chunk size",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"), Keep => Cut(""), Fetched;
    chunk_size_overflow: "writes a chunk size beyond 64 bits",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n"), Keep => Cut(""), Fetched;
    chunk_longer_than_its_size: "sends more than a chunk's size",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"), Keep => Cut("hello"), Fetched;
    close_delimited: "announces no length and ends the body by closing",
        "GET" ok("\r\nhello"), Close => Gets(200, "hello"), Stored;
    close_delimited_and_reset: "announces no length and resets",
        "GET" ok("\r\nhello"), ResetWhenTold => Cut("hello"), Fetched;
    http_1_0_reply: "answers with HTTP/1.0 and closes",
        "GET" "HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\n\r\nhello", Close => Gets(200, "hello"), Stored;

    // Framing fields that contradict each other, RFC 9112 section 6.3.
    length_and_chunked: "sends Content-Length and Transfer-Encoding",
        "GET" ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Keep => Problem(502), Fetched;
    two_lengths: "sends two Content-Length fields that differ",
        "GET" ok("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), Keep => Problem(502), Fetched;
    length_list_that_differs: "sends a Content-Length list whose members differ",
        "GET" ok("Content-Length: 5, 6\r\n\r\nhello!"), Keep => Problem(502), Fetched;
    two_equal_lengths: "sends the same Content-Length twice",
        "GET" ok("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), Keep => Gets(200, "hello"), Stored;
    length_negative: "sends a negative Content-Length",
        "GET" ok("Content-Length: -5\r\n\r\nhello"), Close => Problem(502), Fetched;
    length_not_a_number: "sends a Content-Length that is no number",
        "GET" ok("Content-Length: five\r\n\r\nhello"), Close => Problem(502), Fetched;
    length_with_plus: "sends a Content-Length with a sign",
        "GET" ok("Content-Length: +5\r\n\r\nhello"), Close => Problem(502), Fetched;
    length_overflow: "sends a Content-Length beyond 64 bits",
        "GET" ok("Content-Length: 18446744073709551621\r\n\r\nhello"), Close => Problem(502), Fetched;
    coding_gzip: "sends the transfer coding gzip, which was not asked for",
        "GET" ok("Transfer-Encoding: gzip\r\n\r\nhello"), Close => Problem(502), Fetched;
    coding_gzip_chunked: "sends the transfer codings gzip and chunked",
        "GET" ok("Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Keep => Problem(502), Fetched;
    coding_chunked_twice: "sends the transfer coding chunked twice",
        "GET" ok("Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Keep => Problem(502), Fetched;
    coding_not_last: "sends a transfer coding after chunked",
        "GET" ok("Transfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n"), Close => Problem(502), Fetched;
    coding_in_http_1_0: "sends Transfer-Encoding with HTTP/1.0",
        "GET" "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Close => Problem(502), Fetched;

    // Heads that are none, RFC 9112 sections 4 and 5.
    status_line_garbage: "sends something that is not HTTP",
        "GET" "220 mail.example ESMTP\r\n", Keep => Problem(502), Fetched;
    status_of_two_digits: "sends a status of two digits",
        "GET" "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", Keep => Problem(502), Fetched;
    status_below_100: "sends the status 099",
        "GET" "HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello", Keep => Problem(502), Fetched;
    version_0_9: "answers with a bare body, as HTTP/0.9 had it",
        "GET" "<html>hello</html>\n", Close => Problem(502), Fetched;
    version_2_0: "answers with HTTP/2.0 in an HTTP/1 status line",
        "GET" "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Keep => Problem(502), Fetched;
    tls_alert: "speaks TLS on a plain port",
        "GET" b"\x15\x03\x01\x00\x02\x02\x46", Close => Problem(502), Fetched;
    reason_with_carriage_return: "hides a carriage return in the reason phrase",
        "GET" "HTTP/1.1 200 OK\rX: y\r\nContent-Length: 5\r\n\r\nhello", Keep => Problem(502), Fetched;
    field_without_colon: "sends a field line without a colon",
        "GET" with("Broken\r\n"), Keep => Problem(502), Fetched;
    field_with_empty_name: "sends a field line without a name",
        "GET" with(": value\r\n"), Keep => Problem(502), Fetched;
    field_space_before_colon: "sends a space before the colon",
        "GET" with("Transfer-Encoding : chunked\r\n"), Keep => Problem(502), Fetched;
    field_folded: "folds a field over two lines",
        "GET" with("X: a\r\n b\r\n"), Keep => Problem(502), Fetched;
    field_with_nul: "sends a NUL in a value",
        "GET" with("X: a\0b\r\n"), Keep => Problem(502), Fetched;
    field_with_carriage_return: "tries to split the response with a carriage return in a value",
        "GET" with("X: a\rSet-Cookie: evil=1\r\n"), Keep => Problem(502), Fetched;
    head_too_large: "sends a head of more than 64 KiB",
        "GET" with(&format!("X: {}\r\n", "a".repeat(70_000))), Keep => Problem(502), Fetched;
    fields_too_many: "sends more than 128 fields",
        "GET" with(&"X: a\r\n".repeat(200)), Keep => Problem(502), Fetched;
    head_cut: "closes within the head",
        "GET" "HTTP/1.1 200 OK\r\nContent-Le", Close => Problem(502), Fetched;
    closed_without_answer: "closes without an answer",
        "GET" "", Close => Problem(502), Fetched;
    reset_without_answer: "resets without an answer",
        "GET" "", Reset => Problem(502), Fetched;

    // Statuses that nothing asked for, RFC 9110 section 15.
    endless_early_hints: "sends 103 without end",
        "GET" "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", Repeat => Problem(504), Fetched;
    endless_continue: "sends 100 without end",
        "GET" "HTTP/1.1 100 Continue\r\n\r\n", Repeat => Problem(504), Fetched;
    switching_unasked: "answers 101 to a request that asked for no other protocol",
        "GET" "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: evil\r\n\r\nraw", Keep => Problem(502), Fetched;
    not_modified_unasked: "answers 304 to a request without precondition",
        "GET" "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\n\r\n", Keep => Problem(502), Fetched;
    partial_unasked: "answers 206 to a request without Range",
        "GET" "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nhello",
        Keep => Gets(206, "hello"), Fetched;
    no_content_with_a_body: "sends a body with 204",
        "GET" "HTTP/1.1 204 No Content\r\nContent-Length: 57\r\n\r\n".to_owned() + POISON, Keep => Gets(204, ""), Fetched;
    not_modified_with_a_body: "sends a body with 304",
        "GET" "HTTP/1.1 304 Not Modified\r\nContent-Length: 57\r\n\r\n".to_owned() + POISON, Keep => Problem(502), Fetched;
    head_with_a_body: "sends a body to HEAD",
        "HEAD" ok("Content-Length: 44\r\n\r\n") + POISON, Keep => Gets(200, ""), Fetched;
    silent: "never answers",
        "GET" "", Keep => Problem(504), Fetched;
    stalls_within_the_head: "stops within the head",
        "GET" "HTTP/1.1 200 OK\r\nContent-", Keep => Problem(504), Fetched;
    stalls_within_the_body: "stops within the body",
        "GET" ok("Content-Length: 10\r\n\r\nshort"), Keep => Cut("short"), Fetched;

    // Fields that are not what they seem, RFC 9110 section 7.6.1, RFC 9111 sections 3 and 4.1.
    connection_names_a_field: "names a field of its own in Connection",
        "GET" with("X-Secret: 1\r\nConnection: X-Secret, keep-alive\r\nKeep-Alive: timeout=5\r\n"), Keep => Gets(200, "hello"), Stored,
        "X-Secret" = None, "Connection" = None, "Keep-Alive" = None;
    connection_names_cache_control: "names Cache-Control, which says no-store, in Connection",
        "GET" plain("Cache-Control: no-store, max-age=60\r\nConnection: Cache-Control\r\n"), Keep => Gets(200, "hello"), Fetched,
        "Cache-Control" = Some("no-store, max-age=60");
    connection_names_vary: "names Vary in Connection",
        "GET" with("Vary: *\r\nConnection: vary\r\n"), Keep => Gets(200, "hello"), Fetched,
        "Vary" = Some("*");
    proxy_fields: "sends fields meant for the next hop only",
        "GET" with("Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\n"), Keep => Gets(200, "hello"), Stored,
        "Proxy-Authenticate" = None, "Proxy-Connection" = None, "Upgrade" = None;
    set_cookie_without_freshness: "sets a cookie and says nothing about freshness",
        "GET" plain("Set-Cookie: user=1\r\nLast-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n"), Keep => Gets(200, "hello"), Fetched,
        "Set-Cookie" = Some("user=1");
    set_cookie_explicitly_fresh: "sets a cookie in a response it declares fresh for all",
        "GET" with("Set-Cookie: theme=1\r\n"), Keep => Gets(200, "hello"), Stored,
        "Set-Cookie" = Some("theme=1");
    vary_any: "sends Vary: *",
        "GET" with("Vary: *\r\n"), Keep => Gets(200, "hello"), Fetched, "Vary" = Some("*");
    forged_fields: "sends Cache-Status, X-Cache and X-Request-Id as if it were the cache",
        "GET" with("Cache-Status: other; hit\r\nX-Cache: HIT\r\nX-Request-Id: forged\r\nVia: 1.1 other\r\n"), Keep => Gets(200, "hello"), Stored,
        "Cache-Status" = Some("other; hit, millpond; fwd=uri-miss; fwd-status=200; stored"), "X-Cache" = Some("MISS"),
        "Via" = Some("1.1 other, 1.1 millpond");
    age_beyond_the_lifetime: "says with Age that the response is stale already",
        "GET" with("Age: 3600\r\n"), Keep => Gets(200, "hello"), Fetched, "Age" = Some("3600");
    age_garbage: "sends an Age that is no number",
        "GET" with("Age: old\r\n"), Keep => Gets(200, "hello"), Fetched;
    trailers_that_frame: "sends framing and caching fields as trailers",
        "GET" ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 99\r\nSet-Cookie: a=b\r\n\r\n"),
        Keep => Gets(200, "hello"), Stored, "Set-Cookie" = None;
}
