//! `kill -9` while recording: every exchange whose last byte a client has is on the tape.

use crate::home::Home;
use crate::load::{client, origin};
use crate::script::Asked;
use crate::server::Server;
use crate::tapes::{exchanges, files, is_torn, sessions};
use millpond::tape::{Content, Recorded};
use std::collections::{HashMap, HashSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;

const CLIENTS: usize = 8;
/// How many exchanges clients have at least, in each round, when the kill comes.
const ROUNDS: [usize; 16] = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 100, 70, 40, 150, 25];

#[test]
fn what_a_client_has_outlives_a_kill() {
    let (home, origin) = (Home::new(), origin());
    let (dir, copies) = (home.path("tapes"), home.path("copies"));
    std::fs::create_dir(&copies).unwrap();
    let (mut noted, mut torn, mut torn_by_kill) = (Vec::new(), None, 0);
    for (round, at_least) in ROUNDS.into_iter().enumerate() {
        let before: HashSet<PathBuf> =
            if round == 0 { HashSet::new() } else { sessions(&dir).into_iter().collect() };
        let had = killed(&home, origin, (round, at_least), torn.as_deref());
        assert!(had.len() >= at_least);
        let new: Vec<PathBuf> = sessions(&dir).into_iter().filter(|path| !before.contains(path)).collect();
        let [session] = &new[..] else { panic!("a recording has one file: {new:?}") };
        assert_on_tape(&[session], &had);
        torn_by_kill += usize::from(is_torn(session));
        tear(session);
        std::fs::copy(session, copies.join(session.file_name().unwrap())).unwrap();
        torn = Some(session.clone());
        noted.extend(had);
    }
    println!("{} exchanges, {torn_by_kill} of {} tapes torn by the kill", noted.len(), ROUNDS.len());
    let mut last = record(&home);
    last.said(&[name(&torn.unwrap()), "was cut off"]);
    last.stop();
    let all = sessions(&dir);
    assert!(!all.iter().any(|path| is_torn(path)), "every tear was repaired");
    assert_on_tape(&all.iter().collect::<Vec<_>>(), &noted);
    let strangers: Vec<PathBuf> = files(&dir).into_iter().filter(|path| !all.contains(path)).collect();
    assert!(strangers.is_empty(), "a kill leaves nothing but tapes: {strangers:?}");
    assert!(home.stdout_of(&["tape", "verify", "tapes"]).contains("nothing is wrong"));
    assert!(home.stdout_of(&["tape", "ls", "tapes", "--json"]).lines().count() >= noted.len());
    mitmproxy_reads_what_is_before_the_tear(&copies);
}

fn record(home: &Home) -> Server {
    Server::start(home.bare(&[
        "record",
        "--tape",
        "tapes",
        "--listen",
        "127.0.0.1:0",
        "--no-access-log-console",
    ]))
}

/// Kills a recording under load, when clients have `at_least` exchanges and the tape that was `torn` before is told of. Gives
/// what clients have.
fn killed(
    home: &Home,
    origin: SocketAddr,
    (round, at_least): (usize, usize),
    torn: Option<&Path>,
) -> Vec<Asked> {
    let mut server = record(home);
    let proxy = server.address;
    let (note, told) = channel();
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let note = note.clone();
            scope.spawn(move || client(proxy, origin, (round, number), &note));
        }
        drop(note);
        if let Some(torn) = torn {
            server.said(&[name(torn), "was cut off"]);
        }
        let mut noted: Vec<Asked> = told.iter().take(at_least).collect();
        // The moment right behind an answer is the dangerous one: in turn one that is nothing but a head, and any.
        noted.extend(told.try_iter());
        while let Ok(asked) = told.recv() {
            let dangerous = round % 2 == 1 || !asked.has_content();
            noted.push(asked);
            if dangerous {
                break;
            }
        }
        server.kill();
        noted.extend(told.iter());
        noted
    })
}

/// Every one of `noted` is once on `tapes`, whole and equal.
fn assert_on_tape(tapes: &[&PathBuf], noted: &[Asked]) {
    let mut found: HashMap<String, Recorded> = HashMap::new();
    for exchange in tapes.iter().flat_map(|tape| exchanges(tape)) {
        let path = path_of(&exchange);
        assert!(found.insert(path.clone(), exchange).is_none(), "{path} is twice on the tape");
    }
    for asked in noted {
        let Some(exchange) = found.get(&asked.path) else { panic!("{asked:?} is not on the tape") };
        assert!(!exchange.aborted && exchange.error.is_none(), "{asked:?}: {exchange:?}");
        assert_eq!(exchange.request.method, asked.method().as_bytes(), "{asked:?}");
        assert!(
            bytes(exchange.request.content.as_ref()) == asked.upload(),
            "{asked:?}: its request's content"
        );
        let response = exchange.response.as_ref().unwrap();
        assert_eq!(response.status, asked.status(), "{asked:?}");
        assert!(bytes(response.content.as_ref()) == asked.content(), "{asked:?}: its response's content");
    }
}

fn name(tape: &Path) -> &str {
    tape.file_name().unwrap().to_str().unwrap()
}

fn path_of(exchange: &Recorded) -> String {
    String::from_utf8(exchange.request.path.clone()).unwrap()
}

fn bytes(content: Option<&Content>) -> Vec<u8> {
    content.unwrap().to_bytes(u64::MAX).unwrap().unwrap().to_vec()
}

/// Leaves at the end of a tape what a kill between two writes leaves, where the kill itself did not.
fn tear(tape: &Path) {
    if !is_torn(tape) {
        let whole = std::fs::read(tape).unwrap();
        let part = whole[..whole.len().min(300)].to_vec();
        OpenOptions::new().append(true).open(tape).unwrap().write_all(&part).unwrap();
    }
}

/// Prints the path of every request on the tapes that are its arguments, and, of each tape, whether it is torn.
const FLOWS: &str = r#"
import sys
from mitmproxy.exceptions import FlowReadException
from mitmproxy.io import FlowReader
for name in sys.argv[1:]:
    with open(name, "rb") as tape:
        try:
            for flow in FlowReader(tape).stream():
                print(flow.request.path, len(flow.response.raw_content) if flow.response else "-")
        except FlowReadException:
            print("torn")
"#;

fn mitmproxy_reads_what_is_before_the_tear(copies: &Path) {
    let Some(python) = std::env::var_os("MITMPROXY_PYTHON") else {
        println!("mitmproxy did not read them: MITMPROXY_PYTHON does not name a Python that has mitmproxy");
        return;
    };
    let mut tapes = files(copies);
    tapes.sort();
    let output = Command::new("timeout")
        .arg("60s")
        .arg(python)
        .args(["-B", "-c", FLOWS])
        .args(&tapes)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut expected = Vec::new();
    for tape in &tapes {
        for exchange in exchanges(tape) {
            let length =
                exchange.response.as_ref().and_then(|response| response.content.as_ref()).map(Content::len);
            let length = length.map_or("-".to_owned(), |length| length.to_string());
            expected.push(format!("{} {length}", path_of(&exchange)));
        }
        expected.push("torn".to_owned());
    }
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.lines().eq(expected), "mitmproxy reads every flow before the tear");
}
