//! `cache import`: the directory of an older caching proxy. The names below were made with `printf 'GET|URL' | sha256sum`.

use super::{Pond, stop};
use crate::support::{Serving, file};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// `printf 'GET|https://dummyjson.com/products' | sha256sum`
const PRODUCTS: &str = "45db0de242f7425839d9e24247a109eee3f2f9362eed73540bb2ae85d23a0d68.json";

fn name(url: &str) -> String {
    let mut name = String::new();
    for byte in Sha256::digest(format!("GET|{url}")) {
        write!(name, "{byte:02x}").unwrap();
    }
    name + ".json"
}

/// A response as the older program kept it.
fn saved(status: u16, headers: &[(&str, &str)], body: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(body);
    serde_json::json!({ "status": status, "reason": "OK", "headers": headers, "body": body }).to_string()
}

fn put(dir: &Path, url: &str, text: &str) {
    fs::write(dir.join(name(url)), text).unwrap();
}

fn old_cache() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let json: &[(&str, &str)] =
        &[("Content-Type", "application/json"), ("Connection", "X-Hop"), ("X-Hop", "1")];
    put(dir.path(), "https://dummyjson.com/products", &saved(200, json, b"{\"products\":[]}"));
    put(
        dir.path(),
        "https://dummyjson.com",
        &saved(200, &[("Cache-Control", "max-age=86400"), ("ETag", "\"1\"")], b"home"),
    );
    put(dir.path(), "https://dummyjson.com/private", &saved(200, &[("Cache-Control", "private")], b"mine"));
    put(dir.path(), "https://dummyjson.com/error", &saved(500, &[], b"sorry"));
    put(dir.path(), "https://dummyjson.com/forgotten", &saved(200, &[], b"?"));
    dir
}

const LIST: &str = "https://dummyjson.com/products\nHTTPS://DummyJSON.com:443/\nhttps://dummyjson.com\n\
                    https://dummyjson.com/private\nhttps://dummyjson.com/error\nhttps://dummyjson.com/never\n";

impl Pond {
    fn import(&self, dir: &Path, list: &str, more: &[&str]) -> crate::support::Ended {
        let (_dir, path) = file("urls.txt", list);
        self.cache(&[&["import", dir.to_str().unwrap(), "--urls", &path], more].concat())
    }
}

#[test]
fn the_name_of_a_file_is_what_the_older_program_made_of_the_url() {
    assert_eq!(name("https://dummyjson.com/products"), PRODUCTS);
}

#[test]
fn responses_are_taken_over_and_served() {
    let (pond, old) = (Pond::new(), old_cache());
    let ended = pond.import(old.path(), LIST, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let left = name("https://dummyjson.com/forgotten");
    assert_eq!(
        ended.stdout,
        format!(
            "Imported 2 responses.\nRefused 1: private.\nRefused 1: status-not-default.\nFound no file for 2 URLs.\n\
             No URL of the list named 1 file:\n  {left}\n"
        )
    );
    assert!(ended.stderr.contains("https://dummyjson.com/private: refused (private): "), "{}", ended.stderr);
    let arguments = ["serve", "--origin", "https://dummyjson.com", "--listen", "127.0.0.1:0", "--offline"];
    let place = ["--cache-dir", pond.place(), "--preset", "caching-proxy"];
    let serving = Serving::start(&[&arguments[..], &place].concat());
    let reply = serving.get("/products");
    assert_eq!((reply.field("x-cache"), &*reply.body), ("HIT", "{\"products\":[]}"), "{reply:?}");
    assert_eq!((reply.field("content-type"), reply.field("x-hop")), ("application/json", ""));
    assert_eq!(serving.get("/").body, "home");
    stop(serving);
}

#[test]
fn the_time_of_a_file_is_that_of_its_response_and_what_is_newer_stays() {
    let (pond, old) = (Pond::new(), old_cache());
    let path = old.path().join(name("https://dummyjson.com"));
    #[expect(clippy::disallowed_methods, reason = "the time of a file is real")]
    let two_days_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86400);
    fs::File::options().write(true).open(&path).unwrap().set_modified(two_days_ago).unwrap();
    let list = "https://dummyjson.com\n";
    assert!(pond.import(old.path(), list, &[]).stdout.starts_with("Imported 1 response.\n"));
    let shown = pond.json(&["ls"]);
    assert_eq!(shown["fresh"], false, "its day is over: {shown:#}");
    let again = pond.import(old.path(), list, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((&json["imported"], &json["older"]), (&0.into(), &1.into()), "{json:#}");
}

#[test]
fn files_that_cannot_be_read_are_named_and_skipped() {
    let (pond, old) = (Pond::new(), old_cache());
    let bad = [
        ("/cut", "{\"status\": 200, \"hea".to_owned()),
        ("/base64", saved(200, &[], b"x").replace("eA==", "*")),
        ("/status", saved(20, &[], b"x")),
        ("/field", saved(200, &[("a b", "c")], b"x")),
        ("/short", saved(200, &[("Content-Length", "5")], b"x")),
    ];
    let mut list = LIST.to_owned();
    for (path, text) in &bad {
        let url = format!("https://dummyjson.com{path}");
        put(old.path(), &url, text);
        writeln!(list, "{url}").unwrap();
    }
    let ended = pond.import(old.path(), &list, &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.starts_with("Imported 2 responses.\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("Left out 5 files that cannot be read.\n"), "{}", ended.stdout);
    for (path, _) in &bad {
        let name = name(&format!("https://dummyjson.com{path}"));
        assert!(ended.stderr.contains(&name), "{path}: {}", ended.stderr);
    }
}

#[test]
fn lines_that_are_no_urls_are_named_and_the_others_taken() {
    let (pond, old) = (Pond::new(), old_cache());
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("urls.txt");
    fs::write(&list, b"# first\nnonsense\x1b\nhttps://dummyjson.com/\xff\nhttps://dummyjson.com\n").unwrap();
    let ended = pond.cache(&["import", old.path().to_str().unwrap(), "--urls", list.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.starts_with("Imported 1 response.\nLeft out 2 lines that are no URLs.\n"),
        "{ended:?}"
    );
    for part in ["line 2 is left out: nonsense?", "line 3 is left out: it is not UTF-8"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    assert_eq!(pond.told(&["ls"]).lines().count(), 1);
}

/// A server finds what was imported: the key is made by the rules of the route.
#[test]
fn a_route_makes_the_key_of_what_is_imported() {
    let (pond, old) = (Pond::new(), tempfile::tempdir().unwrap());
    let url = "https://dummyjson.com/products?utm=1";
    put(old.path(), url, &saved(200, &[("Cache-Control", "max-age=86400")], b"[]"));
    for host in ["", "host = \"shop.example\"\n", "host = \"*.example\"\n"] {
        let text = format!(
            "[query]\nkeep = [\"utm\"]\n[[route]]\n{host}origin = \"https://dummyjson.com\"\n[route.query]\ndrop = [\"utm\"]\n"
        );
        let (_dir, config) = file("millpond.toml", &text);
        let ended = pond.import(old.path(), &format!("{url}\n"), &["--config", &config]);
        assert!(ended.stdout.starts_with("Imported 1 response.\n"), "{ended:?}");
        assert!(pond.told(&["ls"]).ends_with("https://dummyjson.com/products\n"), "{host}");
        let purge = ["purge", "--url", url, "--config", &config];
        assert_eq!(pond.told(&purge), "Purged 1 entry.\n", "{host}");
    }
}

#[test]
fn another_preset_and_other_settings_count() {
    let (pond, old) = (Pond::new(), old_cache());
    let list = "https://dummyjson.com/products\nhttps://dummyjson.com/error\n";
    let strict = pond.import(old.path(), list, &["--preset", "gateway"]);
    assert!(
        strict
            .stdout
            .starts_with("Imported 0 responses.\nRefused 1: no-freshness.\nRefused 1: status-not-default.\n"),
        "{}",
        strict.stdout
    );
    let more = pond.import(old.path(), list, &["--set", "policy.negative_ttl={ 500 = \"1h\" }"]);
    assert!(more.stdout.starts_with("Imported 2 responses.\n"), "{}", more.stdout);
}
