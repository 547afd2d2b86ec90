//! What lies in a directory of tapes.

use millpond::tape::{ReadAt, Recorded, mitm};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The recordings in the directory `dir`, by name.
pub fn sessions(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("sessions")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "mitm")).collect();
    found.sort();
    found
}

/// Every file below `dir`.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The exchanges of a tape, as far as they are whole.
pub fn exchanges(tape: &Path) -> Vec<Recorded> {
    let data: Arc<dyn ReadAt> = Arc::new(File::open(tape).unwrap());
    if data.len().unwrap() == 0 {
        return Vec::new();
    }
    let flows = mitm::Flows::starting_at(data, 0);
    flows.map_while(Result::ok).map(|(_, exchange)| exchange).collect()
}

/// True when a tape ends within an exchange.
pub fn is_torn(tape: &Path) -> bool {
    let data: Arc<dyn ReadAt> = Arc::new(File::open(tape).unwrap());
    mitm::tail(&data).unwrap() < data.len().unwrap()
}
