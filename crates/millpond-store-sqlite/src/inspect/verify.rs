//! Checking everything that is stored, and removing what is broken.

use super::repair::{Checked, repair_all};
use super::{InspectError, Inspector};
use crate::bodies::{Bodies, BodyFault, path_in};
use crate::error::Fault;
use crate::rows::{self, Place};
use millpond_exchange::Timestamp;
use rusqlite::types::{Type, Value};
use rusqlite::{Row, named_params, params};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Rows looked at between two reports of progress, and bytes of bodies after which such a step ends.
const STEP: (usize, u64) = (256, 4 << 20);
/// A file that was written to more lately than this may belong to an entry that is still on its way.
const IN_PROGRESS: Duration = Duration::from_secs(600);
/// How many complaints about the structure are told.
const MOST_COMPLAINTS: usize = 20;

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

/// The row of a broken entry.
pub(super) struct Broken {
    pub seq: i64,
    /// Whatever stands there.
    pub id: Value,
    pub file: Option<String>,
}

/// The columns of [`rows::COLUMNS`] come before these.
const MORE: &str = "url, key, key_hash, variant, queue, status, stored_at, fresh_until, sweep_at, part_first, stored_len, \
                    hits, used_at, file";
/// Those that hold a number, or nothing where that may be.
#[rustfmt::skip]
const NUMBERS: [&str; 17] = [
    "id", "key_hash", "variant", "born", "queue", "status", "stored_at", "fresh_until", "sweep_at",
    "stale_from", "part_first", "body_len", "stored_len", "coding", "hits", "used_at", "body_sum",
];

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
        let complaints = self.structure().map_err(failed)?;
        if !complaints.is_empty() {
            verified.findings.extend(complaints.into_iter().map(Finding::Structure));
            return Ok(());
        }
        self.entries(verified, broken, progress).map_err(failed)?;
        self.files(verified, now)?;
        verified.findings.extend(self.sums().map_err(failed)?);
        Ok(())
    }

    fn structure(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare(&format!("PRAGMA integrity_check({MOST_COMPLAINTS})"))?;
        let complaints: Vec<String> =
            statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(complaints.into_iter().filter(|complaint| complaint != "ok").collect())
    }

    /// Every row, in steps, so that no long transaction holds up the servers' log.
    fn entries(
        &self,
        verified: &mut Verified,
        broken: &mut Vec<Broken>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> rusqlite::Result<()> {
        let all: i64 = self.connection.query_row("SELECT entries FROM totals", [], |row| row.get(0))?;
        let mut statement = self.connection.prepare(&format!(
            "SELECT {}, {MORE} FROM entry WHERE seq > :after ORDER BY seq LIMIT :step",
            rows::COLUMNS
        ))?;
        let mut after = i64::MIN;
        loop {
            let mut rows = statement.query(named_params! { ":after": after, ":step": STEP.0 as i64 })?;
            let (mut seen, mut bytes) = (0, 0);
            while bytes < STEP.1
                && let Some(row) = rows.next()?
            {
                after = row.get(0)?;
                seen += 1;
                bytes = row
                    .get("stored_len")
                    .map_or(bytes, |more: i64| bytes.saturating_add(more.unsigned_abs()));
                if let Some((what, url, row)) = self.entry(row, &mut verified.files)? {
                    verified.findings.push(Finding::Entry { url, what });
                    broken.push(row);
                }
            }
            verified.entries += seen;
            progress(verified.entries, all.cast_unsigned().max(verified.entries));
            if bytes < STEP.1 && seen < STEP.0 as u64 {
                return Ok(());
            }
        }
    }

    /// What is wrong with a row, if anything is.
    fn entry(
        &self,
        row: &Row<'_>,
        files: &mut u64,
    ) -> rusqlite::Result<Option<(&'static str, String, Broken)>> {
        let text = |column| row.get_ref(column).map(|value| value.as_str().ok().map(str::to_owned));
        let (url, file) = (text("url")?, text("file")?);
        let broken = Broken { seq: row.get("seq")?, id: row.get("id")?, file };
        let what = match &url {
            Some(url) if are_types_right(row)? => self.fault(row, url, &broken, files)?,
            _ => Some("a column holds what no program of ours writes"),
        };
        let url = url.unwrap_or_else(|| format!("row {}", broken.seq));
        Ok(what.map(|what| (what, url, broken)))
    }

    /// What is wrong with a row whose columns can be read.
    fn fault(
        &self,
        row: &Row<'_>,
        url: &str,
        broken: &Broken,
        files: &mut u64,
    ) -> rusqlite::Result<Option<&'static str>> {
        let key: Option<Vec<u8>> = row.get("key")?;
        let Some(key) = rows::key_of(url, key.as_deref()) else { return Ok(Some("its key cannot be read")) };
        let place = Place::of(&key);
        if place.url != url || place.hash != row.get::<_, i64>("key_hash")? {
            return Ok(Some("it stands under another key than its own"));
        }
        let Ok(found) = rows::found(row, &key)? else {
            return Ok(Some("its facts or its body do not match their checksums"));
        };
        if i64::from(found.entry.record.status) != row.get::<_, i64>("status")? {
            return Ok(Some("its columns and its facts name different statuses"));
        }
        let Some(file) = &broken.file else { return Ok(None) };
        *files += 1;
        self.body_file(row, broken, file)
    }

    /// What is wrong with the file of a row, if anything is.
    fn body_file(
        &self,
        row: &Row<'_>,
        broken: &Broken,
        file: &str,
    ) -> rusqlite::Result<Option<&'static str>> {
        let Some(what) = file_fault(&Bodies::at(self.bodies()), file, row)? else { return Ok(None) };
        // A server may have evicted the entry since its row was read, and the file with it.
        let mut there = self.connection.prepare_cached("SELECT 1 FROM entry WHERE file = ?1 AND id = ?2")?;
        Ok(there.exists(params![file, broken.id])?.then_some(what))
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

/// What is wrong with the body in `file`, if anything is.
fn file_fault(bodies: &Bodies, file: &str, row: &Row<'_>) -> rusqlite::Result<Option<&'static str>> {
    let id = row.get::<_, i64>("id")?.cast_unsigned();
    let length = row.get::<_, i64>("body_len")?.cast_unsigned();
    let table: Vec<u8> = row.get("body")?;
    if rows::body_sum(id, &table) != row.get::<_, i64>("body_sum")? {
        return Ok(Some("the table of its body's chunks does not match its checksum"));
    }
    let read = bodies.reader(file, &table, length, id).and_then(|reader| {
        reader.chunks_for(0..length).try_for_each(|(number, _)| reader.chunk(number).map(drop))
    });
    Ok(match read {
        Ok(()) => None,
        Err(BodyFault::Missing) => Some("the file with its body is gone"),
        Err(BodyFault::Damaged(_)) => Some("the file with its body does not match its checksums"),
        Err(BodyFault::Io(_)) => Some("the file with its body cannot be read"),
    })
}

/// True when every column has the type it was made for.
fn are_types_right(row: &Row<'_>) -> rusqlite::Result<bool> {
    for column in NUMBERS {
        let may_be_nothing = matches!(column, "stale_from" | "part_first");
        match row.get_ref(column)?.data_type() {
            Type::Integer => {}
            Type::Null if may_be_nothing => {}
            _ => return Ok(false),
        }
    }
    let file = row.get_ref("file")?;
    let key = row.get_ref("key")?;
    Ok(file.as_str_or_null().is_ok()
        && key.as_blob_or_null().is_ok()
        && row.get_ref("body")?.as_blob().is_ok())
}

/// Everything under the name of a body, where that would lie. What else somebody has put there is not ours to judge.
fn body_files(directory: &Path) -> io::Result<Vec<PathBuf>> {
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
