//! The manifests of the repository, for the tests about it.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Table;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_path_buf()
}

/// A crate's manifest.
pub struct Manifest {
    /// The crate's name.
    pub name: String,
    /// The names of the crates it depends on, in any way but for its tests.
    pub dependencies: BTreeSet<String>,
    /// The names of the crates its tests depend on.
    pub dev_dependencies: BTreeSet<String>,
}

/// The manifests of the crates below `crates/`, of xtask and of what it measures with.
pub fn manifests() -> Vec<Manifest> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut manifests: Vec<Manifest> = crates
        .chain(["xtask", "bench/instructions", "bench/store"].map(|dir| root().join(dir)))
        .map(|dir| dir.join("Cargo.toml"))
        .filter(|file| file.is_file())
        .map(|file| parse(&std::fs::read_to_string(file).unwrap()))
        .collect();
    manifests.sort_by(|one, other| one.name.cmp(&other.name));
    manifests
}

/// Reads a manifest.
pub fn parse(text: &str) -> Manifest {
    let manifest: Table = text.parse().unwrap();
    let name = manifest["package"]["name"].as_str().unwrap().to_owned();
    let mut dependencies = named(&manifest, &["dependencies", "build-dependencies"]);
    let mut dev_dependencies = named(&manifest, &["dev-dependencies"]);
    for target in manifest.get("target").and_then(|t| t.as_table()).into_iter().flat_map(Table::values) {
        let target = target.as_table().unwrap();
        dependencies.extend(named(target, &["dependencies", "build-dependencies"]));
        dev_dependencies.extend(named(target, &["dev-dependencies"]));
    }
    Manifest { name, dependencies, dev_dependencies }
}

fn named(table: &Table, sections: &[&str]) -> BTreeSet<String> {
    sections
        .iter()
        .filter_map(|section| table.get(*section)?.as_table())
        .flatten()
        .map(|(name, how)| {
            // A renamed dependency is known by its own name.
            how.get("package").and_then(|package| package.as_str()).unwrap_or(name).to_owned()
        })
        .collect()
}
