//! `millpond cache`, against real servers and a directory that outlives them.

mod export;
mod import;
mod look;
mod purge;
mod repair;
mod survive;
mod warm;

use crate::origin::{Origin, head};
use crate::support::{Ended, Reply, Serving, run};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// An origin, and a cache in front of it that servers and commands share.
pub struct Pond {
    pub origin: Origin,
    dir: TempDir,
}

/// Paths that the origin knows, and what it says of them; anything else is 404.
const PAGES: &[(&str, &[(&str, &str)])] = &[
    ("/a", &[("Cache-Control", "max-age=600"), ("Cache-Tag", "product-7, red")]),
    ("/b", &[("Cache-Control", "max-age=600"), ("Cache-Tag", "product-8")]),
    ("/img/1", &[("Cache-Control", "max-age=600"), ("Cache-Groups", "\"menu\"")]),
    ("/img/2", &[("Cache-Control", "max-age=600"), ("Vary", "Accept-Language")]),
    ("/mine", &[("Cache-Control", "max-age=600"), ("Vary", "Cookie")]),
    ("/large", &[("Cache-Control", "max-age=600"), ("Content-Type", "application/octet-stream")]),
    ("/no-store", &[("Cache-Control", "no-store")]),
    ("/search", &[("Cache-Control", "max-age=600"), ("No-Vary-Search", "params=(\"u\")")]),
    ("/plain", &[]),
    (
        "/odd",
        &[("Cache-Control", "max-age=600"), ("X-Odd", "a\u{9b}2Jb\u{202e}c"), ("Cache-Tag", "t\u{9b}31m")],
    ),
];

/// Bytes of the body of `/large`: more than a row holds.
pub const LARGE: usize = 600_000;

impl Pond {
    pub fn new() -> Self {
        let count = AtomicUsize::new(0);
        let origin = Origin::start(move |request, _| {
            let count = count.fetch_add(1, Ordering::SeqCst) + 1;
            let path = request.path_and_query.split('?').next().unwrap_or_default();
            let Some((_, fields)) = PAGES.iter().find(|(page, _)| *page == path) else {
                return (head(404, &[]), b"no such page\n".to_vec());
            };
            let body = if path == "/large" {
                (0..LARGE).map(|at| b'a' + (at % 23) as u8).collect()
            } else {
                format!("answer {count}\n").into_bytes()
            };
            (head(200, fields), body)
        });
        Self { origin, dir: tempfile::tempdir().unwrap() }
    }

    /// The cache directory.
    pub fn place(&self) -> &str {
        self.dir.path().to_str().unwrap()
    }

    /// The database file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("millpond.db")
    }

    /// The URL of a path at the origin, which is how the cache calls it.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin.url)
    }

    /// Starts a server on the cache.
    pub fn serve(&self, more: &[&str]) -> Serving {
        let arguments = ["serve", "--origin", &self.origin.url, "--listen", "127.0.0.1:0"];
        Serving::start(&[&arguments[..], &["--cache-dir", self.place()], more].concat())
    }

    /// Has these paths stored, each fetched once, and the server ended.
    pub fn holding(paths: &[&str]) -> Self {
        let pond = Self::new();
        let serving = pond.serve(&[]);
        for path in paths {
            assert_eq!(serving.get(path).field("x-cache"), "MISS", "{path}");
        }
        stop(serving);
        pond
    }

    /// Runs `millpond cache ARGUMENTS` on the cache.
    pub fn cache(&self, arguments: &[&str]) -> Ended {
        run(&[&["cache"], arguments, &["--cache-dir", self.place()]].concat())
    }

    /// The same, which must succeed; gives what it prints.
    pub fn told(&self, arguments: &[&str]) -> String {
        let ended = self.cache(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// The same as JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.told(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// The paths that `cache ls` lists.
    pub fn listed(&self, more: &[&str]) -> Vec<String> {
        let listed = self.told(&[&["ls"], more].concat());
        let url = |line: &str| line.split('\t').next_back().unwrap().to_owned();
        listed.lines().map(|line| url(line).strip_prefix(&self.origin.url).unwrap().to_owned()).collect()
    }
}

/// Ends a server, which writes out what it has.
pub fn stop(serving: Serving) {
    let (status, _, log) = serving.stop();
    assert_eq!(status.code(), Some(0), "{log:#?}");
}

/// Asks until `wanted` is true of the reply.
pub fn ask_until(serving: &Serving, path: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
    let started = std::time::Instant::now();
    loop {
        let reply = serving.get(path);
        if wanted(&reply) {
            return reply;
        }
        assert!(started.elapsed() < crate::support::PATIENCE, "{path}: {reply:?}");
    }
}
