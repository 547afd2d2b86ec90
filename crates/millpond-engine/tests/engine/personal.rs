//! Crowds with users in them: nobody gets what was meant for another.

use crate::support::{Got, Lines, Reply, World, gate, in_time, request, settle};
use millpond_exchange::RequestHead;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const USERS: usize = 40;

/// `USERS` clients that name themselves, then as many that do not; released at `open` once all of them wait.
async fn mixed_crowd(world: &World, open: &Arc<Semaphore>) -> Vec<(Option<String>, Got)> {
    let mut crowd = JoinSet::new();
    for at in 0..2 * USERS {
        let user = (at < USERS).then(|| format!("user-{at}"));
        let world = world.clone();
        crowd.spawn(async move {
            let lines: Vec<(&str, &str)> = user.iter().map(|user| ("Authorization", user.as_str())).collect();
            let got = world.read(request("GET", "/", &lines)).await;
            (user, got)
        });
        if at == 0 {
            settle().await;
        }
    }
    settle().await;
    open.add_permits(2 * USERS);
    let mut all = Vec::new();
    while let Some(client) = in_time(crowd.join_next()).await {
        all.push(client.expect("no client fails"));
    }
    all
}

fn name_of(head: &RequestHead) -> String {
    head.fields.get_str("authorization").unwrap_or("anyone").to_owned()
}

fn greeting(
    lines: Lines<'static>,
    open: &Arc<Semaphore>,
) -> impl Fn(&RequestHead) -> Reply + Send + Sync + 'static {
    let open = Arc::clone(open);
    move |head| Reply::ok(lines, &name_of(head)).behind(&open)
}

#[tokio::test(start_paused = true)]
async fn authorised_responses_go_to_their_users_alone() {
    let world = World::new();
    let open = gate();
    world.origin.says(greeting(&[("Cache-Control", "max-age=60")], &open));
    for (user, got) in mixed_crowd(&world, &open).await {
        assert_eq!(String::from_utf8_lossy(&got.body), user.unwrap_or("anyone".to_owned()));
    }
    assert_eq!(world.origin.count(), USERS + 1, "those without a name share one");
    assert_eq!(world.get("/").await, "hit 200 anyone");
}

#[tokio::test(start_paused = true)]
async fn a_public_response_is_for_the_whole_crowd() {
    let world = World::new();
    let open = gate();
    world.origin.says(greeting(&[("Cache-Control", "public, max-age=60")], &open));
    let all = mixed_crowd(&world, &open).await;
    assert!(all.iter().all(|(_, got)| got.body == b"user-0"));
    assert_eq!(world.origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_private_response_is_for_nobody_else() {
    let world = World::new();
    let open = gate();
    world.origin.says(greeting(&[("Cache-Control", "private, max-age=60")], &open));
    for (user, got) in mixed_crowd(&world, &open).await {
        assert_eq!(String::from_utf8_lossy(&got.body), user.unwrap_or("anyone".to_owned()));
    }
    assert_eq!((world.origin.count(), world.entries()), (2 * USERS, 0));
}

/// The fields of a 304 to one user must not reach another by way of the entry it confirms.
#[tokio::test(start_paused = true)]
async fn a_304_for_one_user_is_not_shown_to_others() {
    for directives in ["max-age=60", "private, max-age=60"] {
        let world = World::new();
        world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=60"), ("ETag", "\"v1\"")], "page"));
        world.get("/").await;
        world.advance(61);
        let open = gate();
        let held = open.clone();
        world.origin.says(move |head| {
            let cookie = format!("of={}", name_of(head));
            let lines = [("Cache-Control", directives), ("ETag", "\"v1\""), ("Set-Cookie", cookie.as_str())];
            Reply::status(304, &lines).behind(&held)
        });
        for (user, got) in mixed_crowd(&world, &open).await {
            assert_eq!(got.body, b"page");
            let own = format!("of={}", user.as_deref().unwrap_or("anyone"));
            let seen = got.fields.get_str("set-cookie");
            let shared = "of=anyone";
            assert!(
                seen.is_none_or(|cookie| cookie == own || cookie == shared),
                "{directives}: {user:?} got {seen:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn authorised_responses_are_stored_only_where_that_is_allowed() {
    for (directives, second) in [
        ("max-age=60", "miss 200 bob"),
        ("public, max-age=60", "hit 200 alice"),
        ("s-maxage=60", "hit 200 alice"),
        ("private, max-age=60", "miss 200 bob"),
    ] {
        let world = World::new();
        world.origin.says(move |head| Reply::ok(&[("Cache-Control", directives)], &name_of(head)));
        assert_eq!(world.line("GET", "/", &[("Authorization", "alice")]).await, "miss 200 alice");
        assert_eq!(world.line("GET", "/", &[("Authorization", "bob")]).await, second, "{directives}");
    }
}

/// The cookie that comes with a 304, or with the answer to a HEAD, is for whoever asked, and for nobody after.
#[tokio::test(start_paused = true)]
async fn a_cookie_that_comes_with_a_validation_is_not_kept() {
    for method in ["GET", "HEAD"] {
        let world = World::new();
        world.origin.says(|head| {
            let tag = ("ETag", "\"1\"");
            match head.fields.get_str("cookie") {
                Some(_) if head.method == "HEAD" => Reply::status(200, &[tag, ("Set-Cookie", "sid=secret")]),
                Some(_) => Reply::status(304, &[tag, ("Set-Cookie", "sid=secret")]),
                None => Reply::ok(&[tag, ("Cache-Control", "max-age=60")], "page"),
            }
        });
        world.get("/").await;
        let reload: Lines<'_> = &[("Cookie", "me"), ("Cache-Control", "no-cache")];
        let asker = world.read(request(method, "/", reload)).await;
        assert_eq!(asker.fields.get_str("set-cookie"), Some("sid=secret"), "{method}");
        let next = world.read(request("GET", "/", &[])).await;
        assert_eq!((next.outcome, next.fields.get_str("set-cookie")), ("hit", None), "{method}");
    }
}
