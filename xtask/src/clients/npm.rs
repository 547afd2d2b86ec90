//! npm, over https, with the preset `npm`.

use super::place::Place;
use anyhow::{Context, Result, ensure};

const TARBALL: &str = "pondlet-1.0.0.tgz";

pub fn run(place: &mut Place) -> Result<()> {
    install(place, "first")?;
    install(place, "second")?;
    ensure!(place.asked_for(TARBALL)? == 1, "the tarball was fetched again although it never changes");
    place.stop_origin()?;
    install(place, "third")
}

fn install(place: &Place, name: &str) -> Result<()> {
    let dir = place.dir.join(name);
    std::fs::create_dir_all(&dir)?;
    std::fs::write(dir.join("package.json"), "{\"name\": \"user\", \"version\": \"1.0.0\"}\n")?;
    let (registry, cache, prefix) = (place.https(), place.path(&format!("{name}-cache")), place.path(name));
    let client =
        ["npm", "install", "pondlet", "--registry", &registry, "--cache", &cache, "--prefix", &prefix];
    let options = ["--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries", "0"];
    place.around("run", &["--preset", "npm"], &[&client[..], &options[..]].concat())?;
    let module = dir.join("node_modules/pondlet/index.js");
    let text = std::fs::read_to_string(module).context("the module npm installed")?;
    ensure!(text == "module.exports = 3;\n", "npm installed something else: {text:?}");
    Ok(())
}
