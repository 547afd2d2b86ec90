//! `millpond config`.

use crate::support::{file, run, stdout_of};

#[test]
fn the_starter_file_is_right() {
    let (_dir, path) = file("millpond.toml", &stdout_of(&["config", "init"]));
    assert_eq!(stdout_of(&["config", "check", "--config", &path]), "The configuration is right.\n");
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let (_dir, path) = file(
        "millpond.toml",
        "origin = \"http://localhost:8000\"\nlisen = \"127.0.0.1:1\"\n[policy]\ndefault_ttl = \"soon\"\n\n[limits]\nconnections = 0\n",
    );
    for command in [&["config", "check"][..], &["serve"]] {
        let ended = run(&[command, &["--config", &path]].concat());
        assert_eq!((ended.code, &*ended.stdout), (Some(78), ""));
        for part in ["millpond.toml:2:1: ", "millpond.toml:4:15: ", "millpond.toml:7:15: ", "`listen`"] {
            assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
        }
    }
}

#[test]
fn show_tells_where_each_value_came_from() {
    let (_dir, path) =
        file("millpond.toml", "origin = \"https://example.com\"\n\n[memory]\nsize = \"1GiB\"\n");
    let shown = stdout_of(&[
        "config",
        "show",
        "--origin",
        "--config",
        &path,
        "--preset",
        "sidecar",
        "--default-ttl",
        "60s",
    ]);
    for (setting, place) in [
        ("size = \"1GiB\"", "millpond.toml:4"),
        ("default_ttl = \"60s\"", "--default-ttl"),
        ("workers = 1", "sidecar"),
        ("cache_dir = ", "default, from XDG_CACHE_HOME"),
        ("head_bytes = \"64KiB\"", "default"),
    ] {
        let line = shown.lines().find(|line| line.contains(setting));
        assert!(
            line.is_some_and(|line| line.contains(place)),
            "{setting} from {place}: {line:?} in\n{shown}"
        );
    }
}

#[test]
fn show_without_places_is_a_configuration() {
    let shown = stdout_of(&["config", "show", "--preset", "gateway", "--set", "origin=https://example.com"]);
    let (_dir, path) = file("shown.toml", &shown);
    assert_eq!(stdout_of(&["config", "show", "--config", &path]), shown);
}

#[test]
fn show_and_schema_print_json() {
    let shown: serde_json::Value = serde_json::from_str(&stdout_of(&["config", "show", "--json"])).unwrap();
    let connections =
        shown.as_array().unwrap().iter().find(|setting| setting["path"] == "limits.connections");
    assert_eq!(connections.unwrap()["value"], 10000);
    assert_eq!(connections.unwrap()["origin"], "default");
    let schema: serde_json::Value = serde_json::from_str(&stdout_of(&["config", "schema"])).unwrap();
    assert!(schema["properties"]["policy"].is_object());
}

#[test]
fn a_warning_is_no_mistake() {
    // A variable of another program, which counts only while its preset is chosen.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "FORCE_CACHE=60s\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(["config", "check"])
        .env_clear()
        .current_dir(&dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "The configuration is right.\n");
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warned.contains("FORCE_CACHE") && warned.contains("services"), "{warned}");
}
