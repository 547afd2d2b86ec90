//! The presets: committed files, never code.

/// Every preset: its name and its file's text.
static PRESETS: &[(&str, &str)] = &[
    ("airbyte", include_str!("../../../presets/airbyte.toml")),
    ("apt", include_str!("../../../presets/apt.toml")),
    ("caching-proxy", include_str!("../../../presets/caching-proxy.toml")),
    ("ci", include_str!("../../../presets/ci.toml")),
    ("gateway", include_str!("../../../presets/gateway.toml")),
    ("graphql", include_str!("../../../presets/graphql.toml")),
    ("ingress", include_str!("../../../presets/ingress.toml")),
    ("npm", include_str!("../../../presets/npm.toml")),
    ("pip", include_str!("../../../presets/pip.toml")),
    ("services", include_str!("../../../presets/services.toml")),
    ("sidecar", include_str!("../../../presets/sidecar.toml")),
];

/// The names of all presets, sorted.
pub fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The TOML text of a preset, comments and all.
pub fn preset_text(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
