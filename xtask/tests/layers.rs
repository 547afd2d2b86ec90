//! Dependencies between our crates point down only.

mod common {
    pub mod manifests;
}

use common::manifests::{Manifest, manifests, parse};

/// The crates from the bottom up. A crate may depend on those of the rows above its own only; tests may depend on any.
/// Some have their place before they are there: the clients' doors, the macros, and the stores of other machines.
const LAYERS: &[&[&str]] = &[
    &["millpond-exchange", "millpond-macros"],
    &["millpond-policy"],
    &["millpond-store", "millpond-tape"],
    &[
        "millpond-engine",
        "millpond-config",
        "millpond-front",
        "millpond-store-sqlite",
        "millpond-store-redis",
        "millpond-store-memcached",
    ],
    &["millpond-intercept", "millpond-recorder"],
    &["millpond-proxy", "millpond-client", "millpond-results"],
    &["millpond"],
    &["millpond-cli"],
    &["xtask", "instructions", "store-bench"],
];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&name))
}

/// What is wrong with the dependencies of these crates.
fn faults(manifests: &[Manifest]) -> Vec<String> {
    let mut faults = Vec::new();
    for manifest in manifests {
        let Some(own) = layer(&manifest.name) else {
            faults.push(format!("{} has no place in the layers", manifest.name));
            continue;
        };
        let ours = manifest.dependencies.iter().filter(|name| name.starts_with("millpond"));
        for name in ours {
            if layer(name).is_none_or(|other| other >= own) {
                faults.push(format!("{} must not depend on {name}", manifest.name));
            }
        }
    }
    faults
}

#[test]
fn no_dependency_points_up() {
    let manifests = manifests();
    assert!(manifests.len() >= 9, "only {} crates were found", manifests.len());
    assert_eq!(faults(&manifests), [""; 0]);
}

#[test]
fn an_upward_dependency_is_found_however_it_is_written() {
    let package = "[package]\nname = \"millpond-store\"\n";
    for section in [
        "[dependencies]\nmillpond-engine.workspace = true",
        "[build-dependencies]\nmillpond-engine = { path = \"../millpond-engine\" }",
        "[dependencies.millpond-engine]\npath = \"../millpond-engine\"",
        "[dependencies]\nengine = { package = \"millpond-engine\", path = \"../millpond-engine\" }",
        "[target.'cfg(unix)'.dependencies]\nmillpond-engine.workspace = true",
        "[dependencies]\nmillpond-tape.workspace = true",
    ] {
        assert_eq!(faults(&[parse(&format!("{package}{section}"))]).len(), 1, "{section}");
    }
}

#[test]
fn a_downward_dependency_and_one_of_the_tests_are_fine() {
    let text = "[package]\nname = \"millpond-store\"\n[dependencies]\nmillpond-policy.workspace = true\n\
        [dev-dependencies]\nmillpond-engine.workspace = true\n";
    let manifest = parse(text);
    assert!(manifest.dev_dependencies.contains("millpond-engine"));
    assert_eq!(faults(&[manifest]), [""; 0]);
}

#[test]
fn a_crate_without_a_place_is_found() {
    assert_eq!(faults(&[parse("[package]\nname = \"millpond-new\"\n")]).len(), 1);
}
