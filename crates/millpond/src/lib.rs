//! The millpond facade.
