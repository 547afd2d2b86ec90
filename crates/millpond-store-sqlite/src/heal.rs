//! Setting a damaged file aside, so that a new one can be begun under its name.
//!
//! What must not live here: the decision that a file is damaged.

use millpond_exchange::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many damaged files are kept for whoever wants to know what happened.
const KEPT: usize = 2;
/// What SQLite keeps beside a file, by the ends of the names.
pub(crate) const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// What stands in the names of files set aside between the name they had and the time.
const MARK: &str = ".damaged-";
/// How long the lock is waited for. Whoever holds it opens or heals the file, which takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Held by whoever opens or heals a file, so that nobody opens it half renamed. Given back when dropped.
pub(crate) struct OpenLock(#[expect(dead_code, reason = "held, never read")] File);

impl OpenLock {
    /// Waits for the lock beside the database `path`.
    pub(crate) fn take(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(with_suffix(path, "-lock"))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "another process has been opening the store for seconds",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

/// `path` with `suffix` at the end of its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Renames `path` with its log and index, under the lock. Gives the new name. Keeps the newest [`KEPT`] such sets.
pub(crate) fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let stamp = utc(now);
    let free = |name: &PathBuf| !name.exists() && BESIDE.iter().all(|end| !with_suffix(name, end).exists());
    let named = |again: u32| match again {
        0 => with_suffix(path, &format!("{MARK}{stamp}")),
        _ => with_suffix(path, &format!("{MARK}{stamp}.{again:03}")),
    };
    let aside = (0..1000).map(named).find(free).unwrap_or_else(|| named(1000));
    // The database first: without it nobody takes the log for that of another file.
    fs::rename(path, &aside)?;
    for end in BESIDE {
        match fs::rename(with_suffix(path, end), with_suffix(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    forget_old(path, KEPT);
    Ok(aside)
}

/// Removes a log left without its database, which must never be taken for that of a new one. Under the lock.
pub(crate) fn clear_leftovers(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    for end in BESIDE {
        match fs::remove_file(with_suffix(path, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Bytes of what was set aside.
pub(crate) fn bytes_aside(path: &Path) -> u64 {
    let files = aside(path).into_values().flatten();
    files.filter_map(|file| fs::symlink_metadata(file).ok()).map(|file| file.len()).sum()
}

/// Removes all that was set aside but the newest `kept` sets. What cannot be removed stays.
pub(crate) fn forget_old(path: &Path, kept: usize) {
    let old = aside(path).into_values().rev().skip(kept).flatten();
    for file in old {
        let _ = fs::remove_file(file);
    }
}

/// The sets of files set aside, the oldest first.
fn aside(path: &Path) -> BTreeMap<String, Vec<PathBuf>> {
    let mut sets: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return sets;
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let beginning = format!("{name}{MARK}");
    let Ok(listing) = fs::read_dir(directory) else { return sets };
    let names = listing.flatten().filter_map(|file| file.file_name().into_string().ok());
    let set = |name: &str| BESIDE.iter().fold(name.to_owned(), |n, end| n.trim_end_matches(end).to_owned());
    for name in names.filter(|name| name.starts_with(&beginning)) {
        sets.entry(set(&name)).or_default().push(directory.join(name));
    }
    sets
}

/// `2026-01-31T235959.123Z`: sorts by time, and is a file name everywhere.
fn utc(now: Timestamp) -> String {
    let (days, seconds) = (now.as_secs().div_euclid(86_400), now.as_secs().rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let millis = now.as_millis().rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}{minute:02}{second:02}.{millis:03}Z")
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970 (Hinnant's algorithm: years begin in
/// March, so that the leap day is the last of a year).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_a_name_is_utc() {
        let rows = [
            (0, "1970-01-01T000000.000Z"),
            (951_868_799_999, "2000-02-29T235959.999Z"),
            (1_740_787_200_000, "2025-03-01T000000.000Z"),
            (-1, "1969-12-31T235959.999Z"),
        ];
        for (millis, wanted) in rows {
            assert_eq!(utc(Timestamp::from_millis(millis)), wanted);
        }
    }
}
