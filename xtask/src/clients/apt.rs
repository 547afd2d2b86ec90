//! apt-get, with the preset `apt`: plain http through the cache.

use super::place::Place;
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// The package as the repository has it, and how it is asked for.
const PACKAGE: &str = "pond_1.0_all.deb";

pub fn run(place: &mut Place) -> Result<()> {
    let (_proxy, url) = place.proxy(&["--preset", "apt"])?;
    install(place, &url, "first")?;
    ensure!(place.asked_for("/InRelease")? > 0, "the origin was never asked: apt went elsewhere");
    // What may change is asked for again each time, what never changes is not.
    install(place, &url, "second")?;
    ensure!(place.asked_for(PACKAGE)? == 1, "the package was fetched again although it never changes");
    ensure!(
        place.asked_for("by-hash")? == 1,
        "an index by its hash was fetched again although it never changes"
    );
    ensure!(place.asked_for("/InRelease")? > 1, "the Release file was not validated the second time");
    place.stop_origin()?;
    install(place, &url, "third")
}

/// Reads the index and downloads the package, as a machine that has nothing yet.
fn install(place: &Place, proxy: &str, name: &str) -> Result<()> {
    let home = place.dir.join(name);
    for dir in ["state/lists/partial", "cache/archives/partial", "etc", "out"] {
        std::fs::create_dir_all(home.join(dir)).with_context(|| format!("creating {dir}"))?;
    }
    std::fs::write(home.join("state/status"), "")?;
    let key = place.path("origin/apt/key.gpg");
    let source = format!("deb [signed-by={key} arch=amd64] {}/apt stable main\n", place.http());
    std::fs::write(home.join("etc/sources.list"), source)?;
    apt(place, proxy, name, &["update"])?;
    apt(place, proxy, name, &["download", "pond"])?;
    let got = std::fs::read(home.join("out").join(PACKAGE)).context("the package apt downloaded")?;
    let sent = std::fs::read(place.dir.join("origin/apt/pool/main/p/pond").join(PACKAGE))?;
    ensure!(got == sent, "apt has another package than the repository");
    Ok(())
}

fn apt(place: &Place, proxy: &str, name: &str, arguments: &[&str]) -> Result<()> {
    let home = place.dir.join(name);
    let mut command = Command::new(tools::find("apt-get")?);
    let set = |what: &str, value: &str| format!("{what}={value}");
    let path = |part: &str| home.join(part).display().to_string();
    for option in [
        set("Dir::State", &path("state")),
        set("Dir::State::status", &path("state/status")),
        set("Dir::Cache", &path("cache")),
        set("Dir::Etc::sourcelist", &path("etc/sources.list")),
        set("Dir::Etc::sourceparts", "-"),
        set("Dir::Etc::parts", "-"),
        set("APT::Architecture", "amd64"),
        set("APT::Architectures", "amd64"),
        set("APT::Sandbox::User", "root"),
        set("APT::Update::Error-Mode", "any"),
        set("Debug::NoLocking", "1"),
        set("Acquire::http::Proxy", proxy),
        set("Acquire::Languages", "none"),
        set("Acquire::Retries", "0"),
    ] {
        command.args(["-o", &option]);
    }
    command.current_dir(home.join("out")).args(["-q"]).args(arguments);
    // The settings of this machine are none of this run's business.
    let none = home.join("etc/none");
    std::fs::write(&none, "")?;
    command.env("APT_CONFIG", none).env_remove("http_proxy").env_remove("no_proxy");
    place.capture(&mut command).map(drop)
}
