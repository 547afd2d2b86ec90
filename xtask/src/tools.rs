//! The programs the tests use: finding them, and installing what is missing.
//!
//! Debian's packages are installed without starting any system service: the tests start their own, on free ports.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, workspace};

/// The longest an installation may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// A program and the Debian package that has it.
pub struct Tool {
    program: &'static str,
    package: &'static str,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// What the conformance run needs.
pub const CONFORMANCE: &[Tool] = &[tool("node", "nodejs"), tool("npm", "npm")];

/// What the benchmark needs.
pub const BENCH: &[Tool] = &[
    tool("nginx", "nginx"),
    tool("haproxy", "haproxy"),
    tool("varnishd", "varnish"),
    tool("wrk", "wrk"),
    tool("h2load", "nghttp2-client"),
    tool("taskset", "util-linux"),
];

/// What counting instructions needs.
pub const INSTRUCTIONS: &[Tool] = &[tool("valgrind", "valgrind"), tool("getconf", "libc-bin")];

/// What the tests of the crates need besides: the real clients.
pub const CLIENTS: &[Tool] = &[
    tool("chromium", "chromium"),
    tool("curl", "curl"),
    tool("wget", "wget"),
    tool("nginx", "nginx"),
    tool("python3", "python3"),
    tool("git", "git"),
    tool("cc", "build-essential"),
    tool("openssl", "openssl"),
    tool("certutil", "libnss3-tools"),
    tool("strace", "strace"),
];

/// What the runs with package managers need: what makes a repository, and pip.
pub const PACKAGES: &[Tool] =
    &[tool("dpkg-scanpackages", "dpkg-dev"), tool("gpg", "gnupg"), tool("pip3", "python3-pip")];

/// Run by the shell as root, with the packages as arguments.
///
/// Debian starts a service when its package is installed, unless `policy-rc.d` forbids it; one that is there already is
/// somebody's decision and stays.
const INSTALL: &str = r#"
set -e
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
guard=/usr/sbin/policy-rc.d
if [ ! -e $guard ]; then
    printf '#!/bin/sh\nexit 101\n' > $guard
    chmod 755 $guard
    trap 'rm -f $guard' EXIT
fi
apt-get -q -o DPkg::Lock::Timeout=120 update
apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends "$@"
"#;

/// Installs everything that `cargo xtask test` needs besides cargo itself.
pub fn install_all() -> Result<()> {
    install(&[CLIENTS, CONFORMANCE, BENCH, INSTRUCTIONS, PACKAGES])?;
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        install_component(program, component)?;
    }
    mitmproxy().map(drop)
}

/// Adds a part of the Rust toolchain that a minimal installation leaves out.
fn install_component(program: &str, component: &str) -> Result<()> {
    if find(program).is_ok() {
        return Ok(());
    }
    let rustup = find("rustup").with_context(|| format!("install {component} beside your cargo"))?;
    process::run(Command::new(rustup).args(["component", "add", component]), INSTALL_LIMIT)
}

/// Installs the missing ones of these tools; does nothing, quickly, when all are there.
pub fn install(groups: &[&[Tool]]) -> Result<()> {
    let missing = missing(groups);
    if missing.is_empty() {
        return Ok(());
    }
    install_packages(&missing)?;
    let left = self::missing(groups);
    if !left.is_empty() {
        bail!("these Debian packages were installed, yet their programs are not found: {}", left.join(" "));
    }
    Ok(())
}

fn install_packages(packages: &[&str]) -> Result<()> {
    println!("installing Debian packages: {}", packages.join(" "));
    let mut command = as_root(packages)?;
    command.args(["sh", "-c", INSTALL, "install"]).args(packages);
    process::run(&mut command, INSTALL_LIMIT)
        .with_context(|| format!("install these Debian packages yourself: {}", packages.join(" ")))
}

fn missing(groups: &[&[Tool]]) -> Vec<&'static str> {
    groups
        .iter()
        .flat_map(|group| group.iter())
        .filter(|tool| find(tool.program).is_err())
        .map(|tool| tool.package)
        .collect()
}

/// The beginning of a command that runs as root: `env`, or `sudo env`.
fn as_root(packages: &[&str]) -> Result<Command> {
    let advice = || format!("install these Debian packages yourself: {}", packages.join(" "));
    if find("apt-get").is_err() {
        bail!("this is not a Debian machine (no apt-get); {}", advice());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new("env"));
    }
    let sudo = find("sudo").with_context(|| format!("neither root nor sudo; {}", advice()))?;
    let mut command = Command::new(sudo);
    command.arg("env");
    Ok(command)
}

/// Where a program lies. Servers lie where an ordinary user's PATH does not look, so these places are searched too.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
        .with_context(|| format!("{program} is not installed; `cargo xtask tools` installs it"))
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The version of mitmproxy whose files and replay are compared with ours: the newest for the Python of Debian 12.
const MITMPROXY: &str = "mitmproxy==11.0.2";

/// The directory of mitmproxy's programs, `python` among them; installed from PyPI when it is not there.
pub fn mitmproxy() -> Result<PathBuf> {
    let home = workspace::scratch("tools")?.join("mitmproxy");
    let bin = home.join("bin");
    if is_executable(&bin.join("mitmdump")) {
        return Ok(bin);
    }
    println!("installing {MITMPROXY} into {}", home.display());
    let python = find("python3")?;
    // Debian keeps what a virtual environment begins with in a package of its own, which has no program.
    let whole = Command::new(&python).args(["-c", "import ensurepip, venv"]).output()?;
    if !whole.status.success() {
        install_packages(&["python3-venv"])?;
    }
    process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&home), INSTALL_LIMIT)?;
    let mut command = Command::new(bin.join("pip"));
    command.args(["-q", "--disable-pip-version-check", "install", MITMPROXY]);
    process::run(&mut command, INSTALL_LIMIT)?;
    Ok(bin)
}

/// Finds a cargo subcommand, or builds it into the build directory.
///
/// The debug build takes a third of the time of the release build, and the tools are not the slow part of anything.
pub fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    if let Ok(found) = find(name) {
        return Ok(found);
    }
    let home = workspace::scratch("tools")?;
    let program = home.join("bin").join(name);
    if !is_executable(&program) {
        println!("building {name} {version} into {}", home.display());
        let mut command = workspace::cargo();
        command.args(["install", name, "--version", version, "--locked", "--debug", "--quiet", "--root"]);
        // A build directory shared with the workspace would be locked and cluttered.
        command
            .arg(&home)
            .env("CARGO_TARGET_DIR", home.join("build"))
            .env("CARGO_PROFILE_DEV_DEBUG", "false");
        process::run(&mut command, INSTALL_LIMIT)?;
    }
    Ok(program)
}
