//! Going through an index in its order, and looking for each place in the table it belongs to.

use super::{Step, Until, Wrong};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// An index.
pub(super) struct Way {
    index: &'static str,
    table: &'static str,
    /// Its columns, each with what comes before all its values; the number of the row is among them.
    columns: &'static [(&'static str, Least)],
    /// Where SQLite keeps the same once more: after `FROM table`.
    twin: &'static str,
    /// Rows are kept by number, which comes last.
    by_number: bool,
}

#[derive(Clone, Copy)]
enum Least {
    Number,
    Text,
}

use Least::{Number, Text};

/// Every index there is. A table without numbers of rows is itself one.
pub(super) const WAYS: [Way; 6] = [
    Way::of_entry("entry_url", &[("url", Text), ("key_hash", Number), ("seq", Number)]),
    Way::of_entry("entry_queue", &[("queue", Number), ("seq", Number)]),
    Way::of_entry("entry_sweep", &[("sweep_at", Number), ("seq", Number)]),
    Way::of_entry("entry_file", &[("file", Text), ("seq", Number)]),
    Way {
        index: "sqlite_autoindex_label_1",
        table: "label",
        columns: &[("kind", Number), ("name", Text), ("origin", Text), ("seq", Number)],
        twin: "INDEXED BY label_entry",
        by_number: false,
    },
    Way {
        index: OWNED,
        table: "label",
        columns: &[("seq", Number), ("kind", Number), ("name", Text), ("origin", Text)],
        twin: "INDEXED BY sqlite_autoindex_label_1",
        by_number: false,
    },
];

/// The index that begins with the row a label belongs to.
const OWNED: &str = "label_entry";

/// The last place that was looked at; nothing at the beginning.
#[derive(Default)]
pub(super) struct Place(Option<Vec<Value>>);

impl Way {
    const fn of_entry(index: &'static str, columns: &'static [(&'static str, Least)]) -> Self {
        Self { index, table: "entry", columns, twin: "NOT INDEXED", by_number: true }
    }

    /// Whether each place belongs to a row of another table.
    pub(super) fn has_owner(&self) -> bool {
        self.index == OWNED
    }

    /// Looks at the places after `place`; at those in the table as well where `twins` is set. True at the end.
    pub(super) fn look(
        &self,
        connection: &Connection,
        place: &mut Place,
        until: &Until,
        twins: bool,
        step: &mut Step,
    ) -> rusqlite::Result<bool> {
        let mut seen = 0;
        // SQLite does not seek by the number of the row together with other columns in one comparison: first what has
        // the same columns, then what follows.
        if let (true, Some(last)) = (self.by_number, place.0.clone()) {
            let sql = self.select(&format!("{} AND seq > ?", self.equal(self.leading())), "seq");
            if !self.go(connection, &sql, &last, place, &mut seen, (until, twins), step)? {
                return Ok(false);
            }
        }
        let leading = self.leading();
        let names = self.names(leading);
        let sql = self.select(
            &format!("({names}) > ({})", vec!["?"; leading].join(", ")),
            &self.names(self.columns.len()),
        );
        let last = match &place.0 {
            Some(last) => last[..leading].to_vec(),
            None => self.columns[..leading].iter().map(|(_, least)| least.value()).collect(),
        };
        self.go(connection, &sql, &last, place, &mut seen, (until, twins), step)
    }

    #[expect(clippy::too_many_arguments, reason = "one loop of two that share all they have")]
    fn go(
        &self,
        connection: &Connection,
        sql: &str,
        from: &[Value],
        place: &mut Place,
        seen: &mut usize,
        (until, twins): (&Until, bool),
        step: &mut Step,
    ) -> rusqlite::Result<bool> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(from))?;
        while let Some(row) = rows.next()? {
            let values = (0..self.columns.len()).map(|column| row.get(column));
            let values: Vec<Value> = values.collect::<rusqlite::Result<_>>()?;
            if place.0.as_ref().is_some_and(|last| !is_after(&values, last)) {
                let what = format!("the index {} is out of order", self.index);
                step.wrong.push(Wrong::Structure(what));
                return Ok(true);
            }
            if twins && !self.has_twin(connection, &values)? {
                let what = format!("the index {} has a place for what is not in the table", self.index);
                step.wrong.push(Wrong::Structure(what));
                return Ok(true);
            }
            if self.has_owner() {
                step.wrong.extend(orphaned(connection, &values, place)?);
            }
            place.0 = Some(values);
            *seen += 1;
            if until.is_reached(*seen, 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_twin(&self, connection: &Connection, values: &[Value]) -> rusqlite::Result<bool> {
        let (table, twin, equal) = (self.table, self.twin, self.equal(self.columns.len()));
        let sql = format!("SELECT 1 FROM {table} {twin} WHERE {equal}");
        connection.prepare_cached(&sql)?.exists(params_from_iter(values))
    }

    /// How many columns SQLite seeks by in one comparison.
    fn leading(&self) -> usize {
        self.columns.len() - usize::from(self.by_number)
    }

    fn names(&self, many: usize) -> String {
        let names: Vec<&str> = self.columns[..many].iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn equal(&self, many: usize) -> String {
        let terms: Vec<String> = self.columns[..many].iter().map(|(name, _)| format!("{name} = ?")).collect();
        terms.join(" AND ")
    }

    fn select(&self, which: &str, order: &str) -> String {
        let (names, table, index) = (self.names(self.columns.len()), self.table, self.index);
        format!("SELECT {names} FROM {table} INDEXED BY {index} WHERE {which} ORDER BY {order}")
    }
}

impl Least {
    fn value(self) -> Value {
        match self {
            Number => Value::Integer(i64::MIN),
            Text => Value::Text(String::new()),
        }
    }
}

/// The label at `values`, where its row is not there and this is the first of its labels.
fn orphaned(connection: &Connection, values: &[Value], last: &Place) -> rusqlite::Result<Option<Wrong>> {
    let Some(Value::Integer(seq)) = values.first() else {
        return Ok(Some(Wrong::Structure("a label belongs to no number of a row".to_owned())));
    };
    if last.0.as_ref().is_some_and(|last| last.first() == values.first()) {
        return Ok(None);
    }
    let mut owner = connection.prepare_cached("SELECT 1 FROM entry NOT INDEXED WHERE seq = ?")?;
    Ok((!owner.exists([seq])?).then_some(Wrong::Labels { row: *seq }))
}

/// True when `values` come after `last` in the order of an index. Values of other types than ours have no place there.
fn is_after(values: &[Value], last: &[Value]) -> bool {
    for (value, last) in values.iter().zip(last) {
        let order = match (value, last) {
            (Value::Integer(value), Value::Integer(last)) => value.cmp(last),
            (Value::Text(value), Value::Text(last)) => value.as_bytes().cmp(last.as_bytes()),
            _ => return false,
        };
        if order.is_ne() {
            return order.is_gt();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Bounds;
    use crate::schema::MIGRATIONS;
    use rusqlite::StatementStatus;
    use std::time::{Duration, Instant};

    const ROWS: i64 = 4_000;

    fn filled() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        let fill = format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS})
             INSERT INTO entry (seq, url, key_hash, variant, id, born, queue, status, stored_at, fresh_until,
             sweep_at, body_len, stored_len, coding, used_at, facts, facts_sum, body_sum, file)
             SELECT n, 'u', 0, 0, n, n, n % 2, 200, 0, 0, 0, 0, 0, 0, 0, x'', 0, 0, 'f' FROM n;
             INSERT INTO label SELECT 0, 'l', 'o', seq FROM entry"
        );
        connection.execute_batch(&fill).unwrap();
        connection
    }

    fn until(rows: usize) -> Until {
        let bounds = Bounds { rows, bytes: u64::MAX, time: Duration::MAX };
        Until { bounds, since: Instant::now() }
    }

    #[test]
    fn every_place_is_met_once_however_many_are_alike() {
        let connection = filled();
        for way in WAYS {
            let (mut place, mut step, mut steps) = (Place::default(), Step::default(), 1);
            while !way.look(&connection, &mut place, &until(64), true, &mut step).unwrap() {
                steps += 1;
            }
            assert_eq!(step.wrong.len(), 0, "{}", way.index);
            assert_eq!(steps, 1 + ROWS / 64, "{}", way.index);
        }
    }

    #[test]
    fn a_step_begins_where_the_last_one_ended() {
        let connection = filled();
        for way in WAYS {
            let leading = way.leading();
            let mut middle: Vec<Value> = way.columns.iter().map(|(_, least)| least.value()).collect();
            let of_row = way.columns.iter().position(|(name, _)| *name == "seq").unwrap();
            middle[of_row] = Value::Integer(ROWS / 2);
            let names = way.names(leading);
            let places = vec!["?"; leading].join(", ");
            let all = way.names(way.columns.len());
            let mut sqls = vec![(way.select(&format!("({names}) > ({places})"), &all), &middle[..leading])];
            if way.by_number {
                let same = format!("{} AND seq > ?", way.equal(leading));
                sqls.push((way.select(&same, "seq"), &middle[..]));
            }
            for (sql, values) in sqls {
                let mut statement = connection.prepare(&sql).unwrap();
                let mut rows = statement.query(params_from_iter(values)).unwrap();
                let _ = rows.next().unwrap();
                drop(rows);
                let steps = statement.get_status(StatementStatus::VmStep);
                assert!(steps < 100, "{steps} instructions for the first row: {sql}");
            }
        }
    }
}
