//! A process that is killed while it records: this test runs itself as that process.

use crate::support::*;
use millpond_recorder::Mode;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

const DIR: &str = "MILLPOND_TEST_RECORD_TO";

/// Not a test by itself: records until it is killed, and prints each path whose content a client has whole.
#[tokio::test]
async fn records_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let tapes = open(dir.as_ref(), Mode::WriteOnly);
    let tasks = (0..8).map(|task| {
        let tapes = std::sync::Arc::clone(&tapes);
        tokio::spawn(async move {
            for number in 0.. {
                let path = format!("/{task}/{number}");
                record(&tapes, &path, &path.repeat(500)).await;
                println!("HAS {path}");
            }
        })
    });
    futures_util::future::join_all(tasks).await;
}

#[test]
fn what_a_client_has_is_on_the_tape_of_a_process_that_is_killed() {
    for enough in [1, 40, 200] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::records_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut has = Vec::new();
        while has.len() < enough {
            let line = lines.next().unwrap().unwrap();
            has.extend(line.split_once("HAS ").map(|(_, path)| path.to_owned()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            has.extend(line.split_once("HAS ").map(|(_, path)| path.to_owned()));
        }
        let tapes = open(dir.path(), Mode::ReadOnlyFailOnMiss);
        for path in &has {
            assert_eq!(replayed(&tapes, path), Some(path.repeat(500)), "{path} of {}", has.len());
        }
    }
}
