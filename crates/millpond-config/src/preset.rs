//! The presets: committed files, never code.

/// Every preset: its name and its file's text.
static PRESETS: &[(&str, &str)] = &[
    ("apt", include_str!("../../../presets/apt.toml")),
    ("caching-proxy", include_str!("../../../presets/caching-proxy.toml")),
    ("gateway", include_str!("../../../presets/gateway.toml")),
    ("graphql", include_str!("../../../presets/graphql.toml")),
    ("ingress", include_str!("../../../presets/ingress.toml")),
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
