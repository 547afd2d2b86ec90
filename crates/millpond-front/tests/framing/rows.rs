//! The table: each row is a test of its name, a line of docs/framing.md, and an input to the comparison with hyper.

/// What a row's bytes must bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The front answers with this status and closes; the service sees nothing of it.
    Refused(u16),
    /// The service gets the head; reading the body ends with an error; the connection is closed after its reply.
    BodyError,
    /// A request like any other; the one behind it on the connection is answered.
    Accepted,
}

pub struct Row {
    pub name: &'static str,
    pub bytes: &'static [u8],
    pub expect: Expect,
}

use Expect::{Accepted, BodyError, Refused};

macro_rules! rows {
    ($($name:ident: $bytes:expr => $expect:expr;)*) => {
        /// All rows.
        pub const ROWS: &[Row] = &[$(Row { name: stringify!($name), bytes: $bytes.as_slice(), expect: $expect }),*];

        mod each {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    let row = super::ROWS.iter().find(|row| row.name == stringify!($name)).unwrap();
                    crate::check(row).await;
                }
            )*
        }
    };
}

const LONG: usize = 70_000;

/// `before`, enough of `fill` to go beyond every limit, `after`.
const fn long<const N: usize>(before: &[u8], fill: &[u8], after: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let mut at = 0;
    while at < N {
        out[at] = if at < before.len() {
            before[at]
        } else if at >= N - after.len() {
            after[at - (N - after.len())]
        } else {
            fill[(at - before.len()) % fill.len()]
        };
        at += 1;
    }
    out
}

static LONG_TARGET: [u8; LONG] = long(b"GET /", b"a", b" HTTP/1.1\r\nHost: a\r\n\r\n");
static LONG_TARGET_ALONE: [u8; 40_000] = long(b"GET /", b"a", b" HTTP/1.1\r\nHost: a\r\n\r\n");
static LONG_VALUE: [u8; LONG] = long(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a", b"\r\n\r\n");
static LONG_NAME: [u8; LONG] = long(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a", b": b\r\n\r\n");
static MANY_FIELDS: [u8; 1000] = long(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a:b\r\n", b"\r\n\r\n");
static LONG_EXTENSION: [u8; 9000] = long(
    b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;",
    b"a",
    b"\r\nx\r\n0\r\n\r\n",
);
static LONG_TRAILER: [u8; LONG] = long(
    b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    b"a",
    b"\r\n\r\n",
);
static LEADING_ZEROS: [u8; 200] = long(
    b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"0",
    b"1\r\nx\r\n0\r\n\r\n",
);

rows! {
    // The request line, RFC 9112 section 3.
    request_line_with_two_spaces: b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_two_spaces_before_version: b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_tab: b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_leading_space: b" GET / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_trailing_space: b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_space_in_target: b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_without_target: b"GET HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_bare_lf: b"GET / HTTP/1.1\nHost: a\r\n\r\n" => Refused(400);
    request_line_with_bare_cr: b"GET / HTTP/1.1\rHost: a\r\n\r\n" => Refused(400);
    request_line_with_nul: b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    two_empty_lines_first: b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    bare_lf_first: b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    method_with_separator: b"GE(T / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    method_with_high_byte: b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    unknown_method: b"BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n" => Accepted;
    tls_hello: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" => Refused(400);

    // Versions, RFC 9112 section 2.3.
    version_missing: b"GET /\r\nHost: a\r\n\r\n" => Refused(400);
    version_0_9: b"GET / HTTP/0.9\r\nHost: a\r\n\r\n" => Refused(505);
    version_1_2: b"GET /hello HTTP/1.2\r\nHost: a\r\n\r\n" => Accepted;
    version_2_0: b"GET / HTTP/2.0\r\nHost: a\r\n\r\n" => Refused(505);
    version_lower_case: b"GET / http/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    version_with_two_digits: b"GET / HTTP/1.10\r\nHost: a\r\n\r\n" => Refused(400);
    version_without_minor: b"GET / HTTP/1\r\nHost: a\r\n\r\n" => Refused(400);
    http2_preface_with_another_end: b"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n" => Refused(505);
    http2_preface_behind_an_empty_line: b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" => Refused(505);

    // Targets, RFC 9112 section 3.2.
    target_with_fragment: b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_control: b"GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_del: b"GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_raw_utf8: b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_angle_bracket: b"GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_grave_accent: b"GET /`a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_quote_in_query: b"GET /?a=\"b\" HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_without_slash: b"GET a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_query_only: b"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_asterisk_with_get: b"GET * HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_authority_with_get: b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_of_unknown_scheme: b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_userinfo: b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_empty_host: b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_one_slash: b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_with_bad_port: b"GET http://a:99999/ HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_absolute_with_fragment: b"GET http://a/b#c HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    target_too_long: LONG_TARGET_ALONE => Refused(414);
    target_longer_than_a_head: LONG_TARGET => Refused(414);
    connect_without_port: b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    connect_to_a_path: b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    connect_with_empty_port: b"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n" => Refused(400);
    connect_with_a_body: b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" => Refused(400);

    // Host, RFC 9112 section 3.2 and RFC 9110 section 7.2.
    host_missing: b"GET / HTTP/1.1\r\n\r\n" => Refused(400);
    host_missing_with_absolute_target: b"GET http://a/ HTTP/1.1\r\n\r\n" => Refused(400);
    host_twice: b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" => Refused(400);
    host_twice_the_same: b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n" => Refused(400);
    host_empty: b"GET / HTTP/1.1\r\nHost:\r\n\r\n" => Refused(400);
    host_with_userinfo: b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" => Refused(400);
    host_with_path: b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" => Refused(400);
    host_with_space: b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" => Refused(400);
    host_with_escape: b"GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n" => Refused(400);
    host_with_comma_list: b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" => Refused(400);
    host_with_bad_port: b"GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n" => Refused(400);
    host_with_empty_port: b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n" => Refused(400);
    host_with_bad_ipv6: b"GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n" => Refused(400);
    host_with_high_byte: b"GET / HTTP/1.1\r\nHost: \xe9\r\n\r\n" => Refused(400);
    host_malformed_with_absolute_target: b"GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n" => Refused(400);

    // Field lines, RFC 9112 section 5.
    field_space_before_colon: b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n" => Refused(400);
    field_tab_before_colon: b"GET / HTTP/1.1\r\nHost: a\r\nX\t: 5\r\n\r\n" => Refused(400);
    field_without_colon: b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n" => Refused(400);
    field_with_empty_name: b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" => Refused(400);
    field_name_with_separator: b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n" => Refused(400);
    field_name_with_high_byte: b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n" => Refused(400);
    field_folded: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n" => Refused(400);
    field_folded_with_tab: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n" => Refused(400);
    field_first_line_indented: b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n" => Refused(400);
    field_with_bare_cr: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n" => Refused(400);
    field_with_bare_lf: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n\r\n" => Refused(400);
    field_with_nul: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n" => Refused(400);
    field_with_control: b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x0bc\r\n\r\n" => Refused(400);
    head_ended_by_bare_lf: b"GET / HTTP/1.1\r\nHost: a\r\n\n" => Refused(400);
    head_ended_by_cr_lf_after_bare_lf: b"GET / HTTP/1.1\r\nHost: a\n\r\n" => Refused(400);
    field_value_with_obs_text: b"GET /hello HTTP/1.1\r\nHost: a\r\nX: \xe9\r\n\r\n" => Accepted;
    field_value_too_long: LONG_VALUE => Refused(431);
    field_name_too_long: LONG_NAME => Refused(431);
    fields_too_many: MANY_FIELDS => Refused(431);

    // Framing, RFC 9112 section 6.
    length_and_chunked: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => Refused(400);
    chunked_and_length: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" => Refused(400);
    length_twice: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy" => Refused(400);
    length_twice_the_same: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx" => Refused(400);
    length_list: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx" => Refused(400);
    length_with_plus: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx" => Refused(400);
    length_negative: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx" => Refused(400);
    length_hexadecimal: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx" => Refused(400);
    length_with_fraction: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\nx" => Refused(400);
    length_with_space: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx" => Refused(400);
    length_empty: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx" => Refused(400);
    length_overflow: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx" => Refused(400);
    length_too_large: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\nx" => Refused(400);
    length_hidden_in_tab: b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length:\t1\r\n\r\nx" => Accepted;
    length_with_get: b"GET /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" => Accepted;
    coding_unknown: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_identity: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\nx" => Refused(400);
    coding_empty: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\nx" => Refused(400);
    coding_gzip_chunked: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" => Refused(501);
    coding_chunked_gzip: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_chunked_twice: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_two_lines: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_two_lines_identity: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_with_parameter: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_quoted: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_with_vertical_tab: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_with_http_1_0: b"POST /collect HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" => Refused(400);
    coding_in_capitals: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n" => Accepted;
    expectation_unknown: b"POST /collect HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx" => Refused(417);

    // The chunked coding, RFC 9112 section 7.1.
    chunk_size_empty: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_not_hexadecimal: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ng\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_with_prefix: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_negative: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_overflow: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_of_sixteen_digits: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_with_many_zeros: LEADING_ZEROS => BodyError;
    chunk_size_with_space_before: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_with_space_after: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_with_bare_lf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n" => BodyError;
    chunk_size_with_bare_cr: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\rx\r\n0\r\n\r\n" => BodyError;
    chunk_extension_with_bare_lf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n" => BodyError;
    chunk_extension_with_bare_cr: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nx\r\n0\r\n\r\n" => BodyError;
    chunk_extension_too_long: LONG_EXTENSION => BodyError;
    chunk_extension: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b\"\r\nx\r\n0;c\r\n\r\n" => Accepted;
    chunk_without_crlf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n" => BodyError;
    chunk_longer_than_its_size: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n" => BodyError;
    chunk_ended_by_bare_lf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n" => BodyError;
    last_chunk_of_many_zeros: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n000\r\n\r\n" => Accepted;
    trailer_with_bare_lf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\n\r\n" => BodyError;
    trailer_without_colon: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n" => BodyError;
    trailer_space_before_colon: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : a\r\n\r\n" => BodyError;
    trailer_folded: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n" => BodyError;
    trailer_too_long: LONG_TRAILER => BodyError;
    chunks_ended_by_bare_lf: b"POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n" => BodyError;
}
