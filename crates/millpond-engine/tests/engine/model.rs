//! Random requests, clocks and origins against what must hold whatever happens: nothing older than allowed, never a mix
//! of two bodies, never what belongs to another value of Vary, never what was purged.

use crate::support::{Got, Reply, World, in_time, request, settle};
use millpond_exchange::{Body, BodyError, BodyErrorKind, Frame, PurgeMode, RequestHead, Selector};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// What the origin does from now on.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// `max-age`, seconds; `None` is `no-store`.
    fresh: Option<u32>,
    while_revalidate: u32,
    if_error: u32,
    etag: bool,
    /// Answers a matching If-None-Match with 304.
    unchanged: bool,
    varies: bool,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Gone,
    Status,
    Cut,
}

#[derive(Clone, Debug)]
enum Step {
    Manner(Manner),
    Advance(u32),
    Purge,
    Post(u8),
    /// Clients at once, as (URL, language, directives).
    Ask(Vec<(u8, u8, u8)>),
}

/// One response the origin has made.
#[derive(Clone, Copy, Debug)]
struct Made {
    url: u8,
    language: u8,
    manner: Manner,
    /// When it was made, or last said to be unchanged; seconds.
    confirmed: i64,
    /// After which purge, counted for its URL.
    purges: u32,
    served: u32,
}

#[derive(Default)]
struct Book {
    manner: Option<Manner>,
    made: Vec<Made>,
    now: i64,
    purges: HashMap<u8, u32>,
}

type Shared = Arc<Mutex<Book>>;

fn open(book: &Shared) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn url_of(head: &RequestHead) -> u8 {
    head.path_and_query.as_bytes()[1] - b'a'
}

fn language_of(head: &RequestHead) -> u8 {
    head.fields.get("x-lang").map_or(0, |value| value[0] - b'0')
}

/// The content of response `serial`: its number, over and over.
fn content(serial: usize) -> String {
    format!("{serial:06};").repeat(60)
}

fn lines_of(manner: &Manner, serial: usize) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    lines.push((
        "Cache-Control",
        match manner.fresh {
            None => "no-store".to_owned(),
            Some(secs) => format!(
                "max-age={secs}, stale-while-revalidate={}, stale-if-error={}",
                manner.while_revalidate, manner.if_error
            ),
        },
    ));
    if manner.etag {
        lines.push(("ETag", format!("\"{serial}\"")));
    }
    if manner.varies {
        lines.push(("Vary", "X-Lang".to_owned()));
    }
    lines
}

fn answer(book: &Shared, head: &RequestHead) -> Reply {
    let mut book = open(book);
    let manner = book.manner.expect("a manner is set first");
    if head.method == "POST" {
        return Reply::status(204, &[]);
    }
    match manner.fault {
        Fault::Gone => return Reply::gone(),
        Fault::Status => return Reply::status(503, &[]),
        Fault::None | Fault::Cut => {}
    }
    let (url, language, now) = (url_of(head), language_of(head), book.now);
    let purges = book.purges.get(&url).copied().unwrap_or_default();
    let asked =
        head.fields.get_str("if-none-match").and_then(|tag| tag.trim_matches('"').parse::<usize>().ok());
    if let Some(serial) = asked.filter(|_| manner.unchanged && manner.fresh.is_some()) {
        let made = &mut book.made[serial];
        if (made.url, made.language) == (url, language) && made.manner.varies == manner.varies {
            (made.confirmed, made.manner, made.purges) = (now, Manner { etag: true, ..manner }, purges);
            return respond(304, &lines_of(&made.manner.clone(), serial), Body::Empty);
        }
    }
    let serial = book.made.len();
    book.made.push(Made { url, language, manner, confirmed: now, purges, served: 0 });
    let text = content(serial);
    let mut frames: Vec<Result<Frame, BodyError>> =
        text.as_bytes().chunks(100).map(|piece| Ok(Frame::Data(piece.to_vec().into()))).collect();
    if manner.fault == Fault::Cut {
        frames.truncate(2);
        frames.push(Err(BodyError::new(BodyErrorKind::Cut, "cut")));
    }
    // The task has to come back for each piece, so that others get in between.
    let stream = futures_util::stream::unfold(frames.into_iter(), |mut frames| async move {
        tokio::task::yield_now().await;
        frames.next().map(|frame| (frame, frames))
    });
    respond(
        200,
        &lines_of(&manner, serial),
        Body::Stream { stream: Box::pin(stream), length: Some(text.len() as u64) },
    )
}

fn respond(status: u16, lines: &[(&'static str, String)], body: Body) -> Reply {
    let lines: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Reply::new(status, &lines, body)
}

/// Checks one answer; `begun` is how often the URL had been purged when the request came.
fn check(book: &Shared, url: u8, language: u8, begun: u32, got: &Got) {
    let mut book = open(book);
    let (now, trouble) = (book.now, book.manner.is_some_and(|manner| manner.fault != Fault::None));
    if got.status != 200 {
        assert!(trouble && (got.status == 503 || got.status == 0), "{got:?}");
        return;
    }
    let text = String::from_utf8(got.body.clone()).expect("text");
    let serial: usize = text[..6].parse().expect("a number");
    let whole = content(serial);
    match got.cut {
        None => assert_eq!(text, whole, "one body and all of it"),
        Some(_) => assert!(whole.starts_with(&text), "the beginning of one body"),
    }
    let made = &mut book.made[serial];
    made.served += 1;
    assert_eq!(made.url, url);
    assert!(!made.manner.varies || made.language == language, "{made:?} for {language}");
    let Some(fresh) = made.manner.fresh else {
        assert_eq!(made.served, 1, "no-store is for one client: {made:?}");
        return;
    };
    let age = now - made.confirmed;
    let window = if trouble {
        made.manner.if_error.max(made.manner.while_revalidate)
    } else {
        made.manner.while_revalidate
    };
    let allowed = match got.outcome {
        "hit" => i64::from(fresh) - 1,
        "stale" => i64::from(fresh) + i64::from(window),
        _ => 0,
    };
    assert!(age <= allowed, "{} after {age} s, {allowed} allowed: {made:?}", got.outcome);
    assert!(made.purges >= begun, "what was purged does not come back: {made:?}");
}

async fn ask(world: &World, book: &Shared, clients: &[(u8, u8, u8)]) {
    let mut crowd = JoinSet::new();
    for (url, language, directives) in clients.iter().copied() {
        let (world, book) = (world.clone(), Arc::clone(book));
        crowd.spawn(async move {
            let begun = open(&book).purges.get(&url).copied().unwrap_or_default();
            let language_text = language.to_string();
            let mut lines = vec![("X-Lang", language_text.as_str())];
            match directives {
                1 => lines.push(("Cache-Control", "no-cache")),
                2 => lines.push(("Cache-Control", "no-store")),
                _ => {}
            }
            let path = format!("/{}", char::from(b'a' + url));
            let got = world.read(request("GET", &path, &lines)).await;
            check(&book, url, language, begun, &got);
        });
    }
    while let Some(client) = in_time(crowd.join_next()).await {
        if let Err(error) = client {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    // Refreshes that go on behind the answers belong to the manner and the time in which they began.
    settle().await;
}

async fn run(steps: Vec<Step>) {
    let profile = Profile { stale_if_unreachable: Duration::ZERO, ..Profile::default() };
    let world = World::with(profile, MemoryOptions::default());
    let book: Shared = Arc::default();
    let kept = Arc::clone(&book);
    world.origin.says(move |head| answer(&kept, head));
    for step in steps {
        match step {
            Step::Manner(manner) => open(&book).manner = Some(manner),
            Step::Advance(secs) => {
                world.advance(u64::from(secs));
                open(&book).now += i64::from(secs);
            }
            Step::Purge => {
                let removed = world.engine.shared().purge(&Selector::All, PurgeMode::Hard).await;
                removed.expect("the memory tier purges");
                (0..3).for_each(|url| *open(&book).purges.entry(url).or_default() += 1);
            }
            Step::Post(url) => {
                let path = format!("/{}", char::from(b'a' + url));
                world.line("POST", &path, &[]).await;
                *open(&book).purges.entry(url).or_default() += 1;
            }
            Step::Ask(clients) => ask(&world, &book, &clients).await,
        }
    }
    let shared = world.engine.shared();
    let count = shared.counters.snapshot();
    let sum = count.hits
        + count.stale_hits
        + count.validated
        + count.collapsed
        + count.misses
        + count.bypassed
        + count.errors;
    assert_eq!(count.requests, sum, "{count:?}");
    assert_eq!(world.in_flight(), 0, "every fill has let go");
}

fn manner() -> impl Strategy<Value = Manner> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Gone),
        1 => Just(Fault::Status),
        1 => Just(Fault::Cut),
    ];
    let fresh = prop_oneof![4 => (0u32..30).prop_map(Some), 1 => Just(None)];
    (fresh, 0u32..20, 0u32..20, any::<bool>(), any::<bool>(), any::<bool>(), fault).prop_map(
        |(fresh, while_revalidate, if_error, etag, unchanged, varies, fault)| Manner {
            fresh,
            while_revalidate,
            if_error,
            etag,
            unchanged,
            varies,
            fault,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => manner().prop_map(Step::Manner),
        4 => (1u32..25).prop_map(Step::Advance),
        1 => Just(Step::Purge),
        1 => (0u8..3).prop_map(Step::Post),
        8 => prop::collection::vec((0u8..3, 0u8..3, 0u8..8), 1..6).prop_map(Step::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_too_old_mixed_up_or_somebody_elses(
        first in manner(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let steps = std::iter::once(Step::Manner(first)).chain(steps).collect();
        runtime.block_on(run(steps));
    }
}
