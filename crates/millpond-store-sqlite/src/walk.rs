//! Going through the rows a purge covers, some at a time and in the order of an index, so that each step goes on where
//! the last one ended.
//!
//! What must not live here: what is done with the rows.

use crate::rows::{self, Place, kind};
use millpond_exchange::Selector;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// Rows found in one step.
const AT_ONCE: usize = 256;
/// Before every number in a column.
const FIRST: Value = Value::Integer(i64::MIN);

/// What is left of a way through the rows that a selector covers: the same ones as [`millpond_store::covers`] says.
pub(crate) struct Walk {
    parts: Vec<Part>,
}

/// Rows that lie together in an index.
struct Part {
    sql: String,
    /// What does not change from step to step.
    fixed: Vec<Value>,
    /// Where the last step ended: the columns of the index that the rows are in order of.
    last: Vec<Value>,
}

impl Walk {
    /// The rows `selector` covers that have this number or a larger one. Those with a label are gone through
    /// altogether: a refresh changes the labels of a row and leaves its number.
    pub(crate) fn of(selector: &Selector, since: i64) -> Self {
        // Two bounds on one column, and SQLite may begin at the wrong one.
        let before = Value::Integer(since.saturating_sub(1));
        let since = Value::Integer(since);
        let text = |text: &str| Value::Text(text.to_owned());
        let parts = match selector {
            Selector::All => vec![Part::new("entry", "1", Vec::new(), &["seq"], vec![before])],
            Selector::Key(key) => {
                let place = Place::of(key);
                let key = place.key.map_or(Value::Null, |key| Value::Blob(key.to_vec()));
                let fixed = vec![Value::Text(place.url), Value::Integer(place.hash), key, since];
                let covered = "url = ? AND key_hash = ? AND key IS ? AND seq >= ?";
                vec![Part::new("entry", covered, fixed, &["seq"], vec![FIRST])]
            }
            Selector::Url(url) => {
                let (fixed, order) = (vec![text(url), since], ["key_hash", "seq"]);
                vec![Part::new("entry", "url = ? AND seq >= ?", fixed, &order, vec![FIRST, FIRST])]
            }
            Selector::Prefix(prefix) => vec![Part::beginning_with(prefix, since)],
            Selector::Host(authority) => rows::host_prefixes(authority)
                .map(|prefix| Part::beginning_with(&prefix, since.clone()))
                .collect(),
            Selector::Tag { origin, tag } => vec![Part::labelled(kind::TAG, origin.as_deref(), tag)],
            Selector::Group { origin, group } => vec![Part::labelled(kind::GROUP, Some(origin), group)],
        };
        Self { parts }
    }

    /// The numbers of the next rows; none at the end.
    pub(crate) fn next(&mut self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        while let Some(part) = self.parts.last_mut() {
            let found = part.next(connection)?;
            if !found.is_empty() {
                return Ok(found);
            }
            self.parts.pop();
        }
        Ok(Vec::new())
    }
}

impl Part {
    fn new(table: &str, covered: &str, fixed: Vec<Value>, order: &[&str], last: Vec<Value>) -> Self {
        let (columns, places) = (order.join(", "), vec!["?"; order.len()].join(", "));
        let sql = format!(
            "SELECT seq, {columns} FROM {table} WHERE {covered} AND ({columns}) > ({places})
             ORDER BY {columns} LIMIT {AT_ONCE}"
        );
        Self { sql, fixed, last }
    }

    /// URLs that begin with `prefix`. Text is compared byte by byte, and no URL has the last of all characters.
    fn beginning_with(prefix: &str, since: Value) -> Self {
        let fixed = vec![Value::Text(format!("{prefix}\u{10ffff}")), since];
        let last = vec![Value::Text(prefix.to_owned()), FIRST, FIRST];
        Self::new("entry", "url < ? AND seq >= ?", fixed, &["url", "key_hash", "seq"], last)
    }

    fn labelled(kind: i64, origin: Option<&str>, name: &str) -> Self {
        let mut fixed = vec![Value::Integer(kind), Value::Text(name.to_owned())];
        let Some(origin) = origin else {
            let last = vec![Value::Text(String::new()), FIRST];
            return Self::new("label", "kind = ? AND name = ?", fixed, &["origin", "seq"], last);
        };
        fixed.push(Value::Text(origin.to_owned()));
        Self::new("label", "kind = ? AND name = ? AND origin = ?", fixed, &["seq"], vec![FIRST])
    }

    fn next(&mut self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(self.fixed.iter().chain(&self.last)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
            for (column, last) in self.last.iter_mut().enumerate() {
                *last = row.get(column + 1)?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::MIGRATIONS;
    use millpond_exchange::Key;
    use rusqlite::StatementStatus;

    /// Rows of one site, each with a tag and a group.
    fn filled(rows: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        let entry =
            "INSERT INTO entry (seq, url, key_hash, variant, id, born, queue, status, stored_at, fresh_until,
            sweep_at, body_len, stored_len, coding, used_at, facts, facts_sum, body_sum)
            VALUES (?1, ?2, ?1, 0, ?1, ?1, 0, 200, 0, 0, 0, 0, 0, 0, 0, x'', 0, 0)";
        let label = "INSERT INTO label (kind, name, origin, seq) VALUES (?1, 'l', 'http://h.test', ?2)";
        for at in 1..=rows {
            connection.execute(entry, (at, format!("http://h.test/{at}"))).unwrap();
            for kind in [kind::TAG, kind::GROUP] {
                connection.execute(label, (kind, at)).unwrap();
            }
        }
        connection
    }

    fn selectors() -> Vec<(Selector, bool)> {
        let origin = "http://h.test".to_owned();
        vec![
            (Selector::All, true),
            (Selector::Prefix("http://h.test/".to_owned()), true),
            (Selector::Host("h.test".to_owned()), true),
            (Selector::Tag { origin: None, tag: "l".to_owned() }, true),
            (Selector::Tag { origin: Some(origin.clone()), tag: "l".to_owned() }, true),
            (Selector::Group { origin, group: "l".to_owned() }, true),
            (Selector::Url("http://h.test/7".to_owned()), false),
            (Selector::Key(Key::get("http://h.test/7").unwrap()), false),
        ]
    }

    #[test]
    fn every_row_is_met_once() {
        let connection = filled(1_000);
        let hash = rows::hash_of(&Key::get("http://h.test/7").unwrap());
        connection.execute("UPDATE entry SET key_hash = ? WHERE seq = 7", [hash]).unwrap();
        for (selector, all) in selectors() {
            let mut walk = Walk::of(&selector, i64::MIN);
            let mut met = Vec::new();
            loop {
                let some = walk.next(&connection).unwrap();
                if some.is_empty() {
                    break;
                }
                met.extend(some);
            }
            met.sort_unstable();
            let wanted: Vec<i64> = if all { (1..=1_000).collect() } else { vec![7] };
            assert_eq!(met, wanted, "{selector:?}");
        }
    }

    #[test]
    fn a_step_costs_the_same_wherever_it_begins() {
        let connection = filled(8_000);
        for (selector, _) in selectors() {
            let mut walk = Walk::of(&selector, i64::MIN);
            let mut most = 0;
            while let Some(part) = walk.parts.last_mut() {
                // What SQLite does for the step, in its own instructions.
                let mut statement = connection.prepare(&part.sql).unwrap();
                let values = params_from_iter(part.fixed.iter().chain(&part.last));
                let mut rows = statement.query(values).unwrap();
                while rows.next().unwrap().is_some() {}
                drop(rows);
                most = most.max(statement.get_status(StatementStatus::VmStep));
                if part.next(&connection).unwrap().is_empty() {
                    walk.parts.pop();
                }
            }
            assert!(most < 30 * AT_ONCE as i32, "{most} instructions for one step of {selector:?}");
        }
    }
}
