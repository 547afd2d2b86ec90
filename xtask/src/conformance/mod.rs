//! `cargo xtask conformance`: the npm package `http-cache-tests` against a proxy, compared with the committed
//! expectations.
//!
//! The suite's own code runs the tests and says what each came to; we start the processes, compare and print.

mod expectations;
mod suite;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::expectations::Expectations;
use self::suite::{Kind, Outcome, Row, Store};
use crate::{tools, workspace};

/// Options of `cargo xtask conformance`.
#[derive(Args, Default)]
pub struct Options {
    /// The millpond binary to test; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Test this one instead, for comparison: prints its numbers and compares them with nothing
    #[arg(long, conflicts_with = "binary")]
    peer: Option<Peer>,
    /// Keep responses here; both are expected to come to the same
    #[arg(long, value_enum, default_value_t)]
    store: Store,
    /// Run only this test, and show every request and response of it
    #[arg(long)]
    id: Option<String>,
    /// Print every test that failed, in the form of the expectations file
    #[arg(long)]
    list: bool,
}

/// What can be tested for comparison.
#[derive(Clone, Copy, ValueEnum)]
pub enum Peer {
    /// Debian's nginx with the configuration that the suite itself has for it
    Nginx,
}

/// Runs the suite over each store; what is expected is the same.
pub fn run_over_each_store() -> Result<()> {
    for store in [Store::Memory, Store::Sqlite] {
        println!("over {store:?}:");
        run(&Options { store, ..Options::default() })?;
    }
    Ok(())
}

/// Runs the suite.
pub fn run(options: &Options) -> Result<()> {
    tools::install(&[tools::CONFORMANCE])?;
    let suite = suite::Suite::install()?;
    let origin = suite.start_origin()?;
    let store = options.store;
    let proxy = match (options.peer, &options.binary) {
        (Some(Peer::Nginx), _) => suite::start_nginx(&origin.url)?,
        (None, Some(binary)) => suite::start_millpond(binary, &origin.url, store)?,
        (None, None) => suite::start_millpond(&workspace::release_binary()?, &origin.url, store)?,
    };
    if let Some(id) = &options.id {
        return suite.show_one(&proxy.url, id);
    }
    let rows = suite.run(&proxy.url)?;
    let expectations = Expectations::read()?;
    print_summary(&rows, &expectations);
    if options.list {
        print_failures(&rows, &expectations);
    }
    if options.peer.is_some() {
        return Ok(());
    }
    let surprises = expectations.compare(&rows);
    for surprise in &surprises {
        println!("{surprise}");
    }
    ensure!(
        surprises.is_empty(),
        "{} differences from conformance/expectations.toml; `cargo xtask conformance --id ID` shows one test",
        surprises.len()
    );
    Ok(())
}

fn print_summary(rows: &[Row], expectations: &Expectations) {
    println!("{:<10} {:>8} {:>7} {:>12}", "", "passed", "failed", "of");
    for (kind, word) in [(Kind::Required, "required"), (Kind::Optimal, "optimal"), (Kind::Check, "checks")] {
        let counted: Vec<&Row> =
            rows.iter().filter(|row| row.kind == kind && expectations.counts(&row.suite)).collect();
        let passed = counted.iter().filter(|row| row.passed()).count();
        println!("{word:<10} {passed:>8} {:>7} {:>12}", counted.len() - passed, counted.len());
    }
    for (suite, reason) in expectations.not_counted() {
        let of: Vec<&Row> = rows.iter().filter(|row| row.suite == suite).collect();
        let passed = of.iter().filter(|row| row.passed()).count();
        println!("not counted: {suite}, {passed} of {} passed ({reason})", of.len());
    }
}

fn print_failures(rows: &[Row], expectations: &Expectations) {
    for row in rows.iter().filter(|row| !row.passed() && expectations.counts(&row.suite)) {
        println!("\n[[fails]]\nid = {:?}\nkind = {:?}", row.id, row.kind.word());
        if row.outcome != Outcome::Fail {
            println!("outcome = {:?}\ndetail = {:?}", row.outcome.word(), row.detail);
        }
        println!("reason = \"\" # {}: {}", row.outcome.word(), row.detail.lines().next().unwrap_or_default());
    }
}
