//! `cargo xtask tapes`: what large tapes take, and what a replayed request costs beside mitmproxy's server replay.
//!
//! The tapes are made here as JSON lines, so that nothing of millpond has a hand in what it is given; every step after
//! that is the release binary, watched from outside.

mod large;
mod line;
mod replay;
mod watched;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

pub use self::line::exchange;
use crate::{tools, workspace};

/// Options of `cargo xtask tapes`.
#[derive(Args)]
pub struct Options {
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Exchanges on the large tape
    #[arg(long, default_value_t = 100_000)]
    exchanges: usize,
    /// Bytes of each response on it
    #[arg(long, default_value_t = 20_000)]
    bytes: usize,
    /// Seconds of each measurement of replay
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

impl Options {
    /// A tenth of it: shows that everything works.
    pub fn quick() -> Self {
        Self { binary: None, exchanges: 10_000, bytes: 20_000, seconds: 1 }
    }
}

/// Makes the tapes, works them, and judges.
pub fn run(options: &Options) -> Result<()> {
    tools::install(&[tools::CLIENTS, tools::BENCH, tools::PACKAGES])?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => workspace::release_binary()?,
    };
    let dir = workspace::scratch("tapes")?;
    large::run(&binary, &dir, options)?;
    replay::run(&binary, &dir, options)
}
