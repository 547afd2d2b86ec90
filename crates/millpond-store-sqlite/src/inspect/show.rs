//! Everything about the responses stored for a URL.

use super::list::{COLUMNS, Listed, listed};
use super::{InspectError, Inspector};
use crate::rows::key_of;
use millpond_exchange::Key;
use millpond_store::codec::{self, Facts};
use rusqlite::params;

/// A stored response with all that is known of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What the columns of the row tell.
    pub listed: Listed,
    /// The key it is stored under.
    pub key: Key,
    /// Record, head and trailers, or why they cannot be read.
    pub facts: Result<Facts, Unreadable>,
}

/// Why what a row says of its entry cannot be read. The store drops such a row when it meets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Inspector {
    /// Every response stored for `url`, which is in normal form.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn show(&self, url: &str) -> Result<Vec<Shown>, InspectError> {
        self.show_rows(url).map_err(|error| self.failed(error))
    }

    fn show_rows(&self, url: &str) -> rusqlite::Result<Vec<Shown>> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, key, facts FROM entry WHERE url = ?1 ORDER BY key_hash, stored_at DESC, seq"
        ))?;
        let rows = statement.query_map(params![url], |row| {
            let listed = listed(row)?;
            let key: Option<Vec<u8>> = row.get(14)?;
            let facts: Vec<u8> = row.get(15)?;
            Ok((listed, key, facts))
        })?;
        rows.filter_map(|row| {
            row.map(|(listed, key, facts)| {
                let key = key_of(&listed.url, key.as_deref())?;
                let mut facts = codec::decode(&facts).map_err(|error| Unreadable(error.to_string()));
                if let Ok(facts) = &mut facts {
                    facts.record.stale_from = listed.stale_from;
                }
                Some(Shown { listed, key, facts })
            })
            .transpose()
        })
        .collect()
    }
}
