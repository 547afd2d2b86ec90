//! pip, over https: `millpond run` opens the connections, the preset `pip` keeps what never changes.

use super::place::Place;
use anyhow::{Context, Result, ensure};

const WHEEL: &str = "pondling-1.0-py3-none-any.whl";

pub fn run(place: &mut Place) -> Result<()> {
    download(place, "first")?;
    download(place, "second")?;
    ensure!(place.asked_for(WHEEL)? == 1, "the wheel was fetched again although it never changes");
    ensure!(place.asked_for("/simple/")? == 2, "the index was not validated once for each run");
    place.stop_origin()?;
    download(place, "third")
}

fn download(place: &Place, name: &str) -> Result<()> {
    let (index, out) = (format!("{}/simple/", place.https()), place.path(name));
    let client = [
        "python3",
        "-m",
        "pip",
        "-q",
        "--isolated",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "download",
    ];
    let options = ["--retries", "0", "--no-deps", "--index-url", &index, "-d", &out, "pondling"];
    place.around("run", &["--preset", "pip"], &[&client[..], &options[..]].concat())?;
    let got = std::fs::read(place.dir.join(name).join(WHEEL)).context("the wheel pip downloaded")?;
    ensure!(got == std::fs::read(place.dir.join("origin/packages").join(WHEEL))?, "pip has another wheel");
    Ok(())
}
