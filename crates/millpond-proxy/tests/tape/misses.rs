//! Requests that no tape has.

use crate::setup::*;
use crate::support::Origin;
use millpond_recorder::{MissReason, Mode};

async fn recorded(dir: &std::path::Path) -> Origin {
    let origin = Origin::script(["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    let recording = taping(dir, Mode::WriteOnly);
    assert_eq!(recording.get(&at(&origin, "/items?page=1")).await.text(), "ok");
    recording.ended().await;
    origin
}

#[tokio::test]
async fn a_miss_names_the_nearest_recorded_request() {
    let dir = tempfile::tempdir().unwrap();
    let origin = recorded(dir.path()).await;
    let player = taping(dir.path(), Mode::ReadOnlyFailOnMiss);
    let mut client = player.client().await;
    let reply = client.ask("GET", &at(&origin, "/items?page=2&token=s3cr3t"), "Cookie: s3cr3t\r\n").await;
    let text = reply.problem(504);
    assert!(text.contains("/items?page=1") && text.contains("page=2") && !text.contains("s3cr3t"), "{text}");
    assert_eq!((reply.x_cache().as_str(), reply.get("cache-control").as_deref()), ("MISS", Some("no-store")));
    // The connection is as good as before: nothing was reset.
    assert_eq!(client.get(&at(&origin, "/items?page=1")).await.text(), "ok");
    let misses = player.tapes.latest_misses();
    let error: &dyn std::error::Error = &misses[0];
    assert!(error.to_string().contains("/items?page=2&token=REDACTED"), "{error}");
    assert_eq!(misses[0].reason, MissReason::Unknown);
    let totals = player.tapes.totals();
    assert_eq!((totals.hits, totals.misses, totals.upstream_attempts), (1, 1, 0));
    assert_eq!((origin.connections(), origin.asked().len()), (1, 1));
}

#[tokio::test]
async fn status_and_form_of_a_miss_are_settings() {
    let dir = tempfile::tempdir().unwrap();
    let origin = recorded(dir.path()).await;
    let settings = [("tape.miss_status", 404.into()), ("tape.miss_body", "text".into())];
    let player = taping_with(dir.path(), Mode::ReadOnlyFailOnMiss, &settings);
    let url = at(&origin, "/other");
    let reply = player.get(&url).await;
    assert_eq!((reply.status, reply.text()), (404, format!("Cache miss for {url}")));
    assert_eq!(reply.x_cache(), "MISS");
}

#[tokio::test]
async fn what_is_ignored_does_not_make_a_miss() {
    let dir = tempfile::tempdir().unwrap();
    let origin = recorded(dir.path()).await;
    for (settings, path, status) in [
        (vec![("tape.match.ignore_query", "page".into())], "/items?page=2", 200),
        (vec![], "/items?page=2", 504),
        (vec![("tape.match.ignore_host", true.into()), ("tape.match.ignore_port", true.into())], "", 200),
    ] {
        let player = taping_with(dir.path(), Mode::ReadOnlyFailOnMiss, &settings);
        let url =
            if path.is_empty() { "http://other.example/items?page=1".into() } else { at(&origin, path) };
        assert_eq!(player.get(&url).await.status, status, "{settings:?}");
    }
}
