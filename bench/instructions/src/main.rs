//! The measured half of `cargo xtask instructions`: one path of the product, walked as often as asked for, in a process of
//! its own that valgrind counts. Built as the product is, with its allocator.
//!
//! `instructions list` prints every case with the number of times it is worth walking; `instructions CASE TIMES` walks it.
//! The difference between two runs with different times is the cost of the walks alone: no start, no set-up.
//!
//! What must not live here: valgrind, counts, verdicts (`xtask`); anything that reads a clock or depends on another thread,
//! since the same walk must cost the same every time.

mod cases;
mod engine;
mod heads;
mod policy;
mod proxy;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::cases::CASES;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [list] if list == "list" => {
            for case in CASES {
                println!("{} {} {}", case.name, case.times, case.title);
            }
            Ok(())
        }
        [name, times] => {
            let case = CASES.iter().find(|case| case.name == name);
            let case = case.with_context(|| format!("there is no case {name}"))?;
            (case.walk)(times.parse().context("how often is a number")?)
        }
        _ => bail!("usage: instructions list, or instructions CASE TIMES"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_can_be_walked() {
        for case in CASES {
            (case.walk)(3).unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        }
    }

    #[test]
    fn a_case_that_does_not_exist_is_refused() {
        assert!(run(&["nothing".into(), "1".into()]).is_err());
        assert!(run(&[]).is_err());
    }
}
