//! `cache purge` and `--clear-cache`.

use super::{Pond, ask_until, stop};
use crate::support::{PATIENCE, file, run};

/// What is to be purged, and what is left of the pages.
type Row<'a> = (&'a dyn Fn(&Pond) -> Vec<String>, &'a [&'a str]);

#[test]
fn each_selector_purges_what_it_covers() {
    let rows: &[Row] = &[
        (&|pond| vec!["--url".into(), pond.url("/a")], &["/b", "/img/1", "/img/2"]),
        (&|pond| vec!["--prefix".into(), pond.url("/img/")], &["/a", "/b"]),
        (&|_| vec!["--tag".into(), "product-7".into()], &["/b", "/img/1", "/img/2"]),
        (
            &|pond| vec!["--tag".into(), "product-8".into(), "--origin".into(), pond.url("")],
            &["/a", "/img/1", "/img/2"],
        ),
        (
            &|_| vec!["--tag".into(), "product-8".into(), "--origin".into(), "http://other.example".into()],
            &["/a", "/b", "/img/1", "/img/2"],
        ),
        (
            &|pond| vec!["--group".into(), "menu".into(), "--origin".into(), pond.url("/")],
            &["/a", "/b", "/img/2"],
        ),
        (&|pond| vec!["--host".into(), pond.url("").replace("http://", "")], &[]),
        (&|_| vec!["--all".into()], &[]),
    ];
    for (arguments, left) in rows {
        let pond = Pond::holding(&["/a", "/b", "/img/1", "/img/2"]);
        let arguments = arguments(&pond);
        let arguments: Vec<&str> =
            ["purge"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let told = pond.told(&arguments);
        let purged = 4 - left.len();
        let noun = if purged == 1 { "entry" } else { "entries" };
        assert_eq!(told, format!("Purged {purged} {noun}.\n"), "{arguments:?}");
        assert_eq!(pond.listed(&[]), *left, "{arguments:?}");
        assert_eq!(pond.told(&arguments), "Purged 0 entries.\n", "nothing left is no failure: {arguments:?}");
    }
}

/// No server is there that would know which URLs stand for which: what is stored says so itself.
#[test]
fn a_url_is_purged_by_any_that_it_stands_for() {
    const STORED: [&str; 3] = ["/search?q=1", "/search?q=2", "/search?q=3&v=%2B"];
    for (named, gone) in [
        ("/search?q=1&u=7", Some(STORED[0])),
        ("/search?u=7&q=2&u", Some(STORED[1])),
        ("/search?q=3&v=%2b", Some(STORED[2])),
        ("/search?q=1", Some(STORED[0])),
        ("/search?q=4&u=1", None),
        ("/search?u=1", None),
    ] {
        let pond = Pond::holding(&["/search?u=1&q=1", "/search?q=2&u=1", "/search?q=3&u&v=%2B"]);
        assert_eq!(pond.listed(&[]), STORED);
        let told = pond.told(&["purge", "--url", &pond.url(named)]);
        let purged = if gone.is_some() { "Purged 1 entry.\n" } else { "Purged 0 entries.\n" };
        assert_eq!(told, purged, "{named}");
        let left: Vec<_> = STORED.into_iter().filter(|url| Some(*url) != gone).collect();
        assert_eq!(pond.listed(&[]), left, "{named}");
    }
}

/// The key of a URL is made as the server makes it, whether the URL is the client's or the origin's.
#[test]
fn routes_and_query_rules_make_the_key_of_a_url() {
    for (host, asked, stored, named, wrong) in [
        ("localhost", "/a?b=2&a=1", "/a?a=1&b=2", "{origin}/a?b=2&a=1", "{origin}/a?b=2&a=3"),
        (
            "img.example",
            "/pictures/1?utm=1",
            "/img/1",
            "http://img.example/pictures/1?utm=7",
            "{origin}/img/2",
        ),
        ("img.example", "/pictures/1?utm=1", "/img/1", "{origin}/img/1?utm=7", "http://a.example/pictures/1"),
    ] {
        let pond = Pond::new();
        let text = format!(
            "[query]\nsort = true\n\n[[route]]\nhost = \"img.example\"\npath_prefix = \"/pictures\"\n\
             strip_prefix = true\norigin = \"{}\"\n[route.query]\ndrop = [\"utm\"]\n",
            pond.url("/img")
        );
        let (_dir, config) = file("millpond.toml", &text);
        let [named, wrong] = [named, wrong].map(|url| url.replace("{origin}", &pond.url("")));
        let serving = pond.serve(&["--config", &config]);
        serving.get_at(host, asked);
        assert_eq!(serving.get_at(host, asked).field("x-cache"), "HIT", "{asked}");
        let show = ["show", &named, "--config", &config];
        let started = std::time::Instant::now();
        // Written within the commit interval.
        while pond.cache(&show).code != Some(0) {
            assert!(started.elapsed() < PATIENCE, "{named}: {:?}", pond.cache(&show));
        }
        assert_eq!(pond.told(&show).lines().next(), Some(&*pond.url(stored)), "{named}");
        let purge = |url: &str| pond.told(&["purge", "--url", url, "--config", &config]);
        assert_eq!(purge(&wrong), "Purged 0 entries.\n", "{wrong}");
        assert_eq!(purge(&named), "Purged 1 entry.\n", "{named}");
        while serving.get_at(host, asked).field("x-cache") != "MISS" {
            assert!(started.elapsed() < PATIENCE, "{asked}: still served");
        }
    }
}

#[test]
fn exactly_one_selector_must_be_given() {
    for arguments in [
        &[][..],
        &["--all", "--host", "a.example"],
        &["--url", "http://a.example/", "--tag", "x"],
        &["--group", "menu"],
        &["--all", "--origin", "http://a.example"],
        &["--url", "a.example/"],
        &["--prefix", "exam"],
        &["--host", "a b"],
        &["--host", "*"],
        &["--host", "*.example"],
        &["--host", "http://a.example"],
        &["--host", "a.example/b"],
        &["--host", "user@a.example"],
        &["--host", ""],
        &["--tag", "x", "--origin", "http://a.example/path"],
    ] {
        let ended = run(&[&["cache", "purge"], arguments].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{arguments:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
}

#[test]
fn nothing_is_purged_where_no_cache_exists() {
    let pond = Pond::new();
    for arguments in [&["purge", "--all"][..], &["purge", "--url", "http://a.example/"]] {
        let ended = pond.cache(arguments);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        let told = format!("there is no cache at {}", pond.file().display());
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
    assert!(!pond.file().exists());
    // Where it cannot be told whether there is one, or it cannot be made.
    let ended = run(&["cache", "purge", "--all", "--cache-dir", "/dev/null/cache"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("/dev/null/cache"), "{}", ended.stderr);
}

#[test]
fn a_purge_reaches_a_running_server() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    serving.get("/a");
    serving.get("/b");
    assert_eq!(serving.get("/a").told().0, "HIT");
    pond.told(&["purge", "--url", &pond.url("/a")]);
    let reply = ask_until(&serving, "/a", |reply| reply.field("x-cache") == "MISS");
    assert_eq!(reply.body, "answer 3\n");
    let other = serving.get("/b");
    assert_eq!((other.field("x-cache"), &*other.body), ("HIT", "answer 2\n"));
}

#[test]
fn a_soft_purge_reaches_a_running_server_and_keeps_the_entry() {
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    serving.get("/a");
    pond.told(&["purge", "--tag", "red", "--soft"]);
    let reply = ask_until(&serving, "/a", |reply| reply.body == "answer 2\n");
    assert!(reply.field("cache-status").contains("fwd=stale"), "{reply:?}");
    stop(serving);
    let pond = Pond::holding(&["/a"]);
    assert_eq!(pond.told(&["purge", "--all", "--soft"]), "Purged 1 entry.\n");
    let listed = pond.json(&["ls"]);
    assert_eq!((&listed["fresh"], &listed["soft_purged"]), (&false.into(), &true.into()));
    assert!(pond.told(&["show", &pond.url("/a")]).contains("(stale since a soft purge)"));
}

#[test]
fn the_cache_is_cleared() {
    let pond = Pond::holding(&["/a", "/large"]);
    for _ in 0..2 {
        let ended = run(&["--clear-cache", "--cache-dir", pond.place()]);
        assert_eq!((ended.code, &*ended.stdout), (Some(0), "Cache cleared.\n"), "{}", ended.stderr);
        assert_eq!(pond.listed(&[]), [""; 0]);
    }
    let serving = pond.serve(&[]);
    assert_eq!(serving.get("/a").field("x-cache"), "MISS");
}

#[test]
fn a_cache_that_does_not_exist_is_cleared_too() {
    let ended = run(&["--clear-cache"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "Cache cleared.\n"), "{}", ended.stderr);
    assert_eq!(run(&["--clear-cache", "--port", "1", "--origin", "http://a.example"]).code, Some(2));
}
