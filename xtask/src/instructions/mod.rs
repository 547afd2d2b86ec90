//! `cargo xtask instructions`: how many instructions the paths of the product take, beside the committed figures.
//!
//! Callgrind counts a program that walks one path many times (`bench/instructions`), once with as many walks as are worth
//! it and once with twice as many: the difference is the walks alone. What time takes depends on the machine's mood;
//! what instructions are executed does not, so that a change of a few percent shows, on any machine, in any noise.

mod baseline;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::baseline::{Baseline, Change, Machine, TOLERANCE};
use crate::{process, tools, workspace};

/// The longest one count may take.
const COUNT_LIMIT: Duration = Duration::from_secs(300);

/// Options of `cargo xtask instructions`.
#[derive(Args, Default)]
pub struct Options {
    /// Only these paths
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Make what is counted now the committed figures
    #[arg(long, conflicts_with = "only")]
    update: bool,
    /// The program that walks, built for release; without it it is built
    #[arg(long)]
    walker: Option<PathBuf>,
}

/// A path, as the walker lists it.
#[derive(Debug, PartialEq)]
struct Case {
    name: String,
    times: u64,
    title: String,
}

/// What the counts are beside the committed ones.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Paths that became worse.
    worse: Vec<String>,
    /// Paths that became better.
    better: Vec<String>,
}

/// Counts, prints, and compares. What is no failure and must not be overlooked is returned, in sentences.
pub fn run(options: &Options) -> Result<Vec<String>> {
    tools::install(&[tools::INSTRUCTIONS])?;
    let walker = match &options.walker {
        Some(program) => program.clone(),
        None => workspace::instructions()?,
    };
    let cases = chosen(&walker, &options.only)?;
    let machine = Machine::here()?;
    let committed = Baseline::read(&Baseline::file())?;
    let counts = cases
        .iter()
        .map(|case| Ok((case.name.clone(), count(&walker, case)?)))
        .collect::<Result<Vec<_>>>()?;
    let counted = Baseline { machine, instructions: counts.into_iter().collect() };
    let outcome = print(&cases, &counted, committed.as_ref());
    if options.update {
        counted.write(&Baseline::file())?;
        println!("written to {}", Baseline::file().display());
        return Ok(Vec::new());
    }
    let committed = committed.context("no figures are committed; --update writes them")?;
    let remarks = judge(&outcome, &committed.machine.differences(&counted.machine))?;
    let is_judged = committed.machine == counted.machine;
    if options.only.is_empty() && is_judged {
        all_known(&committed, &counted)?;
    }
    for remark in &remarks {
        println!("{remark}");
    }
    Ok(remarks)
}

/// An error for what became worse, remarks on what else must be done; `differences` are those of the two machines.
fn judge(outcome: &Outcome, differences: &[String]) -> Result<Vec<String>> {
    if !differences.is_empty() {
        return Ok(vec![format!(
            "INSTRUCTIONS WERE NOT JUDGED: the committed figures are of another machine ({})",
            differences.join("; ")
        )]);
    }
    let Outcome { worse, better } = outcome;
    ensure!(
        worse.is_empty(),
        "over {TOLERANCE} % more instructions than committed: {}; mend it, or `cargo xtask instructions --update`",
        worse.join(", ")
    );
    if better.is_empty() {
        return Ok(Vec::new());
    }
    // Not kept, the whole gain could be lost again and nobody would notice.
    Ok(vec![format!(
        "over {TOLERANCE} % fewer instructions than committed: {}; `cargo xtask instructions --update` keeps it so",
        better.join(", ")
    )])
}

/// The committed figures and those counted must be of the same paths.
fn all_known(committed: &Baseline, counted: &Baseline) -> Result<()> {
    let missing = |one: &Baseline, other: &Baseline| -> Vec<String> {
        one.instructions.keys().filter(|name| !other.instructions.contains_key(*name)).cloned().collect()
    };
    let (new, gone) = (missing(counted, committed), missing(committed, counted));
    ensure!(
        new.is_empty() && gone.is_empty(),
        "not committed: {new:?}; committed and gone: {gone:?}; `cargo xtask instructions --update` mends both"
    );
    Ok(())
}

/// What the walker can walk, as far as it is wanted.
fn chosen(walker: &Path, only: &[String]) -> Result<Vec<Case>> {
    let text = process::capture(Command::new(walker).arg("list"), COUNT_LIMIT)?;
    let cases = text.lines().map(parse).collect::<Result<Vec<Case>>>()?;
    let unknown = only.iter().find(|name| !cases.iter().any(|case| case.name == **name));
    ensure!(unknown.is_none(), "there is no path {}", unknown.map_or("", String::as_str));
    Ok(cases.into_iter().filter(|case| only.is_empty() || only.contains(&case.name)).collect())
}

fn parse(line: &str) -> Result<Case> {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().with_context(|| format!("the walker lists: {line}"));
    let (name, times, title) = (word()?.to_owned(), word()?, word()?.to_owned());
    let times = times.parse().with_context(|| format!("the walker lists: {line}"))?;
    Ok(Case { name, times, title })
}

/// Instructions for one walk.
fn count(walker: &Path, case: &Case) -> Result<u64> {
    eprintln!("counting {}", case.name);
    let once = total(walker, &case.name, case.times)?;
    let twice = total(walker, &case.name, case.times * 2)?;
    let more = twice.checked_sub(once).with_context(|| format!("{}: more walks cost less", case.name))?;
    Ok((more + case.times / 2) / case.times)
}

/// Instructions of the whole program for so many walks.
fn total(walker: &Path, name: &str, times: u64) -> Result<u64> {
    let out = workspace::scratch("instructions")?.join(format!("{name}-{}.out", std::process::id()));
    let mut command = Command::new(tools::find("valgrind")?);
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(walker).args([name, &times.to_string()]);
    let counted = process::run(&mut command, COUNT_LIMIT);
    let text = std::fs::read_to_string(&out).unwrap_or_default();
    // What cannot be removed is a leftover, not a wrong result.
    let _ = std::fs::remove_file(&out);
    counted?;
    totals(&text).with_context(|| format!("callgrind counted nothing for {name}"))
}

/// The line of callgrind's file that has the sum.
fn totals(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Prints the table.
fn print(cases: &[Case], counted: &Baseline, committed: Option<&Baseline>) -> Outcome {
    println!("{:<10} {:>14} {:>12}   ", "", "instructions", "committed");
    let mut outcome = Outcome::default();
    for case in cases {
        let count = counted.instructions.get(&case.name).copied().unwrap_or_default();
        let before = committed.and_then(|baseline| baseline.instructions.get(&case.name));
        let before = before.map_or_else(|| "-".to_owned(), u64::to_string);
        let change = committed.map_or(Change::New, |baseline| baseline.change(&case.name, count));
        let word = match change {
            Change::New => "new".to_owned(),
            Change::Within(percent) => format!("{percent:+.1} %"),
            Change::Worse(percent) => {
                outcome.worse.push(case.name.clone());
                format!("{percent:+.1} % WORSE")
            }
            Change::Better(percent) => {
                outcome.better.push(case.name.clone());
                format!("{percent:+.1} % better")
            }
        };
        println!("{:<10} {count:>14} {before:>12}   {word:<14} {}", case.name, case.title);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_a_count_is_read() {
        let text = "version: 1\nevents: Ir\nfn=(1) main\n16 7\n\ntotals: 123456\n";
        assert_eq!(totals(text), Some(123_456));
        assert_eq!(totals("version: 1\n"), None);
    }

    #[test]
    fn a_listed_path_is_read() {
        let case = parse("hit 2000 a fresh hit in memory").unwrap();
        assert_eq!(
            (case.name.as_str(), case.times, case.title.as_str()),
            ("hit", 2000, "a fresh hit in memory")
        );
        assert!(parse("hit").is_err());
        assert!(parse("hit often a hit").is_err());
    }

    #[test]
    fn what_became_worse_or_better_is_told() {
        let case = |name: &str| Case { name: name.into(), times: 1, title: String::new() };
        let machine = Machine {
            rustc: String::new(),
            target: String::new(),
            libc: String::new(),
            valgrind: String::new(),
            avx2: true,
        };
        let of = |hit, key| Baseline {
            machine: machine.clone(),
            instructions: [("hit".to_owned(), hit), ("key".to_owned(), key)].into(),
        };
        let outcome = print(&[case("hit"), case("key")], &of(1040, 90), Some(&of(1000, 100)));
        assert_eq!(outcome, Outcome { worse: vec!["hit".into()], better: vec!["key".into()] });
        assert!(judge(&outcome, &[]).unwrap_err().to_string().contains("hit"));
    }

    #[test]
    fn what_became_better_asks_to_be_kept() {
        let better = Outcome { better: vec!["key".into()], ..Outcome::default() };
        let remarks = judge(&better, &[]).unwrap();
        assert!(remarks[0].contains("key") && remarks[0].contains("--update"), "{remarks:?}");
        assert_eq!(judge(&Outcome::default(), &[]).unwrap(), [""; 0]);
    }

    #[test]
    fn counts_of_another_machine_are_said_not_to_be_judged() {
        let worse = Outcome { worse: vec!["hit".into()], ..Outcome::default() };
        let remarks = judge(&worse, &["rustc: 1 there, 2 here".into()]).unwrap();
        assert_eq!(
            remarks,
            [
                "INSTRUCTIONS WERE NOT JUDGED: the committed figures are of another machine (rustc: 1 there, 2 here)"
            ]
        );
    }
}
