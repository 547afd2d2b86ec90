//! The table of hostile origins over HTTP/2: each row is a test of its name and a line of docs/hostile.md.

use crate::hostile_rows::First::{self, Cut, Gets, Problem};
use crate::hostile_rows::Next::{self, Fetched, Stored};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INTERNAL_ERROR, NO_ERROR, PING, PUSH_PROMISE,
    REFUSED_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
};
use crate::support::origin2::{data, fresh, goaway, head, reset, sane};
use Then::{Close, Keep, Repeat};

/// What happens to the connection after the frames of a row.
pub enum Then {
    /// It goes on soundly.
    Keep,
    /// It is closed.
    Close,
    /// These are sent again and again.
    Repeat(fn(u32) -> Vec<u8>),
}

pub struct Row {
    pub name: &'static str,
    /// What the origin does, in words.
    pub what: &'static str,
    pub method: &'static str,
    /// What it sends; the stream is that of the request.
    pub frames: fn(u32) -> Vec<u8>,
    pub then: Then,
    pub first: First,
    pub next: Next,
    /// Fields the first reply must have with exactly this value, or must not have.
    pub fields: &'static [(&'static str, Option<&'static str>)],
}

macro_rules! rows {
    ($($name:ident: $what:literal, $method:literal $frames:expr, $then:expr => $first:expr, $next:expr
        $(, $field:literal = $value:expr)*;)*) => {
        /// All rows.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name), what: $what, method: $method, frames: $frames, then: $then,
            first: $first, next: $next, fields: &[$(($field, $value)),*],
        }),*];

        mod each {
            $(
                #[tokio::test]
                async fn $name() {
                    let row = super::ROWS.iter().find(|row| row.name == stringify!($name)).unwrap();
                    crate::hostile_http2::check(row).await;
                }
            )*
        }
    };
}

/// A response that may be stored and has these fields, with the content `hello`.
fn hello_with(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    [fresh(stream, more), data(stream, END_STREAM, "hello")].concat()
}

fn hello(stream: u32) -> Vec<u8> {
    hello_with(stream, &[])
}

/// The beginning of a response that may be stored.
fn short(stream: u32) -> Vec<u8> {
    [fresh(stream, &[]), data(stream, 0, "short")].concat()
}

/// The same, and a reset.
fn short_and_reset(stream: u32, code: u32) -> Vec<u8> {
    [short(stream), reset(stream, code)].concat()
}

/// A head of these very fields, and `poison`.
fn raw(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    [head(stream, 0, fields), data(stream, END_STREAM, "poison")].concat()
}

/// A head in many frames, with this behind its first.
fn continued(stream: u32, pieces: usize, piece: &[(&str, &[u8])]) -> Vec<u8> {
    let first = frame(HEADERS, END_STREAM, stream, &block(&[(":status", b"200")]));
    let piece = block(piece);
    let last = frame(CONTINUATION, END_HEADERS, stream, &piece);
    [first, frame(CONTINUATION, 0, stream, &piece).repeat(pieces), last].concat()
}

fn many_fields(stream: u32) -> Vec<u8> {
    let names: Vec<String> = (0..200).map(|n| format!("x-{n}")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    hello_with(stream, &fields)
}

fn hint(stream: u32) -> Vec<u8> {
    head(stream, 0, &[(":status", "103"), ("link", "</a.css>")])
}

/// A hundred times the same, so that sending them costs less than reading them.
fn pings(_: u32) -> Vec<u8> {
    frame(PING, 0, 0, b"anybody?").repeat(100)
}

fn settings(_: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(100)
}

rows! {
    // Lengths.
    http2_shorter_than_announced: "ends its response before Content-Length is reached",
        "GET" |s| [fresh(s, &[("content-length", "10")]), data(s, END_STREAM, "short")].concat(), Keep
        => Cut("short"), Fetched;
    http2_longer_than_announced: "sends more than Content-Length",
        "GET" |s| [fresh(s, &[("content-length", "3")]), data(s, END_STREAM, "hello")].concat(), Keep
        => Cut("hel"), Fetched;
    http2_length_without_content: "ends its response with the head, which announces content",
        "GET" |s| head(s, END_STREAM, &[(":status", "200"), ("content-length", "5")]), Keep => Problem(502), Fetched;
    http2_lengths_that_differ: "sends two Content-Length fields that differ",
        "GET" |s| raw(s, &[(":status", "200"), ("content-length", "6"), ("content-length", "7")]), Keep
        => Problem(502), Fetched;
    http2_length_not_a_number: "sends a Content-Length that is no number",
        "GET" |s| raw(s, &[(":status", "200"), ("content-length", "six")]), Keep => Problem(502), Fetched;
    http2_length_with_plus: "sends a Content-Length with a sign",
        "GET" |s| raw(s, &[(":status", "200"), ("content-length", "+6")]), Keep => Problem(502), Fetched;
    // Resets.
    http2_reset_without_answer: "resets the stream with INTERNAL_ERROR instead of an answer",
        "GET" |s| reset(s, INTERNAL_ERROR), Keep => Problem(502), Fetched;
    http2_reset_without_error: "resets the stream with NO_ERROR instead of an answer",
        "GET" |s| reset(s, NO_ERROR), Keep => Problem(502), Fetched;
    http2_reset_with_an_unknown_code: "resets the stream with a code that nobody knows",
        "GET" |s| reset(s, 0xdead), Keep => Problem(502), Fetched;
    http2_reset_asking_for_http1: "resets the stream with HTTP_1_1_REQUIRED, although it has chosen HTTP/2",
        "GET" |s| reset(s, 0xd), Keep => Problem(502), Fetched;
    http2_refused: "resets the stream with REFUSED_STREAM: it did nothing about the request",
        "GET" |s| reset(s, REFUSED_STREAM), Keep => Gets(200, "sane"), Stored;
    http2_reset_within_the_body: "resets the stream with INTERNAL_ERROR within the body",
        "GET" |s| short_and_reset(s, INTERNAL_ERROR), Keep => Cut("short"), Fetched;
    http2_refused_within_the_body: "resets the stream with REFUSED_STREAM within the body",
        "GET" |s| short_and_reset(s, REFUSED_STREAM), Keep => Cut("short"), Fetched;
    http2_reset_without_error_within_the_body: "resets the stream with NO_ERROR within the body",
        "GET" |s| short_and_reset(s, NO_ERROR), Keep => Cut("short"), Fetched;
    http2_reset_behind_the_head: "resets the stream with NO_ERROR behind the head",
        "GET" |s| [fresh(s, &[]), reset(s, NO_ERROR)].concat(), Keep => Cut(""), Fetched;
    http2_reset_behind_the_end: "resets the stream with NO_ERROR behind its whole response",
        "GET" |s| [hello(s), reset(s, NO_ERROR)].concat(), Keep => Gets(200, "hello"), Stored;
    // The end of a connection.
    http2_goaway_before: "sends a GOAWAY that does not count the request, and closes",
        "GET" |_| goaway(0, NO_ERROR), Close => Gets(200, "sane"), Stored;
    http2_goaway_with_error_before: "sends a GOAWAY with INTERNAL_ERROR that does not count the request, and closes",
        "GET" |_| goaway(0, INTERNAL_ERROR), Close => Gets(200, "sane"), Stored;
    http2_goaway_then_the_answer: "sends a GOAWAY that counts the request, then its response",
        "GET" |s| [goaway(s, NO_ERROR), hello(s)].concat(), Keep => Gets(200, "hello"), Stored;
    http2_goaway_within_the_body: "sends a GOAWAY that counts the request within its response, then the rest",
        "GET" |s| [short(s), goaway(s, NO_ERROR), data(s, END_STREAM, "er")].concat(), Keep
        => Gets(200, "shorter"), Stored;
    http2_goaway_behind_the_answer: "sends a GOAWAY behind its response",
        "GET" |s| [hello(s), goaway(s, NO_ERROR)].concat(), Keep => Gets(200, "hello"), Stored;
    http2_goaway_without_an_answer: "sends a GOAWAY that counts the request, and closes",
        "GET" |s| goaway(s, NO_ERROR), Close => Problem(502), Fetched;
    http2_goaway_that_disowns_a_body: "sends a GOAWAY with NO_ERROR within the body that does not count the request",
        "GET" |s| [short(s), goaway(0, NO_ERROR)].concat(), Keep => Cut("short"), Fetched;
    http2_goaway_and_close_within_the_body: "sends a GOAWAY with NO_ERROR within the body, and closes",
        "GET" |s| [short(s), goaway(s, NO_ERROR)].concat(), Close => Cut("short"), Fetched;
    http2_goaway_with_error_within_the_body: "sends a GOAWAY with INTERNAL_ERROR within the body, and closes",
        "GET" |s| [short(s), goaway(s, INTERNAL_ERROR)].concat(), Close => Cut("short"), Fetched;
    http2_goaway_that_grows: "sends a second GOAWAY that counts more than the first",
        "GET" |s| [goaway(s, NO_ERROR), goaway(s + 2, NO_ERROR), sane(s)].concat(), Keep => Problem(502), Fetched;
    http2_closed_without_answer: "closes without an answer",
        "GET" |_| Vec::new(), Close => Problem(502), Fetched;
    http2_closed_within_the_body: "closes within the body",
        "GET" short, Close => Cut("short"), Fetched;
    // Heads.
    http2_continuations_without_end: "continues its head without end",
        "GET" |s| continued(s, 20_000, &[("x", b"1")]), Keep => Problem(502), Fetched;
    http2_continuations_of_nothing: "continues its head without end, with nothing in it",
        "GET" |s| continued(s, 20_000, &[]), Keep => Problem(502), Fetched;
    http2_head_too_large: "sends a head of more than 64 KiB",
        "GET" |s| continued(s, 7, &[("x", &[b'a'; 10_000])]), Keep => Problem(502), Fetched;
    http2_fields_too_many: "sends more than 128 fields", "GET" many_fields, Keep => Problem(502), Fetched;
    http2_head_cut: "closes within a head",
        "GET" |s| frame(HEADERS, END_STREAM, s, &block(&[(":status", b"200")])), Close => Problem(502), Fetched;
    http2_field_connection: "sends Connection",
        "GET" |s| raw(s, &[(":status", "200"), ("connection", "close")]), Keep => Problem(502), Fetched;
    http2_field_keep_alive: "sends Keep-Alive",
        "GET" |s| raw(s, &[(":status", "200"), ("keep-alive", "timeout=5")]), Keep => Problem(502), Fetched;
    http2_field_proxy_connection: "sends Proxy-Connection",
        "GET" |s| raw(s, &[(":status", "200"), ("proxy-connection", "close")]), Keep => Problem(502), Fetched;
    http2_field_transfer_encoding: "sends Transfer-Encoding",
        "GET" |s| raw(s, &[(":status", "200"), ("transfer-encoding", "chunked")]), Keep => Problem(502), Fetched;
    http2_field_upgrade: "sends Upgrade",
        "GET" |s| raw(s, &[(":status", "200"), ("upgrade", "h2c")]), Keep => Problem(502), Fetched;
    http2_name_in_capitals: "sends a field name with a capital",
        "GET" |s| raw(s, &[(":status", "200"), ("X-A", "b")]), Keep => Problem(502), Fetched;
    http2_name_empty: "sends a field without a name",
        "GET" |s| raw(s, &[(":status", "200"), ("", "b")]), Keep => Problem(502), Fetched;
    http2_name_with_space: "sends a field name with a space",
        "GET" |s| raw(s, &[(":status", "200"), ("x a", "b")]), Keep => Problem(502), Fetched;
    http2_value_with_line_end: "tries to split the response with a line end in a value",
        "GET" |s| raw(s, &[(":status", "200"), ("x-a", "b\r\nSet-Cookie: a=b")]), Keep => Problem(502), Fetched;
    http2_value_with_nul: "sends a NUL in a value",
        "GET" |s| raw(s, &[(":status", "200"), ("x-a", "b\0c")]), Keep => Problem(502), Fetched;
    http2_status_missing: "sends no status",
        "GET" |s| raw(s, &[("x-a", "b")]), Keep => Problem(502), Fetched;
    http2_status_twice: "sends two statuses",
        "GET" |s| raw(s, &[(":status", "200"), (":status", "204")]), Keep => Problem(502), Fetched;
    http2_status_of_two_digits: "sends a status of two digits",
        "GET" |s| raw(s, &[(":status", "20")]), Keep => Problem(502), Fetched;
    http2_status_below_100: "sends the status 099",
        "GET" |s| raw(s, &[(":status", "099")]), Keep => Problem(502), Fetched;
    http2_status_late: "sends its status behind a field",
        "GET" |s| raw(s, &[("x-a", "b"), (":status", "200")]), Keep => Problem(502), Fetched;
    http2_pseudo_field_of_requests: "sends a pseudo-field of requests, which goes unnoticed and nowhere",
        "GET" |s| {
            let fields = [(":status", "200"), (":path", "/other"), ("cache-control", "max-age=60")];
            [head(s, 0, &fields), data(s, END_STREAM, "hello")].concat()
        }, Keep => Gets(200, "hello"), Stored;
    http2_compression_garbage: "sends a head that cannot be decoded",
        "GET" |s| frame(HEADERS, END_HEADERS | END_STREAM, s, &[0xff; 20]), Keep => Problem(502), Fetched;
    // Interim responses.
    http2_early_hints: "sends 103 before its response",
        "GET" |s| [hint(s), hello(s)].concat(), Keep => Gets(200, "hello"), Stored, "link" = None;
    http2_endless_early_hints: "sends 103 without end",
        "GET" |_| Vec::new(), Repeat(|s| hint(s).repeat(20)) => Problem(504), Fetched;
    http2_interim_at_the_end: "ends its response with a 103",
        "GET" |s| head(s, END_STREAM, &[(":status", "103")]), Keep => Problem(502), Fetched;
    http2_content_behind_an_interim: "sends content behind a 103",
        "GET" |s| [hint(s), data(s, END_STREAM, "poison")].concat(), Keep => Problem(502), Fetched;
    // Bodies and what stands behind them.
    http2_content_without_a_head: "sends content before a head",
        "GET" |s| data(s, END_STREAM, "poison"), Keep => Problem(502), Fetched;
    http2_empty_frames_without_end: "sends empty DATA frames without end",
        "GET" |s| fresh(s, &[]), Repeat(|s| data(s, 0, "").repeat(100)) => Cut(""), Fetched;
    http2_padding_beyond_the_frame: "announces more padding than a frame has",
        "GET" |s| [short(s), frame(DATA, 8, s, &[9, 0])].concat(), Keep => Cut("short"), Fetched;
    http2_frame_too_large: "sends a frame larger than allowed",
        "GET" |s| [short(s), frame(DATA, 0, s, &[b'x'; 16_385])].concat(), Keep => Cut("short"), Fetched;
    http2_trailers: "sends trailers, some of which frame or control",
        "GET" |s| [short(s), head(s, END_STREAM, &[("x-sum", "1"), ("content-length", "99"), ("set-cookie", "a=b")])]
            .concat(), Keep => Gets(200, "short"), Stored, "set-cookie" = None, "content-length" = None;
    http2_trailers_without_end: "sends trailers that do not end the response",
        "GET" |s| [short(s), head(s, 0, &[("x-sum", "1")])].concat(), Keep => Cut("short"), Fetched;
    http2_trailers_with_a_status: "sends a status among the trailers, which goes unnoticed and nowhere",
        "GET" |s| [short(s), head(s, END_STREAM, &[(":status", "500")])].concat(), Keep => Gets(200, "short"), Stored;
    http2_response_behind_the_response: "sends a second response behind the first",
        "GET" |s| [hello(s), raw(s, &[(":status", "200")])].concat(), Keep => Gets(200, "hello"), Stored;
    http2_no_content_with_content: "sends content with 204",
        "GET" |s| raw(s, &[(":status", "204")]), Keep => Gets(204, ""), Fetched;
    http2_head_with_content: "sends content to HEAD",
        "HEAD" |s| raw(s, &[(":status", "200")]), Keep => Gets(200, ""), Fetched;
    http2_not_modified_unasked: "answers 304 to a request without precondition",
        "GET" |s| head(s, END_STREAM, &[(":status", "304")]), Keep => Problem(502), Fetched;
    // Time.
    http2_silent: "never answers", "GET" |_| Vec::new(), Keep => Problem(504), Fetched;
    http2_stalls_within_the_body: "stops within the body", "GET" short, Keep => Cut("short"), Fetched;
    // Other frames.
    http2_push: "pushes a response, which was forbidden to it",
        "GET" |s| {
            let fields = block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"a"), (":path", b"/x")]);
            let promised = [&2u32.to_be_bytes()[..], &fields].concat();
            [frame(PUSH_PROMISE, END_HEADERS, s, &promised), raw(2, &[(":status", "200")]), hello(s)].concat()
        }, Keep => Problem(502), Fetched;
    http2_stream_of_its_own: "answers on a stream that nobody opened",
        "GET" |s| raw(s + 2, &[(":status", "200")]), Keep => Problem(502), Fetched;
    http2_window_of_nothing: "opens the window of the stream by nothing",
        "GET" |s| frame(WINDOW_UPDATE, 0, s, &[0; 4]), Keep => Problem(502), Fetched;
    http2_window_overflow: "opens the window beyond what there can be",
        "GET" |_| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), Keep => Problem(502), Fetched;
    http2_settings_not_valid: "sends SETTINGS with a window beyond what there can be",
        "GET" |_| frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]), Keep => Problem(502), Fetched;
    http2_settings_not_whole: "sends SETTINGS of five bytes",
        "GET" |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1]), Keep => Problem(502), Fetched;
    http2_pings_without_end: "pings without end", "GET" |_| Vec::new(), Repeat(pings) => Problem(502), Fetched;
    http2_settings_without_end: "sends SETTINGS without end",
        "GET" |_| Vec::new(), Repeat(settings) => Problem(502), Fetched;
    http2_unknown_frames_without_end: "sends frames of an unknown kind without end",
        "GET" |_| Vec::new(), Repeat(|_| frame(0x42, 0, 0, &[]).repeat(100)) => Problem(502), Fetched;
    http2_unknown_frames: "sends frames of an unknown kind, and a PING that was never asked for",
        "GET" |s| [frame(0x42, 0, s, b"what?"), frame(PING, ACK, 0, b"unasked!"), hello(s)].concat(), Keep
        => Gets(200, "hello"), Stored;
    http2_answers_in_http1: "goes on in HTTP/1.1",
        "GET" |_| b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison".to_vec(), Close => Problem(502), Fetched;
}
