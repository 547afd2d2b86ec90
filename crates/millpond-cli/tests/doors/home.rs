//! A user with a home of its own, who runs millpond.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_millpond");

/// A user whose home is a directory of the test's.
pub struct Home(TempDir);

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in the home.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `millpond ARGUMENTS`, in the home, with nothing of the test's own environment but PATH, and bounded in time.
    pub fn millpond(&self, arguments: &[&str]) -> Command {
        let mut command = self.program("/usr/bin/timeout");
        command.args(["--foreground", "--kill-after=5s", "60s", BINARY]).args(arguments);
        command
    }

    /// The same, started directly, so that signals reach it.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(BINARY);
        command.args(arguments);
        command
    }

    /// Another program with the same environment.
    pub fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.0.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `millpond ARGUMENTS` to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(&self.millpond(arguments).output().unwrap())
    }

    /// The same; it must succeed. Gives what it prints.
    pub fn stdout_of(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }
}

/// What came of a command.
pub fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A process that is killed when dropped.
pub struct Beside(pub Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
