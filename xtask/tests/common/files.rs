//! The files of the repository, for the tests about it.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be read is a failed test")]

use std::path::{Path, PathBuf};

use super::manifests::root;

/// Every file of the repository that somebody wrote, relative to the root, in order.
pub fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(&root(), &mut found);
    let root = root();
    let mut files: Vec<PathBuf> =
        found.into_iter().map(|file| file.strip_prefix(&root).unwrap().to_path_buf()).collect();
    files.sort();
    assert!(files.len() > 20, "the repository has only {} files", files.len());
    files
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    const NOT_WRITTEN: [&str; 6] = [".git", "target", "node_modules", "corpus", "artifacts", "coverage"];
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        let skipped = NOT_WRITTEN.iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !skipped {
            walk(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// The files with this extension, with their text.
pub fn texts(extensions: &[&str]) -> Vec<(PathBuf, String)> {
    files()
        .into_iter()
        .filter(|file| file.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)))
        .map(|file| {
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            (file, text)
        })
        .collect()
}
