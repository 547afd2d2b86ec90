//! What cannot be read or written, and what is served all the same.

use crate::support::*;
use millpond_recorder::{Mode, OpenError, TapeOptions, Tapes, Totals};
use std::io::Write as _;
use std::path::Path;

fn append(path: &Path, data: &[u8]) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(data).unwrap();
}

#[tokio::test]
async fn a_torn_end_is_cut_off_when_the_recording_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/", "whole").await;
    tapes.close();
    let path = sessions(dir.path()).remove(0);
    let whole = std::fs::metadata(&path).unwrap().len();
    let tail = std::fs::read(&path).unwrap();
    append(&path, &tail[..tail.len() / 2]);
    let again = open(dir.path(), Mode::ReadOnlyFailOnMiss);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    // Also where nothing is read: the next recording does it, behind its start.
    append(&path, &tail[..tail.len() / 2]);
    open(dir.path(), Mode::WriteOnly).close();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    assert_eq!(replayed(&again, "/").as_deref(), Some("whole"));
}

#[tokio::test]
async fn a_recording_under_way_is_not_cut() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/", "whole").await;
    let path = sessions(dir.path()).remove(0);
    let half = std::fs::read(&path).unwrap();
    append(&path, &half[..half.len() / 2]);
    let torn = std::fs::metadata(&path).unwrap().len();
    let other = open(dir.path(), Mode::ReadOnly);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), torn, "another process writes there");
    assert_eq!(replayed(&other, "/").as_deref(), Some("whole"));
}

#[tokio::test]
async fn a_damaged_tape_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/", "good").await;
    tapes.close();
    std::fs::write(dir.path().join("a.flows"), "no tape at all").unwrap();
    std::fs::write(dir.path().join("b.har"), "{\"log\": 1").unwrap();
    let tapes = open(dir.path(), Mode::ReadOnly);
    assert_eq!(replayed(&tapes, "/").as_deref(), Some("good"));
}

#[tokio::test]
async fn what_cannot_be_used_is_said_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Tapes::open(TapeOptions::new(file.join("tapes"), Mode::ReadOnly), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::Directory { path, .. } if *path == file.join("tapes")));
    assert!(error.to_string().contains("choose another with --tape"), "{error}");
    let error = Tapes::open(TapeOptions::new(&file, Mode::WriteOnly), NOW).unwrap_err();
    assert!(error.to_string().contains("file stands where a directory is needed"), "{error}");
}

#[tokio::test]
async fn a_content_that_cannot_be_kept_is_served_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    // The spool has no place any more.
    let large = "x".repeat(100 * 1024);
    let mut recording = begin(&tapes, &get("/"));
    recording.response_head(&ok(&[]));
    std::fs::remove_dir_all(dir.path()).unwrap();
    let body = recording.response_body(pieces(&[&large, &large]));
    assert_eq!(read(body).await.unwrap().len(), 2 * large.len());
    assert_eq!(tapes.totals(), Totals { failed: 1, ..Totals::default() });
}

#[tokio::test]
async fn after_the_end_nothing_is_recorded_and_everything_served() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    tapes.close();
    tapes.close();
    record(&tapes, "/", "late").await;
    assert_eq!(tapes.totals(), Totals { failed: 1, ..Totals::default() });
}

#[tokio::test]
async fn modes_are_named_exactly() {
    for name in ["read_only", "write_only", "read_write", "read_only_fail_on_miss"] {
        assert_eq!(name.parse::<Mode>().unwrap().to_string(), name);
    }
    let error = "record".parse::<Mode>().unwrap_err();
    assert!(error.to_string().contains("read_only_fail_on_miss"), "{error}");
    assert_eq!(Mode::default(), Mode::ReadWrite);
}

const CROWDED: &str = "MILLPOND_TEST_CROWDED";

/// Not a test by itself: opens tapes where few files may be open, and prints what is said of that.
#[test]
fn opens_more_tapes_than_it_may() {
    let Some(dir) = std::env::var_os(CROWDED) else { return };
    match Tapes::open(TapeOptions::new(dir, Mode::ReadOnly), NOW) {
        Ok(_) => println!("SAID nothing"),
        Err(error) => println!("SAID {error}"),
    }
}

#[tokio::test]
async fn more_tapes_than_files_may_be_open_are_refused_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let tapes = open(dir.path(), Mode::WriteOnly);
    record(&tapes, "/", "one").await;
    tapes.close();
    let tape = sessions(dir.path()).remove(0);
    for number in 0..60 {
        std::fs::copy(&tape, dir.path().join(format!("{number}.mitm"))).unwrap();
    }
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "failures::opens_more_tapes_than_it_may", "--nocapture", "--test-threads=1"])
        .env(CROWDED, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("SAID cannot use the tape directory") && text.contains("ulimit -n"), "{output:?}");
}
