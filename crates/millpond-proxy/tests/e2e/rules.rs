//! Policies by path, as the presets for package managers have them: through the cache in front of a mirror, and through
//! the forward proxy.

use crate::support::{Origin, Proxy, Reply, Setup, proxy, url_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DAY: u64 = 24 * 3600;
const INDEX: &str = "/debian/dists/trixie/InRelease";
const BY_HASH: &str = "/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/0a1b";
const PACKAGE: &str = "/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb";
/// What apt sends for every index file, those by hash among them.
const RELOAD: &str = "Cache-Control: max-age=0\r\n";

/// A mirror as most are: validators, and not a word on caching.
struct Mirror {
    origin: Origin,
    away: Arc<AtomicBool>,
}

impl Mirror {
    async fn start() -> Self {
        let away = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&away);
        let origin = Origin::start(move |mut conn| {
            let away = Arc::clone(&seen);
            async move {
                while let Some(request) = conn.request().await {
                    if away.load(Ordering::SeqCst) {
                        return;
                    }
                    let status =
                        if request.get("if-none-match").is_some() { "304 Not Modified" } else { "200 OK" };
                    let fields = "ETag: \"1\"\r\nLast-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n";
                    let rest =
                        if status.starts_with("304") { "\r\n" } else { "Content-Length: 4\r\n\r\ndata" };
                    conn.send(format!("HTTP/1.1 {status}\r\n{fields}{rest}")).await;
                }
            }
        })
        .await;
        Self { origin, away }
    }

    /// Requests for `path` so far, and how many of them asked whether it has changed.
    fn asked(&self, path: &str) -> (usize, usize) {
        let asked = self.origin.asked();
        let about = asked.iter().filter(|request| request.line.split(' ').nth(1) == Some(path));
        about.fold((0, 0), |(all, conditional), request| {
            (all + 1, conditional + usize::from(request.get("if-none-match").is_some()))
        })
    }
}

/// Asks three times, a minute apart, with `more` fields; every answer is the file.
async fn thrice(proxy: &Proxy, target: &str, more: &str) -> Reply {
    for _ in 0..2 {
        assert_eq!(proxy.get_with(target, more).await.text(), "data", "{target}");
        proxy.later(60);
    }
    let last = proxy.get_with(target, more).await;
    assert_eq!(last.text(), "data", "{target}");
    last
}

/// Through `proxy`, whose clients write `prefix` before the paths of the mirror.
async fn index_files_are_confirmed_and_packages_are_not(mirror: &Mirror, proxy: &Proxy, prefix: &str) {
    // Without a word of the client, which apt would add.
    let index = thrice(proxy, &format!("{prefix}{INDEX}"), "").await;
    assert_eq!(mirror.asked(INDEX), (3, 2), "asked each time, with what is stored");
    assert_eq!(index.x_cache(), "HIT");
    assert!(index.cache_status().contains("fwd-status=304"), "{}", index.cache_status());
    for path in [PACKAGE, BY_HASH] {
        let reply = thrice(proxy, &format!("{prefix}{path}"), RELOAD).await;
        assert_eq!(mirror.asked(path), (1, 0), "{path}");
        assert!(reply.cache_status().contains("millpond; hit"), "{}", reply.cache_status());
    }
    proxy.later(30 * DAY);
    assert_eq!(proxy.get(&format!("{prefix}{PACKAGE}")).await.text(), "data");
    assert_eq!(mirror.asked(PACKAGE), (2, 1), "its 30 days are over");
}

#[tokio::test]
async fn in_front_of_a_mirror() {
    let mirror = Mirror::start().await;
    let proxy = proxy(&mirror.origin).preset("apt").start();
    index_files_are_confirmed_and_packages_are_not(&mirror, &proxy, "").await;
}

#[tokio::test]
async fn through_the_forward_proxy() {
    let mirror = Mirror::start().await;
    let proxy = Setup::new().preset("apt").forward();
    index_files_are_confirmed_and_packages_are_not(&mirror, &proxy, &url_of(&mirror.origin)).await;
}

#[tokio::test]
async fn with_the_mirror_away_what_is_stored_answers() {
    let mirror = Mirror::start().await;
    let proxy = proxy(&mirror.origin).preset("apt").start();
    for path in [INDEX, PACKAGE] {
        proxy.get(path).await;
    }
    mirror.away.store(true, Ordering::SeqCst);
    proxy.later(DAY);
    let index = proxy.get_with(INDEX, RELOAD).await;
    assert_eq!((index.status, index.text().as_str()), (200, "data"));
    assert!(index.cache_status().contains("detail=stale-if-error"), "{}", index.cache_status());
    assert_eq!(proxy.get(PACKAGE).await.text(), "data");
    proxy.get("/debian/dists/trixie/Release").await.problem(502);
}

/// Without a window that somebody named, an answer needs the origin's word.
#[tokio::test]
async fn always_validate_alone_serves_nothing_unconfirmed() {
    let mirror = Mirror::start().await;
    let proxy =
        proxy(&mirror.origin).set("policy.default_ttl", "1h").set("policy.always_validate", true).start();
    proxy.get("/a").await;
    let told = proxy.get("/a").await.cache_status();
    assert!(told.contains("fwd=stale") && told.contains("fwd-status=304"), "{told}");
    assert!(told.contains("detail=always-validate"), "{told}");
    mirror.away.store(true, Ordering::SeqCst);
    proxy.get("/a").await.problem(502);
}

#[tokio::test]
async fn the_first_rule_that_covers_a_path_counts_and_a_route_has_its_own() {
    let mirror = Mirror::start().await;
    let url = url_of(&mirror.origin);
    let text = format!(
        "policy.default_ttl = '1h'\norigin = '{url}'\n\
         [[rule]]\npaths = ['/a/b']\npolicy.always_validate = false\n\
         [[rule]]\npaths = ['/a']\npolicy.always_validate = true\n\
         [[route]]\npath_prefix = '/own'\norigin = '{url}'\nstrip_prefix = true\n\
         [[route.rule]]\npaths = ['/own/x']\npolicy.always_validate = true\n"
    );
    let proxy = Setup::new().file(&text).start();
    for (path, at_origin, asked) in [
        ("/a", "/a", 2),
        ("/a/c?q", "/a/c?q", 2),
        ("/a/b/c", "/a/b/c", 1),
        ("/a/%62/d", "/a/b/d", 1),
        ("/b", "/b", 1),
        ("/own/x", "/x", 2),
        ("/own/y", "/y", 1),
    ] {
        for _ in 0..2 {
            assert_eq!(proxy.get(path).await.text(), "data", "{path}");
        }
        assert_eq!(mirror.asked(at_origin).0, asked, "{path}");
    }
}
