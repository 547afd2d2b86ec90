//! Secrets are not on the tape, nor in anything that lies beside it or is logged, at no time.

use crate::home::Home;
use crate::script::{read, value};
use crate::server::Server;
use crate::tapes::files;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// The beginning of every secret here; what follows tells where it was.
const SECRET: &str = "hUsH-";
/// The same as it stands in Basic credentials: `user:hUsH-basic`.
const ENCODED: &str = "dXNlcjpoVXNILWJhc2lj";
/// Content beside a secret: more than is held in memory.
const BESIDE: usize = 300 * 1024;

#[test]
fn no_secret_is_kept_or_told() {
    for format in ["mitm", "json", "har"] {
        let home = Home::new();
        let (go_on, may_go_on) = channel();
        let origin = origin(may_go_on);
        let server = Server::start(
            home.bare(
                &[
                    &["record", "--tape", "tapes", "--format", format][..],
                    &["--log-level", "trace", "--access-log", "access.log", "--listen", "127.0.0.1:0"],
                ]
                .concat(),
            ),
        );
        let requests = requests(&origin.to_string());
        for request in &requests {
            ask(&server, request);
        }
        let mut held = server.connect();
        held.write_all(format!("GET http://{origin}/held HTTP/1.1\r\nHost: {origin}\r\n\r\n").as_bytes())
            .unwrap();
        let mut held = BufReader::new(held);
        let mut sent = Vec::new();
        while !sent.ends_with(SECRET.as_bytes()) {
            assert!(held.read_until(b'-', &mut sent).unwrap() > 0, "the client gets what is meant for it");
        }
        assert_silent(&home, &format!("{format}, while a response is on its way"));
        go_on.send(()).unwrap();
        held.read_until(b'}', &mut sent).unwrap();
        assert_silent(&home, &format!("{format}, while it records"));
        assert_tells_nothing(&format!("{format}: standard error"), server.stop().as_bytes());
        assert_silent(&home, &format!("{format}, recorded"));
        assert_recorded(&home, requests.len());
        replayed(&home, &requests, format);
    }
}

/// Answers from the tape, with other secrets, and misses.
fn replayed(home: &Home, requests: &[String], format: &str) {
    let options = ["replay", "--tape", "tapes", "--log-level", "trace", "--access-log", "access.log"];
    let server = Server::start(home.bare(&[&options[..], &["--listen", "127.0.0.1:0"]].concat()));
    for request in requests {
        ask(&server, request);
        ask(&server, &request.replace(SECRET, "hUsH-other-"));
        let missed = ask(&server, &request.replacen("/a", "/missed", 1));
        assert_tells_nothing("the report of a miss", missed.as_bytes());
    }
    assert_tells_nothing(&format!("{format}, replayed: standard error"), server.stop().as_bytes());
    assert_silent(home, &format!("{format}, replayed"));
}

/// Requests with a secret in every place that is known for secrets.
fn requests(origin: &str) -> Vec<String> {
    let get = format!(
        "GET http://{origin}/a?access_token={SECRET}query&b=1&API_KEY={SECRET}key HTTP/1.1\r\nHost: {origin}\r\n\
         Authorization: Bearer {SECRET}authorization\r\nCookie: sid={SECRET}cookie; b=c\r\n\
         Proxy-Authorization: Basic {ENCODED}\r\n\
         Referer: http://{origin}/from?access_token={SECRET}referer\r\nConnection: close\r\n\r\n"
    );
    let post = |media: &str, content: String| {
        format!(
            "POST http://{origin}/a HTTP/1.1\r\nHost: {origin}\r\nContent-Type: {media}\r\n\
             Authorization: Basic {ENCODED}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{content}",
            content.len()
        )
    };
    vec![
        get,
        post("application/json", format!("{{\"a\":[{{\"access_token\":\"{SECRET}json\",\"b\":1}}]}}")),
        post(
            "application/json",
            format!("{{\"a\":\"{}\",\"password\":\"{SECRET}large\"}}", "a".repeat(BESIDE)),
        ),
        post(
            "application/x-www-form-urlencoded",
            format!("a=b&access_token={SECRET}form&client_secret={SECRET}c"),
        ),
    ]
}

/// Asks on a connection of its own; gives what came.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = server.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn assert_tells_nothing(what: &str, text: &[u8]) {
    for secret in [SECRET, ENCODED] {
        let found = text.windows(secret.len()).position(|part| part == secret.as_bytes());
        if let Some(at) = found {
            let around = &text[at.saturating_sub(200)..text.len().min(at + 60)];
            panic!("{what} has a secret: {}", String::from_utf8_lossy(around));
        }
    }
}

/// No file of the user's has a secret: tapes, indexes, what waits to be written, logs.
fn assert_silent(home: &Home, when: &str) {
    let files = files(&home.path(""));
    assert!(files.iter().any(|file| file.starts_with(home.path("tapes"))), "{when}: no tape");
    for file in files {
        // What was listed may have gone: a file that had a name for a moment.
        let Ok(content) = std::fs::read(&file) else { continue };
        assert_tells_nothing(&format!("{when}: {}", file.display()), &content);
    }
}

/// Everything is on the tape, and tells where a secret was; compressed content was looked into.
fn assert_recorded(home: &Home, requests: usize) {
    assert_eq!(home.stdout_of(&["tape", "ls", "tapes"]).lines().count(), requests + 1);
    let shown = home.stdout_of(&["tape", "show", "tapes", "1"]);
    for part in ["access_token=REDACTED", "Referer: ", "location: ", "\"kept\""] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }
    let body = home.stdout_of(&["tape", "show", "tapes", "1", "--body", "response"]);
    assert_eq!(body, r#"{"kept":"yes","access_token":"REDACTED"}"#);
}

/// An origin that tells secrets in every response; that to `/held` is half sent until `go_on`.
fn origin(go_on: Receiver<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = compressed(&format!(r#"{{"kept":"yes","access_token":"{SECRET}response"}}"#));
    let go_on = Arc::new(Mutex::new(go_on));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (token, go_on) = (token.clone(), Arc::clone(&go_on));
            // An error is a connection that the proxy needs no longer.
            std::thread::spawn(move || answer(&stream, &token, &go_on).ok());
        }
    });
    address
}

fn answer(stream: &TcpStream, token: &[u8], go_on: &Mutex<Receiver<()>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader, |_| false)? {
        if request.head.lines().next().unwrap().contains("/held") {
            hold(stream, &go_on.lock().unwrap())?;
        } else {
            assert!(value(&request.head, "authorization").is_some(), "the origin gets what is meant for it");
            tell(stream, token)?;
        }
    }
    Ok(())
}

fn tell(mut stream: &TcpStream, token: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
         Set-Cookie: sid={SECRET}set-cookie; Path=/\r\nLocation: /next?access_token={SECRET}location\r\n\
         Content-Length: {}\r\n\r\n",
        token.len()
    );
    stream.write_all(&[head.as_bytes(), token].concat())
}

fn hold(mut stream: &TcpStream, go_on: &Receiver<()>) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let content = format!("{{\"a\":\"{}\",\"access_token\":\"{SECRET}held-", "a".repeat(BESIDE));
    stream.write_all(format!("{head}{:x}\r\n{content}\r\n", content.len()).as_bytes())?;
    go_on.recv().unwrap();
    stream.write_all(b"7\r\nrest\"}\n\r\n0\r\n\r\n")
}

fn compressed(text: &str) -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    gzip.wait_with_output().unwrap().stdout
}
