//! Asking for every object of a set once, over kept connections.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use anyhow::{Context, Result, bail, ensure};

/// How many ask at the same time.
const ASKING: u64 = 16;

/// Objects of one size, numbered.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// The number of the first.
    pub first: u64,
    /// How many there are.
    pub objects: u64,
    /// Bytes of each body.
    pub bytes: u64,
}

/// Asks for every object once. Every answer must be a 200 of the right length.
pub fn ask_for_all(address: SocketAddr, set: Set) -> Result<()> {
    let share = set.objects.div_ceil(ASKING);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..ASKING)
            .map(|number| {
                let from = (number * share).min(set.objects);
                let to = (from + share).min(set.objects);
                scope.spawn(move || ask(address, set.bytes, set.first + from..set.first + to))
            })
            .collect();
        asking.into_iter().try_for_each(|thread| thread.join().expect("asking does not panic"))
    })
}

fn ask(address: SocketAddr, bytes: u64, numbers: std::ops::Range<u64>) -> Result<()> {
    let stream = TcpStream::connect(address).context("connecting")?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(&stream);
    let mut body = vec![0; bytes as usize];
    let mut line = String::new();
    for number in numbers {
        let request = format!("GET /o/{bytes}/{number} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        (&stream).write_all(request.as_bytes())?;
        let length = head(&mut reader, &mut line).with_context(|| format!("object {number}"))?;
        ensure!(length == bytes, "object {number}: {length} bytes instead of {bytes}");
        reader.read_exact(&mut body)?;
    }
    Ok(())
}

/// Reads the head of a response with a 200; gives the length of the body.
fn head(reader: &mut impl BufRead, line: &mut String) -> Result<u64> {
    line.clear();
    reader.read_line(line).context("reading the answer")?;
    ensure!(line.starts_with("HTTP/1.1 200"), "the answer is: {}", line.trim_end());
    let mut length = None;
    loop {
        line.clear();
        reader.read_line(line).context("reading the answer")?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    match length {
        Some(length) => Ok(length),
        None => bail!("an answer without Content-Length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_read() {
        let mut text = &b"HTTP/1.1 200 OK\r\nX-Cache: HIT\r\ncontent-length: 12\r\n\r\nbody"[..];
        assert_eq!(head(&mut text, &mut String::new()).unwrap(), 12);
        assert_eq!(text, b"body");
    }

    #[test]
    fn another_status_is_an_error() {
        let mut text = &b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"[..];
        assert!(head(&mut text, &mut String::new()).is_err());
    }
}
