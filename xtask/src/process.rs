//! Running other programs: bounded in time, and none left behind.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How long a server may take to end when asked to.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs a command to its end, with our own output; an error when it fails or takes longer than `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Result<()> {
    let name = describe(command);
    let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting `{name}`"))?;
    let status = wait(&mut Server { child, name: name.clone() }, limit)?;
    ensure!(status.success(), "`{name}` failed: {status}");
    Ok(())
}

/// Runs a command to its end and returns its standard output; its standard error is ours.
pub fn capture(command: &mut Command, limit: Duration) -> Result<String> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{name}`"))?;
    let mut stdout = child.stdout.take().expect("standard output is piped");
    // Read aside: a full pipe would stop the command, and a limit on its time could not be kept.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let status = wait(&mut Server { child, name: name.clone() }, limit)?;
    let text =
        reader.join().expect("the reader does not panic").with_context(|| format!("reading `{name}`"))?;
    ensure!(status.success(), "`{name}` failed: {status}\n{text}");
    Ok(text)
}

fn wait(server: &mut Server, limit: Duration) -> Result<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = server.child.try_wait()? {
            return Ok(status);
        }
        if began.elapsed() > limit {
            bail!("`{}` took longer than {} s and was ended", server.name, limit.as_secs());
        }
        thread::sleep(LOOK);
    }
}

/// A program that runs beside us, and ends with its children when this value is dropped.
pub struct Server {
    child: Child,
    name: String,
}

impl Server {
    /// Starts it. Its output goes where `command` says.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = describe(command);
        let child = command.stdin(Stdio::null()).spawn().with_context(|| format!("starting `{name}`"))?;
        Ok(Self { child, name })
    }

    /// Starts it and returns the first line of its standard output; the rest is thrown away as it comes.
    pub fn start_and_read_line(command: &mut Command, within: Duration) -> Result<(Self, String)> {
        let mut server = Self::start(command.stdout(Stdio::piped()))?;
        let stdout = server.child.stdout.take().expect("standard output is piped");
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut first = String::new();
            if lines.read_line(&mut first).is_ok() {
                // Nobody may be waiting any longer: then the line has no reader, and that is no fault.
                let _ = sender.send(first);
            }
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        let line = receiver
            .recv_timeout(within)
            .ok()
            .filter(|line| !line.is_empty())
            .with_context(|| format!("`{}` said nothing within {} s", server.name, within.as_secs()))?;
        Ok((server, line.trim_end().to_owned()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("`{}` ended by itself: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Waits until something answers at `address`.
    pub fn wait_for(&mut self, address: SocketAddr, within: Duration) -> Result<()> {
        let began = Instant::now();
        while TcpStream::connect_timeout(&address, LOOK).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("`{}` ended before it listened: {status}", self.name);
            }
            ensure!(began.elapsed() < within, "`{}` does not listen at {address}", self.name);
            thread::sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let descendants = tree(self.pid());
        signal(self.pid(), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(LOOK);
        }
        for pid in descendants {
            if pid != self.pid() {
                signal(pid, Signal::KILL);
            }
        }
        // Failing means that it is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // The process may have ended by itself.
        let _ = kill_process(pid, signal);
    }
}

/// A process and all its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}

/// What `/proc/PID/stat` says of a process: all of its threads together, those that ended included.
pub struct Stat {
    /// The parent's process id.
    pub parent: u32,
    /// Clock ticks in user and in kernel mode, those of its children that ended included.
    pub ticks: u64,
}

/// Reads `/proc/PID/stat`; `None` when there is no such process.
pub fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat { parent: number(1)? as u32, ticks: number(11)? + number(12)? + number(13)? + number(14)? })
}

/// The resident memory of a process, bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading a process's memory")?;
    let line =
        text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has no memory")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("reading a process's memory")?;
    Ok(kib * 1024)
}

/// The resident memory of a process and its descendants, bytes: what several of them share counts for each.
pub fn resident_tree(root: u32) -> Result<u64> {
    // A descendant may end meanwhile; the process itself must not.
    let below: u64 = tree(root).into_iter().skip(1).filter_map(|pid| resident(pid).ok()).sum();
    Ok(resident(root)? + below)
}

/// The memory of a process and its descendants, bytes (Pss): what is shared is divided among all that have it mapped, so
/// that it falls when another program maps the same file.
pub fn proportional(root: u32) -> Result<u64> {
    let of = |pid: u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    let kib: u64 = tree(root).into_iter().filter_map(of).sum();
    ensure!(kib > 0, "a server's memory cannot be read");
    Ok(kib * 1024)
}

/// The descriptors a process has open.
pub fn descriptors(pid: u32) -> Result<usize> {
    let dir = std::fs::read_dir(format!("/proc/{pid}/fd")).context("counting a process's descriptors")?;
    Ok(dir.count())
}

/// What the descriptors of a process are open on, as `/proc/PID/fd` names it.
pub fn open_files(pid: u32) -> Result<Vec<PathBuf>> {
    let dir = std::fs::read_dir(format!("/proc/{pid}/fd")).context("reading a process's descriptors")?;
    // One that is closed meanwhile has no name any more.
    Ok(dir.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect())
}

/// Lets this process, and those it starts from now on, open as many files and sockets as the system allows; gives that
/// number.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is not granted is reported by the number itself.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Binds this thread, and those it starts from now on, to a core.
pub fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("moving to core {core}"))
}

/// A port of the loopback address that nobody listens on now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("binding a free port")?.local_addr()?.port())
}

/// A command as one would type it.
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
