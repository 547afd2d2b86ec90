//! Bodies the store does not take: they pass through in bounded memory.

use crate::support::{
    KIB, MIB, Reply, World, gate, generated, in_time, is_pattern, request, settle, watch_body,
};
use futures_util::StreamExt as _;
use millpond_exchange::{BodyStream, Frame};
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

const FRESH: &[(&str, &str)] = &[("Cache-Control", "max-age=60")];
const PIPE_WINDOW: u64 = 256 * KIB;
const OBJECT: u64 = 2 * MIB;
const PIECE: u64 = 64 * KIB;

fn small_world() -> World {
    World::with(
        Profile::default(),
        MemoryOptions { capacity: 16 * MIB, max_object: Some(OBJECT), ..MemoryOptions::default() },
    )
}

/// A reader that goes exactly as far as it is told.
struct Reader {
    stream: BodyStream,
    offset: u64,
}

impl Reader {
    async fn open(world: &World) -> Self {
        let answer = in_time(world.ask(request("GET", "/big", &[]))).await.expect("there is an answer");
        Self { stream: answer.body.into_stream(), offset: 0 }
    }

    async fn read_to(&mut self, target: u64) {
        while self.offset < target {
            match in_time(self.stream.next()).await {
                Some(Ok(Frame::Data(piece))) => {
                    assert!(is_pattern(self.offset, &piece), "wrong bytes at {}", self.offset);
                    self.offset += piece.len() as u64;
                }
                other => panic!("at {} of {target}: {other:?}", self.offset),
            }
        }
    }

    async fn ends(mut self) {
        assert!(in_time(self.stream.next()).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_limit_a_fill_is_a_pipe_for_its_readers() {
    let world = small_world();
    let (total, pulled) = (24 * MIB, Arc::new(AtomicU64::new(0)));
    let open = gate();
    world.origin.says_once(Reply::new(200, FRESH, generated(total, None, &pulled)).behind(&open));
    let (mut fast, mut slow, ()) = tokio::join!(Reader::open(&world), Reader::open(&world), async {
        settle().await;
        open.add_permits(1);
    });
    settle().await;
    // Nobody has read anything: the origin was asked for no more than fits.
    assert!(pulled.load(Ordering::SeqCst) <= OBJECT + PIPE_WINDOW + 2 * PIECE);
    fast.read_to(OBJECT + PIPE_WINDOW / 2).await;
    let mut at = 0;
    while at < total {
        at = (at + 3 * MIB / 2).min(total);
        tokio::join!(slow.read_to(at), fast.read_to(at));
        settle().await;
        let ahead = pulled.load(Ordering::SeqCst) - slow.offset.min(fast.offset);
        assert!(ahead <= OBJECT + PIPE_WINDOW + 2 * PIECE, "{ahead} bytes ahead of the slowest");
        assert!(world.in_flight() <= OBJECT + MIB);
        if at > 2 * OBJECT {
            assert_eq!(world.in_flight(), 0, "what everyone has had is let go");
            assert!(ahead <= PIPE_WINDOW + 2 * PIECE);
        }
    }
    fast.ends().await;
    slow.ends().await;
    assert_eq!((world.entries(), world.origin.count()), (0, 1));
    assert_eq!(world.engine.shared().counters.store_failures.get(), 0, "a limit is not a failure");
}

/// The clock of this test jumps ahead when nothing else can go on: that is how long the slow one is waited for.
#[tokio::test(start_paused = true)]
async fn a_reader_that_holds_up_the_others_of_a_pipe_is_cut_off() {
    let world = small_world();
    let (total, pulled) = (8 * MIB, Arc::new(AtomicU64::new(0)));
    let open = gate();
    world.origin.says_once(Reply::new(200, FRESH, generated(total, None, &pulled)).behind(&open));
    let (mut fast, mut slow, ()) = tokio::join!(Reader::open(&world), Reader::open(&world), async {
        settle().await;
        open.add_permits(1);
    });
    fast.read_to(total).await;
    fast.ends().await;
    let cut = in_time(async {
        loop {
            match slow.stream.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        }
    });
    assert!(matches!(cut.await, Some(Err(_))), "it must not look complete");
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_a_fill_is_a_pipe_fetches_anew() {
    let world = small_world();
    let pulled = Arc::new(AtomicU64::new(0));
    let total = 6 * MIB;
    world.origin.says(move |_| Reply::new(200, FRESH, generated(total, None, &pulled)));
    let mut first = Reader::open(&world).await;
    first.read_to(4 * MIB).await;
    let mut second = Reader::open(&world).await;
    assert_eq!(world.origin.count(), 2);
    second.read_to(total).await;
    first.read_to(total).await;
}

#[tokio::test(start_paused = true)]
async fn a_pipe_without_readers_is_closed() {
    let world = small_world();
    let pulled = Arc::new(AtomicU64::new(0));
    world.origin.says_once(Reply::new(200, FRESH, generated(64 * MIB, None, &pulled)));
    let mut reader = Reader::open(&world).await;
    reader.read_to(4 * MIB).await;
    drop(reader);
    settle().await;
    let counters = &world.engine.shared().counters;
    assert_eq!((counters.fills_cut.get(), world.in_flight()), (1, 0));
    assert!(pulled.load(Ordering::SeqCst) < 8 * MIB);
}

#[tokio::test(start_paused = true)]
async fn an_announced_giant_streams_past_the_store() {
    let world = World::new();
    let (total, pulled) = (1024 * MIB, Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&pulled);
    world.origin.says(move |_| Reply::new(200, FRESH, generated(total, Some(total), &counted)));
    let answer = world.ask(request("GET", "/big", &[])).await.expect("there is an answer");
    assert_eq!(answer.status.detail, Some("object-too-large"));
    settle().await;
    assert!(pulled.load(Ordering::SeqCst) <= PIECE, "its reader sets the pace");
    let (steps, _keep) = mpsc::unbounded_channel();
    let seen = watch_body(Ok(answer), steps).await;
    assert!(seen.intact && !seen.cut && seen.length == total);
    assert_eq!((world.in_flight(), world.entries()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_room_for_writes_a_fill_goes_on_as_a_pipe() {
    let memory = MemoryOptions { capacity: 64 * MIB, max_in_flight: Some(MIB), ..MemoryOptions::default() };
    let world = World::with(Profile::default(), memory);
    let (total, pulled) = (8 * MIB, Arc::new(AtomicU64::new(0)));
    world.origin.says_once(Reply::new(200, FRESH, generated(total, Some(total), &pulled)));
    let mut reader = Reader::open(&world).await;
    settle().await;
    assert!(pulled.load(Ordering::SeqCst) <= MIB + PIPE_WINDOW + 2 * PIECE);
    reader.read_to(total).await;
    reader.ends().await;
    assert_eq!(world.engine.shared().counters.store_failures.get(), 1, "once, not for each piece");
    assert_eq!((world.entries(), world.in_flight()), (0, 0));
}

/// A part lies beyond what the window may hold while others read what comes before it, and ends long before they do.
#[tokio::test(start_paused = true)]
async fn a_part_of_what_became_a_pipe_holds_nobody_up() {
    let memory = MemoryOptions { capacity: 64 * MIB, max_in_flight: Some(MIB), ..MemoryOptions::default() };
    let world = World::with(Profile::default(), memory);
    world.origin.says(|_| Reply::ok(&[("Cache-Control", "max-age=10")], "old"));
    world.get("/big").await;
    world.advance(20);
    let (total, pulled) = (8 * MIB, Arc::new(AtomicU64::new(0)));
    let open = gate();
    world.origin.says_once(Reply::new(200, FRESH, generated(total, Some(total), &pulled)).behind(&open));
    let range = format!("bytes={}-{}", 5 * MIB, 5 * MIB + 9);
    let part = world.ask(request("GET", "/big", &[("Range", &range)]));
    let (part, mut reader, ()) = in_time(Box::pin(async {
        tokio::join!(part, Reader::open(&world), async {
            settle().await;
            open.add_permits(1);
        })
    }))
    .await;
    let part = part.expect("there is an answer");
    assert_eq!(part.head.head().status, 206);
    let mut part = part.body.into_stream();
    let read_part = async {
        let Some(Ok(Frame::Data(piece))) = part.next().await else { panic!("the part is there") };
        assert_eq!((piece.len(), is_pattern(5 * MIB, &piece)), (10, true));
    };
    // The part is read and then held; the others go on to the end.
    in_time(async { tokio::join!(read_part, reader.read_to(total)) }).await;
    reader.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_route_may_have_a_limit_of_its_own() {
    for (total, announced, kept) in [
        (64 * KIB, Some(64 * KIB), true),
        (64 * KIB, None, true),
        (64 * KIB + 1, Some(64 * KIB + 1), false),
        (64 * KIB + 1, None, false),
        (6 * MIB, None, false),
    ] {
        let mut world = World::new();
        let mut context = (*world.context).clone();
        context.object_limit = Some(64 * KIB);
        world.context = Arc::new(context);
        let pulled = Arc::new(AtomicU64::new(0));
        world.origin.says_once(Reply::new(200, FRESH, generated(total, announced, &pulled)));
        let mut reader = Reader::open(&world).await;
        reader.read_to(total).await;
        reader.ends().await;
        settle().await;
        assert_eq!((world.entries(), world.in_flight()), (u64::from(kept), 0), "{total} {announced:?}");
        assert_eq!(world.engine.shared().counters.store_failures.get(), 0);
    }
}
