//! The kinds of load, each a thread that does one thing over and over and errs on the first wrong answer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::target::Target;
use crate::{process, tools};

/// The objects that hits are asked from.
const HOT: u64 = 200;

/// Bytes of each.
const HOT_BYTES: u64 = 2048;

/// Bytes of the object that is left halfway and asked for in parts.
const LARGE: u64 = 2 << 20;

/// What a miss is asked with, in turn: in the database, in a file, too large for much of the memory tier.
const SIZES: [u64; 4] = [512, 4 << 10, 64 << 10, 700 << 10];

/// The longest that `h2load` or a purge may take beyond its time.
const GRACE: Duration = Duration::from_secs(30);

/// What all loads work on.
pub struct Scene {
    address: SocketAddr,
    origin: SocketAddr,
    cache: PathBuf,
    binary: PathBuf,
    http2: bool,
    time: Duration,
    /// The next object nobody asked for.
    next: AtomicU64,
}

/// A kind of load.
pub struct Load {
    name: &'static str,
    /// Only where the server speaks HTTP/2.
    http2: bool,
    /// Does it once; gives how many requests that were.
    once: fn(&Scene, &mut Hand) -> Result<u64>,
}

/// What a load did.
pub struct Tally {
    /// Which one.
    pub name: &'static str,
    /// Requests.
    pub done: u64,
}

/// What a load keeps from one time to the next.
pub struct Hand {
    client: Client,
    turn: u64,
}

/// All of them.
pub const LOADS: &[Load] = &[
    Load { name: "hit", http2: false, once: hit },
    Load { name: "miss", http2: false, once: miss },
    Load { name: "range", http2: false, once: range },
    Load { name: "abort", http2: false, once: abort },
    Load { name: "renew", http2: false, once: renew },
    Load { name: "purge", http2: false, once: purge },
    Load { name: "http2", http2: true, once: over_http2 },
];

impl Scene {
    /// The scene of a run.
    pub fn new(target: &Target, origin: SocketAddr, http2: bool, time: Duration) -> Self {
        let (cache, binary) = (target.cache.clone(), target.binary.clone());
        Self { address: target.address, origin, cache, binary, http2, time, next: AtomicU64::new(1 << 40) }
    }

    /// Whether this load belongs to it.
    pub fn has(&self, load: &Load) -> bool {
        self.http2 || !load.http2
    }

    /// Stores what hits are asked from.
    pub fn prepare(&self) -> Result<()> {
        let mut client = Client::connect(self.address)?;
        (0..HOT).try_for_each(|number| client.get(&hot(number), HOT_BYTES))?;
        client.get(&large(0), LARGE)
    }

    fn new_object(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

impl Load {
    /// Goes on until it is over.
    pub fn run_until(&self, over: &AtomicBool, scene: &Scene) -> Result<Tally> {
        let mut hand = Hand { client: Client::connect(scene.address)?, turn: 0 };
        let mut done = 0;
        while !over.load(Ordering::SeqCst) {
            done += (self.once)(scene, &mut hand).with_context(|| format!("load {}", self.name))?;
            hand.turn += 1;
        }
        Ok(Tally { name: self.name, done })
    }
}

fn hot(number: u64) -> String {
    format!("/o/{HOT_BYTES}/{}", number % HOT)
}

fn large(number: u64) -> String {
    format!("/o/{LARGE}/{number}")
}

/// Hits over a kept connection, now and then over a new one.
fn hit(scene: &Scene, hand: &mut Hand) -> Result<u64> {
    const IN_A_ROW: u64 = 100;
    if hand.turn.is_multiple_of(10) {
        hand.client = Client::connect(scene.address)?;
    }
    (0..IN_A_ROW).try_for_each(|number| hand.client.get(&hot(hand.turn * 7 + number), HOT_BYTES))?;
    Ok(IN_A_ROW)
}

/// Something new each time.
fn miss(scene: &Scene, hand: &mut Hand) -> Result<u64> {
    let bytes = SIZES[hand.turn as usize % SIZES.len()];
    hand.client.get(&format!("/o/{bytes}/{}", scene.new_object()), bytes)?;
    Ok(1)
}

/// Parts of something stored, and now and then of something new.
fn range(scene: &Scene, hand: &mut Hand) -> Result<u64> {
    let number = if hand.turn % 50 == 49 { scene.new_object() } else { 0 };
    let first = hand.turn * 4099 % (LARGE - 1000);
    let head =
        hand.client.ask("GET", &large(number), &format!("Range: bytes={first}-{}\r\n", first + 999))?;
    // The origin knows no ranges: what is not stored comes whole.
    let part =
        head.status == 206 && head.length == 1000 && head.range.starts_with(&format!("bytes {first}-"));
    ensure!(part || (head.status == 200 && head.length == LARGE), "a range brought {head:?}");
    Ok(1)
}

/// Leaves in the middle of the content: of something stored, now and then of something that is being fetched.
fn abort(scene: &Scene, hand: &mut Hand) -> Result<u64> {
    let number = if hand.turn.is_multiple_of(8) { scene.new_object() } else { 0 };
    let mut client = Client::connect(scene.address)?;
    client.send("GET", &large(number), "")?;
    let head = client.head()?;
    ensure!(head.status == 200, "status {}", head.status);
    client.skip(LARGE / 16)?;
    Ok(1)
}

/// Makes the server forget an object by an unsafe request (RFC 9111 section 4.4), and asks for it again.
fn renew(_: &Scene, hand: &mut Hand) -> Result<u64> {
    let path = hot(hand.turn);
    let head = hand.client.ask("POST", &path, "")?;
    ensure!(head.status == 200, "POST: status {}", head.status);
    hand.client.get(&path, HOT_BYTES)?;
    Ok(2)
}

/// Purges from beside the server, as an operator does.
fn purge(scene: &Scene, hand: &mut Hand) -> Result<u64> {
    const PAUSE: Duration = Duration::from_millis(500);
    let url = format!("http://{}{}", scene.origin, hot(hand.turn));
    let mut command = Command::new(&scene.binary);
    command.args(["cache", "purge", "--url", &url, "--cache-dir"]).arg(&scene.cache);
    process::capture(&mut command, GRACE)?;
    hand.client.get(&hot(hand.turn), HOT_BYTES)?;
    std::thread::sleep(PAUSE);
    Ok(1)
}

/// Hits over HTTP/2, many streams at a time.
fn over_http2(scene: &Scene, _: &mut Hand) -> Result<u64> {
    const REQUESTS: u64 = 2000;
    let mut command = Command::new(tools::find("h2load")?);
    command.args(["-t1", "-c4", "-m10", &format!("-n{REQUESTS}")]);
    command.args((0..20).map(|number| format!("http://{}{}", scene.address, hot(number))));
    let text = process::capture(&mut command, scene.time.min(GRACE))?;
    let all = format!("{REQUESTS} succeeded, 0 failed, 0 errored");
    ensure!(text.contains(&all), "h2load: {text}");
    Ok(REQUESTS)
}
