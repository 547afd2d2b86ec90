//! A tape of very many exchanges: converted and merged in little memory, and answering soon after the start.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Options, line, watched};
use crate::process::Server;

/// What `convert` and `merge` may take of memory, bytes.
const MEMORY: u64 = 100_000_000;
/// How long a replay of a tape with an index may take until it has answered.
const START: Duration = Duration::from_secs(1);
/// How long the first one may take, which makes the index.
const FIRST_START: Duration = Duration::from_secs(120);

pub fn run(binary: &Path, dir: &Path, options: &Options) -> Result<()> {
    let tape = dir.join("tape");
    if tape.exists() {
        std::fs::remove_dir_all(&tape)?;
    }
    std::fs::create_dir_all(&tape)?;
    let (json, flows, merged) = (dir.join("made.jsonl"), tape.join("large.mitm"), dir.join("merged.mitm"));
    make(&json, options)?;
    let millpond = |arguments: &[&Path]| {
        let mut command = Command::new(binary);
        command.arg("tape").args(arguments);
        command
    };
    let converted = watched::run(&mut millpond(&["convert".as_ref(), &json, &flows]))?;
    report("convert", options, &converted);
    let both =
        watched::run(&mut millpond(&["merge".as_ref(), "--keep=first".as_ref(), &merged, &json, &flows]))?;
    report("merge", options, &both);
    let (one, two) = (flows.metadata()?.len(), merged.metadata()?.len());
    ensure!(two.abs_diff(one) < one / 10, "merged, two tapes of the same have {two} bytes, one alone {one}");
    for (what, taken) in [("convert", &converted), ("merge", &both)] {
        ensure!(taken.peak < MEMORY, "{what} took {} bytes of memory; it may take {MEMORY}", taken.peak);
    }
    for file in [&json, &merged] {
        std::fs::remove_file(file)?;
    }
    let first = answer(binary, &tape, options, FIRST_START)?;
    let again = answer(binary, &tape, options, FIRST_START)?;
    println!(
        "replay   answered {:.2} s after the first start, {:.2} s after the next",
        first.as_secs_f64(),
        again.as_secs_f64()
    );
    ensure!(again < START, "the tape had its index, and the first answer took {} ms", again.as_millis());
    std::fs::remove_dir_all(&tape)?;
    Ok(())
}

fn report(what: &str, options: &Options, taken: &watched::Taken) {
    let (mib, seconds) = (taken.peak as f64 / f64::from(1 << 20), taken.time.as_secs_f64());
    println!("{what:<8} {} exchanges in {seconds:.1} s, peak {mib:.1} MiB", options.exchanges);
}

/// Writes the tape as JSON lines; no two responses alike.
fn make(path: &Path, options: &Options) -> Result<()> {
    let mut file =
        BufWriter::new(File::create(path).with_context(|| format!("creating {}", path.display()))?);
    let filler = "The water stands still in the pond. ".repeat(options.bytes / 36 + 1);
    for number in 0..options.exchanges {
        let at = 1_780_000_000.0 + number as f64;
        let (url, content) = (url(number), format!("{number} {}", &filler[..options.bytes]));
        writeln!(file, "{}", line::exchange(&url, &[("X-Number", &number.to_string())], &content, at))?;
    }
    file.into_inner()?.sync_all()?;
    Ok(())
}

fn url(number: usize) -> String {
    format!("http://tape.test/o/{number}")
}

/// Starts a replay and asks for the last exchange; answers how long that took together.
fn answer(binary: &Path, tape: &Path, options: &Options, within: Duration) -> Result<Duration> {
    let began = Instant::now();
    let (_server, address) = start(binary, tape, within)?;
    let number = options.exchanges - 1;
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(within))?;
    write!(stream, "GET {} HTTP/1.1\r\nHost: tape.test\r\nConnection: close\r\n\r\n", url(number))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let took = began.elapsed();
    ensure!(answer.starts_with("HTTP/1.1 200"), "the answer is {:?}", answer.lines().next());
    ensure!(answer.contains(&format!("\r\n\r\n{number} The water")), "the answer is that of another request");
    Ok(took)
}

/// Starts `millpond replay`.
pub fn start(binary: &Path, tape: &Path, within: Duration) -> Result<(Server, SocketAddr)> {
    let mut command = Command::new(binary);
    command.args(["replay", "--listen", "127.0.0.1:0", "--tape"]).arg(tape);
    command.env("MILLPOND_ACCESS_LOG__CONSOLE", "false").env("MILLPOND_LOG__LEVEL", "warn");
    let (server, line) = Server::start_and_read_line(&mut command, within)?;
    let address = line.strip_prefix("listening on http://").and_then(|address| address.parse().ok());
    Ok((server, address.with_context(|| format!("the first line is {line:?}"))?))
}
