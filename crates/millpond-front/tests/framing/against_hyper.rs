//! The same bytes to hyper's server: whatever it refuses, we must refuse.

use crate::rows::{Expect, ROWS, Row};
use crate::support::get;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// True when hyper answers the row's request with 200 and goes on to the one behind it.
async fn hyper_accepts(row: &Row) -> bool {
    let (ours, theirs) = tokio::io::duplex(128 * 1024);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        note.lock().unwrap().push(request.uri().path().to_owned());
        async move {
            let status = if request.into_body().collect().await.is_ok() { 200 } else { 400 };
            let reply = Response::builder().status(status).body(Full::new(Bytes::from_static(b"ok")));
            Ok::<_, Infallible>(reply.unwrap())
        }
    });
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service));
    let (mut read, mut write) = tokio::io::split(ours);
    let bytes = [row.bytes, get("/smuggled").as_bytes()].concat();
    tokio::spawn(async move {
        let _ = write.write_all(&bytes).await;
        std::future::pending::<()>().await;
    });
    let mut out = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(60), read.read_to_end(&mut out)).await;
    let ok = String::from_utf8_lossy(&out).starts_with("HTTP/1.1 200 ");
    ok && seen.lock().unwrap().iter().any(|path| path == "/smuggled")
}

/// Rows that hyper takes and we do not. Each is a place where hops differ in what they understand.
const STRICTER_THAN_HYPER: &[&str] = &[
    "request_line_with_bare_lf",
    "two_empty_lines_first",
    "bare_lf_first",
    "target_with_fragment",
    "target_with_raw_utf8",
    "target_without_slash",
    "target_asterisk_with_get",
    "target_authority_with_get",
    "target_of_unknown_scheme",
    "target_with_userinfo",
    "target_with_bad_port",
    "target_absolute_with_fragment",
    "target_too_long",
    "host_missing",
    "host_missing_with_absolute_target",
    "host_twice",
    "host_twice_the_same",
    "host_empty",
    "host_with_userinfo",
    "host_with_path",
    "host_with_space",
    "host_with_escape",
    "host_with_comma_list",
    "host_with_bad_port",
    "host_with_empty_port",
    "host_with_bad_ipv6",
    "host_with_high_byte",
    "host_malformed_with_absolute_target",
    "field_with_bare_lf",
    "head_ended_by_bare_lf",
    "head_ended_by_cr_lf_after_bare_lf",
    "field_value_too_long",
    "length_twice_the_same",
    "coding_gzip_chunked",
    "coding_chunked_twice",
    "coding_two_lines",
    "coding_two_lines_identity",
    "expectation_unknown",
    "chunk_size_with_many_zeros",
    "chunk_size_with_space_after",
    "chunk_extension_too_long",
];

/// Rows that we take and hyper does not, with the reason.
const LAXER_THAN_HYPER: &[(&str, &str)] = &[(
    "version_1_2",
    "RFC 9110 section 2.5: a higher minor version is to be processed as the highest known one",
)];

#[tokio::test(start_paused = true)]
async fn we_are_at_least_as_strict_as_hyper() {
    let (mut stricter, mut laxer) = (Vec::new(), Vec::new());
    for row in ROWS {
        let theirs = hyper_accepts(row).await;
        match row.expect {
            Expect::Accepted if !theirs => laxer.push(row.name),
            Expect::Refused(_) | Expect::BodyError if theirs => stricter.push(row.name),
            _ => {}
        }
    }
    assert_eq!(laxer, LAXER_THAN_HYPER.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    assert_eq!(stricter, STRICTER_THAN_HYPER);
}
