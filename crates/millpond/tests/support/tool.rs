//! Programs the tests start: found or missed with a clear message, always bounded in time, ended with the test.
#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use std::path::PathBuf;
use std::process::{Child, Command, Output};

/// The longest a program may run, in the words of `timeout`.
const LIMIT: &str = "120s";

/// Where `program` lies. Servers lie where an ordinary user's PATH does not look, so these places are searched too.
pub fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{program} is not installed, and this test needs it; `cargo xtask tools` installs it")
        })
}

/// `program`, ended by force when it takes too long.
pub fn command(program: &str) -> Command {
    let mut command = bare("timeout");
    command.args(["--kill-after=5s", LIMIT]).arg(find(program));
    command
}

/// `program`, for as long as it likes. No proxy of the environment stands between it and loopback.
pub fn bare(program: &str) -> Command {
    let mut command = Command::new(find(program));
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// Runs `command` to its end, which must be a success.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A program that runs beside the test and ends with it.
pub struct Beside(pub Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
