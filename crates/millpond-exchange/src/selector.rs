//! What a purge covers.

/// Names the entries a purge or invalidation covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// Every variant of one key.
    Key(crate::Key),
    /// Every entry whose URL, normalised, equals this one, whatever the rest of its key.
    Url(String),
    /// Every entry whose normalised URL begins with this text.
    Prefix(String),
    /// Every entry that carries this tag, within the origin (`scheme://authority`) when one is given.
    Tag {
        /// The origin the tag belongs to; `None` for every origin.
        origin: Option<String>,
        /// The tag.
        tag: String,
    },
    /// Every entry in this cache group of this origin (RFC 9875).
    Group {
        /// The origin, `scheme://authority`.
        origin: String,
        /// The group, case-sensitive.
        group: String,
    },
    /// Every entry whose URL has this authority (host, with port unless it is the default).
    Host(String),
    /// Every entry.
    All,
}

/// What a purge does to what it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurgeMode {
    /// Remove.
    Hard,
    /// Keep, but treat as stale from now on.
    Soft,
}
