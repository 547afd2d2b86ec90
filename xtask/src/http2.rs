//! As much of HTTP/2 as it takes to ask whether a server speaks it, and to open streams only to reset them (RFC 9113).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// What a client with prior knowledge begins with (RFC 9113 section 3.4), and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Bytes of a frame's head.
const FRAME_HEAD: usize = 9;

/// The longest to wait for a frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// Frame types and flags that are used (RFC 9113 section 6).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 1 | 4;

/// The error code CANCEL (RFC 9113 section 7).
const CANCEL: [u8; 4] = 8u32.to_be_bytes();

/// Whether the server at `address` answers the preface as HTTP/2 demands.
pub fn is_spoken(address: SocketAddr) -> Result<bool> {
    let mut stream = connect(address)?;
    stream.write_all(PREFACE).context("sending the preface")?;
    let mut head = [0; FRAME_HEAD];
    // A server that takes it for bad HTTP/1.1 may answer with less, or just close.
    Ok(stream.read_exact(&mut head).is_ok() && head[3] == SETTINGS)
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a server did about streams that were reset as soon as they were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It went on.
    Bore,
    /// It closed the connection, as it may (RFC 9113 section 10.5).
    Closed,
}

/// Opens streams for these paths on one connection, resets them when `then` returns, and waits until the server has seen
/// all of it.
pub fn open_then_reset(
    address: SocketAddr,
    paths: &[String],
    then: impl FnOnce() -> Result<()>,
) -> Result<Reaction> {
    let mut stream = connect(address)?;
    let (mut requests, mut resets) = (PREFACE.to_vec(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let number = 2 * index as u32 + 1;
        let block = field_block(&address.to_string(), path)?;
        frame(&mut requests, HEADERS, END_STREAM_AND_HEADERS, number, &block);
        frame(&mut resets, RST_STREAM, 0, number, &CANCEL);
    }
    frame(&mut resets, PING, 0, 0, b"all seen");
    stream.write_all(&requests).context("opening streams")?;
    then()?;
    if stream.write_all(&resets).is_err() {
        return Ok(Reaction::Closed);
    }
    wait_for_ping(&mut stream)
}

/// Opens streams for these paths on one connection, each reset at once, and waits until the server has seen all of it.
pub fn open_and_reset(address: SocketAddr, paths: &[String]) -> Result<Reaction> {
    let mut stream = connect(address)?;
    let mut bytes = PREFACE.to_vec();
    for (index, path) in paths.iter().enumerate() {
        let number = 2 * index as u32 + 1;
        let block = field_block(&address.to_string(), path)?;
        frame(&mut bytes, HEADERS, END_STREAM_AND_HEADERS, number, &block);
        frame(&mut bytes, RST_STREAM, 0, number, &CANCEL);
    }
    frame(&mut bytes, PING, 0, 0, b"all seen");
    if stream.write_all(&bytes).is_err() {
        return Ok(Reaction::Closed);
    }
    wait_for_ping(&mut stream)
}

/// Reads frames up to the answer to our PING, or to the end of the connection.
fn wait_for_ping(stream: &mut TcpStream) -> Result<Reaction> {
    let mut head = [0; FRAME_HEAD];
    loop {
        match stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if is_silence(&error) => return Err(error).context("the server says nothing"),
            Err(_) => return Ok(Reaction::Closed),
        }
        let length = u64::from(head[0]) << 16 | u64::from(head[1]) << 8 | u64::from(head[2]);
        std::io::copy(&mut stream.take(length), &mut std::io::sink()).ok();
        if head[3] == PING && head[4] & ACK != 0 {
            return Ok(Reaction::Bore);
        }
    }
}

fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// The fields of a GET, without Huffman coding or a table (RFC 7541 sections 6.1 and 6.2.2).
fn field_block(authority: &str, path: &str) -> Result<Vec<u8>> {
    // Indexed: `:method: GET` and `:scheme: http`.
    let mut block = vec![0x82, 0x86];
    for (index, value) in [(4, path), (1, authority)] {
        let length = u8::try_from(value.len()).ok().filter(|length| *length < 127);
        ensure!(length.is_some(), "{value} is too long for one byte of length");
        block.extend_from_slice(&[index, length.unwrap_or_default()]);
        block.extend_from_slice(value.as_bytes());
    }
    Ok(block)
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that reads, answers its one connection with these bytes, and closes it.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut preface = vec![0; PREFACE.len()];
            stream.read_exact(&mut preface).unwrap();
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn a_server_speaks_it_when_it_answers_with_settings() {
        assert!(is_spoken(answering(b"\0\0\0\x04\0\0\0\0\0")).unwrap());
        assert!(!is_spoken(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")).unwrap());
        assert!(!is_spoken(answering(b"")).unwrap());
    }

    #[test]
    fn a_frame_and_its_fields_are_as_the_standards_write_them() {
        let mut bytes = Vec::new();
        let block = field_block("a:1", "/p").unwrap();
        assert_eq!(block, b"\x82\x86\x04\x02/p\x01\x03a:1");
        frame(&mut bytes, HEADERS, END_STREAM_AND_HEADERS, 3, &block);
        assert_eq!(&bytes[..FRAME_HEAD], b"\0\0\x0b\x01\x05\0\0\0\x03");
        assert!(field_block("a", &"p".repeat(127)).is_err());
    }

    #[test]
    fn what_the_server_does_about_resets_is_told() {
        let paths = ["/".to_owned()];
        let bearing = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\x01\0\0\0\0all seen";
        assert_eq!(open_and_reset(answering(bearing), &paths).unwrap(), Reaction::Bore);
        assert_eq!(open_and_reset(answering(b"\0\0\0\x04\0\0\0\0\0"), &paths).unwrap(), Reaction::Closed);
    }
}
