//! `record`, `replay` and `run` with curl, over http and https.

use crate::home::{Ended, Home};
use crate::origin::{Origin, head};
use crate::secure::SecureOrigin;
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An origin that counts its answers in their bodies, and forbids nothing.
fn counting() -> Origin {
    let count = AtomicUsize::new(0);
    Origin::start(move |request, content| {
        let count = count.fetch_add(1, Ordering::SeqCst) + 1;
        let sent = String::from_utf8_lossy(content);
        let body = format!("{} {} {sent} answer {count}\n", request.method, request.path_and_query);
        (head(200, &[("Cache-Control", "max-age=60"), ("Set-Cookie", "session=hush")]), body.into_bytes())
    })
}

/// Runs `millpond DOOR OPTIONS -- curl URLS`.
fn curl(home: &Home, door: &[&str], urls: &[&str]) -> Ended {
    home.run(&[door, &["--", "curl", "--silent", "--show-error"], urls].concat())
}

#[test]
fn what_was_recorded_answers_when_the_origin_has_gone() {
    let (home, origin) = (Home::new(), counting());
    let urls =
        [format!("{}/a?b=1", origin.url), format!("{}/c", origin.url), format!("{}/a?b=1", origin.url)];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let recorded = curl(&home, &["record", "--tape", "tapes"], &urls);
    assert_eq!(recorded.code, Some(0), "{recorded:?}");
    assert_eq!(recorded.stdout.lines().count(), 3);
    assert!(recorded.stderr.contains("3 upstream attempts, 3 recorded"), "{}", recorded.stderr);
    drop(origin);
    let replayed = curl(&home, &["replay", "--tape", "tapes", "--fail-on-miss"], &urls);
    assert_eq!((replayed.code, &*replayed.stdout), (Some(0), &*recorded.stdout), "{}", replayed.stderr);
    assert!(replayed.stderr.contains("3 hits, 0 misses, 0 upstream attempts"), "{}", replayed.stderr);
    let listed = home.stdout_of(&["tape", "ls", "tapes"]);
    assert_eq!(listed.lines().count(), 3);
    assert!(home.stdout_of(&["tape", "verify", "tapes"]).contains("nothing is wrong"));
}

#[test]
fn tls_is_opened_for_recording_and_replay() {
    let (home, origin) = (Home::new(), SecureOrigin::start());
    let url = origin.url("/secret/path");
    let ca = origin.certificate();
    let arguments = ["record", "--tape", "tapes", "--upstream-ca", &ca];
    let recorded = curl(&home, &arguments, &[&url]);
    assert_eq!((recorded.code, &*recorded.stdout), (Some(0), "GET /secret/path\n"), "{}", recorded.stderr);
    drop(origin);
    let replayed = curl(&home, &["replay", "--tape", "tapes"], &[&url]);
    assert_eq!((replayed.code, &*replayed.stdout), (Some(0), "GET /secret/path\n"), "{}", replayed.stderr);
    assert!(home.stdout_of(&["tape", "ls", "tapes"]).contains(&url));
}

#[test]
fn a_host_that_is_tunnelled_is_not_recorded() {
    let (home, origin) = (Home::new(), SecureOrigin::start());
    let (url, ca) = (origin.url("/"), origin.certificate());
    let arguments = ["record", "--tape", "tapes", "--upstream-ca", &ca, "--tunnel", "localhost"];
    let tunnelled = curl(&home, &arguments, &[&url]);
    assert_eq!((tunnelled.code, &*tunnelled.stdout), (Some(0), "GET /\n"), "{}", tunnelled.stderr);
    assert!(tunnelled.stderr.contains("0 recorded, 1 tunnel that went unread"), "{}", tunnelled.stderr);
}

#[test]
fn a_client_that_refuses_the_certificate_is_a_miss_of_a_replay() {
    let (home, origin) = (Home::new(), SecureOrigin::start());
    let (url, ca) = (origin.url("/"), origin.certificate());
    let recorded = curl(&home, &["record", "--tape", "tapes", "--upstream-ca", &ca], &[&url]);
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
    let strict = ["replay", "--tape", "tapes", "--fail-on-miss", "--", "sh", "-c"];
    let script = format!("curl --silent --cacert '{ca}' '{url}'; true");
    let refused = home.run(&[&strict[..], &[&script]].concat());
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("0 hits, 1 miss, 0 upstream attempts"), "{}", refused.stderr);
}

#[test]
fn a_miss_has_its_status_and_is_told() {
    let (home, origin) = (Home::new(), counting());
    let (known, other) = (format!("{}/known?page=1", origin.url), format!("{}/known?page=2", origin.url));
    curl(&home, &["record", "--tape", "tapes"], &[&known]);
    let asked = origin.asked();
    for (options, status) in [(&[][..], "504"), (&["--miss-status", "404"], "404")] {
        let door = [&["replay", "--tape", "tapes"], options].concat();
        let missed = curl(&home, &door, &["--output", "/dev/null", "--write-out", "%{http_code}", &other]);
        assert_eq!((missed.code, &*missed.stdout), (Some(0), status), "{}", missed.stderr);
        assert!(missed.stderr.contains("0 hits, 1 miss, 0 upstream attempts"), "{}", missed.stderr);
        assert!(missed.stderr.contains("/known?page=2"), "the miss is named: {}", missed.stderr);
    }
    let strict = curl(&home, &["replay", "--tape", "tapes", "--fail-on-miss"], &[&other]);
    assert_eq!(strict.code, Some(1), "{strict:?}");
    let failed = curl(&home, &["replay", "--tape", "tapes", "--fail-on-miss"], &["--fail", &other]);
    assert_eq!(failed.code, Some(22), "the command's own failure goes first: {failed:?}");
    let ignoring = curl(&home, &["replay", "--tape", "tapes", "--ignore-query", "page"], &[&other]);
    assert!(ignoring.stdout.contains("page=1 "), "{ignoring:?}");
    assert_eq!(origin.asked(), asked, "replay asks nobody");
}

#[test]
fn bodies_count_unless_they_are_not_to() {
    let (home, origin) = (Home::new(), counting());
    let url = origin.url.clone();
    curl(&home, &["record", "--tape", "tapes"], &["--data", "one", &url]);
    let other = ["--data", "two", "--output", "/dev/null", "--write-out", "%{http_code}", &url];
    assert_eq!(curl(&home, &["replay", "--tape", "tapes"], &other).stdout, "504");
    assert_eq!(curl(&home, &["replay", "--tape", "tapes", "--ignore-body"], &other).stdout, "200");
}

#[test]
fn the_mode_says_what_is_answered_and_what_is_recorded() {
    let (home, origin) = (Home::new(), counting());
    let url = format!("{}/a", origin.url);
    let door = ["record", "--tape", "tapes", "--mode", "read_write"];
    let first = curl(&home, &door, &[&url]);
    let second = curl(&home, &door, &[&url]);
    assert_eq!((first.stdout, origin.asked()), (second.stdout, 1));
    let third = curl(&home, &["record", "--tape", "tapes"], &[&url]);
    assert!(third.stdout.contains("answer 2"), "write_only always fetches: {third:?}");
    let wrong = curl(&home, &["record", "--tape", "tapes", "--mode", "sometimes"], &[&url]);
    assert_eq!(wrong.code, Some(125));
}

#[test]
fn another_directory_may_answer() {
    let (home, origin) = (Home::new(), counting());
    let (a, b) = (format!("{}/a", origin.url), format!("{}/b", origin.url));
    curl(&home, &["record", "--tape", "old"], &[&a]);
    let door = ["record", "--tape", "new", "--read-tape", "old", "--mode", "read_write"];
    let both = curl(&home, &door, &[&a, &b]);
    assert!(both.stderr.contains("1 hit, 1 miss, 1 upstream attempt, 1 recorded"), "{}", both.stderr);
    let rows = home.stdout_of(&["tape", "ls", "new"]);
    assert!(rows.lines().count() == 1 && rows.contains("/b"), "{rows}");
}

#[test]
fn the_tape_is_in_the_format_that_was_asked_for() {
    let (home, origin) = (Home::new(), counting());
    let url = format!("{}/a", origin.url);
    for (format, ending) in [("json", "jsonl"), ("har", "har"), ("native", "mitm")] {
        let recorded = curl(&home, &["record", "--tape", format, "--format", format], &[&url]);
        assert_eq!(recorded.code, Some(0), "{recorded:?}");
        let files: Vec<String> = std::fs::read_dir(home.path(format).join("sessions"))
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(ending))
            .collect();
        assert_eq!(files.len(), 1, "{format}: {files:?}");
        let replayed = curl(&home, &["replay", "--tape", format], &[&url]);
        assert_eq!(replayed.stdout, recorded.stdout, "{format}");
    }
}

#[test]
fn secrets_stay_off_the_tape_unless_they_are_wanted() {
    let (home, origin) = (Home::new(), counting());
    let url = format!("{}/a", origin.url);
    let request = ["--header", "Authorization: Bearer sesame", "--header", "X-Api-Key: chestnut", &url];
    curl(&home, &["record", "--tape", "clean", "--redact-field", "X-Api-Key"], &request);
    curl(&home, &["record", "--tape", "open", "--no-redact"], &request);
    let (clean, open) =
        (home.stdout_of(&["tape", "show", "clean", "1"]), home.stdout_of(&["tape", "show", "open", "1"]));
    for secret in ["sesame", "chestnut", "hush"] {
        assert!(!clean.contains(secret), "{secret} in {clean}");
        assert!(open.contains(secret), "no {secret} in {open}");
    }
    let replayed = curl(&home, &["replay", "--tape", "clean"], &request);
    assert!(replayed.stdout.contains("answer 1"), "{replayed:?}");
}

#[test]
fn run_answers_from_the_cache() {
    let (home, origin) = (Home::new(), counting());
    let url = format!("{}/a", origin.url);
    let first = curl(&home, &["run"], &[&url]);
    assert!(first.stderr.contains("0 hits, 1 miss, 1 upstream attempt"), "{}", first.stderr);
    let second = curl(&home, &["run", "--json"], &[&url]);
    assert_eq!(second.stdout, first.stdout, "{}", second.stderr);
    let totals: Value = serde_json::from_str(second.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&totals["hits"], &totals["upstream_attempts"]), (&1.into(), &0.into()));
    assert_eq!(origin.asked(), 1);
}

#[test]
fn run_opens_tls_and_caches_what_is_in_it() {
    let (home, origin) = (Home::new(), SecureOrigin::start());
    let (url, ca) = (origin.url("/a"), origin.certificate());
    for totals in ["0 hits, 1 miss", "1 hit, 0 misses"] {
        let ended = curl(&home, &["run", "--upstream-ca", &ca], &[&url]);
        assert_eq!((ended.code, &*ended.stdout), (Some(0), "GET /a\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains(totals), "{}", ended.stderr);
    }
}
