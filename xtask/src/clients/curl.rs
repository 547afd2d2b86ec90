//! curl over HTTP/2: kept by the cache, and recorded and replayed.

use super::place::Place;
use anyhow::{Result, ensure};

pub fn run(place: &mut Place) -> Result<()> {
    for (command, options) in [("run", vec!["--default-ttl", "1h"]), ("record", vec!["--tape", "tape"])] {
        ensure!(get(place, command, &options)? == "2 {\"depth\": 3}", "{command}: another answer");
        ensure!(post(place, command, &options)? == "2 you said hello", "{command}: another answer to POST");
    }
    let asked = place.asked_for("depth.json")?;
    ensure!(get(place, "run", &[])? == "2 {\"depth\": 3}", "the cache answered something else");
    ensure!(place.asked_for("depth.json")? == asked, "the cache asked the origin for what it had");
    place.stop_origin()?;
    ensure!(get(place, "run", &[])? == "2 {\"depth\": 3}", "the cache did not answer without the origin");
    ensure!(get(place, "replay", &["--tape", "tape"])? == "2 {\"depth\": 3}", "the tape has another answer");
    ensure!(
        post(place, "replay", &["--tape", "tape"])? == "2 you said hello",
        "the tape has another answer to POST"
    );
    Ok(())
}

/// The version of HTTP, and the content.
const SHOWN: &str = "%{http_version} ";

fn get(place: &Place, command: &str, options: &[&str]) -> Result<String> {
    client(place, command, options, &["/depth.json"], &[])
}

fn post(place: &Place, command: &str, options: &[&str]) -> Result<String> {
    client(place, command, options, &["/say"], &["-d", "hello"])
}

fn client(place: &Place, command: &str, options: &[&str], path: &[&str], more: &[&str]) -> Result<String> {
    let url = format!("{}{}", place.https(), path.concat());
    let out = place.path("content");
    let curl = ["curl", "-sS", "--fail", "--http2", "-o", &out, "-w", SHOWN];
    let said = place.around(command, options, &[&curl[..], more, &[url.as_str()]].concat())?;
    Ok(said + std::fs::read_to_string(&out)?.trim_end())
}
