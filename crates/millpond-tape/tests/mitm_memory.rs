//! Large flows in little memory. A file of its own: the memory of the whole process is looked at.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use millpond_tape::mitm::{Flows, MitmWriter, read_one, tail};
use millpond_tape::{Content, ReadAt, Recorded, RecordedResponse, TapeError};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::sync::Arc;

/// How much memory the process had at most so far, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

const LARGE: u64 = 200 * 1024 * 1024;

fn large(source: Arc<dyn ReadAt>) -> Recorded {
    let content = Some(Content::raw(source, 0, LARGE));
    Recorded { response: Some(RecordedResponse { content, ..Default::default() }), ..Default::default() }
}

#[test]
fn a_large_body_is_neither_held_when_written_nor_when_read() {
    let body = tempfile::tempfile().unwrap();
    body.set_len(LARGE).unwrap();
    let exchange = large(Arc::new(body));
    let before = peak();
    let mut writer = MitmWriter::new(tempfile::tempfile().unwrap());
    let len = writer.append(&exchange).unwrap();
    assert!(len > LARGE && len < LARGE + 4096 && writer.written() == len);
    writer.append(&Recorded::default()).unwrap();
    let source: Arc<dyn ReadAt> = Arc::new(writer.into_inner());
    assert_eq!(tail(&source).unwrap(), source.len().unwrap());
    let read: Vec<_> = Flows::new(Arc::clone(&source)).map(Result::unwrap).collect();
    assert_eq!(read.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, len]);
    let (again, response) = (read_one(&source, 0).unwrap(), read[0].1.response.as_ref().unwrap());
    let content = response.content.as_ref().unwrap();
    assert_eq!((content.len(), again.response.unwrap().content.unwrap().len()), (LARGE, LARGE));
    assert_eq!(std::io::copy(&mut content.reader(), &mut std::io::sink()).unwrap(), LARGE);
    assert!(peak() - before < 16 * 1024 * 1024, "{} bytes more", peak() - before);
}

#[test]
fn a_tape_that_claims_much_is_not_believed() {
    // A file of 4 GB that takes no place, with a flow whose only field seems to be that long.
    let mut file = tempfile::tempfile().unwrap();
    let (len, field) =
        (4_000_000_000_u64, "7:version;2:21#4:type;4:http;7:request;3999999000:7:headers;3999998900:");
    write!(file, "{len}:{field}").unwrap();
    let inside = format!("{len}:").len() as u64;
    let request = format!("{len}:7:version;2:21#4:type;4:http;7:request;3999999000:").len() as u64;
    for (at, tag) in [(inside + len, '}'), (request + 3_999_999_000, '}')] {
        file.seek(SeekFrom::Start(at)).unwrap();
        write!(file, "{tag}").unwrap();
    }
    let before = peak();
    let mut flows = Flows::new(Arc::new(file));
    assert!(matches!(flows.next(), Some(Err(TapeError::Malformed { .. } | TapeError::TooLarge { .. }))));
    assert!(peak() - before < 32 * 1024 * 1024);
}
