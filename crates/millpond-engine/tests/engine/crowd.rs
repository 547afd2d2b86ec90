//! Many clients, one fetch: who comes, who goes, and what the origin hears of it.

use crate::support::{
    MIB, Reply, Seen, Tap, World, gate, generated, in_time, pattern_at, request, settle, stepped, watch_body,
};
use millpond_engine::Outcome;
use millpond_policy::Profile;
use millpond_store::MemoryOptions;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

const CROWD: u64 = 1000;
const PIECE: u64 = 64 * 1024;
const BODY: u64 = 10 * MIB;
const FRESH: &[(&str, &str)] = &[("Cache-Control", "max-age=60")];

/// Clients that read a large body.
struct Crowd {
    clients: JoinSet<Seen>,
    handles: Vec<AbortHandle>,
    sender: mpsc::UnboundedSender<u64>,
    steps: mpsc::UnboundedReceiver<u64>,
    read: u64,
}

impl Crowd {
    fn of(world: &World, size: u64) -> Self {
        let (sender, steps) = mpsc::unbounded_channel();
        let mut crowd = Self { clients: JoinSet::new(), handles: Vec::new(), sender, steps, read: 0 };
        crowd.grow(world, size);
        crowd
    }

    fn grow(&mut self, world: &World, by: u64) {
        for _ in 0..by {
            let (world, sender) = (world.clone(), self.sender.clone());
            let client =
                async move { watch_body(world.ask(request("GET", "/big", &[])).await, sender).await };
            self.handles.push(self.clients.spawn(client));
        }
    }

    /// Waits until the clients have read `bytes` in all.
    async fn has_read(&mut self, bytes: u64) {
        while self.read < bytes {
            self.read += in_time(self.steps.recv()).await.expect("the crowd holds a sender");
        }
        assert_eq!(self.read, bytes, "nobody reads more than there is");
    }

    /// What everyone who stayed has seen.
    async fn seen(mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        while let Some(client) = in_time(self.clients.join_next()).await {
            all.extend(client.ok());
        }
        all
    }
}

fn send(tap: &Tap, from: u64, to: u64) {
    let mut offset = from;
    while offset < to {
        let piece = pattern_at(offset, PIECE.min(to - offset));
        offset += piece.len() as u64;
        tap.send(piece);
    }
}

fn whole(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| seen.intact && !seen.cut && seen.length == BODY).count()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_share_one_slow_fetch() {
    let world = World::new();
    let (tap, body) = stepped(Some(BODY));
    world.origin.says_once(Reply::new(200, FRESH, body));
    let mut crowd = Crowd::of(&world, CROWD);
    let step = BODY / 10;
    for at in 0..10 {
        send(&tap, at * step, (at + 1) * step);
        // Everyone has this step before the origin sends the next one.
        crowd.has_read((at + 1) * step * CROWD).await;
        assert!(world.in_flight() <= BODY + MIB, "one body, however many read it: {}", world.in_flight());
    }
    drop(tap);
    let seen = crowd.seen().await;
    assert_eq!((seen.len() as u64, whole(&seen) as u64), (CROWD, CROWD));
    let collapsed = seen.iter().filter(|seen| seen.outcome == Some(Outcome::Collapsed)).count();
    assert_eq!(collapsed as u64, CROWD - 1);
    assert_eq!((world.origin.count(), world.in_flight()), (1, 0));
    assert_eq!(world.read(request("GET", "/big", &[])).await.outcome, "hit");
}

#[tokio::test(start_paused = true)]
async fn the_leader_leaves_half_way() {
    let world = World::new();
    let (tap, body) = stepped(Some(BODY));
    world.origin.says_once(Reply::new(200, FRESH, body));
    let mut crowd = Crowd::of(&world, 1);
    settle().await;
    crowd.grow(&world, 99);
    send(&tap, 0, BODY / 2);
    crowd.has_read(BODY / 2 * 100).await;
    crowd.handles[0].abort();
    send(&tap, BODY / 2, BODY);
    drop(tap);
    let seen = crowd.seen().await;
    assert_eq!((seen.len(), whole(&seen)), (99, 99));
    assert_eq!(world.read(request("GET", "/big", &[])).await.outcome, "hit");
    assert_eq!(world.origin.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_leader_leaves_before_the_head() {
    let world = World::new();
    let open = gate();
    let pulled = Arc::new(AtomicU64::new(0));
    world.origin.says_once(Reply::new(200, FRESH, generated(BODY, Some(BODY), &pulled)).behind(&open));
    let mut crowd = Crowd::of(&world, 1);
    settle().await;
    crowd.grow(&world, 99);
    settle().await;
    crowd.handles[0].abort();
    settle().await;
    open.add_permits(1);
    let seen = crowd.seen().await;
    assert_eq!((seen.len(), whole(&seen), world.origin.count()), (99, 99, 1));
}

#[tokio::test(start_paused = true)]
async fn an_only_client_leaves_before_the_head_and_the_next_one_finds_a_hit() {
    let world = World::new();
    let open = gate();
    world.origin.says_once(Reply::ok(FRESH, "one").behind(&open));
    let client = tokio::spawn({
        let world = world.clone();
        async move { world.get("/").await }
    });
    settle().await;
    client.abort();
    open.add_permits(1);
    settle().await;
    assert_eq!(world.get("/").await, "hit 200 one");
}

#[tokio::test(start_paused = true)]
async fn without_readers_a_fill_ends_when_much_is_missing_and_goes_on_when_little_is() {
    let memory = MemoryOptions { capacity: 256 * MIB, ..MemoryOptions::default() };
    for (announced, sent, ends) in [
        (Some(60 * MIB), MIB, true),
        (Some(60 * MIB), 45 * MIB, false),
        (Some(12 * MIB), MIB, false),
        (None, MIB, false),
        (None, 20 * MIB, true),
    ] {
        let world = World::with(Profile::default(), memory);
        let (tap, body) = stepped(announced);
        world.origin.says_once(Reply::new(200, FRESH, body));
        let mut crowd = Crowd::of(&world, 3);
        send(&tap, 0, sent);
        crowd.has_read(sent * 3).await;
        crowd.handles.iter().for_each(AbortHandle::abort);
        settle().await;
        // At once, not only when the origin sends again.
        assert_eq!(tap.is_gone(), ends, "{announced:?} {sent}");
        let counters = &world.engine.shared().counters;
        if ends {
            assert_eq!((counters.fills_cut.get(), world.in_flight(), world.entries()), (1, 0, 0));
            continue;
        }
        send(&tap, sent, announced.unwrap_or(2 * MIB));
        tap.end().wait().await;
        settle().await;
        assert_eq!((counters.stored.get(), world.entries()), (1, 1), "{announced:?} {sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_late_reads_from_the_beginning() {
    let world = World::new();
    let (tap, body) = stepped(None);
    world.origin.says_once(Reply::new(200, FRESH, body));
    let mut crowd = Crowd::of(&world, 2);
    send(&tap, 0, BODY / 2);
    crowd.has_read(BODY).await;
    crowd.grow(&world, 2);
    crowd.has_read(BODY * 2).await;
    send(&tap, BODY / 2, BODY);
    drop(tap);
    assert_eq!(whole(&crowd.seen().await), 4);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let world = World::new();
    let (tap, body) = stepped(Some(BODY));
    world.origin.says_once(Reply::new(200, FRESH, body));
    let lazy = {
        let world = world.clone();
        tokio::spawn(async move { world.ask(request("GET", "/big", &[])).await })
    };
    let lazy = in_time(lazy).await.expect("it does not fail").expect("it is answered at the head");
    let mut crowd = Crowd::of(&world, 9);
    send(&tap, 0, BODY);
    drop(tap);
    crowd.has_read(BODY * 9).await;
    assert_eq!(whole(&crowd.seen().await), 9);
    assert_eq!(world.read(request("GET", "/big", &[])).await.outcome, "hit");
    let (steps, _keep) = mpsc::unbounded_channel();
    let seen = watch_body(Ok(lazy), steps).await;
    assert_eq!(whole(&[seen]), 1, "and still gets everything: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_fetching_is_an_error_and_not_a_silence() {
    let world = World::new();
    world.origin.says(|_| panic!("a bug in whoever fetches"));
    let mut crowd = JoinSet::new();
    for _ in 0..10 {
        let world = world.clone();
        crowd.spawn(async move { world.get("/").await });
    }
    while let Some(line) = in_time(crowd.join_next()).await {
        assert_eq!(line.expect("no client panics"), "failed origin-closed");
    }
    world.origin.says(|_| Reply::ok(FRESH, "one"));
    assert_eq!(world.get("/").await, "miss 200 one", "and nothing of it is left behind");
}

/// Real threads, so that clients meet fills that are just beginning, just ending, and just gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_race_for_the_beginning_and_the_end_of_a_fill() {
    let world = World::new();
    world.origin.says(|head| Reply::ok(FRESH, &head.path_and_query));
    for round in 0..1000 {
        let path = format!("/{round}");
        let mut crowd = JoinSet::new();
        for at in 0..16 {
            let (world, path) = (world.clone(), path.clone());
            crowd.spawn(async move {
                // Some come when the first ones have nearly done.
                yield_times(at / 4).await;
                world.read(request("GET", &path, &[])).await
            });
        }
        while let Some(got) = in_time(crowd.join_next()).await {
            let got = got.expect("no client fails");
            assert_eq!(
                (got.status, String::from_utf8_lossy(&got.body).as_ref(), got.cut),
                (200, path.as_str(), None)
            );
        }
        assert_eq!(world.origin.count(), round + 1, "one fetch for each URL");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_large_bodies_stored_and_piped() {
    let memory = MemoryOptions { capacity: 16 * MIB, ..MemoryOptions::default() };
    for total in [3 * MIB, 5 * MIB] {
        for _ in 0..25 {
            let world = World::with(Profile::default(), memory);
            let pulled = Arc::new(AtomicU64::new(0));
            world.origin.says(move |_| Reply::new(200, FRESH, generated(total, None, &pulled)));
            let mut crowd = Crowd::of(&world, 2);
            for _ in 0..14 {
                // Some come when the store has had enough.
                yield_times(8).await;
                crowd.grow(&world, 1);
            }
            let seen = crowd.seen().await;
            assert!(seen.iter().all(|seen| seen.intact && !seen.cut && seen.length == total), "{seen:?}");
            assert_eq!(seen.len(), 16);
        }
    }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}
