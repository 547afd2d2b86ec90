//! The repository is tidy: no long functions or files without a written reason, nothing left to do in the code, every
//! dependency explained.

#![expect(clippy::unwrap_used, reason = "a repository that cannot be read is a failed test")]

mod common {
    pub mod files;
    pub mod manifests;
}

use std::collections::BTreeSet;
use std::fmt::Write;

use common::files::texts;
use common::manifests::{manifests, root};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use toml::Table;

/// The most lines of a function, from its signature to its end.
const FUNCTION_LINES: usize = 70;

/// The most lines of a file.
const FILE_LINES: usize = 800;

/// Words that have no place in the code, written in halves so that this file does not hold them.
const FORBIDDEN: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("HA", "CK"),
    concat!("/wo", "rk/"),
    concat!("/tmp/", "target"),
    concat!("seed", " 0"),
];

/// Functions longer than allowed: their name and lines.
#[derive(Default)]
struct Long {
    found: Vec<(String, usize)>,
}

impl Long {
    fn measure(&mut self, name: &syn::Ident, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line - signature.span().start().line + 1;
        if lines > FUNCTION_LINES {
            self.found.push((name.to_string(), lines));
        }
    }
}

impl<'ast> Visit<'ast> for Long {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The long functions of a source text.
fn long_functions(text: &str) -> Vec<(String, usize)> {
    let mut long = Long::default();
    long.visit_file(&syn::parse_file(text).unwrap());
    long.found
}

/// The exceptions of a section of tidy.toml, each with a reason.
fn exceptions(section: &str, words: &[&str]) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("xtask/tests/tidy.toml")).unwrap();
    let table: Table = text.parse().unwrap();
    let entries = table.get(section).and_then(|entries| entries.as_array()).cloned().unwrap_or_default();
    let exception = |entry: &toml::Value| {
        let word = |name: &str| entry[name].as_str().unwrap().to_owned();
        let what = words.iter().map(|name| word(name)).collect::<Vec<_>>().join(" ");
        assert!(word("reason").len() >= 15, "{what} has no reason");
        what
    };
    entries.iter().map(exception).collect()
}

/// What was found must be what is excepted: neither more nor less.
fn compare(found: &[(String, usize)], excepted: &BTreeSet<String>) {
    let mut message = String::new();
    for (what, lines) in found.iter().filter(|(what, _)| !excepted.contains(what)) {
        writeln!(message, "{what} has {lines} lines").unwrap();
    }
    let gone = excepted.iter().filter(|what| found.iter().all(|(other, _)| other != *what));
    for what in gone {
        writeln!(message, "{what} is short now: remove its exception").unwrap();
    }
    assert!(message.is_empty(), "\n{message}");
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    for (file, text) in texts(&["rs"]) {
        let named = |(name, lines)| (format!("{} {name}", file.display()), lines);
        found.extend(long_functions(&text).into_iter().map(named));
    }
    compare(&found, &exceptions("long_function", &["file", "name"]));
}

#[test]
fn files_are_short() {
    let found: Vec<(String, usize)> = texts(&["rs"])
        .into_iter()
        .map(|(file, text)| (file.display().to_string(), text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .collect();
    compare(&found, &exceptions("long_file", &["file"]));
}

#[test]
fn a_long_function_is_found_wherever_it_stands() {
    let body = "let _ = 0;\n".repeat(FUNCTION_LINES - 2);
    for (before, after) in [("", ""), ("impl X {", "}"), ("trait X {", "}"), ("mod x {", "}")] {
        let source = |body: &str| format!("{before}\nfn long() {{\n{body}}}\n{after}");
        assert_eq!(long_functions(&source(&body)), []);
        let longer = source(&format!("{body}let _ = 0;\n"));
        assert_eq!(long_functions(&longer), [("long".to_owned(), FUNCTION_LINES + 1)]);
    }
}

#[test]
fn nothing_is_left_to_do_and_no_machine_is_named() {
    let mut message = String::new();
    for (file, text) in texts(&["rs", "md", "toml", "mjs", "cjs", "conf", "vcl", "sh", "json"]) {
        if file.file_name() == Some("package-lock.json".as_ref()) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in FORBIDDEN.iter().filter(|word| line.contains(**word)) {
                writeln!(message, "{}:{}: {word}", file.display(), number + 1).unwrap();
            }
        }
    }
    assert!(message.is_empty(), "\n{message}");
}

/// The names in the first column of the table below a heading.
fn explained(text: &str, heading: &str) -> BTreeSet<String> {
    let (_, after) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = after.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
}

fn third_party(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    names.filter(|name| !name.starts_with("millpond")).collect()
}

#[test]
fn every_dependency_is_explained() {
    let text = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let manifests = manifests();
    let used = third_party(manifests.iter().flat_map(|manifest| manifest.dependencies.iter().cloned()));
    let for_tests =
        third_party(manifests.iter().flat_map(|manifest| manifest.dev_dependencies.iter().cloned()));
    let for_tests: BTreeSet<String> = for_tests.difference(&used).cloned().collect();
    for (heading, names) in [("In the product and its tasks", used), ("In tests only", for_tests)] {
        let explained = explained(&text, heading);
        let missing: Vec<_> = names.difference(&explained).collect();
        let stale: Vec<_> = explained.difference(&names).collect();
        assert!(missing.is_empty(), "docs/dependencies.md, {heading}: no line for {missing:?}");
        assert!(stale.is_empty(), "docs/dependencies.md, {heading}: nothing uses {stale:?}");
    }
}

#[test]
fn every_crate_says_what_it_is_and_keeps_the_lints() {
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        let manifest: Table = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        assert_eq!(dir.file_name().unwrap().to_str().unwrap(), name);
        assert!(manifest["package"].get("description").is_some(), "{name} has no description");
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{name} has lints of its own");
    }
}

#[test]
fn every_module_begins_with_what_it_is() {
    let without: Vec<String> = texts(&["rs"])
        .into_iter()
        .filter(|(_, text)| !text.trim_start().starts_with("//!") && !text.contains("@generated"))
        .map(|(file, _)| file.display().to_string())
        .collect();
    assert!(without.is_empty(), "no //! lines at the top of {without:?}");
}
