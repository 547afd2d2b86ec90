//! The measured half of `cargo xtask store`: the stores as libraries, in a process of its own, optimised as the product
//! is. Each command prints one line of JSON.
//!
//! What must not live here: verdicts on timings, and anything that starts another program (`xtask`).

mod fill;
mod limits;
mod memory;
mod objects;
mod random;
mod simulate;
mod told;
mod trace;
mod usage;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Works on the stores, and prints what that came to as JSON.
#[derive(Parser)]
#[command(name = "store-bench", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fill a SQLite store with objects of one size
    Fill(fill::Options),
    /// Fill the memory tier, and look at random objects in it
    Memory(memory::Options),
    /// Push many bytes through a small store, watching its bounds
    Limits(limits::Options),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(run())) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<String> {
    let line = match Arguments::parse().command {
        Command::Fill(options) => serde_json::to_string(&fill::run(&options).await?),
        Command::Memory(options) => serde_json::to_string(&memory::run(&options).await?),
        Command::Limits(options) => serde_json::to_string(&limits::run(&options).await?),
    };
    line.context("writing JSON")
}
