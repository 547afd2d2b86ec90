//! The sums kept in table `totals`, beside what the rows add up to.

use super::Finding;
use rusqlite::Connection;

/// The sums that differ from what the rows add up to, as they are at one moment.
pub(crate) fn sums(connection: &Connection) -> rusqlite::Result<Vec<Finding>> {
    let columns = SUMS.map(|(column, _)| format!("(SELECT {column} FROM totals)")).join(", ");
    // One statement is one moment.
    connection.query_row(&format!("SELECT {columns}, {} FROM entry", counts()), [], |row| {
        let mut findings = Vec::new();
        for (at, (column, _)) in SUMS.into_iter().enumerate() {
            let (kept, counted) = (row.get(at)?, row.get(SUMS.len() + at)?);
            if kept != counted {
                findings.push(Finding::Sum { column, kept, counted });
            }
        }
        Ok(findings)
    })
}

/// Makes the sums what the rows add up to.
pub(super) fn put_sums_in_step(connection: &Connection) -> rusqlite::Result<()> {
    let columns = SUMS.map(|(column, _)| column).join(", ");
    connection
        .execute(&format!("UPDATE totals SET ({columns}) = (SELECT {} FROM entry)", counts()), [])
        .map(drop)
}

/// The sums of table `totals`, and what each is over the rows: those of damaged rows may be too large for an integer, and
/// then come to the largest one.
const SUMS: [(&str, &str); 5] = [
    ("entries", "count(*)"),
    ("row_bytes", "CAST(total(stored_len) FILTER (WHERE file IS NULL) AS INTEGER)"),
    ("file_bytes", "CAST(total(stored_len) FILTER (WHERE file IS NOT NULL) AS INTEGER)"),
    ("probation", "count(*) FILTER (WHERE queue = 0)"),
    ("probation_bytes", "CAST(total(stored_len) FILTER (WHERE queue = 0) AS INTEGER)"),
];

fn counts() -> String {
    SUMS.map(|(_, count)| count).join(", ")
}
