//! `cargo xtask clients`: real clients through the forward proxy, once with their origin and once without it.
//!
//! Each client is one module: what it runs, and what must come of it. The origin is `xtask/clients/origin.py`. Everything
//! is on loopback, and every client has a home of its own below the build directory.

mod apt;
mod browser;
mod curl;
mod git;
mod npm;
mod pip;
mod place;

use anyhow::{Result, bail};
use clap::Args;
use place::Place;
use std::path::PathBuf;

use crate::{tools, workspace};

/// Options of `cargo xtask clients`.
#[derive(Args, Default)]
pub struct Options {
    /// The millpond binary; without it the release binary is built
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Only these clients
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// One client: its name, and what it does with the proxy.
type Client = (&'static str, fn(&mut Place) -> Result<()>);

const CLIENTS: &[Client] = &[
    ("apt", apt::run),
    ("pip", pip::run),
    ("npm", npm::run),
    ("git", git::run),
    ("curl", curl::run),
    ("browser", browser::run),
];

/// Runs every client, also after one has failed.
pub fn run(options: &Options) -> Result<()> {
    tools::install(&[tools::CLIENTS, tools::CONFORMANCE, tools::PACKAGES])?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => workspace::release_binary()?,
    };
    let mut failed = Vec::new();
    for (name, client) in CLIENTS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        let ran = Place::new(name, &binary).and_then(|mut place| client(&mut place));
        match ran {
            Ok(()) => println!("{name:<8} ok: once with the origin, once without"),
            Err(error) => {
                println!("{name:<8} FAILED: {error:#}");
                failed.push(*name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("these clients failed: {}", failed.join(", "));
    }
    Ok(())
}
