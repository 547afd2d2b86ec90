//! `cache purge` and `--clear-cache`.

use super::{Pond, ask_until, stop};
use crate::support::run;

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
    assert_eq!(pond.told(&["purge", "--all"]), "Purged 0 entries.\n");
    assert!(!pond.file().exists());
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
