//! `cargo xtask test`: every check of the project, one after the other, with one summary.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::{
    abuse, bench, clients, conformance, deny, fuzz, instructions, interception, process, soak, tapes, tools,
    workspace,
};

/// The longest one step of the compiler or of the tests may take.
const STEP_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Options of `cargo xtask test`.
#[derive(Args)]
pub struct Options {
    /// Only these steps
    #[arg(long, value_delimiter = ',')]
    only: Vec<Step>,
    /// All but these steps
    #[arg(long, value_delimiter = ',')]
    except: Vec<Step>,
    /// Seconds for each fuzz target
    #[arg(long, default_value_t = 60)]
    fuzz_seconds: u64,
}

/// The steps, in the order they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Install the programs the tests use
    Tools,
    /// Formatting
    Fmt,
    /// Lints
    Clippy,
    /// Documentation builds without a warning
    Doc,
    /// Licences, bans and sources of dependencies
    Deny,
    /// Tests of every crate
    Unit,
    /// Examples in the documentation
    Doctest,
    /// The release binary
    Build,
    /// The published HTTP cache test suite
    Conformance,
    /// Real clients through the forward proxy
    Clients,
    /// Many clients of many hosts through an intercepting replay
    Interception,
    /// Large tapes, a tenth of them, and replay beside mitmproxy's
    Tapes,
    /// A short run of every fuzz target
    Fuzz,
    /// Instructions for a hit and the like, beside the committed figures
    Instructions,
    /// A minute of mixed load, under which the server must not grow
    Soak,
    /// What hostile clients do, a tenth of it
    Abuse,
    /// A short run of the benchmark, which decides nothing
    Bench,
}

/// What a step came to.
struct Outcome {
    step: Step,
    error: Option<anyhow::Error>,
    took: Duration,
}

/// Runs the steps chosen. All of them run, also after one has failed.
pub fn run(options: &Options) -> Result<()> {
    let began = Instant::now();
    let steps = chosen(options);
    let (mut outcomes, mut remarks) = (Vec::new(), Vec::new());
    for &step in &steps {
        println!("\n==> {step:?}");
        let began = Instant::now();
        let error = step.run(options, &mut remarks).err();
        if let Some(error) = &error {
            println!("{step:?} failed: {error:#}");
        }
        outcomes.push(Outcome { step, error, took: began.elapsed() });
    }
    summarise(&outcomes, &remarks, Step::value_variants().len() - steps.len(), began.elapsed())
}

fn chosen(options: &Options) -> Vec<Step> {
    let wanted = |step: &Step| options.only.is_empty() || options.only.contains(step);
    let left = |step: &Step| wanted(step) && !options.except.contains(step);
    Step::value_variants().iter().copied().filter(left).collect()
}

/// Prints a line for every step, what must not be overlooked, and a line in the style of the test runners.
fn summarise(outcomes: &[Outcome], remarks: &[String], not_chosen: usize, took: Duration) -> Result<()> {
    println!("\n==> Summary");
    for outcome in outcomes {
        let word = if outcome.error.is_none() { "ok" } else { "FAILED" };
        println!(
            "test {:<12} ... {word} ({:.1} s)",
            format!("{:?}", outcome.step),
            outcome.took.as_secs_f64()
        );
    }
    for outcome in outcomes {
        if let Some(error) = &outcome.error {
            println!("\n{:?}: {error:#}", outcome.step);
        }
    }
    for remark in remarks {
        println!("\n!! {remark}");
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some()).count();
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {} passed; {failed} failed; 0 ignored; 0 measured; {not_chosen} filtered out; finished in {:.2}s",
        outcomes.len() - failed,
        took.as_secs_f64()
    );
    if failed > 0 {
        bail!("{failed} of {} steps failed", outcomes.len());
    }
    Ok(())
}

impl Step {
    /// Runs it. What is no failure and must not be overlooked goes to `remarks`.
    fn run(self, options: &Options, remarks: &mut Vec<String>) -> Result<()> {
        match self {
            Self::Tools => tools::install_all(),
            Self::Fmt => fmt(),
            Self::Clippy => {
                cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
            }
            Self::Doc => process::run(
                workspace::cargo()
                    .args(["doc", "--locked", "--workspace", "--no-deps"])
                    .env("RUSTDOCFLAGS", "-D warnings"),
                STEP_LIMIT,
            ),
            Self::Deny => deny::check(),
            Self::Unit => unit(),
            Self::Doctest => cargo(&["test", "--locked", "--workspace", "--doc"]),
            Self::Build => workspace::release_binary().map(drop),
            Self::Conformance => conformance::run_over_each_store(),
            Self::Clients => clients::run(&clients::Options::default()),
            Self::Interception => interception::run(&interception::Options::quick()),
            Self::Tapes => tapes::run(&tapes::Options::quick()),
            Self::Fuzz => fuzz::run(&fuzz::Options { seconds: options.fuzz_seconds, target: None }),
            Self::Instructions => {
                instructions::run(&instructions::Options::default()).map(|said| remarks.extend(said))
            }
            Self::Soak => soak::run(&soak::Options { minutes: 1, binary: None }),
            Self::Abuse => abuse::run(&abuse::Options::quick()),
            Self::Bench => bench::run(&bench::Options::quick()),
        }
    }
}

fn fmt() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    if workspace::root().join("fuzz/Cargo.toml").is_file() {
        cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"])?;
    }
    Ok(())
}

fn unit() -> Result<()> {
    let arguments: &[&str] = if tools::find("cargo-nextest").is_ok() {
        &["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    let python = tools::mitmproxy()?.join("python");
    process::run(workspace::cargo().args(arguments).env("MITMPROXY_PYTHON", python), STEP_LIMIT)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    process::run(workspace::cargo().args(arguments), STEP_LIMIT)
}
