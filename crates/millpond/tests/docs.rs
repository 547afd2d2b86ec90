//! The pages under docs/ and the map of the code: their links and paths lead somewhere, their examples are right, and their
//! tables are up to date.

#![expect(clippy::unwrap_used, reason = "what cannot be set up or read is a failed test")]

#[path = "support/origin.rs"]
mod origin;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/tool.rs"]
mod tool;

use millpond::config::Config;
use millpond::engine::{OriginFault, SystemClock};
use millpond::policy::Reason;
use millpond::proxy::Server;
use millpond::recorder::Totals;
use origin::{Origin, head};
use proxy::Proxy;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize().unwrap()
}

/// Every page, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let (mut pages, mut dirs) = (Vec::new(), vec![docs()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&path).unwrap();
                pages.push((path, text));
            }
        }
    }
    assert!(pages.len() >= 8, "only {} pages", pages.len());
    pages
}

/// The targets of the links of a page that stay within the repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.contains(char::is_whitespace)).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| {
        let page = docs().join("..").join(name);
        let text = std::fs::read_to_string(&page).unwrap();
        (page, text)
    });
    for (page, text) in pages().into_iter().chain(top) {
        for link in links(&text) {
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = target.exists()
                && (fragment.is_empty() || {
                    let text = std::fs::read_to_string(&target).unwrap();
                    let mut headings = text.lines().filter(|line| line.starts_with('#'));
                    headings.any(|line| anchor(line.trim_start_matches('#')) == fragment)
                });
            if !found {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_index_names_every_page() {
    let index = std::fs::read_to_string(docs().join("README.md")).unwrap();
    let named = links(&index);
    for (page, _) in pages() {
        let name = page.strip_prefix(docs()).unwrap().to_str().unwrap().to_owned();
        // Decisions are many; the index names their directory.
        if name != "README.md" && !name.starts_with("decisions/") {
            assert!(named.contains(&&*name), "docs/README.md does not name {name}");
        }
    }
}

/// The bodies of the fenced blocks in `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let bodies = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    bodies.map(str::to_owned).collect()
}

#[test]
fn every_configuration_in_a_guide_is_right() {
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml") {
            count += 1;
            let built = Config::builder().file_text("example.toml", &block).build();
            let resolved = built.unwrap_or_else(|errors| panic!("{}:\n{errors}\n{block}", page.display()));
            // Forward proxies, recording and replay need no origin.
            let routes = ["[forward", "[intercept", "[tape"].iter().all(|section| !block.contains(section));
            assert!(!routes || !resolved.config.routes().is_empty(), "{}: {block}", page.display());
        }
    }
    assert!(count >= 5, "only {count} examples");
}

/// An origin that tells what it was asked.
fn echo(name: &'static str) -> Origin {
    Origin::start(move |request, _| {
        let from = request.fields.get_str("x-from").unwrap_or("-");
        let body = format!("{name} {} from {from}\n", request.path_and_query);
        (head(200, &[("X-Powered-By", "reeds")]), body.into_bytes())
    })
}

/// What a request through the proxy gets: body, X-Cache and the detail of Cache-Status.
fn ask(proxy: &Proxy, path: &str, options: &[&str]) -> (String, String) {
    let stored = proxy.counters().stored;
    let mut curl = tool::command("curl");
    let url = format!("http://{}{path}", proxy.address());
    let output = tool::run(curl.args(["--silent", "--include"]).args(options).arg(url)).stdout;
    let text = String::from_utf8(output).unwrap();
    if text.contains("; stored\r\n") {
        proxy.wait_until("storing", |counters| counters.stored > stored);
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.trim_end().to_owned())
}

#[test]
fn the_guides_first_example_does_what_it_says() {
    let (site, api) = (echo("site"), echo("api"));
    let guide = std::fs::read_to_string(docs().join("guides/reverse-proxy.md")).unwrap();
    let example = blocks(&guide, "toml")[0].clone();
    assert!(example.contains("http://127.0.0.1:8001") && example.contains("http://127.0.0.1:8002"));
    let example =
        example.replace("http://127.0.0.1:8001", &site.url).replace("http://127.0.0.1:8002", &api.url);
    let proxy = Proxy::with_file(&example, Arc::new(SystemClock));

    let (head, body) = ask(&proxy, "/about", &[]);
    assert_eq!(body, "site /about from -");
    assert!(head.contains("detail=no-freshness") && head.contains("x-powered-by: reeds"), "{head}");

    let (head, body) = ask(&proxy, "/api/items?a=1&utm_source=mail", &[]);
    assert_eq!(body, "api /items?a=1 from millpond");
    assert!(head.contains("x-cache: miss") && head.contains("; stored"), "{head}");
    assert!(head.contains("x-served-by: millpond") && !head.contains("x-powered-by"), "{head}");
    let (head, _) = ask(&proxy, "/api/items?a=1&utm_campaign=spring", &[]);
    assert!(head.contains("x-cache: hit") && head.contains("x-served-by: millpond"), "{head}");
    assert!(!head.contains("x-powered-by"), "{head}");

    for (path, options, detail) in [
        ("/api/me", &[][..], "pass-path"),
        ("/api/items?a=1", &["--cookie", "session=1"], "pass-cookie"),
        ("/api/items?a=1", &["--header", "X-Preview: 1"], "pass-field"),
    ] {
        let (head, _) = ask(&proxy, path, options);
        assert!(head.contains("fwd=bypass") && head.contains(&format!("detail={detail}")), "{path} {head}");
    }
}

#[test]
fn every_reason_is_in_the_guide() {
    const BEGIN: &str = "<!-- reasons: UPDATE_DOCS=1 cargo test -p millpond --test docs -->\n";
    const END: &str = "<!-- end of reasons -->\n";
    let file = docs().join("guides/why-is-it-not-cached.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table = String::from("| reason | meaning |\n|---|---|\n");
    for reason in Reason::ALL {
        writeln!(table, "| `{reason}` | {} |", reason.explain().replace('|', "\\|")).unwrap();
    }
    let expected = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &expected).unwrap();
    } else {
        assert!(page == expected, "{} is out of date: run this test with UPDATE_DOCS=1", file.display());
    }
}

#[test]
fn every_path_on_the_map_is_there() {
    let top = docs().join("..");
    let map = std::fs::read_to_string(top.join("ARCHITECTURE.md")).unwrap();
    assert!(!map.contains("```"), "the paths are looked for between single backticks");
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    let (mut count, mut dead) = (0, Vec::new());
    for name in map.split('`').skip(1).step_by(2).filter(|name| name.bytes().all(is_plain)) {
        let Some((first, rest)) = name.split_once('/') else {
            // Files of one name are many: each is written with its crate.
            if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
                dead.push(name);
            }
            continue;
        };
        let of_crate = top.join("crates").join(format!("millpond-{first}"));
        let path = if of_crate.is_dir() { of_crate.join("src").join(rest) } else { top.join(name) };
        let found = if name.ends_with('/') { path.is_dir() } else { path.is_file() };
        count += 1;
        if !found {
            dead.push(name);
        }
    }
    assert!(dead.is_empty(), "ARCHITECTURE.md: {dead:#?}");
    assert!(count >= 50, "only {count} paths");
}

/// What stands in backticks in the first column of the tables of a page of the reference.
fn named_in_tables(page: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(docs().join("reference").join(page)).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

#[test]
fn every_counter_is_in_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let values = Config::builder().set("listen", "127.0.0.1:0").set("access_log.format", "off");
    let config = values.set("cache_dir", dir.path().to_str().unwrap()).build().unwrap().config;
    let running = Server::bind_forward(&config, Arc::new(SystemClock)).unwrap().start().unwrap();
    let figures = running.figures();
    running.stop();
    running.wait();
    let mut counted: BTreeSet<String> = figures.into_iter().map(|(name, _)| name).collect();
    let parts = ["hits", "memory_bytes", "disk_entries", "tunnels_open"];
    assert!(parts.iter().all(|name| counted.contains(*name)), "{counted:?}");
    counted.extend(Totals::default().iter().map(|(name, _)| format!("tape_{name}")));
    assert_eq!(named_in_tables("counters.md"), counted);
}

/// The kinds that calls of `Problem::new` in the files under `dir` name.
fn kinds_in(dir: PathBuf, kinds: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kinds_in(path, kinds);
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let calls = text.split("Problem::new(").skip(1).filter_map(|rest| rest.split(')').next());
        kinds.extend(calls.filter_map(|call| call.split('"').nth(1)).map(str::to_owned));
    }
}

#[test]
fn every_kind_of_problem_is_in_the_reference() {
    let mut kinds = BTreeSet::new();
    kinds_in(docs().join("../crates/millpond-proxy/src"), &mut kinds);
    assert!(kinds.len() >= 8, "{kinds:?}");
    let faults = [
        OriginFault::Connect,
        OriginFault::Tls,
        OriginFault::Timeout,
        OriginFault::Closed,
        OriginFault::Malformed,
        OriginFault::NoOrigin,
        OriginFault::Refused,
        OriginFault::Loop,
    ];
    kinds.extend(faults.map(|fault| fault.as_str().to_owned()));
    let named = named_in_tables("problems.md");
    assert!(named.is_superset(&kinds), "{:?}", kinds.difference(&named));
}
