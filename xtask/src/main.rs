//! Project tasks, run as `cargo xtask TASK`.
//!
//! What lives here: the command line of the tasks. What each task does lives in the module of its name. Nothing here is
//! part of the product.

mod abuse;
mod bench;
mod client;
mod clients;
mod conformance;
mod deny;
mod fuzz;
mod http2;
mod instructions;
mod interception;
mod process;
mod soak;
mod store;
mod tapes;
mod target;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project tasks", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, then run every check of the project
    Test(test::Options),
    /// Run the published HTTP cache test suite against the release binary
    Conformance(conformance::Options),
    /// CPU per cache hit and miss, beside other caches
    Bench(bench::Options),
    /// Instructions for a hit and the like, beside the committed figures
    Instructions(instructions::Options),
    /// A server under mixed load, which must not grow
    Soak(soak::Options),
    /// What hostile clients do, beside an ordinary one that must not suffer
    Abuse(abuse::Options),
    /// Real clients through the forward proxy, with their origin and without it
    Clients(clients::Options),
    /// What the store on disk promises, shown at full size
    Store(store::Options),
    /// Many clients of many hosts through an intercepting replay, which must not grow
    Interception(interception::Options),
    /// Large tapes, and replay beside mitmproxy's
    Tapes(tapes::Options),
    /// Run every fuzz target for a while
    Fuzz(fuzz::Options),
    /// Only install the tools that `test` needs
    Tools,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Conformance(options) => conformance::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Instructions(options) => instructions::run(&options).map(drop),
        Task::Soak(options) => soak::run(&options),
        Task::Abuse(options) => abuse::run(&options),
        Task::Clients(options) => clients::run(&options),
        Task::Store(options) => store::run(&options),
        Task::Interception(options) => interception::run(&options),
        Task::Tapes(options) => tapes::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Tools => tools::install_all(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
