//! Finding bodies that no entry knows, a few files at a time.

use super::name::{SHARD_DIGITS, is_name};
use super::{is_missing, missing_is_fine};
use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// The number of directories over which bodies are spread.
const SHARDS: u32 = 1 << (4 * SHARD_DIGITS);

/// What one call has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Bodies looked at.
    pub(crate) looked: usize,
    /// Of these, removed.
    pub(crate) removed: usize,
    /// The bytes those took.
    pub(crate) removed_bytes: u64,
    /// All have been looked at since the cursor last stood at the beginning, where it stands now.
    pub(crate) round: bool,
}

/// How far the last call came.
#[derive(Default)]
pub(super) struct Cursor {
    shard: u32,
    /// The last file in it that was looked at; empty when none was.
    after: String,
}

impl Cursor {
    pub(super) fn sweep(
        &mut self,
        dir: &Path,
        budget: usize,
        older_than: SystemTime,
        mut is_known: impl FnMut(&str) -> io::Result<bool>,
    ) -> io::Result<Swept> {
        let mut swept = Swept::default();
        while swept.looked < budget {
            let shard = format!("{:0width$x}", self.shard, width = SHARD_DIGITS);
            let path = dir.join(&shard);
            let names = self.names(&path, &shard);
            for name in names.inspect_err(|_| self.advance())? {
                if swept.looked == budget {
                    return Ok(swept);
                }
                swept.looked += 1;
                let file = path.join(&name);
                // Moved on first: a file that makes trouble must not be in the way of all others.
                self.after.clone_from(&name);
                let Some(bytes) = old_file(&file, older_than)? else { continue };
                if !is_known(&name)? {
                    missing_is_fine(fs::remove_file(&file))?;
                    swept.removed += 1;
                    swept.removed_bytes += bytes;
                }
            }
            self.advance();
            if self.shard == 0 {
                swept.round = true;
                break;
            }
        }
        Ok(swept)
    }

    /// On to the next directory.
    fn advance(&mut self) {
        self.after.clear();
        self.shard = (self.shard + 1) % SHARDS;
    }

    /// The bodies in a directory that come after the last one looked at, in order. Anything else there is left alone.
    fn names(&self, path: &Path, shard: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if is_name(&name) && name.starts_with(shard) && name > self.after {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// The length of a file last written before `older_than`.
fn old_file(path: &Path, older_than: SystemTime) -> io::Result<Option<u64>> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => return Ok(None),
        metadata => metadata?,
    };
    Ok((metadata.is_file() && metadata.modified()? < older_than).then_some(metadata.len()))
}
