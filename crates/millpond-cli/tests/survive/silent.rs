//! Nothing leaves in replay: not a packet, not a question for a name. The system's record of the process's calls says so.

use crate::home::Home;
use crate::origin::{Origin, head};
use crate::secure::SecureOrigin;
use crate::server::Server;
use crate::trace::{CALLS, Trace};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

/// What begins a tunnel, and is neither TLS nor HTTP.
const GARBAGE: [&[u8]; 3] = [b"\x00\x01\x02\x03 nothing known\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff"];
/// What begins like TLS and is none.
const BROKEN_TLS: &[u8] = b"\x16\x03\x01\x00\x05hello";
/// Targets that a resolver, a router or this machine would know.
const FAR: [&str; 4] = ["far.example:443", "localhost:443", "198.51.100.7:443", "[2001:db8::7]:443"];

/// How many hits and misses there must have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    hits: usize,
    misses: usize,
}

#[test]
fn nothing_leaves_in_replay() {
    let home = Home::new();
    let urls = record(&home);
    let file = home.path("calls");
    let server = traced(&home, &file);
    let mut asked = requests(&home, &server, &urls);
    for target in FAR {
        for garbage in GARBAGE {
            assert_eq!(in_tunnel(&server, target, garbage), "", "{target}: garbage is closed");
            asked.misses += 1;
        }
        // Who says nothing has asked for nothing.
        in_tunnel(&server, target, b"");
        let inside = format!("GET /inside HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n");
        let answer = in_tunnel(&server, target, inside.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 504"), "{target}: {answer}");
        asked.misses += 1;
    }
    asked.misses += upgrades(&server);
    let said = server.stop();
    let totals = format!("millpond: {} hits, {} misses, 0 upstream attempts", asked.hits, asked.misses);
    assert_eq!(said.lines().last(), Some(&*totals));
    assert_silent(&file, 40);
}

#[test]
fn what_is_no_request_does_not_leave_either() {
    let home = Home::new();
    record(&home);
    let file = home.path("calls");
    let server = traced(&home, &file);
    strange_requests(&server);
    for target in FAR {
        in_tunnel(&server, target, BROKEN_TLS);
    }
    let said = server.stop();
    assert!(said.ends_with(" 0 upstream attempts\n"), "{said}");
    assert_silent(&file, 6);
}

/// A replay under strace, which writes to `file`.
fn traced(home: &Home, file: &Path) -> Server {
    let command = home.bare(&["replay", "--tape", "tapes", "--listen", "127.0.0.1:0"]);
    Server::traced(&command, CALLS, file)
}

/// The record in `file` tells of at least so many connections, and of nothing that went elsewhere.
fn assert_silent(file: &Path, connections: usize) {
    let trace = Trace::read(file);
    assert!(
        trace.accepted > connections && trace.answers > connections,
        "it is of another process: {trace:?}"
    );
    assert!(trace.contacts.is_empty() && trace.outward.is_empty(), "{:#?}", trace.outward);
    assert!(trace.resolver_files.is_empty(), "{:#?}", trace.resolver_files);
}

/// Records one exchange over http and one over https; gives their URLs, whose origins have gone.
fn record(home: &Home) -> [String; 2] {
    let plain = Origin::start(|_, _| (head(200, &[]), b"plain".to_vec()));
    let secure = SecureOrigin::start();
    let (ca, urls) = (secure.certificate(), [format!("{}/recorded", plain.url), secure.url("/recorded")]);
    let door = [
        "record",
        "--tape",
        "tapes",
        "--upstream-ca",
        &ca,
        "--",
        "curl",
        "--fail",
        "--silent",
        "--show-error",
    ];
    let recorded = home.run(&[&door[..], &[&urls[0], &urls[1]]].concat());
    assert_eq!(recorded.code, Some(0), "{recorded:?}");
    urls
}

/// Asks for what is on the tape and for what is not, with every version of HTTP.
fn requests(home: &Home, server: &Server, urls: &[String; 2]) -> Asked {
    let mut asked = Asked::default();
    let ca = home.stdout_of(&["ca", "path"]);
    let elsewhere =
        ["http://far.example/", "https://far.example/", "http://198.51.100.7/", "https://[2001:db8::7]/"];
    for version in ["--http1.0", "--http1.1", "--http2"] {
        let status = |url: &str, options: &[&str]| {
            let mut curl = home.program("curl");
            curl.args([
                "--silent",
                "--max-time",
                "20",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                version,
            ]);
            curl.args(["--proxy", &server.url(), "--cacert", ca.trim(), url]).args(options);
            String::from_utf8(curl.output().unwrap().stdout).unwrap()
        };
        for url in urls {
            assert_eq!(status(url, &[]), "200", "{version} {url}");
            assert_eq!(status(&format!("{url}/other"), &[]), "504", "{version} {url}");
            assert_eq!(status(url, &["--data", "content"]), "504", "{version} {url}");
            asked.hits += 1;
            asked.misses += 2;
        }
        for url in elsewhere {
            assert_eq!(status(url, &[]), "504", "{version} {url}");
            asked.misses += 1;
        }
    }
    asked
}

/// Opens a tunnel to `target`, says `bytes` in it and nothing more; gives what was said there until it was closed.
fn in_tunnel(server: &Server, target: &str, bytes: &[u8]) -> String {
    let mut stream = server.connect();
    let connect = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(connect.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(bytes).unwrap();
    if bytes.is_empty() {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    rest(&mut stream)
}

/// What comes until the connection is closed, or reset because not all was read that was said on it.
fn rest(stream: &mut TcpStream) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&buffer[..read]),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is closed");
                break;
            }
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Asks for other protocols; gives the number of misses.
fn upgrades(server: &Server) -> usize {
    let websocket =
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let http2 = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    for (upgrade, fields) in [(websocket, "Upgrade"), (http2, "Upgrade, HTTP2-Settings")] {
        let head = format!("Host: far.example\r\nConnection: {fields}, close\r\n{upgrade}\r\n");
        let mut stream = server.connect();
        stream.write_all(format!("GET http://far.example/socket HTTP/1.1\r\n{head}").as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let plain = rest(&mut stream);
        assert!(plain.starts_with("HTTP/1.1 504"), "{plain}");
        let inside =
            in_tunnel(server, "far.example:80", format!("GET /socket HTTP/1.1\r\n{head}").as_bytes());
        assert!(inside.starts_with("HTTP/1.1 504"), "{inside}");
    }
    4
}

/// Asks for what no proxy gives.
fn strange_requests(server: &Server) {
    for request in [
        "GET / HTTP/1.1\r\nHost: far.example\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: far.example\r\nConnection: close\r\n\r\n",
        "CONNECT far.example HTTP/1.1\r\nHost: far.example\r\n\r\n",
        "CONNECT 169.254.169.254:81 HTTP/1.1\r\nHost: 169.254.169.254:81\r\n\r\n",
        "GET ftp://far.example/file HTTP/1.1\r\nHost: far.example\r\nConnection: close\r\n\r\n",
        "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n",
        "\x05\x01\x00\r\n\r\n",
    ] {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let answer = rest(&mut stream);
        assert!(!answer.starts_with("HTTP/1.1 2") || request.starts_with("CONNECT"), "{request}: {answer}");
    }
}
