//! Purges as rows that other processes read.
//!
//! What must not live here: what a purge does to what it covers.

use millpond_exchange::{Key, PurgeMode, Selector, Timestamp};
use rusqlite::{Connection, Row};
use std::time::Duration;

/// How many purges are kept for other processes; one that has missed more takes it for a purge of everything.
const KEPT: i64 = 10_000;
/// How long they are kept: other processes look several times a second.
const AGE: Duration = Duration::from_secs(600);
/// Old ones are looked for with every purge the number of which this divides,
const FORGET: i64 = 64;
/// and with every one that takes more than this, bytes.
const LONG: usize = 512;
/// What one takes beside its text, bytes, about.
const ROW: u64 = 64;

/// A purge as another process left it.
pub(crate) struct Foreign {
    pub(crate) number: i64,
    pub(crate) selector: Selector,
    pub(crate) mode: PurgeMode,
    pub(crate) now: Timestamp,
}

/// The number of the newest purge, also where it is no longer kept.
pub(crate) fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'purge'), 0)")?
        .query_row([], |row| row.get(0))
}

/// The purges after number `last`, in order. One of everything where some are gone unseen, or where there are more than
/// this program keeps.
pub(crate) fn since(connection: &Connection, last: i64) -> rusqlite::Result<Vec<Foreign>> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*), coalesce(min(number), 0), coalesce(max(number), 0) FROM purge WHERE number > ?",
    )?;
    let (many, first, end): (i64, i64, i64) =
        statement.query_row([last], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if many == 0 {
        let number = self::newest(connection)?;
        let now = Timestamp::from_millis(0);
        let all = Foreign { number, selector: Selector::All, mode: PurgeMode::Hard, now };
        // Where the numbers were begun anew, those seen tell nothing.
        return Ok(if number == last { Vec::new() } else { vec![all] });
    }
    if first > last.saturating_add(1) || many > KEPT {
        let mut statement = connection.prepare_cached("SELECT at FROM purge WHERE number = ?")?;
        let now = statement.query_row([end], |row| Ok(Timestamp::from_millis(row.get(0)?)))?;
        return Ok(vec![Foreign { number: end, selector: Selector::All, mode: PurgeMode::Hard, now }]);
    }
    let mut statement = connection.prepare_cached(
        "SELECT number, at, soft, kind, origin, value FROM purge WHERE number > ? ORDER BY number",
    )?;
    statement.query_map([last], foreign)?.collect()
}

fn foreign(row: &Row<'_>) -> rusqlite::Result<Foreign> {
    let (kind, origin): (String, Option<String>) = (row.get(3)?, row.get(4)?);
    let value = row.get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default();
    let mode = if row.get(2)? { PurgeMode::Soft } else { PurgeMode::Hard };
    // What this version cannot read might cover anything.
    let selector = selector(&kind, origin, value).unwrap_or(Selector::All);
    Ok(Foreign { number: row.get(0)?, selector, mode, now: Timestamp::from_millis(row.get(1)?) })
}

fn selector(kind: &str, origin: Option<String>, value: Vec<u8>) -> Option<Selector> {
    if kind == "key" {
        return Key::decode(&value).map(Selector::Key);
    }
    let text = String::from_utf8(value).ok()?;
    Some(match kind {
        "url" => Selector::Url(text),
        "prefix" => Selector::Prefix(text),
        "tag" => Selector::Tag { origin, tag: text },
        "group" => Selector::Group { origin: origin?, group: text },
        "host" => Selector::Host(text),
        "all" => Selector::All,
        _ => return None,
    })
}

/// Writes a purge down for other processes, and forgets old ones, so that about `bytes` are kept. Gives its number.
pub(crate) fn announce(
    connection: &Connection,
    selector: &Selector,
    mode: PurgeMode,
    now: Timestamp,
    bytes: u64,
) -> rusqlite::Result<i64> {
    let (kind, origin, value): (&str, Option<&str>, Option<&[u8]>) = match selector {
        Selector::Key(key) => ("key", None, Some(key.as_bytes())),
        Selector::Url(url) => ("url", None, Some(url.as_bytes())),
        Selector::Prefix(prefix) => ("prefix", None, Some(prefix.as_bytes())),
        Selector::Tag { origin, tag } => ("tag", origin.as_deref(), Some(tag.as_bytes())),
        Selector::Group { origin, group } => ("group", Some(origin), Some(group.as_bytes())),
        Selector::Host(host) => ("host", None, Some(host.as_bytes())),
        Selector::All => ("all", None, None),
    };
    let mut insert = connection
        .prepare_cached("INSERT INTO purge (at, soft, kind, origin, value) VALUES (?, ?, ?, ?, ?)")?;
    let number = insert.insert((now.as_millis(), mode == PurgeMode::Soft, kind, origin, value))?;
    // Looking through them costs more than writing one, and few of them take little room.
    if number % FORGET == 0 || value.is_some_and(|value| value.len() > LONG) {
        forget_old(connection, number, now, bytes)?;
    }
    Ok(number)
}

/// Forgets what is old and what is too much, but not the one numbered `newest`: by it others learn that they have missed
/// some.
fn forget_old(connection: &Connection, newest: i64, now: Timestamp, bytes: u64) -> rusqlite::Result<()> {
    let oldest = now.saturating_sub(AGE).as_millis();
    let mut statement = connection.prepare_cached(
        "SELECT number, at, coalesce(length(value), 0) + coalesce(length(origin), 0) FROM purge
         ORDER BY number DESC",
    )?;
    let mut rows = statement.query([])?;
    let (mut sum, mut many) = (0_u64, 0);
    while let Some(row) = rows.next()? {
        let (number, at, length): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        (sum, many) = (sum.saturating_add(length.max(0) as u64 + ROW), many + 1);
        if number < newest && (at < oldest || sum > bytes || many > KEPT) {
            drop(rows);
            connection.prepare_cached("DELETE FROM purge WHERE number <= ?")?.execute([number])?;
            break;
        }
    }
    Ok(())
}
