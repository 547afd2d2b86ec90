//! Checking everything that is stored, and removing what is broken.

use super::repair::{Checked, repair_all};
use super::sums::sums;
use super::{InspectError, Inspector};
use crate::bodies::{Bodies, path_in, refuse_links};
use crate::check::{self, Bounds, Broken, Check, Depth, Wrong};
use crate::error::Fault;
use millpond_exchange::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// What is looked at between two reports of progress.
const STEP: Bounds = Bounds { rows: 256, bytes: 4 << 20, time: Duration::MAX };
/// A file that was written to more lately than this may belong to an entry that is still on its way.
const IN_PROGRESS: Duration = Duration::from_secs(600);

/// What a check found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Entries looked at.
    pub entries: u64,
    /// Body files looked at.
    pub files: u64,
    /// What is wrong, in the order it was found.
    pub findings: Vec<Finding>,
    /// Whether all that is wrong has been put right.
    pub repaired: bool,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The database is damaged as a whole. Repaired by setting it aside and beginning anew.
    #[error("the database is damaged: {0}")]
    Structure(String),
    /// An entry is not what was written.
    #[error("{url}: {what}")]
    Entry {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Tags or groups of an entry that is not there.
    #[error("row {row}: tags or groups of an entry that is not there")]
    Labels {
        /// The number of the row it had.
        row: i64,
    },
    /// A body file that no entry names.
    #[error("{}: belongs to no entry", path.display())]
    Orphan {
        /// The file.
        path: PathBuf,
    },
    /// A sum kept in the database is not the sum of its rows.
    #[error("the sum `{column}` says {kept}, and the rows add up to {counted}")]
    Sum {
        /// The column of table `totals`.
        column: &'static str,
        /// What it says.
        kept: i64,
        /// What the rows say.
        counted: i64,
    },
}

impl Finding {
    pub(crate) fn of(wrong: &Wrong) -> Self {
        match wrong {
            Wrong::Structure(what) => Self::Structure(what.clone()),
            Wrong::Entry { url, what, .. } => Self::Entry { url: url.clone(), what },
            Wrong::Labels { row } => Self::Labels { row: *row },
        }
    }
}

/// Checks the database at `path`: its structure, the facts and body of every entry, the files, and the sums; with
/// `repair` removes what is broken. `progress` is told how many entries are done, of how many. What servers change while
/// it goes on is not taken for a mistake. The structure is read in one go, and so are the sums; that of a large file takes
/// its time, and what servers write meanwhile stays in their log, which grows by it. All else is read in short steps.
/// `now` tells old files from those just being written, and is part of the name
/// under which a damaged database is set aside.
///
/// # Errors
/// As [`Inspector::open`], or what SQLite or the system said; a damaged database is a finding and no error.
/// [`InspectError::Replaced`] where there is another file than the one that was checked when it is to be repaired.
pub fn verify(
    path: &Path,
    repair: bool,
    now: Timestamp,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Verified, InspectError> {
    let mut verified = Verified::default();
    let mut broken = Vec::new();
    let mut file = Checked::at(path);
    let checked = Inspector::open(path)
        .and_then(|inspector| file.hold(inspector).check(&mut verified, &mut broken, now, progress));
    match checked {
        Err(InspectError::Database { source, .. }) if Fault::of(&source) == Fault::Damaged => {
            verified.findings.push(Finding::Structure(source.to_string()));
        }
        other => other?,
    }
    if repair && !verified.findings.is_empty() {
        repair_all(file, &verified.findings, &broken, now)?;
        verified.repaired = true;
    }
    Ok(verified)
}

impl Inspector {
    fn check(
        &self,
        verified: &mut Verified,
        broken: &mut Vec<Broken>,
        now: Timestamp,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), InspectError> {
        let failed = |source| self.failed(source);
        let complaints = check::structure(&self.connection).map_err(failed)?;
        if !complaints.is_empty() {
            verified.findings.extend(complaints.into_iter().map(Finding::Structure));
            return Ok(());
        }
        self.entries(verified, broken, progress).map_err(failed)?;
        self.files(verified, now)?;
        verified.findings.extend(sums(&self.connection).map_err(failed)?);
        Ok(())
    }

    /// Every row, in steps, so that no long transaction holds up the servers' log.
    fn entries(
        &self,
        verified: &mut Verified,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> rusqlite::Result<()> {
        let all: i64 = self.connection.query_row("SELECT entries FROM totals", [], |row| row.get(0))?;
        let bodies = Bodies::at(self.bodies());
        // The indexes are looked at with the structure.
        let mut check = Check::new(&bodies, Depth { content: true, indexes: false });
        loop {
            let step = check.step(&self.connection, STEP)?;
            verified.entries += step.entries;
            verified.files += step.files;
            for wrong in step.wrong {
                verified.findings.push(Finding::of(&wrong));
                if let Wrong::Entry { row, .. } = wrong {
                    broken.push(row);
                }
            }
            progress(verified.entries, all.cast_unsigned().max(verified.entries));
            if step.ended {
                return Ok(());
            }
        }
    }

    /// Files that belong to no entry, and have not been written to lately.
    fn files(&self, verified: &mut Verified, now: Timestamp) -> Result<(), InspectError> {
        let directory = self.bodies();
        let files = body_files(&directory);
        for path in files.map_err(|source| InspectError::File { what: "list", path: directory, source })? {
            if self.is_orphan(&path, now).map_err(|source| self.failed(source))? {
                verified.findings.push(Finding::Orphan { path });
            }
        }
        Ok(())
    }

    fn is_orphan(&self, path: &Path, now: Timestamp) -> rusqlite::Result<bool> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let old = |file: fs::Metadata| {
            let since = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
            let written = Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?);
            Some(file.is_file() && now.saturating_since(written) > IN_PROGRESS)
        };
        // What has gone since is nothing to complain of.
        if !fs::symlink_metadata(path).is_ok_and(|file| old(file).unwrap_or(false)) {
            return Ok(false);
        }
        let named = self.connection.prepare_cached("SELECT 1 FROM entry WHERE file = ?1")?.exists([name])?;
        Ok(!named)
    }
}

/// Everything under the name of a body, where that would lie. What else somebody has put there is not ours to judge, and
/// neither is what a link leads to.
fn body_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    refuse_links(directory)?;
    let mut files = Vec::new();
    for shard in
        listing(directory)?.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        let entries = listing(&shard.path())?;
        let paths = entries.iter().map(fs::DirEntry::path).filter(|path| is_of_body(directory, path));
        files.extend(paths);
    }
    Ok(files)
}

fn is_of_body(directory: &Path, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| path_in(directory, name)).is_some_and(|its_place| its_place == path)
}

/// A directory's entries; those of one that is not there are none.
fn listing(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(directory) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        listing => listing?.collect(),
    }
}
