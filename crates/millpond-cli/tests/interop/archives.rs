//! Tapes of both programs, made into HAR here and imported by mitmproxy.

use crate::flows;
use crate::ours::Recording;
use crate::proxies::python;
use crate::theirs;

#[test]
fn mitmproxy_imports_the_har_of_a_recording() {
    if python().is_none() {
        return;
    }
    let Recording { home, tape, seen, port, .. } = Recording::make();
    let archive = home.path("ours.har");
    home.stdout_of(&["tape", "convert", tape.to_str().unwrap(), archive.to_str().unwrap()]);
    let imported = flows::load(&home, &archive);
    for (flow, seen) in flows::paired(&imported, &seen) {
        // Its import takes what a client sent for text, whatever it is.
        if !seen.target.starts_with("/upload") {
            flows::heads_match(flow, seen, port);
        }
    }
}

#[test]
fn the_har_of_a_flow_file_of_mitmproxy_is_imported_and_answers() {
    if python().is_none() {
        return;
    }
    let recorded = theirs::Recorded::make();
    let tape = recorded.home.path("tapes/recorded.mitm");
    let flows_before = flows::load(&recorded.home, &tape);
    std::fs::create_dir(recorded.home.path("converted")).unwrap();
    recorded.home.stdout_of(&["tape", "convert", "tapes/recorded.mitm", "converted/theirs.har"]);
    let imported = flows::load(&recorded.home, &recorded.home.path("converted/theirs.har"));
    assert_eq!(imported.len(), flows_before.len(), "flows counted");
    recorded.answered_from("converted", &[]);
}
