//! `-- CMD`: a command that runs behind a proxy of its own.
//!
//! What lives here: starting it, passing on signals, and what its end means for ours. What must not: the proxy.

mod signals;

pub(crate) use signals::Signals;

use crate::failure::Failure;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};
use tokio::process::{Child, Command};

/// What is added to the number of a signal that ended the command, as shells do.
const SIGNALLED: i32 = 128;

/// Runs `command` with these variables beside those it inherits, to its end. Signals that reach us meanwhile, it gets.
pub(crate) async fn run(
    command: &[OsString],
    variables: Vec<(&'static str, String)>,
    mut signals: Signals,
) -> Result<ExitStatus, Failure> {
    let mut child = start(command, variables)?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                return ended.map_err(|error| Failure::System { what: "cannot wait for the command", error });
            }
            signal = signals.next() => signals::pass_on(signal, &child),
        }
    }
}

fn start(command: &[OsString], variables: Vec<(&'static str, String)>) -> Result<Child, Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| {
        Failure::Usage("no command: write it behind --, as in `millpond run -- make test`".into())
    })?;
    Command::new(program).args(arguments).envs(variables).spawn().map_err(|error| {
        let program = program.to_string_lossy().into_owned();
        if error.kind() == io::ErrorKind::NotFound {
            Failure::NoCommand { program, error }
        } else {
            Failure::Command { program, error }
        }
    })
}

/// The exit code that tells the end of a command as shells do.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    // An exit code has eight bits, and so has 128 and the number of any signal.
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}
