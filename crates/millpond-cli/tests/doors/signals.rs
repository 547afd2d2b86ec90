//! Signals while a command runs.

use crate::home::{Beside, Home};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Tells each signal it gets, and ends with TERM. They are blocked and waited for, so that none is lost between two looks.
const SCRIPT: &str = r#"
import signal, sys
names = ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"]
known = [getattr(signal, "SIG" + name) for name in names]
signal.pthread_sigmask(signal.SIG_BLOCK, known)
ignored = [name for name, one in zip(names, known) if signal.getsignal(one) == signal.SIG_IGN]
print("ready", *ignored, flush=True)
while True:
    name = names[known.index(signal.sigwait(known))]
    print(name, flush=True)
    if name == "TERM":
        sys.exit(9)
"#;
const PYTHON: &str = "/usr/bin/python3";

/// Starts `command`, and waits until it is ready. Gives what it said then.
fn start(mut command: Command) -> (Beside, BufReader<ChildStdout>, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let ready = next(&mut out);
    (Beside(child), out, ready)
}

fn next(out: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_reach_the_command_and_its_end_is_ours() {
    let home = Home::new();
    let names = [
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::TERM, "TERM"),
    ];
    let (mut child, mut out, ready) = start(home.bare(&["run", "--quiet", "--", PYTHON, "-c", SCRIPT]));
    assert_eq!(ready, "ready");
    for (signal, name) in names {
        send(&child.0, signal);
        assert_eq!(next(&mut out), name, "we outlive it, and so does the command");
    }
    assert_eq!(child.0.wait().unwrap().code(), Some(9));
}

#[test]
fn a_command_that_a_signal_ends_says_so_through_our_exit_code() {
    let home = Home::new();
    let (mut child, _out, _) =
        start(home.bare(&["run", "--quiet", "--", "sh", "-c", "echo ready; read -r line"]));
    // Waiting would close it, and the command end by itself.
    let _held = child.0.stdin.take();
    send(&child.0, Signal::TERM);
    assert_eq!(child.0.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn what_is_ignored_stays_ignored() {
    let home = Home::new();
    let mut command = home.program("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_millpond")]);
    command.args(["run", "--quiet", "--", PYTHON, "-c", SCRIPT]);
    let (mut child, mut out, ready) = start(command);
    assert_eq!(ready, "ready HUP", "the command ignores it as well");
    send(&child.0, Signal::HUP);
    send(&child.0, Signal::TERM);
    assert_eq!(next(&mut out), "TERM");
    assert_eq!(child.0.wait().unwrap().code(), Some(9));
}

#[test]
fn an_interrupt_from_the_terminal_comes_once() {
    let home = Home::new();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut command = home.program("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_millpond"), "run", "--quiet", "--", PYTHON, "-c"]);
    // `setsid` may stand between: the command tells which process the proxy is.
    command.arg(format!("import os\nprint(os.getppid(), flush=True)\n{SCRIPT}"));
    let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
    let mut child = Beside(child);
    drop(command);
    let mut terminal = File::from(terminal);
    let mut out = BufReader::new(terminal.try_clone().unwrap());
    let proxy = Pid::from_raw(next(&mut out).parse().unwrap()).unwrap();
    assert_eq!(next(&mut out), "ready");
    for _ in 0..50 {
        terminal.write_all(b"\x03").unwrap();
        assert_eq!(next(&mut out).trim_start_matches("^C"), "INT");
    }
    kill_process(proxy, Signal::TERM).unwrap();
    assert_eq!(next(&mut out), "TERM", "and no interrupt before it");
    assert_eq!(child.0.wait().unwrap().code(), Some(9));
}
