//! The signals that a command gets through us.

use crate::failure::Failure;
use rustix::process::{Pid, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use std::fs::File;
use std::pin::Pin;
use std::task::Poll;
use tokio::process::Child;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that are passed on.
const PASSED_ON: [SignalKind; 6] = [
    SignalKind::hangup(),
    SignalKind::interrupt(),
    SignalKind::quit(),
    SignalKind::terminate(),
    SignalKind::user_defined1(),
    SignalKind::user_defined2(),
];

/// Signals to us, from now on.
pub(crate) struct Signals(Vec<(SignalKind, Signal)>);

impl Signals {
    /// Listens for those that are not ignored: what `nohup` and shells have a background process ignore, the command
    /// shall ignore as well, and a handler of ours would end that.
    pub fn listen(runtime: &Runtime) -> Result<Self, Failure> {
        let _entered = runtime.enter();
        let ignored = ignored();
        let heard = PASSED_ON.into_iter().filter(|kind| ignored & (1 << (kind.as_raw_value() - 1)) == 0);
        let listened: Result<_, _> = heard.map(|kind| Ok((kind, signal(kind)?))).collect();
        listened.map(Self).map_err(|error| Failure::System { what: "cannot listen for signals", error })
    }

    /// The next one.
    pub async fn next(&mut self) -> SignalKind {
        std::future::poll_fn(|context| {
            for (kind, signal) in &mut self.0 {
                if Pin::new(signal).poll_recv(context).is_ready() {
                    return Poll::Ready(*kind);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The signals this process ignores, one bit each. None where the system does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Gives `child` a signal that reached us, unless it has it already.
pub(super) fn pass_on(kind: SignalKind, child: &Child) {
    let keys = [SignalKind::interrupt(), SignalKind::quit()];
    if keys.contains(&kind) && terminal_is_ours() {
        return;
    }
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let (Some(pid), Some(signal)) = (pid, rustix::process::Signal::from_named_raw(kind.as_raw_value())) {
        // It may have ended this moment; then nobody is left to be told.
        let _ = kill_process(pid, signal);
    }
}

/// Whether we are in the terminal's foreground: then so is the command, and what Ctrl-C and Ctrl-\ send, both get. Sent once
/// more, it would look like a second Ctrl-C, which many programs take as an order to end without cleaning up.
fn terminal_is_ours() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| tcgetpgrp(&terminal) == Ok(getpgrp()))
}
