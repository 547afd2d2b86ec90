//! Responses that vary on Accept-Language, and requests that list their languages otherwise.

use crate::support::{Lines, Reply, World, request};
use millpond_exchange::RequestHead;
use millpond_policy::{LanguageMatch, Profile};
use millpond_store::MemoryOptions;

/// Chooses by the first language of the list, as most servers do, and says which it was.
fn by_first(head: &RequestHead) -> Reply {
    let list = head.fields.get_str("accept-language").unwrap_or("en").to_owned();
    let first = list.split([',', ';']).next().unwrap_or_default().to_owned();
    let lines = [
        ("Cache-Control", "max-age=60"),
        ("Vary", "Accept-Language"),
        ("Content-Language", first.as_str()),
        ("ETag", "\"v\""),
    ];
    Reply::ok(&lines, &list)
}

/// Does the same and does not say which it was.
fn silently(head: &RequestHead) -> Reply {
    let list = head.fields.get_str("accept-language").unwrap_or("en").to_owned();
    Reply::ok(&[("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")], &list)
}

fn under(languages: LanguageMatch) -> World {
    World::with(Profile { languages, ..Profile::default() }, MemoryOptions::default())
}

async fn ask(world: &World, languages: &str) -> String {
    world.line("GET", "/", &[("Accept-Language", languages)]).await
}

#[tokio::test(start_paused = true)]
async fn the_same_languages_in_another_order() {
    let world = World::new();
    world.origin.says(silently);
    assert_eq!(ask(&world, "en, de").await, "miss 200 en, de");
    assert_eq!(ask(&world, "de, en").await, "hit 200 en, de");
    assert_eq!(ask(&world, "de;q=0.9, en").await, "miss 200 de;q=0.9, en");
    world.advance(61);
    assert_eq!(ask(&world, "de, en").await, "miss 200 de, en", "a stale one is left alone");
    assert_eq!(
        ask(&world, "en, de").await,
        "miss 200 en, de",
        "what fits as it is comes first, also when stale"
    );
    assert_eq!(ask(&world, "de , EN").await, "hit 200 de, en");
    assert_eq!(world.origin.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_says_its_language_is_heard() {
    let world = World::new();
    world.origin.says(by_first);
    assert_eq!(ask(&world, "en, de").await, "miss 200 en, de");
    assert_eq!(ask(&world, "de, en").await, "miss 200 de, en", "it goes by the order");
    assert_eq!(ask(&world, "en, de").await, "hit 200 en, de");
    assert_eq!(ask(&world, "de, en").await, "hit 200 de, en");
}

#[tokio::test(start_paused = true)]
async fn the_preferred_language_only_where_the_setting_says_so() {
    for (languages, expected) in [
        (LanguageMatch::Exact, "miss 200 fr;q=0.5, de;q=1.0"),
        (LanguageMatch::Unordered, "miss 200 fr;q=0.5, de;q=1.0"),
        (LanguageMatch::Preferred, "hit 200 de, en"),
    ] {
        let world = under(languages);
        world.origin.says(by_first);
        assert_eq!(ask(&world, "de, en").await, "miss 200 de, en");
        let lines: Lines<'_> = &[("Accept-Language", "fr;q=0.5, de;q=1.0")];
        let got = world.read(request("GET", "/", lines)).await;
        assert_eq!(got.line(), expected, "{languages:?}");
        let told = (languages == LanguageMatch::Preferred).then_some("language-preferred");
        assert_eq!(got.detail, told, "a deviation is named");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_answered_like_any_hit() {
    let world = under(LanguageMatch::Preferred);
    world.origin.says(by_first);
    ask(&world, "de, en").await;
    world.advance(5);
    let asking = |more| [("Accept-Language", "de, it;q=0.1"), more];
    let got = world.read(request("GET", "/", &asking(("If-None-Match", "\"v\"")))).await;
    assert_eq!((got.line().as_str(), got.age), ("hit 304", Some(5)));
    assert_eq!(world.line("GET", "/", &asking(("Range", "bytes=0-1"))).await, "hit 206 de");
    assert_eq!(world.line("HEAD", "/", &asking(("X-Other", "1"))).await, "hit 200");
    let reload = world.line("GET", "/", &asking(("Cache-Control", "no-cache"))).await;
    assert_eq!(reload, "miss 200 de, it;q=0.1", "a client that insists is heard");
}
