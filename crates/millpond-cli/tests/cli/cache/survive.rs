//! What is kept stays kept: over restarts, offline, in a backup.

use super::{LARGE, Pond, stop};
use crate::origin::Origin;
use crate::support::Serving;

#[test]
fn a_restarted_server_answers_from_what_it_kept() {
    let pond = Pond::holding(&["/a", "/large"]);
    let serving = pond.serve(&[]);
    for (path, length) in [("/a", 9), ("/large", LARGE)] {
        let reply = serving.get(path);
        assert_eq!((reply.field("x-cache"), reply.body.len()), ("HIT", length), "{path}");
    }
    assert_eq!(pond.origin.asked(), 2);
}

#[test]
fn the_short_form_keeps_in_a_directory_too() {
    let pond = Pond::new();
    for cached in ["MISS", "HIT"] {
        let arguments = ["--port", "0", "--origin", &pond.origin.url, "--cache-dir", pond.place()];
        let serving = Serving::start(&arguments);
        assert_eq!(serving.get("/plain").field("x-cache"), cached);
        stop(serving);
    }
    assert_eq!(pond.listed(&[]), ["/plain"]);
}

#[test]
fn the_log_says_where_the_cache_lies() {
    let pond = Pond::new();
    let mut serving = pond.serve(&[]);
    let line = serving.wait_for("responses are kept on disk");
    assert!(line.contains(pond.file().to_str().unwrap()), "{line}");
    let mut serving = pond.serve(&["--store", "memory"]);
    serving.wait_for("responses are kept in memory only");
}

#[test]
fn the_default_directory_is_the_users_cache() {
    let pond = Pond::new();
    let arguments = ["serve", "--origin", &pond.origin.url, "--listen", "127.0.0.1:0"];
    let home = tempfile::tempdir().unwrap();
    let home_text = home.path().to_str().unwrap().to_owned();
    let variables = [("HOME", &*home_text), ("XDG_CACHE_HOME", "")];
    let serving = Serving::start_in(tempfile::tempdir().unwrap(), &arguments, &variables);
    serving.get("/a");
    stop(serving);
    assert!(home.path().join(".cache/millpond/millpond.db").exists());
    let other = home.path().join("xdg").to_str().unwrap().to_owned();
    let variables = [("HOME", &*home_text), ("XDG_CACHE_HOME", &*other)];
    let serving = Serving::start_in(tempfile::tempdir().unwrap(), &arguments, &variables);
    assert_eq!(serving.get("/a").field("x-cache"), "MISS", "another directory");
    stop(serving);
    assert!(home.path().join("xdg/millpond/millpond.db").exists());
}

#[test]
fn without_a_home_responses_are_kept_in_memory_and_that_is_said() {
    let pond = Pond::new();
    let arguments = ["serve", "--origin", &pond.origin.url, "--listen", "127.0.0.1:0"];
    let variables = [("HOME", ""), ("XDG_CACHE_HOME", "")];
    let mut serving = Serving::start_in(tempfile::tempdir().unwrap(), &arguments, &variables);
    assert!(serving.wait_for("memory only").contains("--cache-dir"));
    serving.get("/a");
    assert_eq!(serving.get("/a").field("x-cache"), "HIT");
}

#[test]
fn offline_serves_what_is_kept_and_fetches_nothing() {
    let pond = Pond::holding(&["/a"]);
    pond.told(&["purge", "--all", "--soft"]);
    let serving = pond.serve(&["--offline"]);
    let reply = serving.get("/a");
    assert_eq!((reply.field("x-cache"), &*reply.body), ("HIT", "answer 1\n"), "{reply:?}");
    assert!(serving.get("/b").head.starts_with("HTTP/1.1 504 "));
    assert_eq!(pond.origin.asked(), 1);
}

#[test]
fn a_backup_of_a_running_cache_opens_as_a_cache() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    serving.get("/a");
    serving.get("/large");
    let started = std::time::Instant::now();
    while pond.listed_if_any().len() < 2 {
        assert!(started.elapsed() < crate::support::PATIENCE);
    }
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("millpond.db");
    let told = pond.told(&["backup", file.to_str().unwrap()]);
    assert_eq!(told, format!("Saved 2 entries and 1 body file to {}.\n", file.display()));
    stop(serving);
    pond.told(&["purge", "--all"]);

    let copied = Pond { origin: Origin::start(|_, _| panic!("nothing is fetched")), dir: copy };
    assert_eq!(copied.json(&["verify"])["right"], true);
    let arguments = ["serve", "--origin", &pond.origin.url, "--listen", "127.0.0.1:0", "--offline"];
    let serving = Serving::start(&[&arguments[..], &["--cache-dir", copied.place()]].concat());
    assert_eq!(serving.get("/a").body, "answer 1\n");
    assert_eq!(serving.get("/large").body.len(), LARGE);
    stop(serving);

    let again = pond.cache(&["backup", file.to_str().unwrap()]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(copied.json(&["stats"])["entries"], 2, "what exists is left as it is");
}

/// Nothing that lets a user in gets into a file, and none of it is needed to find what that user was answered.
#[test]
fn a_cookie_that_a_response_varies_on_is_not_kept() {
    let pond = Pond::new();
    let cookie = |value: &str| format!("Cookie: session={value}\r\n");
    let (mine, another) = (cookie("1b9d6bcd4bfb4d9b"), cookie("7c9e667974254d3c"));
    let serving = pond.serve(&[]);
    serving.get_with("/mine", &mine);
    stop(serving);
    assert_eq!(pond.listed(&[]), ["/mine"]);
    let place = std::path::Path::new(pond.place());
    for entry in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            let content = std::fs::read(entry.path()).unwrap();
            let there = content.windows(16).any(|part| part == b"1b9d6bcd4bfb4d9b");
            assert!(!there, "{} holds the cookie", entry.path().display());
        }
    }
    let serving = pond.serve(&[]);
    assert_eq!(serving.get_with("/mine", &mine).field("x-cache"), "HIT");
    assert_eq!(serving.get_with("/mine", &another).field("x-cache"), "MISS");
    assert_eq!(serving.get("/mine").field("x-cache"), "MISS");
    stop(serving);
}

impl Pond {
    /// The lines of `cache ls`; none where there is no cache yet.
    fn listed_if_any(&self) -> Vec<String> {
        self.cache(&["ls"]).stdout.lines().map(str::to_owned).collect()
    }
}
