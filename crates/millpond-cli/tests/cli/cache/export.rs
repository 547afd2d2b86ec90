//! `cache export`.

use super::{Pond, stop};
use std::io::Read as _;
use std::process::{Command, Stdio};

/// `head` has all it wanted: what it will not read is not read from the store either.
#[test]
fn a_reader_that_has_gone_ends_the_export() {
    const STORED: usize = 8;
    let pond = Pond::new();
    let serving = pond.serve(&[]);
    for number in 0..STORED {
        serving.get(&format!("/large?{number}"));
    }
    stop(serving);
    let mut exporting = Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(["cache", "export", "-", "--format", "json", "--cache-dir", pond.place()])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(exporting.stdout.take());
    let mut told = String::new();
    exporting.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(exporting.wait().unwrap().success(), "{told}");
    // The writer finds out with the first body, each of which is larger than its buffer.
    assert_eq!(told, "Exported 0 responses.\n");
}
