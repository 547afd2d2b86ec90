//! git over https: recorded, and cloned again from the tape. Its POSTs are matched by what they ask for.

use super::place::Place;
use anyhow::{Context, Result, ensure};

pub fn run(place: &mut Place) -> Result<()> {
    clone(place, "record", "first")?;
    ensure!(place.asked_for("POST /pond.git/git-upload-pack")? > 0, "git did not speak its own protocol");
    place.stop_origin()?;
    clone(place, "replay", "second")
}

fn clone(place: &Place, command: &str, name: &str) -> Result<()> {
    let (url, tape, out) = (format!("{}/pond.git", place.https()), place.path("tape"), place.path(name));
    place.around(command, &["--tape", &tape], &["git", "clone", "-q", &url, &out])?;
    let text = std::fs::read_to_string(place.dir.join(name).join("readme")).context("the file git cloned")?;
    ensure!(text.len() == 8 * 1000, "git cloned something else: {} bytes", text.len());
    Ok(())
}
