//! `cache ls`, `cache show` and `cache stats`.

use super::{LARGE, Pond};
use crate::support::run;
use serde_json::Value;

const ALL: [&str; 5] = ["/a", "/b", "/img/1", "/img/2", "/large"];

#[test]
fn ls_lists_in_order_of_url_and_filters() {
    let pond = Pond::holding(&["/img/2", "/b", "/large", "/a", "/img/1"]);
    assert_eq!(pond.listed(&[]), ALL);
    assert_eq!(pond.listed(&["--prefix", &pond.url("/img/")]), ["/img/1", "/img/2"]);
    let upper = pond.url("/IMG/../img/1").replace("http", "HTTP");
    assert_eq!(pond.listed(&["--prefix", &upper]), ["/img/1"], "a prefix is brought into normal form");
    let host = pond.origin.url.strip_prefix("http://").unwrap();
    assert_eq!(pond.listed(&["--host", host]), ALL);
    assert_eq!(pond.listed(&["--host", "example.com"]), [""; 0]);
    assert_eq!(pond.listed(&["--tag", "red"]), ["/a"]);
    assert_eq!(pond.listed(&["--status", "200", "--limit", "2"]), ["/a", "/b"]);
    assert_eq!(pond.listed(&["--status", "404"]), [""; 0]);
    assert_eq!(pond.listed(&["--tag", "product-8", "--prefix", &pond.url("/img/")]), [""; 0]);
}

#[test]
fn a_line_has_its_columns_between_tabs() {
    let pond = Pond::holding(&["/a"]);
    let listed = pond.told(&["ls"]);
    let columns: Vec<&str> = listed.trim_end().split('\t').collect();
    let [status, bytes, stored, fresh_until, hits, url] = columns[..] else { panic!("{columns:?}") };
    assert_eq!((status, bytes, hits, url), ("200", "9", "0", &*pond.url("/a")));
    for time in [stored, fresh_until] {
        assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    assert!(stored < fresh_until);
    let json = pond.json(&["ls"]);
    assert_eq!((&json["status"], &json["bytes"], &json["fresh"]), (&200.into(), &9.into(), &true.into()));
    assert_eq!(json["stored"], stored);
}

#[test]
fn more_than_one_step_of_entries_comes_out_whole_and_once() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    let mut wanted: Vec<String> = (0..1234).map(|number| format!("/a?{number}")).collect();
    for path in &wanted {
        serving.get(path);
    }
    super::stop(serving);
    wanted.sort();
    assert_eq!(pond.listed(&[]), wanted);
    assert_eq!(pond.listed(&["--limit", "1001"]), wanted[..1001]);
}

#[test]
fn show_tells_every_variant() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    for language in ["de", "fr"] {
        serving.get_with("/img/2", &format!("Accept-Language: {language}\r\n"));
    }
    super::stop(serving);
    let shown = pond.told(&["show", &pond.url("/img/2")]);
    for part in ["1 of 2", "2 of 2", "accept-language: de", "accept-language: fr", "the standards", "(fresh)"]
    {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert!(
        shown.to_lowercase().contains("cache-control: max-age=600") && shown.contains("in the database"),
        "{shown}"
    );
    let json = pond.json(&["show", &pond.url("/img/2")]);
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert!(json[0]["fields"][0][0].is_string(), "{json:#}");
}

#[test]
fn show_tells_tags_groups_and_files() {
    let pond = Pond::holding(&["/a", "/img/1", "/large"]);
    let json = |path: &str| pond.json(&["show", &pond.url(path)])[0].clone();
    assert_eq!(json("/a")["tags"], serde_json::json!(["product-7", "red"]));
    assert_eq!(json("/img/1")["groups"], serde_json::json!(["menu"]));
    assert_eq!(json("/large")["bytes"], LARGE);
    assert!(json("/large")["file"].is_string() && json("/a")["file"].is_null());
}

/// What an origin says must not move the cursor, or worse, of who looks.
#[test]
fn nothing_of_an_origin_acts_on_a_terminal() {
    let pond = Pond::holding(&["/odd"]);
    let url = pond.url("/odd");
    for command in [&["show", &url][..], &["show", &url, "--json"], &["ls"], &["ls", "--json"], &["verify"]] {
        let told = pond.told(command);
        let acts = |c: char| c.is_control() && !"\n\t".contains(c) || c == '\u{202e}';
        assert!(!told.contains(acts), "{command:?}: {told:?}");
    }
    let shown = pond.told(&["show", &url]);
    assert!(shown.contains("a?2Jb?c") && shown.contains("t?31m"), "{shown}");
    let json = pond.json(&["show", &url]);
    assert_eq!(json[0]["tags"][0], "t\u{9b}31m", "JSON keeps what it was");
}

#[test]
fn ls_refuses_what_is_no_host() {
    for host in ["*", "http://a.example", "a.example/b", "a b"] {
        let ended = run(&["cache", "ls", "--host", host]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains("a host is a name or an address"), "{}", ended.stderr);
    }
}

#[test]
fn what_is_not_stored_is_said_to_be_so() {
    let pond = Pond::holding(&["/a"]);
    let ended = pond.cache(&["show", &pond.url("/b")]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.ends_with("Nothing is stored for it.\n"), "{}", ended.stdout);
    assert_eq!(pond.cache(&["show", "not-a-url"]).code, Some(2));
}

#[test]
fn a_cache_that_does_not_exist_is_named() {
    let pond = Pond::new();
    for command in [&["ls"][..], &["show", "http://a.example/"], &["stats"], &["verify"], &["backup", "x.db"]]
    {
        let ended = pond.cache(command);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{command:?}");
        assert!(ended.stderr.contains("there is no cache at"), "{command:?}: {}", ended.stderr);
    }
    assert!(!pond.file().exists(), "looking makes no cache");
    let ended = run(&["cache", "ls", "--set", "store=memory"]);
    assert_eq!(ended.code, Some(78), "{}", ended.stderr);
    assert!(ended.stderr.contains("--cache-dir DIR"), "{}", ended.stderr);
}

#[test]
fn stats_count_what_is_stored() {
    let pond = Pond::holding(&["/a", "/b", "/large"]);
    let json = pond.json(&["stats"]);
    let number = |name: &str| json[name].as_u64().unwrap();
    assert_eq!((number("entries"), number("fresh")), (3, 3));
    assert!(number("disk_bytes") >= number("file_body_bytes") && number("row_body_bytes") > 0, "{json:#}");
    assert!(number("file_body_bytes") > 0, "{json:#}");
    assert_eq!(json["by_status"][0]["status"], 200);
    assert_eq!(json["by_status"][0]["body_bytes"], LARGE + 18);
    let text = pond.told(&["stats"]);
    let file = pond.file();
    assert!(text.starts_with(&format!("Cache         {}\n", file.display())), "{text}");
    assert!(text.contains("Entries       3 (3 fresh)\n"), "{text}");
}

/// The limits of servers are theirs: what is printed are those that somebody has set here.
#[test]
fn stats_name_no_limit_that_was_not_given() {
    let pond = Pond::holding(&["/a"]);
    let text = pond.told(&["stats"]);
    assert!(!text.contains("at most"), "{text}");
    let json = pond.json(&["stats"]);
    assert!(json["max_entries"].is_null() && json["max_disk_bytes"].is_null(), "{json:#}");
    let config = pond.file().with_file_name("millpond.toml");
    std::fs::write(&config, "[disk]\nsize = \"1GiB\"\n").unwrap();
    let given = ["stats", "--config", config.to_str().unwrap(), "--set", "disk.max_entries=5000"];
    let text = pond.told(&given);
    assert!(text.contains("Entries       1 of at most 5000 (1 fresh)\n"), "{text}");
    assert!(text.contains(" of at most 1.0 GiB\n"), "{text}");
    let json = pond.json(&given);
    assert_eq!((&json["max_entries"], &json["max_disk_bytes"]), (&5000.into(), &(1 << 30).into()));
}

#[test]
fn looking_goes_on_beside_a_server() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    serving.get("/a");
    let started = std::time::Instant::now();
    // Written within the commit interval.
    while pond.cache(&["ls"]).stdout.is_empty() {
        assert!(started.elapsed() < crate::support::PATIENCE);
    }
    let verified: Value = pond.json(&["verify"]);
    assert_eq!(verified["right"], true, "{verified:#}");
    assert_eq!(serving.get("/a").field("x-cache"), "HIT");
}
