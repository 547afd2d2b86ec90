//! URLs that nobody asks for again, against a server whose stores hold a fraction of them: they must evict each other,
//! and neither memory nor disk may pass its bound meanwhile.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::cases::Scene;
use crate::bench::{Set, ask_for_all};
use crate::client::Client;

/// The stores, as settings.
pub const SETTINGS: &[(&str, &str)] = &[("MILLPOND_MEMORY__SIZE", "8MiB"), ("MILLPOND_DISK__SIZE", "32MiB")];

/// `memory.size` of these, bytes.
pub const MEMORY: u64 = 8 << 20;

/// `disk.size` of these, bytes: database, log and bodies together.
pub const DISK: u64 = 32 << 20;

/// Bytes of each object: a tenth of them, as in a quick run, takes the stores' place twice.
const BYTES: u64 = 16 << 10;

/// The number of the first object.
const FIRST: u64 = 9_000_000;

/// How many of them, from first to last, are asked for again.
const SAMPLE: u64 = 200;

/// How long what waits to be written may keep more of them than there is room for.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// Asks for each once, then for some of them again: no more than there is room for may be stored, and something must be.
pub fn urls(scene: &Scene<'_>, count: u64) -> Result<String> {
    ensure!(count * BYTES > 2 * DISK, "{count} objects fit into the stores");
    let began = Instant::now();
    ask_for_all(scene.address, Set { first: FIRST, objects: count, bytes: BYTES })?;
    let took = began.elapsed().as_secs_f64();
    let most = most_hits(count);
    let (began, mut client) = (Instant::now(), Client::connect(scene.address)?);
    let mut hits = hits(&mut client, count, 0)?;
    let mut turn = 1;
    while hits > most {
        ensure!(began.elapsed() < WRITE_LIMIT, "{hits} of {SAMPLE} objects are stored, over {most}");
        std::thread::sleep(Duration::from_millis(200));
        hits = self::hits(&mut client, count, turn)?;
        turn += 1;
    }
    ensure!(is_stored_when_asked_for(&mut client, began)?, "nothing is stored any more");
    let share = |part: u64| 100 * part / SAMPLE;
    Ok(format!(
        "{:.0} a second; {} % of them stored then, room for {} %",
        count as f64 / took,
        share(hits),
        share(most)
    ))
}

/// Of the objects that are asked for again, how many there can be in the stores at most, and a tenth more of all for chance.
fn most_hits(count: u64) -> u64 {
    SAMPLE * (DISK + MEMORY) / (BYTES * count) + SAMPLE / 10
}

/// How many of some objects are hits. Each turn takes others, since those asked for are stored again.
fn hits(client: &mut Client, count: u64, turn: u64) -> Result<u64> {
    let stride = count / SAMPLE;
    let mut hits = 0;
    for index in 0..SAMPLE {
        let number = FIRST + index * stride + turn % stride.max(1);
        hits += u64::from(is_hit(client, number)?);
    }
    Ok(hits)
}

/// Asks for something new until it is a hit: a store may refuse what comes faster than it can write.
fn is_stored_when_asked_for(client: &mut Client, since: Instant) -> Result<bool> {
    while !is_hit(client, FIRST - 1)? {
        if since.elapsed() > WRITE_LIMIT * 2 {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

fn is_hit(client: &mut Client, number: u64) -> Result<bool> {
    let head = client.ask("GET", &format!("/o/{BYTES}/{number}"), "")?;
    ensure!(head.status == 200 && head.length == BYTES, "an object asked for again is {head:?}");
    Ok(head.cache == "HIT")
}

/// The bytes of all files in the directory of the cache; the index of the log (`-shm`) is no data and does not count.
pub fn disk(dir: &Path) -> Result<u64> {
    let mut total = 0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("reading {}", dir.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", dir.display()))?;
            // Files come and go while they are counted.
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                dirs.push(entry.path());
            } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
                total += data.len();
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn a_store_without_a_bound_would_have_more_hits() {
        assert_eq!(most_hits(5_000), 200 * 2_560 / 5_000 + 20);
        assert!(most_hits(5_000) < SAMPLE * 2 / 3 && most_hits(50_000) < SAMPLE / 6);
    }

    #[test]
    fn what_lies_in_a_directory_is_counted() {
        let dir = workspace::scratch("abuse").unwrap().join(format!("count-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        for (name, bytes) in [("x", 3), ("a/y", 5), ("a/b/z", 7), ("x-shm", 100)] {
            std::fs::write(dir.join(name), vec![0; bytes]).unwrap();
        }
        let found = disk(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found.unwrap(), 15);
        assert_eq!(disk(&dir).unwrap(), 0, "what is not there takes nothing");
    }
}
