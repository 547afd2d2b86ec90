//! The abuse list. Each case returns when it has done all it does and let go of its side; what it found worth telling is a
//! line of the table, what the server got wrong an error.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size;

use super::bystander;
use super::small;
use crate::bench::Origin;
use crate::client::Client;
use crate::http2::{self, Reaction};
use crate::target::{Figures, Gauge};

/// Bytes of the object that slow readers and those who leave ask for.
pub const LARGE: u64 = 10 << 20;

/// How long connections that do nothing are held.
const HOLD: Duration = Duration::from_secs(2);

/// How long slow readers read.
const SLOW_FOR: Duration = Duration::from_secs(5);

/// What a slow reader takes at once, and how often.
const SIP: usize = 4096;
const SIP_EVERY: Duration = Duration::from_millis(200);

/// What the kernel takes in for a slow reader, bytes. Without a bound it takes megabytes, and all that is measured is the
/// kernel copying gigabytes.
const SLOW_BUFFER: usize = 32 << 10;

/// `limits.head_timeout` of the defaults, and some time for the server to act on it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10 + 5);

/// How long the server may take to accept all connections.
const ACCEPT_LIMIT: Duration = Duration::from_secs(20);

/// Streams that are reset on one connection.
const STREAMS: usize = 100;

/// Bytes of content that a fetch does not go on for when nobody waits for it.
const UNFINISHED: u64 = 64 << 20;

/// What every case works on.
pub struct Scene<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Its figures.
    pub gauge: Gauge,
    /// What it keeps on disk.
    pub cache: PathBuf,
    /// `limits.connections`.
    pub limit: usize,
    /// What is behind it.
    pub origin: &'a Origin,
}

/// One kind of abuse.
pub struct Case {
    /// As the table and the options write it.
    pub name: &'static str,
    /// In words, after a number.
    pub title: &'static str,
    /// How many.
    pub count: usize,
    /// It takes a connection for each.
    pub holds: bool,
    /// It leaves no place for anybody else's new connection.
    pub full: bool,
    /// Only where the server speaks HTTP/2.
    pub http2: bool,
    /// Against a server whose stores are small.
    pub small: bool,
    /// Does it.
    pub run: Run,
}

type Run = fn(&Scene<'_>, usize) -> Result<String>;

const fn case(name: &'static str, title: &'static str, count: usize, run: Run) -> Case {
    Case { name, title, count, holds: false, full: false, http2: false, small: false, run }
}

/// All of them, in order.
pub const CASES: &[Case] = &[
    Case { holds: true, ..case("idle", "connections that say nothing", 5_000, idle) },
    Case { holds: true, ..case("heads", "heads that are sent halfway", 2_000, heads) },
    Case { holds: true, ..case("readers", "slow readers of a hit of 10 MiB", 500, readers) },
    Case {
        http2: true,
        ..case("resets", "streams that are reset as soon as they are opened", 5_000, resets)
    },
    Case {
        http2: true,
        ..case("cancels", "streams that are reset when the origin has their requests", 500, cancels)
    },
    Case { small: true, ..case("urls", "URLs that nobody asks for again", 50_000, urls) },
    case("leavers", "clients that leave in the middle of 10 MiB", 1_000, leavers),
    Case { full: true, ..case("crowd", "connections more than there are places", 500, crowd) },
];

/// The path of a large object.
pub fn large(number: u64) -> String {
    format!("/o/{LARGE}/{number}")
}

fn connect(scene: &Scene<'_>) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&scene.address, ACCEPT_LIMIT).context("connecting")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects so often, and waits until the server has taken in all of them.
fn connect_all(scene: &Scene<'_>, count: usize) -> Result<Vec<TcpStream>> {
    let streams = (0..count).map(|_| connect(scene)).collect::<Result<Vec<_>>>()?;
    wait_for_connections(scene, count)?;
    Ok(streams)
}

fn wait_for_connections(scene: &Scene<'_>, count: usize) -> Result<()> {
    let began = Instant::now();
    // What the kernel has accepted may still wait for the server: then it has no descriptor yet.
    let taken_in = |figures: Figures| figures.connections.min(figures.descriptors) >= count;
    while !taken_in(scene.gauge.read()?) {
        ensure!(began.elapsed() < ACCEPT_LIMIT, "the server does not take in {count} connections");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn idle(scene: &Scene<'_>, count: usize) -> Result<String> {
    let streams = connect_all(scene, count)?;
    thread::sleep(HOLD);
    for stream in &streams {
        ensure!(is_open(stream)?, "an idle connection was closed before its time");
    }
    Ok(String::new())
}

/// Whether the other side has not closed a connection on which nothing was said.
fn is_open(stream: &TcpStream) -> Result<bool> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Ok(0) => Ok(false),
        Ok(_) => bail!("the server speaks first"),
        Err(error) => Ok(error.kind() == ErrorKind::WouldBlock),
    }
}

/// The server must end all of them itself, in its time.
fn heads(scene: &Scene<'_>, count: usize) -> Result<String> {
    let mut streams = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(scene)?;
        write!(stream, "GET /{number} HTTP/1.1\r\nHost: {}\r\nX-Half: ", scene.address)
            .context("half a head")?;
        streams.push(stream);
    }
    let deadline = Instant::now() + HEAD_TIMEOUT;
    for stream in &mut streams {
        stream.set_read_timeout(Some(HEAD_TIMEOUT))?;
        let mut answer = Vec::new();
        // What says 408 and closes, or just closes, has ended it; a reset does too.
        let read = stream.read_to_end(&mut answer);
        let waiting =
            read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        ensure!(!waiting && Instant::now() < deadline, "half a head was waited for too long");
    }
    Ok("all ended by the server".to_owned())
}

fn readers(scene: &Scene<'_>, count: usize) -> Result<String> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = Client::connect(scene.address)?;
        set_socket_recv_buffer_size(client.stream(), SLOW_BUFFER).context("a small buffer")?;
        client.send("GET", &large(0), "")?;
        streams.push(client);
    }
    // Whoever is told that something went wrong, or is fed by a fetch, is no reader of a hit.
    let streams = streams.into_iter().map(|mut client| {
        let head = client.head()?;
        let is_hit = head.status == 200 && head.length == LARGE && head.cache == "HIT";
        ensure!(is_hit, "a slow reader got {head:?}");
        let stream = client.into_stream();
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    let mut streams = streams.collect::<Result<Vec<_>>>()?;
    let (began, mut sip, mut taken) = (Instant::now(), [0; SIP], 0);
    while began.elapsed() < SLOW_FOR {
        let round = Instant::now();
        for stream in &mut streams {
            match stream.read(&mut sip) {
                Ok(0) => bail!("a slow reader was cut off"),
                Ok(read) => taken += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("a slow reader"),
            }
        }
        thread::sleep(SIP_EVERY.saturating_sub(round.elapsed()));
    }
    ensure!(taken >= count, "the slow readers got nothing");
    Ok(format!("{} KiB read by each", taken / count / 1024))
}

fn resets(scene: &Scene<'_>, count: usize) -> Result<String> {
    let (mut closed, mut opened) = (0, 0);
    let before = fetches(scene);
    while opened < count {
        let streams = STREAMS.min(count - opened);
        // Misses: a stream that is reset must not leave its fetch behind either.
        let paths: Vec<String> =
            (opened..opened + streams).map(|number| format!("/o/1024/8{number:06}")).collect();
        if http2::open_and_reset(scene.address, &paths)? == Reaction::Closed {
            closed += 1;
        }
        opened += streams;
    }
    let fetched = fetched_since(scene, before);
    ensure!(fetched <= count as u64, "{fetched} fetches for {count} streams");
    Ok(format!("{closed} of {} connections closed by the server; {fetched} fetches", count.div_ceil(STREAMS)))
}

/// The origin never answers one half of them, and never sends the content of the other: nobody but the server can end these
/// fetches. That it does shows afterwards.
fn cancels(scene: &Scene<'_>, count: usize) -> Result<String> {
    /// On one connection: so few that it bears their resets.
    const TOGETHER: usize = 10;
    let (mut opened, before) = (0, scene.origin.unfinished());
    while opened < count {
        let numbers = opened..count.min(opened + TOGETHER);
        let path = |number| match number % 2 {
            0 => format!("/silent/{number}"),
            _ => format!("/stalled/{UNFINISHED}/{number}"),
        };
        let paths: Vec<String> = numbers.clone().map(path).collect();
        let reaction = http2::open_then_reset(scene.address, &paths, || {
            let began = Instant::now();
            while scene.origin.unfinished() - before < numbers.end as u64 {
                ensure!(began.elapsed() < ACCEPT_LIMIT, "requests do not reach the origin");
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        })?;
        ensure!(reaction == Reaction::Bore, "a connection with {TOGETHER} resets was closed");
        opened = numbers.end;
    }
    let fetched = scene.origin.unfinished() - before;
    ensure!(fetched == count as u64, "{fetched} fetches for {count} streams");
    Ok(format!("{fetched} fetches, none of which the origin ends"))
}

/// Requests the origin has seen, and those the ordinary client caused by misses.
fn fetches(scene: &Scene<'_>) -> (u64, u64) {
    (scene.origin.requests(), bystander::misses())
}

/// Requests the origin has seen since then that the ordinary client has not caused.
fn fetched_since(scene: &Scene<'_>, then: (u64, u64)) -> u64 {
    let (requests, misses) = fetches(scene);
    (requests - then.0).saturating_sub(misses - then.1)
}

fn urls(scene: &Scene<'_>, count: usize) -> Result<String> {
    small::urls(scene, count as u64)
}

/// Most of them of a hit, one in twenty of something that is being fetched for it alone.
fn leavers(scene: &Scene<'_>, count: usize) -> Result<String> {
    const NEW_EVERY: usize = 20;
    for number in 0..count {
        let new = number % NEW_EVERY == NEW_EVERY - 1;
        let mut client = Client::connect(scene.address)?;
        client.send("GET", &large(if new { 1 + number as u64 } else { 0 }), "")?;
        let head = client.head()?;
        let expected = if new { "MISS" } else { "HIT" };
        let is_right = head.status == 200 && head.length == LARGE && head.cache == expected;
        ensure!(is_right, "the large object is {head:?}, and a {expected}");
        client.skip(LARGE / 40)?;
    }
    Ok(format!("{} in the middle of a fetch", count / NEW_EVERY))
}

/// Those beyond the limit must be told so, and those within it must not notice.
fn crowd(scene: &Scene<'_>, count: usize) -> Result<String> {
    /// The ordinary client's connection, and whatever the server has not noticed the end of.
    const BESIDE: usize = 8;
    let mut within = connect_all(scene, scene.limit - BESIDE)?;
    let (mut served, mut refused) = (0, 0);
    for _ in 0..BESIDE + count {
        let mut stream = connect(scene)?;
        stream.set_read_timeout(Some(ACCEPT_LIMIT))?;
        write!(stream, "GET /o/1024/0 HTTP/1.1\r\nHost: {}\r\n\r\n", scene.address).ok();
        let mut answer = [0; 12];
        match stream.read_exact(&mut answer) {
            Ok(()) if answer.ends_with(b"200") => {
                served += 1;
                within.push(stream);
            }
            Ok(()) => {
                ensure!(answer.ends_with(b"503"), "{}", String::from_utf8_lossy(&answer));
                refused += 1;
            }
            // Where very many are being told at once, the rest are closed without a word.
            Err(_) => refused += 1,
        }
    }
    thread::sleep(HOLD);
    ensure!(refused >= count, "only {refused} of {count} beyond the limit were refused");
    Ok(format!("{} served, {refused} refused", scene.limit - BESIDE + served))
}
