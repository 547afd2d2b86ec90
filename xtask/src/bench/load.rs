//! The load: `wrk` on its own core, and one plain request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::Size;
use crate::{process, tools, workspace};

/// What a run may take beyond the time given to it, and the longest a single request may take.
const GRACE: Duration = Duration::from_secs(15);

/// Streams on one connection of HTTP/2.
const STREAMS: usize = 8;

/// How load is made.
pub struct Load {
    /// The core `wrk` is bound to.
    pub core: usize,
    /// Connections, all kept alive.
    pub connections: usize,
}

/// What `wrk` says of a run.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// Requests answered.
    pub requests: u64,
    /// Seconds it took.
    pub seconds: f64,
}

impl Load {
    /// Asks for one object, over and over, for this long. Every answer must be a success.
    pub fn run(&self, address: SocketAddr, size: Size, time: Duration) -> Result<Run> {
        let mut command = self.wrk(time)?;
        command.arg(format!("http://{address}/{}", size.name));
        parse(&process::capture(&mut command, time + GRACE)?)
    }

    /// Asks for what a script of bench/load says, given these arguments. Every answer must be a success.
    pub fn run_script(
        &self,
        address: SocketAddr,
        script: &str,
        arguments: &[u64],
        time: Duration,
    ) -> Result<Run> {
        let mut command = self.wrk(time)?;
        command.arg("-s").arg(workspace::root().join("bench/load").join(script));
        command.arg(format!("http://{address}/")).arg("--").args(arguments.iter().map(u64::to_string));
        parse(&process::capture(&mut command, time + GRACE)?)
    }

    /// Asks for one object over HTTP/2 with prior knowledge, for this long. Every answer must be a success.
    pub fn run_http2(&self, address: SocketAddr, size: Size, time: Duration) -> Result<Run> {
        let duration = format!("-D{}", time.as_secs());
        self.h2load(&[&duration], address, size, time)
    }

    /// The same a few times, to have it stored.
    pub fn touch_http2(&self, address: SocketAddr, size: Size) -> Result<()> {
        // Twice as many as there are streams: some caches admit an object when it is asked for again.
        self.h2load(&[&format!("-n{}", self.connections * 2)], address, size, GRACE).map(drop)
    }

    /// As many requests at the same time as over HTTP/1.1, on an eighth of the connections.
    fn h2load(&self, how: &[&str], address: SocketAddr, size: Size, time: Duration) -> Result<Run> {
        let clients = (self.connections / STREAMS).max(1);
        let mut command = Command::new(tools::find("taskset")?);
        command.arg("-c").arg(self.core.to_string()).arg(tools::find("h2load")?);
        command.args(["-t1", &format!("-c{clients}"), &format!("-m{STREAMS}")]).args(how);
        command.arg(format!("http://{address}/{}", size.name));
        parse_h2load(&process::capture(&mut command, time + GRACE)?)
    }

    fn wrk(&self, time: Duration) -> Result<Command> {
        let mut command = Command::new(tools::find("taskset")?);
        command.arg("-c").arg(self.core.to_string()).arg(tools::find("wrk")?);
        command.args(["-t1", &format!("-c{}", self.connections), &format!("-d{}s", time.as_secs())]);
        Ok(command)
    }
}

/// Reads what `wrk` prints.
fn parse(text: &str) -> Result<Run> {
    for trouble in ["Socket errors", "Non-2xx"] {
        if let Some(line) = text.lines().find(|line| line.contains(trouble)) {
            bail!("wrk: {}", line.trim());
        }
    }
    let line = text.lines().find(|line| line.contains(" requests in ")).context("wrk counted nothing")?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let requests: u64 =
        words.first().and_then(|word| word.parse().ok()).context("wrk's count of requests")?;
    let time = words.get(3).map(|word| word.trim_end_matches(','));
    let seconds = time.and_then(duration).with_context(|| format!("wrk's time in: {line}"))?;
    ensure!(requests > 0, "wrk got no answer");
    Ok(Run { requests, seconds })
}

/// Reads what `h2load` prints.
fn parse_h2load(text: &str) -> Result<Run> {
    let line = |begin: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(begin));
        line.with_context(|| format!("h2load says nothing of {begin:?}"))
    };
    let count = |line: &str, word: &str| {
        let part = line.split(',').map(str::trim).find_map(|part| part.strip_suffix(word));
        part.and_then(|count| count.trim().parse::<u64>().ok())
            .with_context(|| format!("no count in: {line}"))
    };
    let requests = line("requests:")?;
    // What was under way at the end counts as started, not as failed.
    let (done, failed) = (count(requests, "succeeded")?, count(requests, "failed")?);
    let codes = line("status codes:")?;
    let bad: u64 = ["3xx", "4xx", "5xx"].iter().map(|class| count(codes, class)).sum::<Result<u64>>()?;
    ensure!(failed == 0 && bad == 0, "h2load: {requests}; {codes}");
    ensure!(done > 0, "h2load got no answer");
    let finished = line("finished in ")?.split(',').next().unwrap_or_default();
    let seconds = duration(finished).with_context(|| format!("h2load's time in: {finished}"))?;
    Ok(Run { requests: done, seconds })
}

/// Reads `980.12ms`, `5.00s` or `1.02m`.
fn duration(text: &str) -> Option<f64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

/// Fetches one object over a connection of its own, and checks status and length.
pub fn fetch(address: SocketAddr, size: Size) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("connecting")?;
    stream.set_read_timeout(Some(GRACE))?;
    // The Host of the load generator: a cache may key by it.
    write!(stream, "GET /{} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n", size.name)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).context("reading the answer")?;
    let end =
        response.windows(4).position(|window| window == b"\r\n\r\n").context("no head in the answer")?;
    let head = String::from_utf8_lossy(&response[..end]);
    ensure!(head.starts_with("HTTP/1.1 200"), "the answer is: {head}");
    let length = response.len() - end - 4;
    ensure!(length == size.bytes, "{length} bytes instead of {}", size.bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "Running 2s test @ http://127.0.0.1:1/1k\n  1 threads and 64 connections\n\
        \x20 Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency   500us\n\
        \x20 201234 requests in 2.01s, 250.00MB read\nRequests/sec: 100117.00\n";

    #[test]
    fn the_count_and_the_time_are_read() {
        assert_eq!(parse(GOOD).unwrap(), Run { requests: 201_234, seconds: 2.01 });
        let short = GOOD.replace("2.01s", "990.00ms");
        assert_eq!(parse(&short).unwrap(), Run { requests: 201_234, seconds: 0.99 });
    }

    const H2: &str = "finished in 2.01s, 31000.50 req/s, 33.75MB/s\n\
        requests: 62001 total, 62065 started, 62001 done, 62001 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 62001 2xx, 0 3xx, 0 4xx, 0 5xx\n";

    #[test]
    fn what_h2load_counts_is_read() {
        assert_eq!(parse_h2load(H2).unwrap(), Run { requests: 62_001, seconds: 2.01 });
        assert!(parse_h2load(&H2.replace("0 5xx", "3 5xx")).is_err());
        assert!(parse_h2load(&H2.replace("0 failed", "3 failed")).is_err());
        assert!(parse_h2load("").is_err());
    }

    #[test]
    fn errors_are_not_measured() {
        for line in
            ["  Socket errors: connect 0, read 3, write 0, timeout 0", "  Non-2xx or 3xx responses: 9"]
        {
            assert!(parse(&format!("{GOOD}{line}\n")).is_err());
        }
        assert!(parse("").is_err());
    }
}
