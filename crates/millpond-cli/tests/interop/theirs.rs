//! What mitmdump records is answered here: its flow file, and its HAR.

use crate::clients::{self, ABORTED, EXCHANGES, Got, TOO_LARGE, VERSIONS};
use crate::flows;
use crate::home::Home;
use crate::proxies::{Proxy, python};
use crate::site::Site;

/// What mitmdump recorded into `tapes/recorded.mitm` and, of the same clients, into `archives/recorded.har`.
pub struct Recorded {
    pub home: Home,
    pub got: Vec<Got>,
    /// Where the origin was, which has gone.
    pub port: u16,
}

impl Recorded {
    pub fn make() -> Self {
        let (home, site) = (Home::new(), Site::start());
        for directory in ["tapes", "archives"] {
            std::fs::create_dir(home.path(directory)).unwrap();
        }
        let (tape, archive) = (home.path("tapes/recorded.mitm"), home.path("archives/recorded.har"));
        let archive = format!("hardump={}", archive.display());
        let arguments = [
            "--save-stream-file",
            tape.to_str().unwrap(),
            "--set",
            &archive,
            // What is larger goes on at once: what never ends would never come otherwise.
            "--set",
            "stream_large_bodies=500k",
        ];
        let proxy = Proxy::mitmdump(&home, &site.certificate, &arguments);
        let got = clients::all(&home, &proxy, site.port);
        for version in VERSIONS {
            let aborted = clients::get(&home, &proxy, site.port, version, &ABORTED);
            assert_eq!(aborted.exit, Some(TOO_LARGE), "{}", aborted.facts);
        }
        proxy.stop();
        Self { port: site.port, home, got }
    }

    /// Whether a replay of the tapes in `directory` answers as the origin did, but to what was asked for at `lost`.
    pub fn answered_from(&self, directory: &str, lost: &[&str]) {
        let proxy = Proxy::millpond(&self.home, &["replay", "--tape", directory]);
        let kept = |got: &&Got| !lost.iter().any(|path| got.asked.contains(path));
        let answers = clients::all(&self.home, &proxy, self.port);
        clients::same(self.got.iter().filter(kept), answers.iter().filter(kept));
        // Its export of what broke off looks like one of an empty answer.
        for version in VERSIONS.into_iter().filter(|_| lost.is_empty()) {
            let missed = clients::get(&self.home, &proxy, self.port, version, &ABORTED);
            assert!(missed.facts.starts_with("504 "), "what broke off answers nobody: {}", missed.facts);
        }
        proxy.stop();
    }
}

#[test]
fn what_mitmproxy_recorded_answers_here() {
    if python().is_none() {
        return;
    }
    let recorded = Recorded::make();
    let loaded = flows::load(&recorded.home, &recorded.home.path("tapes/recorded.mitm"));
    let listed = recorded.home.stdout_of(&["tape", "ls", "tapes"]);
    assert_eq!((loaded.len(), listed.lines().count()), (2 * EXCHANGES + 2, loaded.len()), "{listed}");
    recorded.answered_from("tapes", &[]);
}

#[test]
fn what_mitmproxy_exports_as_har_answers_here() {
    if python().is_none() {
        return;
    }
    let recorded = Recorded::make();
    let listed = recorded.home.stdout_of(&["tape", "ls", "archives"]);
    assert_eq!(listed.lines().count(), 2 * EXCHANGES + 2, "{listed}");
    // Its export writes what a client sent as text, whatever it is.
    recorded.answered_from("archives", &["/upload"]);
}
