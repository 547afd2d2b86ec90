//! Real clients, once directly to an origin and once through millpond: what they get is the same.
//!
//! The origins are a static site and a large file behind a real nginx, and a JSON API. The clients are curl, wget and
//! Chromium. Everything is local.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

#[path = "support/fetched.rs"]
mod fetched;
#[path = "support/nginx.rs"]
mod nginx;
#[path = "support/origin.rs"]
mod origin;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/tool.rs"]
mod tool;

use fetched::Fetched;
use millpond::engine::SystemClock;
use nginx::Nginx;
use origin::{Origin, head};
use proxy::Proxy;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

/// When every file of the site was last changed, in seconds since 1970.
const CHANGED: u64 = 1_700_000_000;

/// The size of the large file.
const LARGE: usize = 64 * 1024 * 1024;

/// The two ways to an origin.
struct Ways {
    direct: String,
    proxy: Proxy,
}

impl Ways {
    fn to(origin: &str, settings: &[(&str, &str)]) -> Self {
        Self { direct: origin.to_owned(), proxy: Proxy::start(origin, settings, Arc::new(SystemClock)) }
    }

    fn through(&self) -> String {
        format!("http://{}", self.proxy.address())
    }

    /// Fetches through millpond. What is stored on the way is stored when this returns.
    fn fetch(&self, path: &str, options: &[&str]) -> Fetched {
        let stored = self.proxy.counters().stored;
        let fetched = Fetched::with_curl(&format!("{}{path}", self.through()), options);
        if fetched.field("cache-status").ends_with("; stored") {
            self.proxy.wait_until("storing", |counters| counters.stored > stored);
        }
        fetched
    }

    /// The same request directly, through a cold and through a warm cache: `outcomes` are the values of X-Cache.
    fn compare(&self, path: &str, options: &[&str], outcomes: [&str; 2]) -> Fetched {
        let direct = Fetched::with_curl(&format!("{}{path}", self.direct), options);
        for outcome in outcomes {
            let fetched = self.fetch(path, options);
            let what = format!("{path} {options:?}, {}", fetched.field("cache-status"));
            same(&what, &direct, &fetched);
            assert_eq!(fetched.field("x-cache"), outcome, "{what}");
        }
        direct
    }
}

/// Asserts that a response says the same on both ways.
fn same(what: &str, direct: &Fetched, through: &Fetched) {
    assert_eq!(direct.status, through.status, "{what}");
    let (mut expected, mut found) = (direct.end_to_end(), through.end_to_end());
    assert!(expected.body == found.body, "{what}: {} and {} bytes", expected.body.len(), found.body.len());
    if direct.status.starts_with("206") {
        // RFC 9110 section 15.3.7 has a 206 carry the fields of a 200; nginx leaves this one out, the cache does not.
        found.fields.remove("accept-ranges");
        expected.fields.remove("accept-ranges");
    }
    assert_eq!(expected.fields, found.fields, "{what}");
    let lengths = [direct, through].map(|fetched| fetched.field("content-length"));
    assert!(lengths.contains(&"") || lengths[0] == lengths[1], "{what}: {lengths:?}");
}

/// A copy of the site, all its files of one age.
fn site() -> TempDir {
    let site = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site"), site.path());
    site
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
            File::options().write(true).open(&target).unwrap().set_modified(changed()).unwrap();
        }
    }
}

fn changed() -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(CHANGED)
}

/// Every file below `dir`, with its content and when it was changed.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let modified = path.metadata().unwrap().modified().unwrap();
                files.insert(
                    path.strip_prefix(dir).unwrap().to_owned(),
                    (std::fs::read(&path).unwrap(), modified),
                );
            }
        }
    }
    files
}

#[test]
fn curl_sees_the_same_site() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    for path in [
        "/index.html",
        "/style.css",
        "/app.js",
        "/lilies.png",
        "/reed.svg",
        "/fish.json",
        "/pages/wheel.html",
    ] {
        ways.compare(path, &[], ["MISS", "HIT"]);
        ways.compare(path, &["--head"], ["HIT", "HIT"]);
    }
    ways.compare("/", &["--head"], ["MISS", "MISS"]);
    // nginx gives a 404 no lifetime, and nothing else allows one.
    ways.compare("/gone.html", &[], ["MISS", "MISS"]);
    // A directory without the slash: a redirect.
    ways.compare("/pages", &[], ["MISS", "HIT"]);
    ways.compare("/style.css", &["--request", "DELETE"], ["MISS", "MISS"]);
}

#[test]
fn curl_sees_the_same_compressed_site() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    // The tag of one form is known when the other is asked for: nginx answers 304 to either, and neither may stand in
    // for the other.
    let plain = ways.compare("/fish.json", &[], ["MISS", "HIT"]);
    let packed = ways.compare("/fish.json", &["--compressed"], ["MISS", "HIT"]);
    assert_eq!((plain.field("content-encoding"), packed.field("content-encoding")), ("", "gzip"));
    for path in ["/index.html", "/style.css", "/app.js"] {
        let direct = ways.compare(path, &["--compressed"], ["MISS", "HIT"]);
        assert_eq!(direct.field("content-encoding"), "gzip", "{path}");
        assert_eq!(direct.body, std::fs::read(site.path().join(&path[1..])).unwrap());
        let plain = ways.compare(path, &[], ["MISS", "HIT"]);
        assert_eq!(plain.field("content-encoding"), "", "{path}");
    }
    // Without `--compressed` curl does not unpack what it gets.
    let packed = ways.compare("/style.css", &["--header", "Accept-Encoding: gzip"], ["MISS", "HIT"]);
    assert_eq!(&packed.body[..2], b"\x1f\x8b", "a gzip body");
}

#[test]
fn curl_sees_the_same_parts() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    let ranges = ["0-9", "10-99", "100-", "-50", "0-0", "20-999999"];
    for (at, range) in ranges.into_iter().enumerate() {
        // The first is stored as a part, the second brings the whole.
        let first = if at < 2 { "MISS" } else { "HIT" };
        let direct = ways.compare("/style.css", &["--range", range], [first, "HIT"]);
        assert!(direct.status.starts_with("206"), "{range}: {}", direct.status);
    }
    ways.fetch("/style.css", &[]);
    for range in ranges {
        ways.compare("/style.css", &["--range", range], ["HIT", "HIT"]);
    }
    let beyond = ["--range", "999999-"];
    let direct = Fetched::with_curl(&format!("{}/style.css", nginx.url), &beyond);
    let through = ways.fetch("/style.css", &beyond);
    // The page that goes with the error is the server's own; what it says about the range is the same.
    assert_eq!((&direct.status[..3], &through.status[..3]), ("416", "416"));
    assert_eq!(direct.field("content-range"), through.field("content-range"));
}

#[test]
fn curl_sees_the_same_answers_to_conditions() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    let desk = tempfile::tempdir().unwrap();
    let tags = [desk.path().join("direct.etag"), desk.path().join("through.etag")];
    for (base, tag) in [&nginx.url, &ways.through()].into_iter().zip(&tags) {
        Fetched::with_curl(&format!("{base}/style.css"), &["--etag-save", tag.to_str().unwrap()]);
    }
    assert_eq!(std::fs::read(&tags[0]).unwrap(), std::fs::read(&tags[1]).unwrap());
    let tag = tags[0].to_str().unwrap();
    for options in [&["--etag-compare", tag][..], &["--time-cond", "Tue, 14 Nov 2023 22:13:20 GMT"]] {
        let direct = Fetched::with_curl(&format!("{}/style.css", nginx.url), options);
        let through = ways.fetch("/style.css", options);
        assert_eq!(
            (&*direct.status, &*through.status),
            ("304 Not Modified", "304 Not Modified"),
            "{options:?}"
        );
        assert_eq!(through.field("x-cache"), "HIT");
        // The fields a 304 must carry (RFC 9110 section 15.4.5); nginx leaves Vary out, the cache does not.
        for name in ["cache-control", "etag"] {
            assert_eq!(direct.field(name), through.field(name), "{name}");
        }
        assert_eq!(through.field("vary"), "Accept-Encoding");
        assert_eq!((direct.body.len(), through.body.len()), (0, 0));
    }
    for options in
        [&["--header", "If-None-Match: \"other\""][..], &["--time-cond", "Sat, 01 Jan 2000 00:00:00 GMT"]]
    {
        let direct = ways.compare("/style.css", options, ["HIT", "HIT"]);
        assert!(direct.status.starts_with("200"));
    }
    // If-Match and If-Unmodified-Since are the origin's to judge.
    let unmodified = ["--header", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT"];
    let direct = ways.compare("/style.css", &unmodified, ["MISS", "MISS"]);
    assert!(direct.status.starts_with("412"), "{}", direct.status);
}

#[test]
fn a_page_that_must_be_validated_is_validated_by_nginx() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    ways.compare("/checked/style.css", &[], ["MISS", "HIT"]);
    assert_eq!(ways.proxy.counters().validated, 1);
    std::fs::write(site.path().join("style.css"), "body { color: red; }\n".repeat(20)).unwrap();
    let direct = ways.compare("/checked/style.css", &[], ["MISS", "HIT"]);
    assert!(direct.body.starts_with(b"body { color: red; }"));
}

/// A small API over JSON: tags on everything, one list that may be kept for a minute.
fn api() -> Origin {
    Origin::start(|request, content| {
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let (tag, body) = match path {
            "/items" => ("\"items-7\"", "[{\"id\":1},{\"id\":2}]\n"),
            "/items/1" => ("\"item-1-3\"", "{\"id\":1,\"name\":\"carp\"}\n"),
            _ => {
                return (
                    head(404, &[("Content-Type", "application/problem+json")]),
                    b"{\"status\":404}\n".to_vec(),
                );
            }
        };
        if request.method == "POST" {
            let fields = [("Content-Type", "application/json"), ("Location", "/items/3")];
            return (head(201, &fields), content.to_vec());
        }
        let caching = if tag.starts_with("\"items") { "max-age=60" } else { "no-cache" };
        let fields = [("ETag", tag), ("Cache-Control", caching), ("Content-Type", "application/json")];
        if request.fields.get("if-none-match") == Some(tag.as_bytes()) {
            return (head(304, &fields[..2]), Vec::new());
        }
        (head(200, &fields), body.into())
    })
}

#[test]
fn curl_sees_the_same_api() {
    let api = api();
    let ways = Ways::to(&api.url, &[]);
    ways.compare("/items", &[], ["MISS", "HIT"]);
    ways.compare("/items?page=2", &["--head"], ["MISS", "MISS"]);
    ways.compare("/items/1", &[], ["MISS", "HIT"]);
    ways.compare("/items/9", &[], ["MISS", "MISS"]);
    let conditional = ["--header", "If-None-Match: \"items-7\""];
    ways.compare("/items", &conditional, ["HIT", "HIT"]);
    let before = api.asked();
    ways.fetch("/items", &[]);
    assert_eq!(api.asked(), before, "the list is fresh");
    let post = ["--data-binary", "{\"name\":\"pike\"}", "--header", "Content-Type: application/json"];
    let created = ways.compare("/items", &post, ["MISS", "MISS"]);
    assert_eq!((&*created.status, &*created.body), ("201 Created", &b"{\"name\":\"pike\"}"[..]));
    // A change of the list makes the stored list useless (RFC 9111 section 4.4).
    ways.compare("/items", &[], ["MISS", "HIT"]);
    // A large body, for which curl asks first whether to send it.
    let large = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(large.path(), vec![b'x'; 3 * 1024 * 1024]).unwrap();
    let data = format!("@{}", large.path().display());
    let expect = ["--data-binary", &data, "--header", "Expect: 100-continue"];
    assert_eq!(ways.compare("/items", &expect, ["MISS", "MISS"]).body.len(), 3 * 1024 * 1024);
}

/// A directory with one file of [`LARGE`] bytes, no two blocks of it alike.
fn large() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> =
        (0..LARGE as u64 / 8).flat_map(|number| (number * 0x9e37_79b9).to_be_bytes()).collect();
    std::fs::write(dir.path().join("large.bin"), bytes).unwrap();
    dir
}

/// Continues a download that was cut half-way, and compares the result.
fn continue_with_wget(base: &str, original: &Path) {
    let bytes = std::fs::read(original).unwrap();
    let desk = tempfile::tempdir().unwrap();
    let target = desk.path().join("large.bin");
    std::fs::write(&target, &bytes[..LARGE / 2 + 12_345]).unwrap();
    let mut wget = tool::command("wget");
    wget.args(["--continue", "--no-config", "--no-verbose"])
        .arg(format!("{base}/large.bin"))
        .current_dir(&desk);
    let said = tool::run(&mut wget).stderr;
    assert!(std::fs::read(&target).unwrap() == bytes, "{base}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn wget_continues_a_download() {
    let site = large();
    let original = site.path().join("large.bin");
    let nginx = Nginx::start(site.path());
    continue_with_wget(&nginx.url, &original);
    // Larger than the store takes: every request passes through.
    let small = Ways::to(&nginx.url, &[("memory.size", "64MiB")]);
    continue_with_wget(&small.through(), &original);
    assert_eq!(small.compare("/large.bin", &[], ["MISS", "MISS"]).body.len(), LARGE);
    continue_with_wget(&small.through(), &original);
    assert_eq!(small.proxy.counters().stored, 0);
    // Once it is stored, parts of it are hits.
    let roomy = Ways::to(&nginx.url, &[("memory.size", "512MiB")]);
    continue_with_wget(&roomy.through(), &original);
    roomy.compare("/large.bin", &[], ["MISS", "HIT"]);
    let asked = roomy.proxy.counters().origin_requests;
    continue_with_wget(&roomy.through(), &original);
    for range in ["0-1023", "33554432-34603007", "-65536", "67108863-"] {
        roomy.compare("/large.bin", &["--range", range], ["HIT", "HIT"]);
    }
    assert_eq!(roomy.proxy.counters().origin_requests, asked, "the origin is not needed any more");
}

/// The site as `wget --mirror` leaves it.
fn mirror(base: &str) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let desk = tempfile::tempdir().unwrap();
    let mut wget = tool::command("wget");
    wget.args(["--mirror", "--page-requisites", "--no-host-directories", "--no-config", "--no-verbose"]);
    let output = wget.arg(format!("{base}/index.html")).current_dir(&desk).output().unwrap();
    // 8: the site has a link to a page that is not there.
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    tree(desk.path())
}

#[test]
fn wget_mirrors_the_same_site() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    let direct = mirror(&nginx.url);
    assert!(direct.len() >= 7, "{:?}", direct.keys());
    assert!(direct.values().all(|(_, modified)| *modified == changed()), "wget keeps Last-Modified");
    assert!(mirror(&ways.through()) == direct, "through a cold cache");
    let hits = ways.proxy.counters().hits;
    assert!(mirror(&ways.through()) == direct, "through a warm cache");
    assert!(ways.proxy.counters().hits - hits >= direct.len() as u64, "the second time it was warm");
}

/// Runs Chromium with a new profile, without anything it does on its own.
fn chromium(arguments: &[&str], url: &str) -> Vec<u8> {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = tool::command("chromium");
    chromium
        .env("HOME", profile.path())
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()));
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
    ]);
    chromium.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
    chromium.args([
        "--disable-sync",
        "--disable-extensions",
        "--hide-scrollbars",
        "--virtual-time-budget=30000",
    ]);
    tool::run(chromium.args(arguments).arg(url)).stdout
}

#[test]
fn chromium_shows_the_same_page() {
    let site = site();
    let nginx = Nginx::start(site.path());
    let ways = Ways::to(&nginx.url, &[]);
    let dump =
        |base: &str| String::from_utf8(chromium(&["--dump-dom"], &format!("{base}/index.html"))).unwrap();
    let direct = dump(&nginx.url);
    for loaded in [
        "heading rgb(0, 90, 120)",
        "lilies 32 by 32",
        "reed 40 by 40",
        "fish carp, tench, pike",
        "gone 404",
        "Loaded",
    ] {
        assert!(direct.contains(loaded), "no {loaded:?} in {direct}");
    }
    assert_eq!(dump(&ways.through()), direct, "through a cold cache");
    let hits = ways.proxy.counters().hits;
    assert_eq!(dump(&ways.through()), direct, "through a warm cache");
    assert!(ways.proxy.counters().hits - hits >= 6, "page, style, script, two images and data are hits");
    let desk = tempfile::tempdir().unwrap();
    let picture = |base: &str| {
        let file = desk.path().join("picture.png");
        let screenshot = format!("--screenshot={}", file.display());
        chromium(&["--window-size=500,500", &screenshot], &format!("{base}/index.html"));
        std::fs::read(file).unwrap()
    };
    assert!(picture(&nginx.url) == picture(&ways.through()), "the pages look alike");
}
