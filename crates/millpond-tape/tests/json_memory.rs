//! However large a body or a tape is, no more of it is in memory than a buffer. A test binary of its own, since what it
//! measures is the whole process.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use millpond_tape::{Content, Format, ReadAt, Recorded, RecordedRequest, RecordedResponse, open, writer};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

const LARGE: u64 = 100 << 20;
/// What the process may have grown to beyond what it had before, bytes.
const AT_MOST: u64 = 24 << 20;

/// A body that lies nowhere: one piece over and over.
struct Made {
    piece: Vec<u8>,
}

impl Made {
    fn new(text: bool) -> Self {
        let byte = |at: usize| if text { b'0' + (at % 61) as u8 } else { (at % 61) as u8 * 4 + 3 };
        Self { piece: (0..61_000).map(byte).collect() }
    }

    /// What there is from `at` on, in one piece.
    fn from(&self, at: u64) -> &[u8] {
        let rest = &self.piece[(at % self.piece.len() as u64) as usize..];
        &rest[..rest.len().min((LARGE - at) as usize)]
    }
}

impl ReadAt for Made {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = self.from(offset);
        let len = buf.len().min(from.len());
        buf[..len].copy_from_slice(&from[..len]);
        Ok(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(LARGE)
    }
}

/// The most this process ever had in memory, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn with_body(content: Content) -> Recorded {
    let request = RecordedRequest {
        method: b"GET".to_vec(),
        scheme: b"http".to_vec(),
        host: "example.org".into(),
        port: 80,
        path: b"/".to_vec(),
        version: b"HTTP/1.1".to_vec(),
        ..RecordedRequest::default()
    };
    let response = RecordedResponse { status: 200, content: Some(content), ..RecordedResponse::default() };
    Recorded { request, response: Some(response), ..Recorded::default() }
}

#[test]
fn a_large_body_and_a_long_tape_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let before = peak();
    for (format, text) in [(Format::Json, true), (Format::Har, false)] {
        let path = dir.path().join("tape");
        let mut tape = writer(format, File::create(&path).unwrap());
        tape.write(&with_body(Content::raw(Arc::new(Made::new(text)), 0, LARGE))).unwrap();
        (0..500).for_each(|_| tape.write(&with_body(Content::empty())).unwrap());
        tape.finish().unwrap();
        let mut seen = 0;
        for item in open(Arc::new(File::open(&path).unwrap())).unwrap() {
            let content = item.unwrap().1.response.unwrap().content.unwrap();
            if seen == 0 {
                assert_eq!(content.len(), LARGE);
                same(&mut content.reader(), &Made::new(text));
            }
            seen += 1;
        }
        assert_eq!(seen, 501);
        let grown = peak() - before;
        assert!(grown < AT_MOST, "{format}, text {text}: grown by {} MiB", grown >> 20);
    }
}

fn same(reader: &mut dyn Read, made: &Made) {
    let (mut buf, mut at) = (vec![0; 1 << 16], 0);
    loop {
        let read = reader.read(&mut buf).unwrap();
        if read == 0 {
            break;
        }
        let mut found = &buf[..read];
        while !found.is_empty() {
            let expected = made.from(at);
            let len = expected.len().min(found.len());
            assert!(found[..len] == expected[..len]);
            found = &found[len..];
            at += len as u64;
        }
    }
    assert_eq!(at, LARGE);
}
