//! The file that this run records to.

use millpond_exchange::Timestamp;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// The directory of recordings within a directory of tapes.
pub(crate) const SESSIONS: &str = "sessions";
/// What is gathered before it is written, bytes.
const GATHERED: usize = 256 * 1024;
/// Runs of one process within one second that may each have a file.
const SAME_SECOND: u32 = 1000;

/// A tape that is appended to. What is behind [`Session::committed`] is not on it yet, and can be taken back.
pub(crate) struct Session {
    path: PathBuf,
    file: File,
    committed: u64,
    flushed: u64,
    gathered: Vec<u8>,
    /// Part of an exchange could not be cut off: nothing may be appended to that.
    torn: bool,
}

impl Session {
    /// A new file in the `sessions` of `dir`, named after `now` and this process, and locked, so that nobody takes the end
    /// of it for that of a recording that was stopped.
    pub fn create(dir: &Path, now: Timestamp) -> Result<Self, (PathBuf, io::Error)> {
        let name = format!("{}-{}", compact(now), std::process::id());
        let sessions = dir.join(SESSIONS);
        let mut path = sessions.join(format!("{name}.mitm"));
        for again in 1..=SAME_SECOND {
            // Append: whatever is written goes behind the last whole exchange, also after one was cut off.
            let opened = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path);
            match opened {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && again < SAME_SECOND => {
                    // Behind the one before it also by name.
                    path = sessions.join(format!("{name}_{again:03}.mitm"));
                }
                Err(error) => return Err((path, error)),
                Ok(file) => return Self::locked(path, file),
            }
        }
        Err((path, io::ErrorKind::AlreadyExists.into()))
    }

    fn locked(path: PathBuf, file: File) -> Result<Self, (PathBuf, io::Error)> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path, file, committed: 0, flushed: 0, gathered: Vec::new(), torn: false }),
            Err(error) => Err((path, error.into())),
        }
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle of the file, for readers.
    pub fn reader(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Bytes of whole exchanges handed to the system.
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.flushed + self.gathered.len() as u64
    }

    /// Hands everything gathered to the system: it outlives this process then.
    pub fn commit(&mut self) -> io::Result<()> {
        self.flush()?;
        self.committed = self.flushed;
        Ok(())
    }

    /// Takes back everything since the last commit.
    pub fn roll_back(&mut self) {
        self.gathered.clear();
        self.torn |= self.flushed != self.committed;
        self.flushed = self.committed;
        if let Err(error) = self.cut() {
            tracing::error!(path = %self.path.display(), %error, "part of an exchange cannot be cut off the tape");
        }
    }

    /// Cuts off what a write that failed has left behind what is committed. What is gathered is not touched.
    fn cut(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.committed)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Hands what was committed to the disk: it outlives a power cut then.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Write for Session {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Before anything is gathered: an exchange that comes while the tape is torn fails by itself.
        self.cut()?;
        if self.gathered.len() + data.len() > GATHERED {
            self.flush()?;
        }
        self.gathered.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.cut()?;
        // Set beforehand: of a write that fails, part may have been done.
        let before = self.flushed;
        self.flushed += self.gathered.len() as u64;
        if let Err(error) = self.file.write_all(&self.gathered) {
            self.flushed = self.flushed.max(before + 1);
            return Err(error);
        }
        self.gathered.clear();
        Ok(())
    }
}

/// A time as it stands in names of files, such as `20261121T175500Z`.
fn compact(now: Timestamp) -> String {
    let Ok(moment) = OffsetDateTime::from_unix_timestamp(now.as_secs()) else {
        return now.as_secs().to_string();
    };
    let (year, month, day) = (moment.year(), u8::from(moment.month()), moment.day());
    let (hour, minute, second) = moment.to_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Locks the tape `file` against being recorded to; false when some process does that at this moment.
pub(crate) fn lock_finished(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_disk(session: &Session) -> String {
        std::fs::read_to_string(session.path()).unwrap()
    }

    /// A session with `one` on it, and part of something behind that, which a failed write has left.
    fn torn(dir: &Path) -> Session {
        std::fs::create_dir(dir.join(SESSIONS)).unwrap();
        let mut session = Session::create(dir, Timestamp::from_secs(0)).unwrap();
        session.write_all(b"one").unwrap();
        session.commit().unwrap();
        let mut file = &session.file;
        file.write_all(b"part").unwrap();
        session.torn = true;
        session
    }

    #[test]
    fn what_comes_after_a_failed_write_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = torn(dir.path());
        session.write_all(b"two").unwrap();
        assert_eq!(session.position(), 6);
        session.commit().unwrap();
        assert_eq!((on_disk(&session).as_str(), session.committed()), ("onetwo", 6));
    }

    #[test]
    fn a_tape_that_cannot_be_cut_takes_nothing_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = torn(dir.path());
        // A handle that may not change the file: the system refuses to cut it.
        let unchangeable = File::open(session.path()).unwrap();
        let writable = std::mem::replace(&mut session.file, unchangeable);
        session.write_all(b"lost").unwrap_err();
        session.roll_back();
        assert_eq!(session.position(), 3);
        session.write_all(b"lost").unwrap_err();
        session.file = writable;
        session.write_all(b"two").unwrap();
        session.commit().unwrap();
        assert_eq!(on_disk(&session), "onetwo");
    }
}
