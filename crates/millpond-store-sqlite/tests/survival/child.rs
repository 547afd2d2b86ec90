//! This test program, run again as another process: with faults preloaded, or to be killed.

use crate::support::scratch;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tempfile::TempDir;

/// The variable that gives a child its directory.
pub const DIRECTORY: &str = "SURVIVAL_DIRECTORY";
/// What a line for the parent begins with; the test harness prints lines of its own.
const MARK: &str = "@ ";
/// How long a child may be silent: it says before each thing what it is about to do, and none takes seconds.
const SILENCE: Duration = Duration::from_secs(90);

/// Tells the parent something.
pub fn tell(line: &str) {
    println!("{MARK}{line}");
}

/// The directory this process was given, when it is a child.
pub fn given_directory() -> Option<std::path::PathBuf> {
    std::env::var_os(DIRECTORY).map(Into::into)
}

/// Ends this process with failure when any thread of it panics, be it one that nobody joins.
pub fn die_of_any_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(101);
    }));
}

/// A command that runs the test `name` of this program alone, in another process.
pub fn again(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, directory).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// A running child.
pub struct Again {
    child: Child,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
}

impl Again {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some((_, told)) = line.split_once(MARK)
                    && sender.send(told.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = err.read_to_string(&mut text);
            text
        });
        Self { child, lines, errors: Some(errors) }
    }

    /// What the child reads; only where the command was told so.
    pub fn orders(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("the standard input of the child is a pipe")
    }

    /// The next line; `None` at the end of the output. Fails the test when the child hangs.
    pub fn line(&mut self, last: &str) -> Option<String> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                panic!("the child hangs; its last words: {last}")
            }
        }
    }

    /// SIGKILL, and the lines that were still on their way.
    pub fn kill(&mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }

    /// Reads to the end and gives all lines; the child must have succeeded.
    pub fn finish(mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while let Some(line) = self.line(lines.last().map_or("", String::as_str)) {
            lines.push(line);
        }
        let status = self.child.wait().unwrap();
        let errors = self.errors.take().map(|errors| errors.join().unwrap()).unwrap_or_default();
        assert!(status.success(), "the child after {:?}: {status}\n{errors}", lines.last());
        lines
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The faults, compiled, and the file through which they are steered.
pub struct Shim {
    directory: TempDir,
}

impl Shim {
    /// Compiles the shim. Without a C compiler these tests prove nothing, so they fail.
    pub fn build() -> Self {
        let directory = scratch();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/faults.c");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(directory.path().join("faults.so"))
            .arg(source)
            .arg("-ldl");
        let built = cc.output().expect("these tests need a C compiler, as `cc`");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::write(directory.path().join("control"), [0; 512]).unwrap();
        Self { directory }
    }

    /// The test `name` in a process of its own in which files below `files` can be made to fail.
    pub fn around(&self, name: &str, files: &Path) -> Command {
        let mut command = again(name, files);
        command.env("LD_PRELOAD", self.directory.path().join("faults.so"));
        command.env("FAULTS_PREFIX", files).env("FAULTS_CONTROL", self.directory.path().join("control"));
        command
    }
}

/// Which calls are meant.
pub mod calls {
    pub const WRITE: u64 = 1;
    pub const SYNC: u64 = 2;
    pub const NAME: u64 = 4;
    pub const LENGTH: u64 = 8;
    pub const READ: u64 = 16;
    /// All that change something.
    pub const CHANGES: u64 = WRITE | SYNC | NAME | LENGTH;
}

/// How they fail.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// A sum of `calls`.
    pub kinds: u64,
    /// How many calls fail, one after the other.
    pub count: u64,
    /// The errno.
    pub error: u64,
    /// What a failing write does: 0 nothing, 1 it writes half and reports the error, 2 it writes half and says so.
    pub half: u64,
}

pub const EIO: u64 = 5;
pub const ENOSPC: u64 = 28;

/// Inside the child: the steering of the faults.
pub struct Faults {
    control: std::fs::File,
}

impl Faults {
    /// Those of this process, which the parent has started with the shim.
    pub fn here() -> Self {
        let path = std::env::var_os("FAULTS_CONTROL").expect("the parent gives the path");
        let control = std::fs::File::options().read(true).write(true).open(path).unwrap();
        Self { control }
    }

    /// Lets calls fail from the `first` on, counted from now.
    pub fn arm(&self, fault: Fault, first: u64) {
        let last = first.saturating_add(fault.count - 1);
        let numbers = [0, first, last, fault.error, fault.half, 0, 0, 0];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.control.write_all_at(&bytes, 0).unwrap();
        self.control.write_all_at(&fault.kinds.to_le_bytes(), 0).unwrap();
    }

    /// Lets no call fail any more; how many have failed, of how many counted, and the last of those that failed.
    pub fn disarm(&self) -> (u64, u64, String) {
        self.control.write_all_at(&[0; 8], 0).unwrap();
        let mut bytes = [0; 512];
        self.control.read_exact_at(&mut bytes, 0).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap());
        let text = bytes[64..].split(|byte| *byte == 0).next().unwrap_or_default();
        (number(6), number(5), String::from_utf8_lossy(text).into_owned())
    }
}
