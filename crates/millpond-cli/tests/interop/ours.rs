//! What `millpond record` writes, mitmproxy reads and answers from.

use crate::clients::{self, ABORTED, EXCHANGES, Got, TOO_LARGE, VERSIONS};
use crate::flows;
use crate::home::Home;
use crate::proxies::{Proxy, python, session};
use crate::site::{Seen, Site};
use std::path::PathBuf;

/// A recording of all clients.
pub struct Recording {
    pub home: Home,
    pub tape: PathBuf,
    pub got: Vec<Got>,
    pub seen: Vec<Seen>,
    /// Where the origin was, which has gone.
    pub port: u16,
}

impl Recording {
    /// Recorded by ours: every ask over every version, and last a download that the client breaks off, over each.
    pub fn make() -> Self {
        let (home, site) = (Home::new(), Site::start());
        let proxy =
            Proxy::millpond(&home, &["record", "--tape", "tapes", "--upstream-ca", &site.certificate]);
        let got = clients::all(&home, &proxy, site.port);
        for version in VERSIONS {
            let aborted = clients::get(&home, &proxy, site.port, version, &ABORTED);
            assert_eq!(aborted.exit, Some(TOO_LARGE), "{}", aborted.facts);
        }
        proxy.stop();
        let tape = session(&home, "tapes");
        Self { tape, got, seen: site.seen(), port: site.port, home }
    }
}

#[test]
fn mitmproxy_reads_what_real_clients_left() {
    if python().is_none() {
        return;
    }
    let recording = Recording::make();
    let loaded = flows::load(&recording.home, &recording.tape);
    assert_eq!(loaded.len(), 2 * EXCHANGES + 2);
    for (flow, seen) in flows::paired(&loaded, &recording.seen) {
        flows::heads_match(flow, seen, recording.port);
        flows::version_matches(flow, seen);
        let (content, broken) =
            (flows::bytes(&flow["response"]["content"]), seen.target.starts_with("/endless"));
        assert_eq!(flow["error"].is_object(), broken, "only what broke off has an error: {}", seen.target);
        if broken {
            assert!(seen.content.starts_with(&content), "a part is not more than came");
        } else {
            assert!(content == seen.content, "{}: another content", seen.target);
        }
    }
}

#[test]
fn mitmproxy_answers_from_what_was_recorded_here() {
    if python().is_none() {
        return;
    }
    let Recording { home, tape, got, port, .. } = Recording::make();
    let replay = [
        "--server-replay",
        tape.to_str().unwrap(),
        "--set",
        "server_replay_reuse=true",
        "--set",
        "server_replay_extra=404",
        "--set",
        "server_replay_refresh=false",
        "--set",
        "connection_strategy=lazy",
        "--set",
        "upstream_cert=false",
    ];
    let proxy = Proxy::mitmdump(&home, "/dev/null", &replay);
    clients::same(&got, &clients::all(&home, &proxy, port));
    proxy.stop();
}

#[test]
fn what_broke_off_answers_nobody_and_the_rest_everyone() {
    let Recording { home, got, port, .. } = Recording::make();
    let proxy = Proxy::millpond(&home, &["replay", "--tape", "tapes"]);
    clients::same(&got, &clients::all(&home, &proxy, port));
    for version in VERSIONS {
        let missed = clients::get(&home, &proxy, port, version, &ABORTED);
        assert!(missed.facts.starts_with("504 "), "{}", missed.facts);
    }
    proxy.stop();
}
